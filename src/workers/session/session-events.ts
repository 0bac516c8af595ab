/**
 * Log events of a client's life, one per step and none per message. Names are stable: dashboards
 * and alerts match on them. Where BifroMQ has an event for a step, its name stands here in lower
 * case, as event or as `cause`. Thread: worker.
 */

import type { Log } from "../../platform/log.ts";
import type { OwedMissed } from "../../shared/inbox/range/outbox.ts";
import { ReasonCode } from "../../shared/mqtt/reason-code.ts";
import { DropReason } from "../inbox/inbox-api.ts";
import type { Session } from "./session.ts";
import { EndReason } from "./session-state.ts";

const MISSED_CAUSES: Readonly<Record<DropReason, string>> = {
  [DropReason.QUEUE_FULL]: "session_inbox_size",
  [DropReason.SESSION_BYTES]: "session_queue_bytes",
  [DropReason.TENANT_BYTES]: "tenant_queue_bytes",
  [DropReason.PROCESS_BYTES]: "process_queue_bytes",
  [DropReason.EXPIRED]: "message_expiry",
};

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** `missed`: messages that the stored session did not get. */
export function logConnected(session: Session, sessionPresent: boolean, missed: number): void {
  session.context.log.info("client_connected", () => ({
    ...clientOf(session),
    username: session.identity?.username ?? undefined,
    listener: session.transport.listenerId,
    protocol: session.protocolVersion,
    keep_alive: session.keepAliveMs / 1000,
    clean_start: session.cleanStart,
    session_present: sessionPresent,
    session_expiry: session.sessionExpirySeconds,
    ...(missed > 0 ? { missed } : {}),
  }));
}

/**
 * What a stored session has missed since this was said last, one event per reason. It is said when
 * the client comes back or the session is over, by the worker that stores it.
 */
export function logMissed(log: Log, { tenantId, clientId, isOver, drops }: OwedMissed): void {
  for (const drop of drops) {
    log.warn("inbox_overflowed", {
      tenant: tenantId,
      client_id: clientId,
      session: isOver ? "ended" : "resumed",
      cause: MISSED_CAUSES[drop.reason],
      dropped: drop.count,
      first_position: drop.firstPosition,
      first_at: new Date(drop.firstMs).toISOString(),
      last_position: drop.lastPosition,
      last_at: new Date(drop.lastMs).toISOString(),
    });
  }
}

/** The client has left, or its connection broke. */
export function logGone(session: Session): void {
  session.context.log.info("client_disconnected", () => {
    const isWanted = session.endReason === EndReason.CLIENT_DISCONNECTED;
    const cause = isWanted ? "by_client" : "client_channel_error";
    return { ...clientOf(session), cause };
  });
}

/** The broker has ended an open session. */
export function logClosed(session: Session, reasonCode: number, reason: string): void {
  session.context.log.info("client_disconnected", () => ({
    ...clientOf(session),
    cause: causeOf(reasonCode),
    reason_code: reasonCode,
    reason,
  }));
}

/** Tells the operator why a client sees nothing happen: MQTT 3.x has no other way to learn it. */
export function logPublishDenied(session: Session, topic: Uint8Array): void {
  const fields = { ...clientOf(session), topic: decoder.decode(topic) };
  session.context.log.info("pub_action_disallow", fields);
}

export function logSubscribeDenied(session: Session, filter: string): void {
  session.context.log.info("sub_action_disallow", { ...clientOf(session), filter });
}

/** MQTT has no words for it: SUBACK has left, and what came may not be all there is. */
export function logRetainedIncomplete(session: Session, filter: string): void {
  session.context.log.warn("retained_incomplete", {
    ...clientOf(session),
    filter,
    hint: "a range of retained messages is damaged, or a worker has died: there may be more",
  });
}

function clientOf(session: Session): Record<string, unknown> {
  return {
    tenant: session.tenantId,
    client_id: session.clientId,
    peer: session.transport.remoteAddress,
  };
}

function causeOf(reasonCode: number): string {
  switch (reasonCode) {
    case ReasonCode.SESSION_TAKEN_OVER:
      return "kicked";
    case ReasonCode.KEEP_ALIVE_TIMEOUT:
      return "idle";
    case ReasonCode.MALFORMED_PACKET:
      return "bad_packet";
    case ReasonCode.PROTOCOL_ERROR:
      return "protocol_violation";
    case ReasonCode.RECEIVE_MAXIMUM_EXCEEDED:
      return "exceed_receiving_limit";
    case ReasonCode.QUOTA_EXCEEDED:
      return "resource_throttled";
    case ReasonCode.TOPIC_NAME_INVALID:
      return "invalid_topic";
    case ReasonCode.SERVER_BUSY:
    case ReasonCode.SERVER_UNAVAILABLE:
      return "server_busy";
    default:
      return "by_server";
  }
}
