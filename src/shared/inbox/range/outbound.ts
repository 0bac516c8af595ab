/**
 * The messages of one inbox on their way out: queue, window, packet identifiers, repetition after a
 * reconnect.
 *
 * ```
 *  offer ─▶ waiting ──window has room──▶ in flight ──PUBREC──▶ past PUBREC ──PUBCOMP──▶ gone
 *           (may expire)                 │  └──PUBACK, PUBREC >= 0x80──────────────────▶ gone
 *                                        │ reconnect
 *                                        └─▶ repeat: same identifier, DUP=1, before anything new
 * ```
 *
 * Room in the window is counted in exchanges (the client's receive maximum [MQTT-3.3.4-9]) and in
 * bytes, so that large messages to one slow client cannot fill the memory of its worker; one
 * exchange is always allowed. Whether the way to that worker is free plays no part: identifiers
 * follow from state and commands alone, and what cannot leave yet waits (transmit.ts). So the log,
 * applied again, gives the same identifiers to the same messages.
 */

import { assert } from "../../base/assert.ts";
import { Awaiting, OutboundWindow } from "../../mqtt/outbound-window.ts";
import { DropReason, InsertStatus } from "../inbox-types.ts";
import type { Delivery, StoredMessage } from "./delivery.ts";
import { Changed, type Inbox } from "./inbox.ts";
import { findRepeats, isRepeatDue, wake } from "./inbox-parts.ts";
import type { RangeState } from "./range-state.ts";
import { transmit } from "./transmit.ts";
import { WaitingQueue } from "./waiting-queue.ts";

const PACKET_ID_MAX = 65_535;
/**
 * The front of a full queue is looked at for expired messages at most this often, which costs up to
 * a page of the store. Queues that fill together are not swept together: each waits up to so much
 * longer.
 */
const SWEEP_PAUSE_MS = 500;
const SWEEP_SPREAD_MS = 1000;
/** Longer queues are cleared of expired messages from the front only. */
const SEARCH_MAX = 65_536;
/**
 * A search of the whole queue pays when it takes out a quarter: then each message is read and
 * written anew four times in its life at most. After one that has not paid there is none for this
 * time per message: at some 10 µs for each, all searches of one queue take 1/5,000 of a core.
 */
const SEARCH_PAYS = 1 / 4;
const SEARCH_PAUSE_MS = 50;

const FITS = -1;

/** What decides whether a message may wait. */
export interface OfferLimits {
  /** Messages waiting in the session. */
  readonly sessionInboxSize: number;
  /** Bytes of messages waiting in the session; of its tenant, and of all tenants, in this range. */
  readonly sessionBytes: number;
  readonly tenantBytes: number;
  readonly rangeBytes: number;
}

/** Takes a QoS 1 or 2 message for this inbox and sends it when there is room. */
export function offer(
  state: RangeState,
  inbox: Inbox,
  delivery: Delivery,
  limits: OfferLimits,
  nowMs: number,
): InsertStatus {
  const stored = delivery.stored!;
  let refusal = refusalOf(state, inbox, stored, limits);
  if (refusal !== FITS && maySweep(inbox, nowMs)) {
    sweep(state, inbox, nowMs, () => refusalOf(state, inbox, stored, limits) === FITS);
    refusal = refusalOf(state, inbox, stored, limits);
  }
  if (refusal !== FITS) {
    state.drop(inbox, refusal as DropReason, inbox.nextSequence, nowMs);
    return InsertStatus.QUOTA;
  }
  state.acquire(inbox, stored);
  inbox.queue ??= new WaitingQueue(inbox);
  inbox.queue.push(inbox, delivery);
  inbox.waitingBytes += stored.footprint;
  state.change(inbox, Changed.HEAD);
  if (inbox.isAttached) pump(state, inbox, nowMs);
  if (stored.expiresAtMs < inbox.earliestExpiryMs && inbox.waitingCount > 0) {
    inbox.earliestExpiryMs = stored.expiresAtMs;
    state.schedule(inbox);
  }
  return InsertStatus.STORED;
}

/**
 * A session has attached: everything in flight goes out again under its identifier [MQTT-4.4.0-1],
 * PUBRELs first in the order of their PUBRECs, then messages in the order they were first sent
 * (MQTT5 §4.6), also those that came by a shared group [MQTT-4.8.2-4], then what waits. The inbox
 * is awake.
 */
export function beginWindow(state: RangeState, inbox: Inbox, nowMs: number): void {
  const exchanges = exchangesOf(inbox);
  inbox.outstandingBytes = 0;
  inbox.repeatedOrder = 0;
  inbox.repeatEndOrder = inbox.lastOrder;
  inbox.repeatsLeft = 0;
  for (const delivery of exchanges) {
    if (delivery.stored === null) transmit(state, inbox, delivery);
    else inbox.repeatsLeft += 1;
  }
  findRepeats(inbox, exchanges);
  pump(state, inbox, nowMs);
}

/** The connection is gone; what is in flight stays, the next window starts empty. */
export function endWindow(inbox: Inbox): void {
  inbox.outstandingBytes = 0;
  inbox.repeatsLeft = 0;
  inbox.repeats = null;
  inbox.unsent = null;
}

