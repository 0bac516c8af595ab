/**
 * An inbound PUBLISH: alias, rules, quota, authorization, then match and fan-out, then its
 * acknowledgement.
 *
 * QoS 2 uses "method B" of MQTT5 §4.3.3: the publish is distributed at once, its identifier is kept
 * until PUBREL, and a repeat of it only gets PUBREC again [MQTT-4.3.3-10]. Flow: publish 4/8.
 * Thread: worker. Hot: allocates nothing at QoS 0.
 */

import { Counter } from "../../shared/metrics/counter-table.ts";
import type { Message } from "../../shared/mqtt/message.ts";
import { PacketType } from "../../shared/mqtt/packet-type.ts";
import type { PacketView } from "../../shared/mqtt/packet-view.ts";
import { ReasonCode } from "../../shared/mqtt/reason-code.ts";
import { publishFlags } from "../auth/authorization-cache.ts";
import { PublishOutcome } from "../dist/dist-api.ts";
import { PUBLISH_PENDING } from "../dist/publisher.ts";
import { InboxOp } from "../inbox/inbox-api.ts";
import { distributeRun } from "./handle-publish-run.ts";
import { type InboundAck, InboundAcks } from "./inbound-acks.ts";
import { InboundOrigins } from "./inbound-origins.ts";
import { breaksPayloadFormat, checkPublish, isReservedTopicName } from "./publish-rules.ts";
import { chargePublish } from "./rate-limits.ts";
import { sendAck, sendReasonedAck } from "./send.ts";
import type { Session } from "./session.ts";
import { logPublishDenied } from "./session-events.ts";
import { PauseReason, Phase } from "./session-state.ts";
import type { Tenant } from "./tenant.ts";
import { isTraced, traceReceived } from "./trace.ts";

const IN_PART_TEXT = "not stored for everybody: a limit on what waits or is retained is reached";

/** Returns how many bytes behind the packet have been handled with it; mostly 0. */
export function handlePublish(session: Session, view: PacketView): number {
  const { context, tenant } = session;
  if (tenant === null) return 0;
  countReceived(context.counters, tenant, view);
  chargePublish(session, tenant.settings, view.packetSize);
  let aliasTopic: Uint8Array | null = null;
  if (view.topicAlias !== 0) {
    aliasTopic = resolveAlias(session, view);
    if (aliasTopic === null && view.topicLength === 0) {
      session.close(ReasonCode.PROTOCOL_ERROR, "topic alias without a topic");
      return 0;
    }
  }
  const topicBytes = aliasTopic ?? view.bytes;
  const topicOffset = aliasTopic === null ? view.topicOffset : 0;
  const topicLength = aliasTopic === null ? view.topicLength : aliasTopic.length;
  const fault = checkPublish(view, topicBytes, topicOffset, topicLength, tenant.settings);
  if (fault !== 0) {
    session.close(fault, "PUBLISH beyond what the server allows");
    return 0;
  }
  if (view.qos > 0 && !admitQuota(session, view)) return 0;
  if (view.qos === 2 && isTakenAlready(session, view)) {
    repeatPubrec(session, view.packetId);
    return 0;
  }
  const isReserved = isReservedTopicName(topicBytes, topicOffset, topicLength);
  const flags = publishFlags(view.qos, view.retain);
  const verdict =
    !isReserved &&
    (session.authorizations?.checkPublish(topicBytes, topicOffset, topicLength, flags) ?? false);
  if (verdict === false) {
    logPublishDenied(session, topicBytes.subarray(topicOffset, topicOffset + topicLength));
    denyPublish(session, view.qos, view.packetId);
    return 0;
  }
  if (breaksPayloadFormat(view, tenant.settings)) {
    refusePayload(session, view);
    return 0;
  }
  const { publish } = context;
  publish.loadView(view, session.isV5, aliasTopic, tenant.id, session.clientId, context.nowMs());
  if (verdict !== true) {
    void publishWhenAllowed(session, verdict, publish.own(), view);
    return 0;
  }
  const more = view.qos === 0 ? distributeRun(session, tenant, view) : 0;
  if (more === 0) distribute(session, view.qos, view.packetId, view.dup);
  return more;
}

/**
 * Fan-out of `context.publish`, then the acknowledgement that its QoS demands [MQTT-3.3.4-1], now
 * or when every inbox that it belongs to has it [MQTT-4.5.0-1].
 */
