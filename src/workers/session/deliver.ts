/**
 * Messages to one client: QoS 0 straight into the output, QoS 1 and 2 through the window, what
 * finds no room into the session's queue (transient sessions) or left in the inbox, which keeps the
 * window itself (persistent sessions).
 *
 * A client that does not read: above the connection's, the tenant's or the process's byte budget
 * QoS 0 is dropped and counted, QoS 1 and 2 wait. It is closed when nothing moves for
 * `stalledTimeoutMs` (deadlines.ts). Flow: publish 7/8. Thread: worker. Hot: allocates nothing per
 * QoS 0 delivery, nothing per QoS 1 and 2 delivery that finds room and belongs to no shared group.
 */

import { Counter } from "../../shared/metrics/counter-table.ts";
import {
  AliasForm,
  encodedPublish,
  NO_SUBSCRIPTION_IDENTIFIERS,
  publishVariant,
  writePublish,
} from "../../shared/mqtt/encode-publish.ts";
import {
  publishFirstByte,
  recordPublishSize,
  writeRecordPublish,
} from "../../shared/mqtt/encode-record.ts";
import type { Message } from "../../shared/mqtt/message.ts";
import { Awaiting, OutboundWindow } from "../../shared/mqtt/outbound-window.ts";
import { PacketType } from "../../shared/mqtt/packet-type.ts";
import { ReasonCode } from "../../shared/mqtt/reason-code.ts";
import type { BorrowedPublish } from "../dist/borrowed-publish.ts";
import type { PublishRun } from "../dist/publish-run.ts";
import type { Subscription } from "../dist/subscription.ts";
import type { InboxPush } from "../inbox/inbox-api.ts";
import { CHUNK_SIZE_MAX } from "../mqtt/output-pool.ts";
import { countOutput, isOverBudget, noteOverMark } from "./output-budget.ts";
import { countSent, sendAck } from "./send.ts";
import type { Session } from "./session.ts";
import { Phase } from "./session-state.ts";
import { isTraced, traceDelivery, traceDropped, traceSent } from "./trace.ts";
import { canWait, pushWaiting, shiftWaiting } from "./waiting-queue.ts";

/**
 * One QoS 1 or 2 message for one session, where more than the window's state must be remembered.
 */
