/**
 * Publishes to whoever is matched, and writes down for whom it was acknowledged. Messages are
 * numbered in the order in which they are sent, which is the order that subscribers must see.
 */

import { DistRange, type RouteRecord } from "../../../../src/shared/dist/dist-range.ts";
import { type InboxReceiver, InsertStatus } from "../../../../src/shared/inbox/inbox-types.ts";
import type { Message } from "../../../../src/shared/mqtt/message.ts";
import type { PublishOrigin } from "../../../../src/shared/mqtt/publish-origin.ts";
import { compareKeys } from "../../../../src/shared/range/range-descriptor.ts";
import { ServiceId } from "../../../../src/shared/range/service-id.ts";
import { message } from "../../../helpers/service-workers.ts";
import type { SimRandom } from "../../kernel/sim-random.ts";
import type { FrontDesk } from "../gateway/front-desk.ts";
import type { Reign } from "../gateway/gateway.ts";
import { InsertCommand } from "../gateway/gateway-command.ts";
import { demand } from "../range-invariants.ts";
import type { RangeWorld } from "../range-world.ts";

export const TENANTS = ["t", "u"];
/** All publishers without a session: they are one, as they never repeat. */
const ANYBODY = "anybody";
/** One filter is too long to be a key. */
const LONG_FILTER_SIZE = 1900;
/** Queues of that size never fill. */
const ROOMY = 100_000;
const NO_LIMITS = {
  sessionBytes: Number.MAX_SAFE_INTEGER,
  tenantBytes: Number.MAX_SAFE_INTEGER,
  rangeBytes: Number.MAX_SAFE_INTEGER,
};

/** A message of the application; its payload begins with its number and its publisher. */
export interface NumberedMessage {
  readonly number: number;
  readonly topic: string;
  readonly message: Message;
  readonly expiresAtMs: number;
  /**
   * Incarnations that were matched when it came first, and had room for it: who subscribes later
   * is promised nothing.
   */
  readonly entitled: Set<number>;
  distributions: number;
}

/** A session that publishes, on one connection. */
export interface Sender {
  /** What the publish is recognised by when it comes again. */
  readonly origin: PublishOrigin;
  /** Whoever had taken the publish is no more, and what was waiting to be sent on is not either. */
  isGone(): boolean;
}

/** Topics and filters are the same. */
export function topicName(number: number): string {
  return `topic ${number}`.padEnd(number === 3 ? LONG_FILTER_SIZE : 0, "x");
}
const EXPIRIES = [1, 3, 20, 10_000];

export class Publisher {
  readonly #world: RangeWorld;
  readonly #desk: FrontDesk;
  readonly #random: SimRandom;
  /** By number, of those that may be sent again: for whom they were at first. */
  readonly #entitled = new Map<number, ReadonlySet<number>>();
  /** By number: got lost on their way into a range, and are sent again. */
  readonly #straying = new Set<number>();
  #lastNumber = 0;
  promisedCount = 0;

  constructor(world: RangeWorld, desk: FrontDesk, random: SimRandom) {
    this.#world = world;
    this.#desk = desk;
    this.#random = random;
  }

  get publishedCount(): number {
    return this.#lastNumber;
  }

  /** Somebody without a stored session publishes, and does not repeat what gets lost. */
  publish(): void {
    if (this.#desk.gateway.isCongested) return;
    const random = this.#random;
    const { profile } = this.#world;
    const tenantId = random.pick(TENANTS);
    const topic = topicName(random.below(profile.topicCount));
    for (let left = 1 + random.below(profile.burstMax); left > 0; left -= 1) {
      const application = this.make(ANYBODY, tenantId, topic, random.pick([1, 2, 2]));
      if (!this.distribute(application, null, () => {})) return;
    }
  }

  /**
   * A repeat may reach who has subscribed since the message came first: such a session gets it out
   * of order. And when a range's leader dies, but not the node that the publisher is connected to,
   * what waits there behind a message that got lost overtakes its repeat.
   */
  isInOrder(number: number, incarnation: number): boolean {
    if (this.#straying.has(number) && this.#world.nodes.length > 1) return false;
    return this.#entitled.get(number)?.has(incarnation) ?? true;
  }

  /** A message that nobody has sent yet. */
  make(publisher: string, tenantId: string, topic: string, qos: number): NumberedMessage {
    const random = this.#random;
    const { profile } = this.#world;
    this.#lastNumber += 1;
    const number = this.#lastNumber;
    const size = profile.payloadMin + random.below(profile.payloadMax - profile.payloadMin + 1);
    const isExpiring = random.chance(profile.expiringShare);
    const expirySeconds = isExpiring ? random.pick(EXPIRIES) : -1;
    const receivedAtMs = this.#world.wallMs();
    const payload = `${number}:${publisher}:`.padEnd(size, ".");
    const fields = { tenantId, topic, payload, qos, expirySeconds, receivedAtMs };
    const expiresAtMs = isExpiring ? receivedAtMs + expirySeconds * 1000 : Number.POSITIVE_INFINITY;
    const sent = message(fields);
    const entitled = new Set<number>();
    if (publisher !== ANYBODY) this.#entitled.set(number, entitled);
    return { number, topic, message: sent, expiresAtMs, entitled, distributions: 0 };
  }

  /**
   * Hands it to all who are matched now; `settled` tells whether all have answered. False: nobody
   * can say who is matched.
   */
  distribute(
    application: NumberedMessage,
    sender: Sender | null,
    settled: (isAnswered: boolean) => void,
  ): boolean {
    const { topic, message: sent } = application;
    const routes = this.#match(sent.tenantId, topic);
    if (routes === null) return false;
    for (const session of this.#world.sessions) {
      if (session.tenantId === sent.tenantId) this.#checkMatched(session, topic, routes);
    }
    if (application.distributions === 0) {
      for (const { route } of routes.values()) application.entitled.add(route.incarnation);
    }
    application.distributions += 1;
    if (routes.size === 0) settled(true);
    else this.#insert(application, sender, [...routes.values()], settled);
    return true;
  }

  /** By client; null when not every route is known to somebody who serves. */
  #match(tenantId: string, filter: string): Map<string, RouteRecord> | null {
    const reigns = [...this.#desk.gateway.reigns()].filter(({ hosted }) => {
      return hosted.descriptor.service === ServiceId.DIST;
    });
    if (!isWhole(reigns)) return null;
    const matched = new Map<string, RouteRecord>();
    for (const { node, hosted } of reigns) {
      const { machine } = hosted;
      for (const record of node.tap?.index.values() ?? []) {
        const { route } = record;
        if (route.filter !== filter || route.tenantId !== tenantId) continue;
        if (machine instanceof DistRange && machine.holds(route)) {
          matched.set(route.clientId, record);
        }
      }
    }
    return matched;
  }

