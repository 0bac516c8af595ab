/**
 * A client of the crash run that comes with a will, and goes in every way there is: with
 * DISCONNECT, with a DISCONNECT that asks for the will, without a word, or with the broker. Then it
 * stays away for a shorter or a longer time than its will waits.
 */

import type { Prng } from "../../src/shared/base/prng.ts";
import * as packets from "../helpers/packets.ts";
import { CrashClient } from "./crash-client.ts";
import type { CrashWorld } from "./crash-world.ts";
import type { WillLedger } from "./will-ledger.ts";

export const WILL_TOPIC = "will";

export interface WillOwnerOptions {
  readonly name: string;
  readonly level: 4 | 5;
  /** Seconds: of the will, of the session. */
  readonly delay: number;
  readonly sessionExpiry: number;
}

const DISCONNECT_WITH_WILL = 0x04;
const HELD_MAX_MS = 700;
const SHORT_ABSENCE_MS = 300;
const LONG_ABSENCE_MS = 2_500;
/** As in the ledger: two processes, one busy machine. */
const MARGIN_MS = 500;

export class WillOwner {
  readonly #world: CrashWorld;
  readonly #prng: Prng;
  readonly #ledger: WillLedger;
  readonly #options: WillOwnerOptions;
  readonly #client: CrashClient;
  /** Of the last connection that had one; -1 = none. */
  #number = -1;
  /** By the world's `liveMs`; `#lastHeardMs` by its `nowMs`. */
  #lostMs = Number.NEGATIVE_INFINITY;
  #lastHeardMs = Number.NEGATIVE_INFINITY;

  constructor(world: CrashWorld, prng: Prng, ledger: WillLedger, options: WillOwnerOptions) {
    this.#world = world;
    this.#prng = prng;
    this.#ledger = ledger;
    this.#options = options;
    const { name, level, sessionExpiry } = options;
    const silence = { receiveMaximum: 10, identify: () => null, deliver: () => {} };
    this.#client = new CrashClient(world, { name, level, sessionExpiry, window: 1, ...silence });
  }

  async run(): Promise<void> {
    const world = this.#world;
    while (!world.isOver) {
      if (!world.isLoad) await world.pause(1000);
      else if (world.port === 0) await world.pause(20);
      else await this.#live();
    }
    this.#client.destroy();
  }

  /** One connection and the absence after it. */
  async #live(): Promise<void> {
    if (!(await this.#connect())) return;
    await Promise.race([this.#client.closed(), this.#world.pause(this.#prng.below(HELD_MAX_MS))]);
    const way = this.#prng.fraction();
    // A phase that ends finds all of them gone, and their wills due.
    if (way < 0.3 && this.#world.isLoad && this.#client.isConnected) {
      this.#ledger.withdrawing(this.#number);
      await this.#client.disconnect();
    } else if (way < 0.45 && this.#options.level === 5 && this.#client.isConnected) {
      await this.#client.disconnect(DISCONNECT_WITH_WILL);
    } else {
      this.#client.destroy();
    }
    await this.#client.closed();
    this.#lostMs = this.#world.liveMs();
    this.#lastHeardMs = this.#client.lastHeardMs;
    this.#ledger.lost(this.#number, this.#lastHeardMs);
    const isShort = this.#prng.chance(0.5);
    const longMs = this.#effectiveDelay() * 1000 + LONG_ABSENCE_MS;
    await this.#world.pause(isShort ? this.#prng.below(SHORT_ABSENCE_MS) : longMs);
  }

  async #connect(): Promise<boolean> {
    const { name, level, delay } = this.#options;
    const client = this.#client;
    const number = this.#ledger.announced(name, this.#effectiveDelay());
    const fields = { topic: `${WILL_TOPIC}/${name}`, payload: String(number), qos: 2 };
    const properties = level === 5 ? [packets.property.willDelay(delay)] : [];
    const isNew = client.session.stored === "none";
    const sentMs = this.#world.liveMs();
    const expected = () => (isNew ? "absent" : this.#expected(sentMs));
    const connack = await client.tryConnect({ will: { ...fields, properties }, expected });
    if (connack !== null) {
      if (this.#number >= 0) this.#ledger.back(this.#number);
      this.#ledger.accepted(number);
      this.#number = number;
      return true;
    }
    if (!client.hasAsked) return false;
    // Whether it was taken up is not known; if it was, the broker lost it no later than now.
    this.#ledger.unanswered(number);
    if (this.#number >= 0) this.#ledger.overtaken(this.#number);
    this.#number = -1;
    this.#lostMs = this.#world.liveMs();
    return false;
  }

  /** A session that ends publishes its will. */
  #effectiveDelay(): number {
    return Math.min(this.#options.delay, this.#options.sessionExpiry);
  }

  /** Of session present, for a CONNECT sent at `sentMs` (by `liveMs`) and answered now. */
  #expected(sentMs: number): "present" | "absent" | "either" {
    const expiryMs = this.#options.sessionExpiry * 1000;
    const noticedMs = Math.max(this.#lostMs, this.#world.readySinceMs);
    if (this.#world.nowMs() < this.#lastHeardMs + expiryMs - MARGIN_MS) return "present";
    return sentMs > noticedMs + expiryMs + MARGIN_MS ? "absent" : "either";
  }
}
