/**
 * QoS 0 towards one attached session: pushed at once, and never stored for a detached one.
 *
 * The session's worker gives credit for what it has taken. While `windowBytes` are on the way,
 * messages wait here, at most SessionInboxSize of them and at most `windowBytes`; then the newest
 * or, with QoS0DropOldest, the oldest is dropped and counted. So a session whose worker is busy
 * costs bounded memory on either side.
 * Thread: the inbox's owner. Scope: one per inbox.
 */

import { RingQueue } from "../collections/ring-queue.ts";
import { Counter } from "../metrics/counter-table.ts";
import { Delivery, type DeliveryForm, emptyDelivery, type StoredMessage } from "./delivery.ts";
import type { InboxContext, InboxLimits } from "./inbox-context.ts";
import type { PushTarget } from "./inbox-output.ts";

// Pushed and forgotten within one call, so one per thread is enough.
const passing = emptyDelivery();

export class QosZeroQueue {
  readonly #context: InboxContext;
  readonly #target: PushTarget;
  /** Null until the first message has to wait. */
  #waiting: RingQueue<Delivery> | null = null;
  #waitingBytes = 0;
  #onTheWayBytes = 0;

  constructor(context: InboxContext, target: PushTarget) {
    this.#context = context;
    this.#target = target;
  }

  get waitingCount(): number {
    return this.#waiting === null ? 0 : this.#waiting.size;
  }

  offer(stored: StoredMessage, form: DeliveryForm, limits: InboxLimits, nowMs: number): void {
    if (stored.message.isExpired(nowMs)) {
      this.#context.counters[Counter.DROPPED_EXPIRED]! += 1;
      return;
    }
    if (this.waitingCount === 0 && this.#hasRoom) {
      passing.stored = stored;
      passing.retain = form.retain;
      passing.subscriptionIdentifiers = form.subscriptionIdentifiers;
      this.#push(passing);
      passing.stored = null;
      return;
    }
    this.#waiting ??= new RingQueue<Delivery>();
    while (this.#isFull(limits)) {
      this.#context.counters[Counter.DROPPED_QUEUE_FULL]! += 1;
      if (!limits.QoS0DropOldest) return;
      this.#shift(this.#waiting);
    }
    this.#context.messages.acquire(stored);
    this.#waiting.push(new Delivery(stored, form));
    this.#waitingBytes += stored.footprint;
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
      if (delivery.stored!.message.isExpired(nowMs)) {
        this.#context.counters[Counter.DROPPED_EXPIRED]! += 1;
      } else {
        this.#push(delivery);
      }
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
    const { output, windowBytes } = this.#context;
    return this.#onTheWayBytes < windowBytes && output.canPush(this.#target.thread);
  }

  #isFull(limits: InboxLimits): boolean {
    const count = this.waitingCount;
    if (count === 0) return false;
    return count >= limits.SessionInboxSize || this.#waitingBytes >= this.#context.windowBytes;
  }

  #push(delivery: Delivery): void {
    this.#onTheWayBytes += delivery.footprint;
    this.#context.output.push(this.#target, delivery, false);
  }

  #shift(waiting: RingQueue<Delivery>): void {
    const delivery = waiting.shift()!;
    this.#waitingBytes -= delivery.footprint;
    this.#context.messages.release(delivery);
  }
}