function distribute(session: Session, qos: number, packetId: number, isRepeat: boolean): void {
  const { publisher, publish } = session.context;
  if (isTraced(session)) traceReceived(session, publish, packetId);
  if (qos === 0) {
    publisher.publishBorrowed(publish, null);
    return;
  }
  if (qos === 2) {
    session.inboundIds ??= new Set();
    session.inboundIds.add(packetId); // [MQTT-4.3.3-8]
  }
  const isKept = qos === 2 && session.isPersistent;
  if (isKept) publish.origin = originsOf(session).next(packetId, publish, isRepeat);
  let waiting: InboundAck | null = null;
  const outcome = publisher.publishBorrowed(publish, (later) => {
    if (waiting !== null) concludePublish(session, waiting, later);
  });
  const isLater = outcome === PUBLISH_PENDING || isKept || (session.inboundAcks?.count ?? 0) > 0;
  if (isLater || isUnstored(outcome) || outcome === PublishOutcome.IN_PART) {
    session.inboundAcks ??= new InboundAcks();
    waiting = session.inboundAcks.append(packetId, qos);
    if (isKept) keepIdentifier(session, waiting);
    if (outcome !== PUBLISH_PENDING) concludePublish(session, waiting, outcome);
    return;
  }
  acknowledge(session, packetId, qos, reasonOf(outcome));
}

/** Its publish is distributed, or on its way: a repeat gets PUBREC alone [MQTT-4.3.3-10]. */
function isTakenAlready(session: Session, view: PacketView): boolean {
  if (session.inboundIds?.has(view.packetId) !== true) return false;
  return !(view.dup && session.inboundOrigins?.isUncertain(view.packetId) === true);
}

function originsOf(session: Session): InboundOrigins {
  session.inboundOrigins ??= new InboundOrigins(session, [], false);
  return session.inboundOrigins;
}

/**
 * PUBREC promises that a repeat will be recognised, also after a reconnect. Stored with the fan-out
 * and not after it: the connection may die before any inbox has answered, and then the client sends
 * again what is on its way already.
 */
function keepIdentifier(session: Session, ack: InboundAck): void {
  ack.isKept = false;
  session.context.inbox.commit(session, InboxOp.INBOUND_ADD, ack.packetId, () => {
    ack.isKept = true;
    sendSettled(session);
  });
}

/** The publish was refused: the next one under this identifier is a new one [MQTT-4.3.3-9]. */
function forgetIdentifier(session: Session, ack: InboundAck): void {
  if (ack.qos !== 2) return;
  session.inboundOrigins?.refuse(ack.packetId);
  if (session.isPersistent) {
    session.context.inbox.commit(session, InboxOp.INBOUND_REMOVE, ack.packetId, null);
  }
  ack.isKept = true;
}

async function publishWhenAllowed(
  session: Session,
  verdict: Promise<boolean>,
  message: Message,
  { packetId, dup }: Pick<PacketView, "packetId" | "dup">,
): Promise<void> {
  // Later packets wait, so order is kept.
  session.pause(PauseReason.ANSWER);
  const isAllowed = await verdict;
  session.context.wake();
  if (session.phase !== Phase.ACTIVE) return;
  if (isAllowed) {
    session.context.publish.loadMessage(message, session.context.nowMs());
    distribute(session, message.qos, packetId, dup);
  } else {
    logPublishDenied(session, message.topic);
    denyPublish(session, message.qos, packetId);
  }
  session.resume(PauseReason.ANSWER);
}

/** The outcome of a publish whose place in the order is kept. */
function concludePublish(session: Session, ack: InboundAck, outcome: PublishOutcome): void {
  if (session.phase !== Phase.ACTIVE) return;
  if (isUnstored(outcome) && !session.isV5) {
    // MQTT 3.x cannot say no: without an acknowledgement the client sends again on its next
    // connection.
    forgetIdentifier(session, ack);
    session.close(ReasonCode.SERVER_UNAVAILABLE, "a message for a stored session is not stored");
    return;
  }
  ack.reasonCode = reasonOf(outcome);
  if (outcome === PublishOutcome.IN_PART) ack.reasonString = IN_PART_TEXT;
  if (isRefusal(session, ack.reasonCode)) forgetIdentifier(session, ack);
  sendSettled(session);
}

function isUnstored(outcome: PublishOutcome): boolean {
  return outcome === PublishOutcome.FAILED || outcome === PublishOutcome.NO_ROOM;
}

/** MQTT 3.x has no refusal: to its clients every acknowledgement is a yes. */
function isRefusal(session: Session, reasonCode: number): boolean {
  return session.isV5 && reasonCode >= ReasonCode.UNSPECIFIED_ERROR;
}

/** Sends the acknowledgements that nothing holds back any more, in order. */
function sendSettled(session: Session): void {
  if (session.phase !== Phase.ACTIVE) return;
  for (;;) {
    const next = session.inboundAcks?.poll() ?? null;
    if (next === null) return;
    if (isRefusedAck(session, next)) session.inboundIds?.delete(next.packetId);
    sendReasonedAck(session, ackTypeOf(next.qos), next);
  }
}

