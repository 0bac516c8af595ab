/**
 * Refused connections: CONNACK with a failure code where the client can read one, then the end.
 * Thread: worker.
 */

import { Counter } from "../../shared/metrics/counter-table.ts";
import { PacketType, ProtocolVersion } from "../../shared/mqtt/packet-type.ts";
import type { PacketView } from "../../shared/mqtt/packet-view.ts";
import { connackReasonCode, ReasonCode } from "../../shared/mqtt/reason-code.ts";
import { sendCold } from "./send.ts";
import type { Session } from "./session.ts";
import { Phase } from "./session-state.ts";

/** CONNACK with a failure code, then the end [MQTT-3.1.4-2] [MQTT-3.2.2-7] [MQTT-4.12.0-4]. */
export function refuse(
  session: Session,
  reasonCode: number,
  text: string,
  serverReference: string | null = null,
): void {
  if (session.phase === Phase.CLOSED) return;
  session.context.counters[Counter.CONNECT_FAILURES]! += 1;
  session.context.log.info("connect_refused", {
    tenant: session.tenantId,
    client_id: session.clientId,
    peer: session.transport.remoteAddress,
    listener: session.transport.listenerId,
    reason_code: reasonCode,
    reason: text,
  });
  sendCold(session, {
    type: "connack",
    sessionPresent: false, // [MQTT-3.2.2-6]
    reasonCode: connackReasonCode(reasonCode),
    reasonString: text,
    serverReference,
    userProperties: [],
  });
  session.close(reasonCode, text);
}

/**
 * A CONNECT that does not decode: answered in the version the client can read, else closed silently
 * [MQTT-3.1.2-2].
 */
export function refuseConnect(
  session: Session,
  view: PacketView,
  reasonCode: number,
  text: string,
): void {
  // MQTT 3.x has no return code for a packet that breaks its rules: there the close is the answer.
  const isReadable = view.connectVersion === ProtocolVersion.V5 || !isPacketFault(reasonCode);
  if (view.type !== PacketType.CONNECT || view.connectVersion === 0 || !isReadable) {
    session.close(reasonCode, text);
    return;
  }
  session.protocolVersion = view.connectVersion; // [MQTT-3.1.2-1]
  refuse(session, reasonCode, text);
}

function isPacketFault(reasonCode: number): boolean {
  return reasonCode === ReasonCode.MALFORMED_PACKET || reasonCode === ReasonCode.PROTOCOL_ERROR;
}
