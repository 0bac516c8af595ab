/**
 * The messages of one inbox on their way out: queue, window, packet identifiers, repetition after a
 * reconnect.
 *
 * ```
 *  offer ─▶ waiting ──window has room──▶ in flight ──PUBREC──▶ past PUBREC ──PUBCOMP──▶ gone
 *           (may expire)                 │  └──PUBACK, PUBREC >= 0x80──────────────────▶ gone
 *                                        │ reconnect
 *                                        └─▶ resend: same identifier, DUP=1, before anything new
 * ```
 *
 * QoS 0 passes beside: pushed at once, kept in a short queue of its own while too much is on the
 * way to the session. Room in the window is counted in exchanges (the client's receive maximum
 * [MQTT-3.3.4-9]) and in bytes, so that large messages to one slow client cannot fill the memory of
 * its worker; one exchange is always allowed. Time is an argument. Thread: the inbox's owner.
 * Scope: one per inbox.
 */

import { RingQueue } from "../collections/ring-queue.ts";
import { Counter } from "../metrics/counter-table.ts";
import type { Message } from "../mqtt/message.ts";
import { Awaiting, OutboundWindow } from "../mqtt/outbound-window.ts";
import { Delivery, type DeliveryForm, type StoredMessage } from "./delivery.ts";
import type { InboxContext, InboxLimits } from "./inbox-context.ts";
import type { PushTarget } from "./inbox-output.ts";
import { InsertStatus } from "./inbox-types.ts";
import { QosZeroQueue } from "./qos-zero-queue.ts";

const PACKET_ID_MAX = 65_535;
/** A queue is searched for expired messages at most once per this time, unless it is full. */
const SWEEP_MS = 60_000;

const byOrder = (left: Delivery, right: Delivery) => left.order - right.order;
const NO_DELIVERIES: readonly Delivery[] = Object.freeze([]);

export class OutboundQueue implements PushTarget {
  thread = 0;
  token = 0;
  readonly #context: InboxContext;
  readonly #waiting = new RingQueue<Delivery>();
  /** In flight when the client came back and not sent again yet. */
  #resend: readonly Delivery[] = NO_DELIVERIES;
  #resendIndex = 0;
  #waitingBytes = 0;
  readonly #qosZero: QosZeroQueue;
  /** Null until the first QoS 1 or 2 push: most stored sessions sleep. */
  #window: OutboundWindow<Delivery> | null = null;
  #receiveMaximum = PACKET_ID_MAX;
  #outstanding = 0;
  #outstandingBytes = 0;
  #lastOrder = 0;
  /** No waiting message expires earlier. */
  #earliestExpiryMs = Number.POSITIVE_INFINITY;

  constructor(context: InboxContext) {
    this.#context = context;
    this.#qosZero = new QosZeroQueue(context, this);
  }

  get isAttached(): boolean {
    return this.thread !== 0;
  }

  /** QoS 1 and 2 messages not yet sent. */
  get waitingCount(): number {
    return this.#waiting.size;
  }

  /** Open exchanges. */
  get inFlightCount(): number {
    return this.#window === null ? 0 : this.#window.count;
  }

  /** When to call `sweep`; Infinity when no waiting message expires. */
  get sweepDueMs(): number {
    return this.#earliestExpiryMs + SWEEP_MS;
  }

  /** Takes a message for this inbox and pushes it when there is room. */
  offer(
    stored: StoredMessage,
    form: DeliveryForm,
    limits: InboxLimits,
    nowMs: number,
  ): InsertStatus {
    if (form.qos === 0) {
      // A detached session stores no QoS 0: MQTT5 §4.1 leaves that to the server.
      if (this.isAttached) this.#qosZero.offer(stored, form, limits, nowMs);
      return InsertStatus.STORED;
    }
    if (!this.#fits(stored, limits) && !this.#makeRoom(stored, limits, nowMs)) {
      this.#context.counters[Counter.DROPPED_QUEUE_FULL]! += 1;
      return InsertStatus.QUOTA;
    }
    this.#context.messages.acquire(stored);
    this.#waiting.push(new Delivery(stored, form));
    this.#waitingBytes += stored.footprint;
    this.#earliestExpiryMs = Math.min(this.#earliestExpiryMs, expiryMs(stored.message));
    this.pump(nowMs);
    return InsertStatus.STORED;
  }