/** PUBACK [MQTT-4.3.2-4] or PUBREC [MQTT-4.3.3-8], with the packet's identifier [MQTT-2.2.1-5]. */
function acknowledge(session: Session, packetId: number, qos: number, reasonCode: number): void {
  if (isRefusedAck(session, { qos, reasonCode })) session.inboundIds?.delete(packetId);
  sendAck(session, ackTypeOf(qos), packetId, reasonCode);
}

function ackTypeOf(qos: number): typeof PacketType.PUBACK | typeof PacketType.PUBREC {
  return qos === 1 ? PacketType.PUBACK : PacketType.PUBREC;
}

/** The identifier is free with the PUBREC [MQTT-4.3.3-9]. */
function isRefusedAck(session: Session, ack: Pick<InboundAck, "qos" | "reasonCode">): boolean {
  return ack.qos === 2 && isRefusal(session, ack.reasonCode);
}

function reasonOf(outcome: PublishOutcome): number {
  switch (outcome) {
    case PublishOutcome.DELIVERED:
    case PublishOutcome.IN_PART:
      return ReasonCode.SUCCESS;
    case PublishOutcome.NO_SUBSCRIBER:
      return ReasonCode.NO_MATCHING_SUBSCRIBERS;
    case PublishOutcome.QUOTA:
    case PublishOutcome.NO_ROOM:
      return ReasonCode.QUOTA_EXCEEDED;
    case PublishOutcome.FAILED:
      return ReasonCode.IMPLEMENTATION_SPECIFIC_ERROR;
  }
}

/** The topic an alias stands for; learns it when the packet carries both. Null: not known yet. */
function resolveAlias(session: Session, view: PacketView): Uint8Array | null {
  if (view.topicLength === 0) return session.inboundAliases?.[view.topicAlias] ?? null;
  session.inboundAliases ??= [];
  const aliases = session.inboundAliases;
  while (aliases.length <= view.topicAlias) aliases.push(null);
  const end = view.topicOffset + view.topicLength;
  aliases[view.topicAlias] = Uint8Array.prototype.slice.call(view.bytes, view.topicOffset, end);
  return null;
}

/**
 * False: the connection is closed, the client has more in flight than CONNACK allowed
 * [MQTT-3.3.4-7].
 */
function admitQuota(session: Session, view: PacketView): boolean {
  // QoS 2 counts until PUBREL, QoS 1 until PUBACK.
  const inFlight = (session.inboundAcks?.pubackCount ?? 0) + (session.inboundIds?.size ?? 0);
  const isRepeat = view.qos === 2 && session.inboundIds?.has(view.packetId) === true;
  if (inFlight < session.inboundReceiveMaximum || isRepeat) return true;
  session.close(ReasonCode.RECEIVE_MAXIMUM_EXCEEDED, "more publishes in flight than allowed");
  return false;
}

/** A PUBREC that still waits answers the repeat too. */
function repeatPubrec(session: Session, packetId: number): void {
  if (session.inboundAcks?.awaitsPubrec(packetId) === true) return;
  sendAck(session, PacketType.PUBREC, packetId, ReasonCode.SUCCESS);
}

/**
 * MQTT 3.x has no refusal: the publish is acknowledged and dropped, as the specification allows.
 */
function denyPublish(session: Session, qos: number, packetId: number): void {
  const { counters } = session.context;
  counters[Counter.AUTHORIZATION_DENIED]! += 1;
  counters[Counter.DROPPED_NOT_AUTHORIZED]! += 1;
  if (session.tenant !== null) session.tenant.counters.publishDropped += 1;
  if (qos > 0) answerInOrder(session, packetId, qos, ReasonCode.NOT_AUTHORIZED);
}

function refusePayload(session: Session, view: PacketView): void {
  if (view.qos === 0) {
    session.close(ReasonCode.PAYLOAD_FORMAT_INVALID, "payload is not UTF-8 as it says");
    return;
  }
  answerInOrder(session, view.packetId, view.qos, ReasonCode.PAYLOAD_FORMAT_INVALID);
}

/** An answer that is known at once still waits for those before it. */
function answerInOrder(session: Session, packetId: number, qos: number, reasonCode: number): void {
  if ((session.inboundAcks?.count ?? 0) === 0) {
    acknowledge(session, packetId, qos, reasonCode);
    return;
  }
  const ack = session.inboundAcks?.append(packetId, qos);
  if (ack !== undefined) ack.reasonCode = reasonCode;
}

function countReceived(counters: Float64Array, tenant: Tenant, view: PacketView): void {
  counters[Counter.PUBLISH_RECEIVED_QOS0 + view.qos]! += 1;
  counters[Counter.PUBLISH_RECEIVED_BYTES]! += view.payloadLength;
  tenant.counters.publishReceived += 1;
  tenant.counters.publishBytesReceived += view.payloadLength;
}
