/**
 * What one subscriber, or one shared group, has been promised and what it has got: the judge of
 * deliveries.
 *
 *     SUBSCRIBE sent   SUBACK        UNSUBSCRIBE sent   UNSUBACK
 *     ──┼────────────────┼────────────────┼────────────────┼──▶
 *       │◀─ may ────────▶│◀──── must ────▶│◀─── may ──────▶│
 *
 * A message must arrive if it was first sent and acknowledged within "must"; it may arrive if it
 * was first sent before UNSUBACK and last sent after SUBSCRIBE. The end of the session ends all of
 * it.
 */

import { matchesFilter } from "../../src/shared/topic/topic-filter.ts";
import type { MessageKey } from "./event-trace.ts";
import type { Findings, Rule } from "./findings.ts";
import { NEVER, type Stream } from "./stream.ts";

interface Subscription {
  readonly filter: string;
  readonly qos: number;
  readonly askedAt: number;
  grantedAt: number;
  leavingAt: number;
  leftAt: number;
}

/** A PUBLISH as the subscriber saw it. */
export interface Arrival {
  readonly qos: number;
  readonly isDup: boolean;
  readonly packetId: number;
}

/** One stream as this subscriber sees it. */
interface View {
  readonly subscriptions: Subscription[];
  /** By sequence number: how often it was delivered. */
  readonly times: number[];
  /** By sequence number: the identifier of the last delivery. */
  readonly packetIds: number[];
  highest: number;
  /** Everything below is delivered, or owed no more. */
  settledBelow: number;
}

export interface LedgerOptions {
  readonly name: string;
  readonly streams: readonly Stream[];
  readonly findings: Findings;
  /** Of a group: members take turns, so order and repeats at QoS 1 say nothing. */
  readonly isGroup?: boolean;
  /**
   * Part of the broker may fail while the rest goes on: then what is sent again comes behind what
   * was sent after it, and had more luck.
   */
  readonly isPartial?: boolean;
}

export class SubscriptionLedger {
  readonly name: string;
  readonly isGroup: boolean;
  readonly #isPartial: boolean;
  readonly #streams: readonly Stream[];
  readonly #findings: Findings;
  readonly #subscriptions: Subscription[] = [];
  readonly #views = new Map<number, View>();
  /** Known to be missing, and told. */
  readonly #excused = new Set<string>();
  deliveredCount = 0;
  redeliveredCount = 0;

  constructor({ name, streams, findings, isGroup, isPartial }: LedgerOptions) {
    this.name = name;
    this.isGroup = isGroup === true;
    this.#isPartial = isPartial === true;
    this.#streams = streams;
    this.#findings = findings;
  }

