/**
 * From socket chunks to packets: decodes as long as whole packets are there and nothing pauses the
 * session. What is left (the first part of a packet, or everything behind a pause) waits in the
 * session's frame assembler.
 *
 * Flow: publish 2/8. Thread: worker.
 */

import { Counter } from "../../shared/metrics/counter-table.ts";
import type { DecodeOptions } from "../../shared/mqtt/decode-options.ts";
import { decodePacket } from "../../shared/mqtt/decoder.ts";
import { PacketType } from "../../shared/mqtt/packet-type.ts";
import type { PacketView } from "../../shared/mqtt/packet-view.ts";
import { ReasonCode } from "../../shared/mqtt/reason-code.ts";
import { dispatch } from "./dispatch.ts";
import { refuseConnect } from "./refuse-connect.ts";
import type { Session } from "./session.ts";
import { PauseReason, Phase } from "./session-state.ts";

/** Reused for every call; `decodePacket` only reads it. */
const options: { -readonly [Key in keyof DecodeOptions]: DecodeOptions[Key] } = {
  protocolVersion: 0,
  maxPacketSize: 0,
  topicAliasMaximum: 0,
};

/**
 * Handles bytes[start, end) behind what waits already. Not called while packets are being handled.
 */
export function processInput(
  session: Session,
  bytes: Uint8Array,
  start: number,
  end: number,
): void {
  const result = session.input.push(bytes, start, end, packetLimit(session), session);
  if (result < 0) failInput(session, null, -result, "illegal packet length, or too much waits");
}

/** Handles what waits, after a pause. */
export function processWaiting(session: Session): void {
  const result = session.input.resume(session);
  if (result < 0) failInput(session, null, -result, "illegal packet length");
}

/**
 * Returns how many bytes were whole packets and have been handled, or a negative reason code: the
 * session is over.
 */
export function handlePackets(
  session: Session,
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  const { context } = session;
  const { view, counters } = context;
  let at = start;
  while (at < end && session.canRead) {
    setOptions(session);
    const size = decodePacket(view, bytes, at, end, options);
    if (size === 0) break;
    if (size < 0) {
      failInput(session, view, -size, view.faultText);
      return size;
    }
    counters[Counter.PACKETS_RECEIVED]! += 1;
    if (session.tenant !== null) session.tenant.counters.messagesReceived += 1;
    at += size + dispatch(session, view);
    if (view.type === PacketType.PUBLISH && context.isCongested()) {
      session.pause(PauseReason.CONGESTION);
      context.noteCongested(session);
    }
  }
  return session.phase === Phase.CLOSED ? -ReasonCode.UNSPECIFIED_ERROR : at - start;
}

function setOptions(session: Session): void {
  options.protocolVersion = session.protocolVersion;
  options.maxPacketSize = packetLimit(session);
  options.topicAliasMaximum = session.inboundAliasMaximum;
}

/** Bytes: the largest packet, and the most that may wait. Little before the client is known. */
function packetLimit(session: Session): number {
  const { limits } = session.context.config;
  return session.phase === Phase.ACTIVE
    ? limits.maxPacketSize
    : Math.min(limits.maxPacketSize, limits.preAuthBytes);
}

/**
 * A malformed or illegal packet: the reason code the specification names, then the end
 * [MQTT-4.13.1-1]. `view`: what was decoded of it; null when its length alone is at fault.
 */
function failInput(
  session: Session,
  view: PacketView | null,
  reasonCode: number,
  text: string,
): void {
  if (session.phase === Phase.CLOSED) return;
  session.context.counters[Counter.PROTOCOL_ERRORS]! += 1;
  session.context.log.info("protocol_error", {
    tenant: session.tenantId,
    client_id: session.clientId,
    peer: session.transport.remoteAddress,
    reason_code: reasonCode,
    reason: text,
  });
  // [MQTT-3.1.4-1]
  if (session.phase === Phase.AWAIT_CONNECT && view !== null) {
    refuseConnect(session, view, reasonCode, text);
    return;
  }
  session.close(reasonCode, text);
}
