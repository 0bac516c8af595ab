/**
 * QoS 0 towards one attached session: pushed at once, never stored, and not part of the state.
 *
 * The session's worker gives credit for what it has taken. While `windowBytes` are on the way,
 * messages wait here, at most SessionInboxSize of them and at most `windowBytes`; then the newest
 * or, with QoS0DropOldest, the oldest is dropped and counted. So a session whose worker is busy
 * costs bounded memory on either side. Scope: one per attached inbox that got QoS 0.
 */

import { RingQueue } from "../../collections/ring-queue.ts";
import { Counter } from "../../metrics/counter-table.ts";
import { Delivery, type DeliveryForm, type StoredMessage } from "./delivery.ts";
import type { Inbox } from "./inbox.ts";
import type { RangeState } from "./range-state.ts";

/** Policy of the tenant at the time of the call; names as in tenant-settings.ts. */
export interface QosZeroLimits {
  readonly SessionInboxSize: number;
  readonly QoS0DropOldest: boolean;
}

export class QosZeroQueue {
  readonly #state: RangeState;
  readonly #inbox: Inbox;
  /** Null until the first message has to wait. */
  #waiting: RingQueue<Delivery> | null = null;
  #waitingBytes = 0;
  #onTheWayBytes = 0;

  constructor(state: RangeState, inbox: Inbox) {
    this.#state = state;
    this.#inbox = inbox;
  }

  get waitingCount(): number {
    return this.#waiting === null ? 0 : this.#waiting.size;
  }

  offer(stored: StoredMessage, form: DeliveryForm, limits: QosZeroLimits, nowMs: number): void {
    if (stored.expiresAtMs <= nowMs) {
      this.#count(Counter.DROPPED_EXPIRED);
      return;
    }
    const delivery = new Delivery(stored, form);
    if (this.waitingCount === 0 && this.#hasRoom) {
      this.#push(delivery);
      return;
    }
    this.#waiting ??= new RingQueue<Delivery>();
    while (this.#isFull(limits)) {
      this.#count(Counter.DROPPED_QUEUE_FULL);
      if (!limits.QoS0DropOldest) return;
      this.#shift(this.#waiting);
    }
    this.#hold(stored, 1);
    this.#waiting.push(delivery);
  }

  /** The session has taken `bytes`. */
  credit(bytes: number, nowMs: number): void {
    this.#onTheWayBytes = Math.max(0, this.#onTheWayBytes - bytes);
    this.pump(nowMs);
  }

  pump(nowMs: number): void {
    const waiting = this.#waiting;
    if (waiting === null) return;
    while (waiting.size > 0 && this.#hasRoom) {
      const delivery = waiting.peek()!;
      if (delivery.stored!.expiresAtMs <= nowMs) this.#count(Counter.DROPPED_EXPIRED);
      else this.#push(delivery);
      this.#shift(waiting);
    }
  }

  /** The attachment is over: at most once means that nothing is kept. */
  clear(): void {
    this.#onTheWayBytes = 0;
    const waiting = this.#waiting;
    if (waiting === null) return;
    while (waiting.size > 0) this.#shift(waiting);
    this.#waiting = null;
  }

  get #hasRoom(): boolean {
    const { thread, windowBytes } = this.#inbox;
    return this.#onTheWayBytes < windowBytes && this.#state.output.canPush(thread);
  }

  #isFull(limits: QosZeroLimits): boolean {
    const count = this.waitingCount;
    if (count === 0) return false;
    return count >= limits.SessionInboxSize || this.#waitingBytes >= this.#inbox.windowBytes;
  }

  #push(delivery: Delivery): void {
    this.#onTheWayBytes += delivery.stored!.footprint;
    this.#state.output.push(this.#inbox, delivery, false);
  }

  #shift(waiting: RingQueue<Delivery>): void {
    this.#hold(waiting.shift()!.stored!, -1);
  }

  #hold({ footprint }: StoredMessage, sign: 1 | -1): void {
    this.#waitingBytes += sign * footprint;
    this.#state.gauges.messages(sign);
    this.#state.gauges.bytes(sign * footprint, sign);
  }

  #count(column: number): void {
    this.#state.counters[column]! += 1;
  }
}