export interface Delivery {
  readonly message: Message;
  readonly qos: number;
  readonly retain: boolean;
  readonly identifiers: readonly number[] | null;
  /** The shared subscription it was chosen for; null otherwise. */
  readonly share: Subscription | null;
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Bytes: output beyond goes to the kernel before the end of the cycle. It is as much as leaves in
 * one write anyway; sent at once it is still in the processor's cache, and 64 messages of 4 KiB to
 * 500 clients need one chunk at a time and not 125 MiB of them.
 */
const BURST_SIZE = CHUNK_SIZE_MAX;
/**
 * Bytes: a run of packets that made output so large leaves at once. It is one write now or later,
 * and now the chunk is in the cache and the next client's run finds it free.
 */
const RUN_SIZE = 8_192;

/**
 * A matched publish for a transient session. Called by fan-out; must not end the session (it may be
 * in a loop).
 */
// biome-ignore lint/complexity/useMaxParams: one call per delivery; an object for the arguments would be one too.
export function deliver(
  session: Session,
  publish: BorrowedPublish,
  qos: number,
  retain: boolean,
  identifiers: readonly number[] | null,
  share: Subscription | null,
): void {
  // Never one of a shared group: its memberships have ended with it, and nobody picks it any more.
  if (session.phase !== Phase.ACTIVE) return;
  if (qos === 0) {
    deliverQos0(session, publish, retain, identifiers);
    if (share !== null) session.context.members.finish(share.memberSlot);
    return;
  }
  if (isPlain(session, identifiers, share) && deliverBorrowed(session, publish, qos, retain))
    return;
  const delivery = { message: publish.own(), qos, retain, identifiers, share };
  const window = openWindow(session);
  if (window === null) enqueue(session, delivery);
  else sendNew(session, window, delivery);
}

/**
 * Several QoS 0 publishes in one piece; see LocalReceiver.deliverRun. They came in one read, so
 * they exceed the budget by less than one write.
 */
export function deliverRun(session: Session, run: PublishRun): boolean {
  if (session.phase !== Phase.ACTIVE) return true;
  if (session.isV5 !== run.isV5 || session.outboundAliases !== null) return false;
  const limit = session.maximumPacketSize;
  if ((limit !== 0 && run.largestSize > limit) || isOverBudget(session)) return false;
  writePackets(session, run.packets, run.count, run.payloadBytes);
  return true;
}

/**
 * `count` finished QoS 0 packets that are the same for every client, for a session without a limit
 * on their size. At most a write or two together, or else one packet: the budget is looked at once.
 */
export function deliverPackets(
  session: Session,
  packets: Uint8Array,
  count: number,
  payloadBytes: number,
): void {
  if (session.phase !== Phase.ACTIVE || count === 0) return;
  if (!isOverBudget(session)) {
    writePackets(session, packets, count, payloadBytes);
    return;
  }
  noteOverMark(session);
  for (let left = count; left > 0; left -= 1) drop(session, Counter.DROPPED_SLOW_CONSUMER);
}

function writePackets(
  session: Session,
  packets: Uint8Array,
  count: number,
  payloadBytes: number,
): void {
  const { output } = session.transport;
  if (output.size + packets.length > BURST_SIZE) flushBurst(session);
  const at = output.reserve(packets.length);
  output.bytes.set(packets, at);
  if (output.size >= RUN_SIZE) flushBurst(session);
  countPublishes(session, count, payloadBytes, packets.length);
}

/** True when the packet is the same for all sessions of this protocol, but for its identifier. */
function isPlain(
  session: Session,
  identifiers: readonly number[] | null,
  share: Subscription | null,
): boolean {
  const isAlike = share === null && identifiers === null && session.outboundAliases === null;
  return isAlike && session.resends === null;
}

/**
 * The session's window if a message may leave now; null when it has to wait [MQTT-4.9.0-1]
 * [MQTT-4.9.0-2]. Nothing but QoS 1 and 2 publishes asks [MQTT-3.3.4-10] [MQTT-4.9.0-3].
 */
function openWindow(session: Session): OutboundWindow<Delivery | null> | null {
  if (session.queue !== null && session.queue.size > 0) return null;
  if (isOverBudget(session)) return null;
  session.window ??= new OutboundWindow(session.receiveMaximum);
  return session.window.isFull ? null : session.window;
}

/**
 * QoS 1 and 2 without a copy of the message: nothing of it is needed again. False: it has to wait.
 */
function deliverBorrowed(
  session: Session,
  publish: BorrowedPublish,
  qos: number,
  retain: boolean,
): boolean {
  const window = openWindow(session);
  if (window === null) return false;
  const isV5 = session.isV5;
  const packet = publish.packet(isV5, qos, retain);
  const size = packet.length;
  if (session.maximumPacketSize !== 0 && size > session.maximumPacketSize) {
    drop(session, Counter.DROPPED_TOO_LARGE);
    return true;
  }
  const packetId = window.take(null, qos === 1 ? Awaiting.PUBACK : Awaiting.PUBREC);
  const { output } = session.transport;
  if (output.size + size > BURST_SIZE) flushBurst(session);
  const at = output.reserve(size);
  const target = output.bytes;
  target.set(packet, at);
  const idAt = at + publish.packetIdOffset(isV5, qos, retain);
  target[idAt] = packetId >>> 8;
  target[idAt + 1] = packetId;
  countPublish(session, qos, publish.payloadLength, size);
  if (isTraced(session)) traceSent(session, publish, qos, retain, packetId);
  return true;
}

/** A message from the session's inbox, within the window that the inbox keeps. */
export function deliverPush(session: Session, push: InboxPush): void {
  if (session.phase !== Phase.ACTIVE) return;
  const { packetId, qos, retain, dup } = push;
  const identifiers =
    push.subscriptionIdentifiers.length === 0 ? null : push.subscriptionIdentifiers;
  if (qos === 0) {
    session.context.publish.loadMessage(push.message!, session.context.nowMs());
    deliverQos0(session, session.context.publish, retain, identifiers);
    return;
  }
  session.window ??= new OutboundWindow(65_535);
  if (!push.hasMessage) {
    session.window.put(packetId, null, Awaiting.PUBCOMP);
    noteSent(session, packetId, null);
    sendAck(session, PacketType.PUBREL, packetId, ReasonCode.SUCCESS); // [MQTT-4.4.0-1]
    return;
  }
  session.window.put(packetId, null, qos === 1 ? Awaiting.PUBACK : Awaiting.PUBREC);
  if (dup) session.context.counters[Counter.REDELIVERED]! += 1;
  if (!writePush(session, push, identifiers)) {
    // Too large for the client: as if delivered [MQTT-3.1.2-25].
    session.window.release(packetId);
    session.dropPushed(packetId);
  }
}

/** QoS 1 and 2. False: too large for the client. */
function writePush(
  session: Session,
  push: InboxPush,
  identifiers: readonly number[] | null,
): boolean {
  const { record, packetId, qos, retain, dup } = push;
  const hasExpiry = session.isV5 && record.expirySeconds >= 0;
  if (!hasExpiry && isPlain(session, identifiers, null) && !isTraced(session)) {
    return writeRecord(session, push);
  }
  const delivery = { message: push.message!, qos, retain, identifiers, share: null };
  if (!writeMessage(session, delivery, packetId, dup)) return false;
  noteSent(session, packetId, delivery);
  return true;
}

/** The message from where it lies into the output, without being anything in between. */
function writeRecord(session: Session, push: InboxPush): boolean {
  const { record, packetId, qos, retain, dup } = push;
  const { isV5 } = session;
  const size = recordPublishSize(record, isV5);
  if (session.maximumPacketSize !== 0 && size > session.maximumPacketSize) {
    drop(session, Counter.DROPPED_TOO_LARGE);
    return false;
  }
  const { output } = session.transport;
  const at = output.reserve(size);
  const firstByte = publishFirstByte(qos, retain, dup);
  writeRecordPublish(output.bytes, at, record, isV5, firstByte, packetId);
  countPublish(session, qos, record.payloadLength, size);
  return true;
}

/**
 * For a session that re-sends: remembers what may have to be sent again. `delivery` null: PUBREL.
 */
export function noteSent(session: Session, packetId: number, delivery: Delivery | null): void {
  const { resends } = session;
  if (resends === null) return;
  resends.sent(packetId, delivery, session.context.liveMs());
  if (resends.size === 1) session.reviewDeadline();
}

/**
 * Sends what waits, while the window and the budget have room; then retained messages may go on.
 */
export function pumpQueue(session: Session): void {
  const { queue, window } = session;
  if (queue !== null && window !== null) {
    while (queue.size > 0 && !window.isFull && !isOverBudget(session)) {
      const next = shiftWaiting(session);
      if (next !== undefined) sendQueued(session, window, next);
    }
  }
  const { onRoom } = session;
  if (onRoom !== null && hasRoom(session)) {
    session.onRoom = null;
    onRoom();
  }
}

/** True when the window has room for messages that wait, or retained messages wait for room. */
export function hasWaiting(session: Session): boolean {
  const { queue, window } = session;
  if (session.onRoom !== null) return true;
  return queue !== null && queue.size > 0 && window !== null && !window.isFull;
}

/** True when a retained message would not have to wait. */
export function hasRoom(session: Session): boolean {
  const isQueueEmpty = session.queue === null || session.queue.size === 0;
  return isQueueEmpty && !isOverBudget(session);
}

export function handleOutputDrained(session: Session): void {
  countOutput(session, false);
  if (session.phase === Phase.ACTIVE) pumpQueue(session);
}

/** A shared group's message is done with: the member's load goes down. */
export function finishShared(session: Session, delivery: Delivery | null): void {
  const share = delivery?.share ?? null;
  if (share !== null) session.context.members.finish(share.memberSlot);
}

function deliverQos0(
  session: Session,
  publish: BorrowedPublish,
  retain: boolean,
  identifiers: readonly number[] | null,
): void {
  if (isOverBudget(session)) {
    noteOverMark(session);
    drop(session, Counter.DROPPED_SLOW_CONSUMER);
    return;
  }
  if (identifiers !== null || session.outboundAliases !== null) {
    const delivery = { message: publish.own(), qos: 0, retain, identifiers, share: null };
    writeMessage(session, delivery, 0, false);
    return;
  }
  const packet = publish.packet(session.isV5, 0, retain);
  const size = packet.length;
  // [MQTT-3.1.2-24] [MQTT-3.1.2-25]
  if (session.maximumPacketSize !== 0 && size > session.maximumPacketSize) {
    drop(session, Counter.DROPPED_TOO_LARGE);
    return;
  }
  const { output } = session.transport;
  if (output.size + size > BURST_SIZE) flushBurst(session);
  const at = output.reserve(size);
  output.bytes.set(packet, at);
  countPublish(session, 0, publish.payloadLength, size);
  if (isTraced(session)) traceSent(session, publish, 0, retain, 0);
}

/** Unless the client is behind: then a flush would move nothing. */
function flushBurst(session: Session): void {
  const { transport } = session;
  if (transport.output.size > 0 && transport.bufferedBytes === 0) {
    session.context.flushNow(transport);
  }
}

/**
 * Opens an exchange under a fresh identifier and sends, first time, DUP 0 [MQTT-4.3.2-1]
 * [MQTT-4.3.3-1].
 */
function sendNew(
  session: Session,
  window: OutboundWindow<Delivery | null>,
  delivery: Delivery,
): void {
  const kept = delivery.share === null ? null : delivery;
  const packetId = window.take(kept, delivery.qos === 1 ? Awaiting.PUBACK : Awaiting.PUBREC);
  if (writeMessage(session, delivery, packetId, false)) {
    noteSent(session, packetId, delivery);
    return;
  }
  window.release(packetId);
  finishShared(session, kept);
}

function sendQueued(
  session: Session,
  window: OutboundWindow<Delivery | null>,
  delivery: Delivery,
): void {
  if (delivery.message.isExpired(session.context.nowMs())) {
    drop(session, Counter.DROPPED_EXPIRED); // [MQTT-3.3.2-5]
    finishShared(session, delivery);
    return;
  }
  sendNew(session, window, delivery);
}

/** Keeps a message that finds no room, within the limits; then the newest is dropped. */
function enqueue(session: Session, delivery: Delivery): void {
  session.window ??= new OutboundWindow(session.receiveMaximum);
  if (!canWait(session, delivery)) dropExpired(session);
  if (!canWait(session, delivery)) {
    drop(session, Counter.DROPPED_QUEUE_FULL);
    finishShared(session, delivery);
    return;
  }
  noteOverMark(session);
  pushWaiting(session, delivery);
}

/** Makes room at the head of a full queue: what has expired there would not be sent anyway. */
function dropExpired(session: Session): void {
  for (;;) {
    const first = session.queue?.peek();
    if (first === undefined || !first.message.isExpired(session.context.nowMs())) return;
    shiftWaiting(session);
    drop(session, Counter.DROPPED_EXPIRED); // [MQTT-3.3.2-5]
    finishShared(session, first);
  }
}

/** False: it cannot be sent to this client at all. `packetId` 0 at QoS 0. */
export function writeMessage(
  session: Session,
  delivery: Delivery,
  packetId: number,
  dup: boolean,
): boolean {
  const { message, qos, retain, identifiers } = delivery;
  let alias = 0;
  let form: AliasForm = AliasForm.NONE;
  const aliases = session.outboundAliases;
  if (aliases !== null) {
    alias = aliases.lookup(topicText(message));
    if (alias !== 0) form = aliases.isNew ? AliasForm.SET : AliasForm.USE;
  }
  const variant = publishVariant(session.protocolVersion, qos, retain, form);
  const list = session.isV5
    ? (identifiers ?? NO_SUBSCRIPTION_IDENTIFIERS)
    : NO_SUBSCRIPTION_IDENTIFIERS;
  const encoded = encodedPublish(message, variant, list);
  const size = encoded.bytes.length;
  if (session.maximumPacketSize !== 0 && size > session.maximumPacketSize) {
    if (form === AliasForm.SET) aliases?.forget(topicText(message));
    drop(session, Counter.DROPPED_TOO_LARGE);
    return false;
  }
  const { output } = session.transport;
  const at = output.reserve(size);
  const expirySeconds = message.remainingExpirySeconds(session.context.nowMs());
  writePublish(output.bytes, at, encoded, packetId, dup, alias, expirySeconds);
  countPublish(session, qos, message.payload.length, size);
  if (isTraced(session)) traceDelivery(session, delivery, packetId);
  return true;
}

let lastTopic: Uint8Array | null = null;
let lastTopicText = "";

/** The topic as text; remembered for the message that goes to many subscribers in a row. */
function topicText(message: Message): string {
  if (message.topic !== lastTopic) {
    lastTopic = message.topic;
    lastTopicText = decoder.decode(message.topic);
  }
  return lastTopicText;
}

function countPublish(session: Session, qos: number, payloadLength: number, size: number): void {
  const { counters } = session.context;
  counters[Counter.PUBLISH_SENT_QOS0 + qos]! += 1;
  counters[Counter.PUBLISH_SENT_BYTES]! += payloadLength;
  if (session.tenant !== null) {
    session.tenant.counters.publishSent += 1;
    session.tenant.counters.publishBytesSent += payloadLength;
  }
  countSent(session, size);
}

/** As `countPublish`, for `count` messages of QoS 0; sizes are of all of them. */
function countPublishes(session: Session, count: number, payloadBytes: number, size: number): void {
  const { counters } = session.context;
  counters[Counter.PUBLISH_SENT_QOS0]! += count;
  counters[Counter.PUBLISH_SENT_BYTES]! += payloadBytes;
  counters[Counter.PACKETS_SENT]! += count;
  if (session.tenant === null) return;
  const own = session.tenant.counters;
  own.publishSent += count;
  own.publishBytesSent += payloadBytes;
  own.messagesSent += count;
  own.bytesSent += size;
}

/** Counts a message that this client does not get, in column `counter`. */
export function drop(session: Session, counter: number): void {
  session.context.counters[counter]! += 1;
  if (session.tenant !== null) session.tenant.counters.publishDropped += 1;
  if (isTraced(session)) traceDropped(session, counter);
}
