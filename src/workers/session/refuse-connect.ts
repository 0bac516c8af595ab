/** Refused connections: CONNACK with a failure code where the client can read one, then the end. Thread: worker. */

import { Counter } from "../../shared/metrics/counter-table.ts";
import { PacketType, ProtocolVersion } from "../../shared/mqtt/packet-type.ts";
import type { PacketView } from "../../shared/mqtt/packet-view.ts";
import { ReasonCode } from "../../shared/mqtt/reason-code.ts";
import { sendCold } from "./send.ts";
import type { Session } from "./session.ts";
import { Phase } from "./session-state.ts";

/** CONNACK with a failure code, then the end [MQTT-3.1.4-2] [MQTT-3.2.2-7]. */
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
    reasonCode,
    reasonString: text,
    serverReference,
    userProperties: [],
  });
  session.close(reasonCode, text);
}

/** A CONNECT that does not decode: answered when the version is known, else closed silently [MQTT-3.1.2-2]. */
export function refuseConnect(
  session: Session,
  view: PacketView,
  reasonCode: number,
  text: string,
): void {
  const isConnect = view.type === PacketType.CONNECT;
  if (!isConnect || reasonCode === ReasonCode.MALFORMED_PACKET) {
    session.close(reasonCode, text);
    return;
  }
  // An unknown version is answered in the form every client understands [MQTT-3.1.2-1].
  if (session.protocolVersion === 0) session.protocolVersion = refusalVersion(reasonCode);
  refuse(session, reasonCode, text);
}

function refusalVersion(reasonCode: number): 4 | 5 {
  return reasonCode === ReasonCode.UNSUPPORTED_PROTOCOL_VERSION
    ? ProtocolVersion.V311
    : ProtocolVersion.V5;
}
