/**
 * A subscriber of the crash run, with one of these habits. At rest every one is connected, takes
 * what waits for it, and acknowledges at once.
 */

import type { Prng } from "../../src/shared/base/prng.ts";
import { textOf } from "../helpers/raw-client.ts";
import { CrashClient } from "./crash-client.ts";
import type { CrashWorld } from "./crash-world.ts";
import { keyOf } from "./stream.ts";
import type { SubscriptionLedger } from "./subscription-ledger.ts";

export type Habit =
  /** Connected whenever there is a broker. */
  | "steady"
  /** Comes and goes, with and without DISCONNECT. */
  | "restless"
  /** Away until everything comes to rest. */
  | "absent"
  /** Takes few messages at a time and acknowledges late. */
  | "slow"
  /** Unsubscribes and subscribes again, and begins new sessions. */
  | "fickle";

export interface SubscriberOptions {
  readonly name: string;
  readonly level: 4 | 5;
  readonly habit: Habit;
  readonly receiveMaximum: number;
  readonly filters: readonly SubscribedFilter[];
}

export interface SubscribedFilter {
  /** Without a share name. */
  readonly filter: string;
  readonly qos: 1 | 2;
  /** Its group's ledger is shared with the other members. */
  readonly group?: string;
  readonly ledger: SubscriptionLedger;
}

const YEAR_SECONDS = 31_536_000;
const SLOW_ACK_MS = 15;
const RETRY_MS = 100;

export class Subscriber {
  readonly client: CrashClient;
  readonly #world: CrashWorld;
  readonly #prng: Prng;
  readonly #options: SubscriberOptions;
  /** Filters with a SUBACK in this session. */
  readonly #subscribed = new Set<SubscribedFilter>();
  #isRenewing = false;

  constructor(world: CrashWorld, prng: Prng, options: SubscriberOptions) {
    this.#world = world;
    this.#prng = prng;
    this.#options = options;
    const { name, level, receiveMaximum, filters } = options;
    // One ledger per subscriber, or that of its group.
    const { ledger } = filters[0]!;
    this.client = new CrashClient(world, {
      name,
      level,
      window: 1,
      sessionExpiry: YEAR_SECONDS,
      receiveMaximum: level === 5 ? receiveMaximum : 65_535,
      identify: (packet) => keyOf(textOf(packet.payload)),
      deliver: (key, arrival, packet) => {
        // A stored message, sent again because of a SUBSCRIBE that was repeated.
        if (!packet.retain) ledger.take(key, arrival);
      },
    });
  }

  get isAtRest(): boolean {
    const { filters } = this.#options;
    return (
      this.client.isConnected && this.client.isIdle && this.#subscribed.size === filters.length
    );
  }

  async run(): Promise<void> {
    const world = this.#world;
    while (!world.isOver) {
      if (this.#isAway) await world.pause(1000);
      else if (!this.client.isConnected) await this.#connect();
      else if (!world.isLoad) await this.#rest();
      else await this.#live();
    }
    this.client.destroy();
  }

  /** Absent ones subscribe first, or there would be nothing to keep for them. */
  get #isAway(): boolean {
    const { habit, filters } = this.#options;
    const isComplete = this.#subscribed.size === filters.length;
    return habit === "absent" && this.#world.isLoad && isComplete && !this.client.isConnected;
  }

  async #connect(): Promise<void> {
    const { habit, filters, level } = this.#options;
    const cleanStart = this.#isRenewing;
    // Members share their ledger, so they keep their sessions.
    if (cleanStart) filters[0]!.ledger.ending(this.#world.trace.tick);
    const connack = await this.client.connect({ cleanStart });
    if (connack === null) return;
    if (cleanStart) {
      filters[0]!.ledger.ended(this.#world.trace.tick);
      this.#subscribed.clear();
      this.#isRenewing = false;
      if (level === 4) {
        // This one would end with the connection.
        await this.client.disconnect();
        return;
      }
    }
    this.client.incoming.ackIntervalMs = habit === "slow" && this.#world.isLoad ? SLOW_ACK_MS : 0;
    for (const one of filters) {
      if (!this.#subscribed.has(one)) await this.#subscribe(one);
    }
  }

  async #rest(): Promise<void> {
    this.client.incoming.ackIntervalMs = 0;
    for (const one of this.#options.filters) {
      if (!this.#subscribed.has(one)) await this.#subscribe(one);
    }
    await Promise.race([this.#world.pause(1000), this.client.closed()]);
  }

  async #live(): Promise<void> {
    const { habit } = this.#options;
    if (habit === "slow") this.client.incoming.ackIntervalMs = SLOW_ACK_MS;
    if (habit === "absent") await this.#leave();
    else if (habit === "restless") await this.#comeAndGo();
    else if (habit === "fickle") await this.#change();
    else await Promise.race([this.#world.pause(1000), this.client.closed()]);
  }

  async #comeAndGo(): Promise<void> {
    await Promise.race([this.#world.pause(this.#prng.below(900)), this.client.closed()]);
    await this.#leave();
    await this.#world.pause(this.#prng.below(600));
  }

  async #leave(): Promise<void> {
    if (this.#prng.chance(0.5)) await this.client.disconnect();
    else this.client.destroy();
    await this.client.closed();
  }

  async #change(): Promise<void> {
    await Promise.race([this.#world.pause(this.#prng.below(700)), this.client.closed()]);
    if (!this.client.isConnected || !this.#world.isLoad) return;
    const { filters } = this.#options;
    if (this.#prng.chance(0.2)) {
      this.#isRenewing = true;
      await this.#leave();
      return;
    }
    const one = filters[this.#prng.below(filters.length)]!;
    if (this.#subscribed.has(one)) await this.#unsubscribe(one);
    else await this.#subscribe(one);
  }

  async #subscribe(one: SubscribedFilter): Promise<void> {
    const { ledger, filter, qos, group } = one;
    ledger.asked(filter, qos, this.#world.trace.tick);
    const sent = group === undefined ? filter : `$share/${group}/${filter}`;
    const suback = await this.client.subscribe(sent, qos);
    if (suback === null) return;
    const [code = 0x80] = suback.reasonCodes;
    if (code !== qos) {
      // The store may be away for a moment; who never comes to rest is found out.
      this.#world.trace.note(`${this.client.name} is refused ${sent} with ${code}`);
      await this.#world.pause(RETRY_MS);
      return;
    }
    const tick = this.#world.trace.note(`${this.client.name} is subscribed to ${sent}`);
    this.#subscribed.add(one);
    ledger.granted(filter, tick);
  }

  async #unsubscribe(one: SubscribedFilter): Promise<void> {
    const { ledger, filter } = one;
    const tick = this.#world.trace.note(`${this.client.name} unsubscribes from ${filter}`);
    ledger.leaving(filter, tick);
    this.#subscribed.delete(one);
    if ((await this.client.unsubscribe(filter)) === null) return;
    ledger.left(filter, this.#world.trace.tick);
  }
}