  #checkMatched(
    session: RangeWorld["sessions"][number],
    filter: string,
    routes: ReadonlyMap<string, RouteRecord>,
  ): void {
    const { life, clientId } = session;
    if (life === null || !life.matched.has(filter) || life.mayBeEnded) return;
    if (life.mayHaveExpired(this.#world.latestWallMs())) return;
    const incarnation = routes.get(clientId)?.route.incarnation ?? 0;
    demand(incarnation === life.incarnation, "route", () => {
      const found = incarnation === 0 ? "nothing" : `session ${incarnation}`;
      return `${life.name}: "${filter.slice(0, 9)}" finds ${found}, not session ${life.incarnation}`;
    });
  }

  #insert(
    application: NumberedMessage,
    sender: Sender | null,
    records: readonly RouteRecord[],
    settled: (isAnswered: boolean) => void,
  ): void {
    const { message: sent } = application;
    const { profile } = this.#world;
    const receivers = records.map(({ route, options }) => ({
      incarnation: route.incarnation,
      qos: Math.min(sent.qos, options.qos),
      retain: false,
      subscriptionIdentifiers: [],
      shareFilter: null,
    }));
    let left = receivers.length;
    let isAnswered = true;
    const settle = (count: number, areAnswered: boolean) => {
      left -= count;
      isAnswered &&= areAnswered;
      if (!areAnswered) this.#straying.add(application.number);
      if (left === 0) settled(isAnswered);
    };
    const insertion = {
      message: sent,
      origin: sender?.origin ?? null,
      isOver: () => sender?.isGone() === true,
      limits: { ...NO_LIMITS, sessionInboxSize: profile.sessionInboxSize },
      ask: (asked: readonly InboxReceiver[]) => {
        return this.#desk.ask((statuses) => {
          asked.forEach(({ incarnation }, at) => {
            this.#note(incarnation, statuses[at]!, application);
          });
          settle(asked.length, true);
        });
      },
      lost: (lost: readonly InboxReceiver[]) => {
        for (const { incarnation } of lost) {
          const life = this.#desk.lives.get(incarnation);
          if (life !== undefined) life.perhapsRefused += 1;
          if (profile.sessionInboxSize < ROOMY) application.entitled.delete(incarnation);
        }
        settle(lost.length, false);
      },
    };
    const sequence = this.#desk.gateway.nextSequence();
    this.#desk.gateway.add(new InsertCommand(sequence, insertion, receivers));
  }

  #note(incarnation: number, status: number, promised: NumberedMessage): void {
    const life = this.#desk.lives.get(incarnation);
    if (life === undefined) return;
    if (status === InsertStatus.STORED) {
      if (!promised.entitled.has(incarnation)) return;
      life.promised.set(promised.number, promised);
      this.promisedCount += 1;
    } else if (status === InsertStatus.QUOTA) {
      life.refused += 1;
      // Should it come again and find room, it is behind what came meanwhile.
      promised.entitled.delete(incarnation);
    } else if (status === InsertStatus.NO_INBOX) {
      const mayBeOver =
        this.#desk.endedLives.has(life) ||
        life.mayBeEnded ||
        life.mayHaveExpired(this.#world.latestWallMs());
      demand(mayBeOver, "session", () => `${life.name}: session ${incarnation} takes no messages`);
    }
  }
}

/** Do the ranges cover all keys, without a gap? */
function isWhole(reigns: readonly Reign[]): boolean {
  const bounds = reigns.map(({ hosted }) => hosted.descriptor);
  bounds.sort((left, right) => compareKeys(left.start, right.start));
  let end: Uint8Array | null = new Uint8Array(0);
  for (const descriptor of bounds) {
    if (end === null || compareKeys(end, descriptor.start) !== 0) return false;
    end = descriptor.end;
  }
  return end === null && bounds.length > 0;
}