/** PUBACK, PUBCOMP, or PUBREC >= 0x80: the exchange is over. Unknown identifiers are ignored. */
export function acknowledge(
  state: RangeState,
  inbox: Inbox,
  packetId: number,
  nowMs: number,
): void {
  const delivery = inbox.window?.value(packetId) ?? null;
  if (delivery === null) return;
  if (isRepeatDue(inbox, delivery)) inbox.repeatsLeft -= 1;
  else if (delivery.stored !== null) inbox.outstandingBytes -= delivery.stored.footprint;
  endExchange(state, inbox, delivery);
  pump(state, inbox, nowMs);
}

/**
 * PUBREC < 0x80: the client owns the message, only the identifier is kept until PUBCOMP
 * [MQTT-4.3.3-4].
 */
export function receive(state: RangeState, inbox: Inbox, packetId: number, nowMs: number): void {
  const { window } = inbox;
  if (window?.awaiting(packetId) !== Awaiting.PUBREC) return;
  const delivery = window.value(packetId)!;
  // One that was not sent again yet takes its place in the window with its PUBREL.
  if (isRepeatDue(inbox, delivery)) inbox.repeatsLeft -= 1;
  else inbox.outstandingBytes -= delivery.stored!.footprint;
  window.put(packetId, delivery, Awaiting.PUBCOMP);
  inbox.lastOrder += 1;
  delivery.order = inbox.lastOrder;
  state.release(inbox, delivery);
  changeExchange(state, inbox, delivery);
  pump(state, inbox, nowMs);
}

/** Sends while the window has room: repetitions first, then waiting messages. */
export function pump(state: RangeState, inbox: Inbox, nowMs: number): void {
  if (!inbox.isAttached) return;
  wake(state, inbox);
  // Nothing new overtakes a repetition: there is no room while one still waits for some.
  while (inbox.repeats !== null && inbox.repeats.size > 0 && hasRoom(inbox)) {
    repeatNext(state, inbox);
  }
  while (inbox.waitingCount > 0 && hasRoom(inbox)) sendFirst(state, inbox, nowMs);
  if (inbox.waitingCount === 0 && inbox.earliestExpiryMs !== Number.POSITIVE_INFINITY) {
    inbox.earliestExpiryMs = Number.POSITIVE_INFINITY;
    state.schedule(inbox);
  }
}

/**
 * Drops waiting messages that have expired; what was sent once never expires [MQTT-4.3.3-7]. Those
 * at the front first, and all if they end up there; the whole queue is searched when that is not
 * `enough` and the last search has paid, or is long ago. O(waiting) then.
 */
export function sweep(
  state: RangeState,
  inbox: Inbox,
  nowMs: number,
  enough: () => boolean = () => false,
): void {
  inbox.sweptMs = nowMs;
  state.change(inbox, Changed.HEAD);
  const first = dropExpiredFront(state, inbox, nowMs);
  if (first === null) inbox.earliestExpiryMs = Number.POSITIVE_INFINITY;
  else if (enough() || nowMs < inbox.searchAfterMs || inbox.waitingCount > SEARCH_MAX) {
    // Behind it some may have expired. Who needs their room searches for them.
    inbox.earliestExpiryMs = Math.min(first.expiresAtMs, Math.max(inbox.searchAfterMs, nowMs));
  } else search(state, inbox, nowMs);
  state.schedule(inbox);
}

/** Stores the whole queue anew, without what has expired. */
function search(state: RangeState, inbox: Inbox, nowMs: number): void {
  const { waitingCount } = inbox;
  let earliestMs = Number.POSITIVE_INFINITY;
  inbox.queue!.rewrite(inbox, state, (delivery) => {
    const { expiresAtMs } = delivery.stored!;
    if (expiresAtMs <= nowMs) {
      inbox.waitingBytes -= delivery.stored!.footprint;
      dropExpired(state, inbox, delivery, nowMs);
      return false;
    }
    earliestMs = Math.min(earliestMs, expiresAtMs);
    return true;
  });
  inbox.earliestExpiryMs = earliestMs;
  const hasPaid = inbox.waitingCount <= waitingCount * (1 - SEARCH_PAYS);
  inbox.searchAfterMs = hasPaid ? 0 : nowMs + waitingCount * SEARCH_PAUSE_MS;
}

/** Open exchanges by age. Cold: attach, end. */
export function exchangesOf(inbox: Inbox): Delivery[] {
  if (inbox.window === null || inbox.window.count === 0) return [];
  const deliveries = inbox.window.entries().map((entry) => entry.value!);
  return deliveries.sort((left, right) => left.order - right.order);
}

/** Ends an exchange, whatever its state, and lets go of its message. */
export function endExchange(state: RangeState, inbox: Inbox, delivery: Delivery): void {
  inbox.window!.release(delivery.packetId);
  inbox.exchangeCount -= 1;
  if (delivery.isStored) {
    inbox.endedExchanges ??= [];
    inbox.endedExchanges.push(delivery.packetId);
  }
  delivery.packetId = 0;
  state.release(inbox, delivery);
  state.change(inbox, Changed.EXCHANGES);
}