  /**
   * A session attached: everything in flight goes out again under its identifier [MQTT-4.4.0-1],
   * PUBRELs first in the order of their PUBRECs, then messages in the order they were first sent
   * (MQTT5 §4.6), then what waits.
   */
  attach(target: PushTarget, receiveMaximum: number, nowMs: number): void {
    this.detach();
    this.thread = target.thread;
    this.token = target.token;
    this.#receiveMaximum = receiveMaximum;
    const exchanges = this.#exchanges();
    for (const delivery of exchanges) {
      if (delivery.stored !== null) continue;
      this.#becomeOutstanding(delivery);
      this.#context.output.push(this, delivery, false);
    }
    // Also those that came by a shared group: they stay with this member [MQTT-4.8.2-4].
    this.#resend = exchanges.filter((delivery) => delivery.stored !== null);
    this.pump(nowMs);
  }

  /**
   * The connection is gone; what was in flight stays, the window of the next connection starts
   * empty.
   */
  detach(): void {
    this.thread = 0;
    this.token = 0;
    for (const delivery of this.#exchanges()) delivery.isOutstanding = false;
    this.#outstanding = 0;
    this.#outstandingBytes = 0;
    this.#resend = NO_DELIVERIES;
    this.#resendIndex = 0;
    this.#qosZero.clear();
  }

  /** PUBACK, PUBCOMP, or PUBREC >= 0x80: the exchange is over. Unknown identifiers are ignored. */
  acknowledge(packetId: number, nowMs: number): void {
    const delivery = this.#window?.value(packetId) ?? null;
    if (delivery === null) return;
    this.#window!.release(packetId);
    if (delivery.isOutstanding) {
      this.#outstanding -= 1;
      this.#outstandingBytes -= delivery.footprint;
    }
    this.#context.messages.release(delivery);
    this.pump(nowMs);
  }

  /**
   * PUBREC < 0x80: the client owns the message, only the identifier is kept until PUBCOMP
   * [MQTT-4.3.3-4].
   */
  receive(packetId: number, nowMs: number): void {
    if (this.#window?.awaiting(packetId) !== Awaiting.PUBREC) return;
    const delivery = this.#window.value(packetId)!;
    this.#window.put(packetId, delivery, Awaiting.PUBCOMP);
    this.#lastOrder += 1;
    delivery.order = this.#lastOrder;
    if (delivery.isOutstanding) this.#outstandingBytes -= delivery.footprint;
    this.#context.messages.release(delivery);
    this.pump(nowMs);
  }

  /** The session has taken `bytes` of QoS 0. */
  credit(bytes: number, nowMs: number): void {
    this.#qosZero.credit(bytes, nowMs);
  }

  /** The way to the session's worker is free again. */
  resume(nowMs: number): void {
    this.#qosZero.pump(nowMs);
    this.pump(nowMs);
  }

  /** Pushes while the window has room: repetitions first, then waiting messages. */
  pump(nowMs: number): void {
    if (!this.isAttached) return;
    while (this.#resendIndex < this.#resend.length && this.#hasRoom) this.#repeatNext();
    // Nothing new overtakes a repetition: `#hasRoom` is false while one still waits for room.
    while (this.#waiting.size > 0 && this.#hasRoom) this.#sendFirst(nowMs);
    if (this.#waiting.size === 0) this.#earliestExpiryMs = Number.POSITIVE_INFINITY;
  }

  /**
   * Drops waiting messages that have expired; what was sent once never expires [MQTT-4.3.3-7].
   * O(waiting).
   */
  sweep(nowMs: number): void {
    let earliest = Number.POSITIVE_INFINITY;
    for (let remaining = this.#waiting.size; remaining > 0; remaining--) {
      const delivery = this.#waiting.shift()!;
      const message = delivery.stored!.message;
      if (message.isExpired(nowMs)) {
        this.#waitingBytes -= delivery.footprint;
        this.#dropExpired(delivery);
        continue;
      }
      earliest = Math.min(earliest, expiryMs(message));
      this.#waiting.push(delivery);
    }
    this.#earliestExpiryMs = earliest;
  }

  /**
   * The session is over: lets go of everything, and hands the share group's messages that the
   * client never had to `take`, oldest first. A QoS 2 exchange that has begun ends here
   * [MQTT-4.8.2-5].
   */
  end(take: (message: Message, shareFilter: string) => void): void {
    const exchanges = this.#exchanges();
    this.detach();
    for (const delivery of exchanges) {
      if (delivery.qos === 1) this.#handOver(delivery, take);
      this.#window!.release(delivery.packetId);
      this.#context.messages.release(delivery);
    }
    while (this.#waiting.size > 0) {
      const delivery = this.#waiting.shift()!;
      this.#handOver(delivery, take);
      this.#context.messages.release(delivery);
    }
    this.#waitingBytes = 0;
    this.#earliestExpiryMs = Number.POSITIVE_INFINITY;
  }

  get #hasRoom(): boolean {
    if (!this.#context.output.canPush(this.thread)) return false;
    if (this.#outstanding === 0) return true;
    const { windowBytes } = this.#context;
    return this.#outstanding < this.#receiveMaximum && this.#outstandingBytes < windowBytes;
  }

  #repeatNext(): void {
    const delivery = this.#resend[this.#resendIndex]!;
    this.#resendIndex += 1;
    if (this.#resendIndex === this.#resend.length) {
      this.#resend = NO_DELIVERIES;
      this.#resendIndex = 0;
    }
    // Acknowledged without being repeated: the client had it after all.
    if (delivery.stored === null) return;
    this.#becomeOutstanding(delivery);
    this.#context.output.push(this, delivery, true); // [MQTT-3.3.1-1]
  }

  #sendFirst(nowMs: number): void {
    const delivery = this.#waiting.shift()!;
    this.#waitingBytes -= delivery.footprint;
    if (delivery.stored!.message.isExpired(nowMs)) {
      this.#dropExpired(delivery);
      return;
    }
    this.#window ??= new OutboundWindow<Delivery>(PACKET_ID_MAX);
    const awaiting = delivery.qos === 1 ? Awaiting.PUBACK : Awaiting.PUBREC;
    // Room in the window means fewer than 65,535 exchanges, so an identifier is free
    // [MQTT-2.2.1-4].
    delivery.packetId = this.#window.take(delivery, awaiting);
    this.#lastOrder += 1;
    delivery.order = this.#lastOrder;
    this.#becomeOutstanding(delivery);
    this.#context.output.push(this, delivery, false); // [MQTT-4.3.2-2] [MQTT-4.3.3-2]
  }

  #becomeOutstanding(delivery: Delivery): void {
    delivery.isOutstanding = true;
    this.#outstanding += 1;
    this.#outstandingBytes += delivery.footprint;
  }

  /** One message may always wait, however large: packets have a limit of their own. */
  #fits(stored: StoredMessage, limits: InboxLimits): boolean {
    const { budget, messages } = this.#context;
    if (!messages.hasRoom(stored, budget)) return false;
    if (this.#waiting.size === 0) return true;
    if (this.#waiting.size >= limits.SessionInboxSize) return false;
    return this.#waitingBytes + stored.footprint <= budget.sessionBytes;
  }

  #makeRoom(stored: StoredMessage, limits: InboxLimits, nowMs: number): boolean {
    if (nowMs >= this.#earliestExpiryMs) this.sweep(nowMs);
    return this.#fits(stored, limits);
  }

  #dropExpired(delivery: Delivery): void {
    this.#context.counters[Counter.DROPPED_EXPIRED]! += 1;
    this.#context.messages.release(delivery);
  }

  #handOver(delivery: Delivery, take: (message: Message, shareFilter: string) => void): void {
    if (delivery.stored === null || delivery.shareFilter === null) return;
    take(delivery.stored.message, delivery.shareFilter);
  }

  /** Open exchanges by age. Cold: attach, detach, end. */
  #exchanges(): Delivery[] {
    if (this.#window === null || this.#window.count === 0) return [];
    const deliveries = this.#window.entries().map((entry) => entry.value!);
    return deliveries.sort(byOrder);
  }
}

function expiryMs(message: Message): number {
  if (message.expirySeconds < 0) return Number.POSITIVE_INFINITY;
  return message.receivedAtMs + message.expirySeconds * 1000;
}