  /** SUBSCRIBE is about to be sent. `filter` is the topic filter, without a share name. */
  asked(filter: string, qos: number, tick: number): void {
    const open = this.#open(filter);
    if (open !== undefined) {
      // Asked again because no SUBACK came, or by another member of the group.
      if (open.leavingAt === NEVER) return;
      // No UNSUBACK came; an UNSUBSCRIBE that arrived at all has come before this.
      open.leftAt = tick;
    }
    const later = { grantedAt: NEVER, leavingAt: NEVER, leftAt: NEVER };
    const subscription = { filter, qos, askedAt: tick, ...later };
    this.#subscriptions.push(subscription);
    for (const [id, view] of this.#views) {
      if (matchesFilter(filter, this.#streams[id]!.topic)) view.subscriptions.push(subscription);
    }
  }

  granted(filter: string, tick: number): void {
    const open = this.#open(filter);
    if (open !== undefined && open.grantedAt === NEVER) open.grantedAt = tick;
  }

  /** UNSUBSCRIBE is about to be sent. */
  leaving(filter: string, tick: number): void {
    const open = this.#open(filter);
    if (open !== undefined && open.leavingAt === NEVER) open.leavingAt = tick;
  }

  left(filter: string, tick: number): void {
    const open = this.#open(filter);
    if (open !== undefined) open.leftAt = tick;
  }

  /** The session is about to end: nothing is owed any more, old messages may still be under way. */
  ending(tick: number): void {
    for (const subscription of this.#subscriptions) {
      subscription.leavingAt = Math.min(subscription.leavingAt, tick);
      // Also what is owed already goes with the session.
      subscription.grantedAt = NEVER;
    }
  }

  /** It has ended. */
  ended(tick: number): void {
    for (const subscription of this.#subscriptions) {
      subscription.leftAt = Math.min(subscription.leftAt, tick);
    }
  }

  /** Judges a PUBLISH that the application is given. */
  take(key: MessageKey, arrival: Arrival): void {
    const stream = this.#streams[key.stream];
    const { sequence } = key;
    if (stream === undefined || (stream.sendCount[sequence] ?? 0) === 0) {
      this.#add("stranger", `${this.name} got a message that nobody has sent`, key);
      return;
    }
    const view = this.#view(stream);
    this.#judgeSubscription(stream, key, view, arrival);
    const times = view.times[sequence] ?? 0;
    if (times > 0) this.#judgeRepeat(stream, key, view, arrival);
    else if (sequence < view.highest && this.#isBoundToOrder(stream, sequence, view)) {
      const text = `${this.name} got ${describe(stream, sequence)} after ${view.highest}`;
      this.#add("disorder", text, key);
    }
    view.times[sequence] = times + 1;
    view.packetIds[sequence] = arrival.packetId;
    view.highest = Math.max(view.highest, sequence);
    if (times === 0) this.deliveredCount += 1;
    else this.redeliveredCount += 1;
  }

  /** Messages that it must still get; at most `limit` of them. */
  missing(limit: number): MessageKey[] {
    const missing: MessageKey[] = [];
    for (const stream of this.#streams) {
      const view = this.#view(stream);
      if (view.subscriptions.length === 0) continue;
      let isSettled = true;
      for (let sequence = view.settledBelow; sequence < stream.length; sequence++) {
        const isMissing = (view.times[sequence] ?? 0) === 0 && this.#isOwed(stream, sequence, view);
        if (isMissing) missing.push({ stream: stream.id, sequence });
        if (missing.length >= limit) return missing;
        isSettled &&= !isMissing && this.#isDecided(stream, sequence, view);
        if (isSettled) view.settledBelow = sequence + 1;
      }
    }
    return missing;
  }

  /** Complains about what is missing, once. */
  closeMissing(limit: number): void {
    for (const key of this.missing(limit)) {
      const stream = this.#streams[key.stream]!;
      this.#add("lost", `${this.name} never got ${describe(stream, key.sequence)}`, key);
      this.#excused.add(`${key.stream}.${key.sequence}`);
    }
  }

  #judgeSubscription(stream: Stream, key: MessageKey, view: View, arrival: Arrival): void {
    const { sequence } = key;
    const first = stream.firstSentAt[sequence]!;
    const last = Math.max(stream.lastSentAt[sequence]!, stream.storedAt[sequence]!);
    const fitting = view.subscriptions.filter(
      ({ askedAt, leftAt }) => last > askedAt && first < leftAt,
    );
    if (fitting.length === 0) {
      const text = `${this.name} got ${describe(stream, sequence)} without a subscription`;
      this.#add("stranger", text, key);
    } else if (!fitting.some(({ qos }) => Math.min(qos, stream.qos) === arrival.qos)) {
      const text = `${this.name} got ${describe(stream, sequence)} at QoS ${arrival.qos}`;
      this.#add("stranger", text, key);
    }
  }

  #judgeRepeat(stream: Stream, key: MessageKey, view: View, arrival: Arrival): void {
    const { sequence } = key;
    const what = `${this.name} got ${describe(stream, sequence)}`;
    if (arrival.qos === 2) {
      this.#add("twice", `${what} twice at QoS 2`, key);
      return;
    }
    // What its publisher sends again may be taken for another message.
    if (this.isGroup || stream.sendCount[sequence]! > 1) return;
    if (!arrival.isDup) this.#add("repeated", `${what} again without DUP`, key);
    else if (view.packetIds[sequence] !== arrival.packetId) {
      this.#add("repeated", `${what} again under another identifier`, key);
    }
  }

  #isOwed(stream: Stream, sequence: number, view: View): boolean {
    const first = stream.firstSentAt[sequence]!;
    const stored = stream.storedAt[sequence]!;
    if (stored === NEVER || this.#excused.has(`${stream.id}.${sequence}`)) return false;
    return view.subscriptions.some(
      ({ grantedAt, leavingAt }) => first > grantedAt && stored < leavingAt,
    );
  }

  /**
   * False: the subscription may be younger than the first attempt to publish the message, so that
   * it came with a later one, behind its successors.
   */
  #isBoundToOrder(stream: Stream, sequence: number, view: View): boolean {
    if (this.isGroup || (this.#isPartial && stream.sendCount[sequence]! > 1)) return false;
    const first = stream.firstSentAt[sequence]!;
    const last = stream.lastSentAt[sequence]!;
    return view.subscriptions.some(
      ({ grantedAt, leavingAt }) => first > grantedAt && last < leavingAt,
    );
  }

  /** No later event can make it owed. */
  #isDecided(stream: Stream, sequence: number, view: View): boolean {
    return (view.times[sequence] ?? 0) > 0 || stream.storedAt[sequence] !== NEVER;
  }

  #view(stream: Stream): View {
    let view = this.#views.get(stream.id);
    if (view === undefined) {
      const subscriptions = this.#subscriptions.filter(({ filter }) =>
        matchesFilter(filter, stream.topic),
      );
      view = { subscriptions, times: [], packetIds: [], highest: -1, settledBelow: 0 };
      this.#views.set(stream.id, view);
    }
    return view;
  }

  /** The subscription to this filter that has not ended. */
  #open(filter: string): Subscription | undefined {
    return this.#subscriptions.find((one) => one.filter === filter && one.leftAt === NEVER);
  }

  #add(rule: Rule, text: string, key: MessageKey): void {
    this.#findings.add(rule, text, key, [this.name]);
  }
}

export function describe(stream: Stream, sequence: number): string {
  return `message ${sequence} of ${stream.publisher} to ${stream.topic} (QoS ${stream.qos})`;
}