/** The oldest waiting message; null when none waits. */
export function peekFirst(state: RangeState, inbox: Inbox): Delivery | null {
  if (inbox.waitingCount === 0) return null;
  inbox.queue ??= new WaitingQueue(inbox);
  const delivery = inbox.queue.peek(inbox, state);
  assert(delivery !== null, "what the head counts is there");
  return delivery;
}

/** The same, taken out. It still holds its message. */
export function takeFirst(state: RangeState, inbox: Inbox): Delivery | null {
  const delivery = peekFirst(state, inbox);
  if (delivery === null) return null;
  inbox.queue!.shift(inbox);
  inbox.waitingBytes -= delivery.stored!.footprint;
  return delivery;
}

function hasRoom(inbox: Inbox): boolean {
  const outstanding = inbox.exchangeCount - inbox.repeatsLeft;
  if (outstanding === 0) return true;
  return outstanding < inbox.receiveMaximum && inbox.outstandingBytes < inbox.windowBytes;
}

function repeatNext(state: RangeState, inbox: Inbox): void {
  const delivery = inbox.repeats!.shift()!;
  // Acknowledged without being repeated: the client had it after all.
  if (delivery.packetId === 0 || !isRepeatDue(inbox, delivery)) return;
  inbox.repeatsLeft -= 1;
  inbox.repeatedOrder = delivery.order;
  inbox.outstandingBytes += delivery.stored!.footprint;
  delivery.isRepeat = true;
  state.change(inbox, Changed.HEAD);
  transmit(state, inbox, delivery);
}

function sendFirst(state: RangeState, inbox: Inbox, nowMs: number): void {
  const delivery = takeFirst(state, inbox)!;
  const stored = delivery.stored!;
  state.change(inbox, Changed.HEAD);
  if (stored.expiresAtMs <= nowMs) {
    dropExpired(state, inbox, delivery, nowMs);
    return;
  }
  inbox.window ??= new OutboundWindow<Delivery>(PACKET_ID_MAX);
  const awaiting = delivery.qos === 1 ? Awaiting.PUBACK : Awaiting.PUBREC;
  // Room in the window means fewer than 65,535 exchanges, so an identifier is free [MQTT-2.2.1-4].
  delivery.packetId = inbox.window.takeAfter(inbox.lastPacketId, delivery, awaiting);
  inbox.lastPacketId = delivery.packetId;
  inbox.lastOrder += 1;
  delivery.order = inbox.lastOrder;
  inbox.exchangeCount += 1;
  inbox.outstandingBytes += stored.footprint;
  changeExchange(state, inbox, delivery);
  transmit(state, inbox, delivery); // [MQTT-4.3.2-2] [MQTT-4.3.3-2]
}

function changeExchange(state: RangeState, inbox: Inbox, delivery: Delivery): void {
  inbox.changedExchanges ??= [];
  inbox.changedExchanges.push(delivery);
  state.change(inbox, Changed.EXCHANGES);
}

/**
 * FITS, or why not. One message may always wait, however large: packets have a limit of their own.
 */
function refusalOf(
  state: RangeState,
  inbox: Inbox,
  stored: StoredMessage,
  limits: OfferLimits,
): number {
  const { footprint } = stored;
  if (stored.references === 0) {
    if (state.heldBytes + footprint > limits.rangeBytes) return DropReason.PROCESS_BYTES;
    if (inbox.tenant.bytes + footprint > limits.tenantBytes) return DropReason.TENANT_BYTES;
  }
  const waiting = inbox.waitingCount;
  if (waiting === 0) return FITS;
  if (waiting >= limits.sessionInboxSize) return DropReason.QUEUE_FULL;
  const isOver = inbox.waitingBytes + footprint > limits.sessionBytes;
  return isOver ? DropReason.SESSION_BYTES : FITS;
}

function maySweep(inbox: Inbox, nowMs: number): boolean {
  const pauseMs = SWEEP_PAUSE_MS + (inbox.id % SWEEP_SPREAD_MS);
  return nowMs >= inbox.earliestExpiryMs && nowMs >= inbox.sweptMs + pauseMs;
}

/** Returns the message that is first then; null when none waits. */
function dropExpiredFront(state: RangeState, inbox: Inbox, nowMs: number): StoredMessage | null {
  while (inbox.waitingCount > 0) {
    inbox.queue ??= new WaitingQueue(inbox);
    const first = inbox.queue.peek(inbox, state)?.stored ?? null;
    if (first === null || first.expiresAtMs > nowMs) return first;
    dropExpired(state, inbox, takeFirst(state, inbox)!, nowMs);
  }
  return null;
}

/** It has been taken out of the queue. */
function dropExpired(state: RangeState, inbox: Inbox, delivery: Delivery, nowMs: number): void {
  state.drop(inbox, DropReason.EXPIRED, inbox.firstSequence - 1, nowMs);
  state.release(inbox, delivery);
}
