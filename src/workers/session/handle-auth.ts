/**
 * AUTH from the client: the next step of an exchange, or the start of a re-authentication. Thread:
 * worker.
 */

import type { AuthPacket } from "../../shared/mqtt/packet-view.ts";
import { ReasonCode } from "../../shared/mqtt/reason-code.ts";
import { beginReAuthentication, continueExtendedAuth } from "./extended-auth.ts";
import { refuse } from "./refuse-connect.ts";
import type { Session } from "./session.ts";
import { Phase } from "./session-state.ts";

export function handleAuth(session: Session, packet: AuthPacket): void {
  const fault = findFault(session, packet);
  if (fault !== null) {
    if (session.phase === Phase.ACTIVE) session.close(ReasonCode.PROTOCOL_ERROR, fault);
    else refuse(session, ReasonCode.PROTOCOL_ERROR, fault);
    return;
  }
  if (packet.reasonCode === ReasonCode.RE_AUTHENTICATE) {
    beginReAuthentication(session, packet.authenticationData);
  } else {
    continueExtendedAuth(session, packet.authenticationData);
  }
}

function findFault(session: Session, packet: AuthPacket): string | null {
  const exchange = session.authExchange;
  // [MQTT-4.12.0-7]
  if (session.authMethod === "" && exchange === null) return "AUTH without a method in CONNECT";
  const method = exchange?.method ?? session.authMethod;
  // [MQTT-4.12.0-5] [MQTT-4.12.1-1]
  if (packet.authenticationMethod !== method) return "AUTH with another method than CONNECT";
  const isRestart = packet.reasonCode === ReasonCode.RE_AUTHENTICATE;
  if (isRestart && (session.phase !== Phase.ACTIVE || exchange !== null)) {
    return "re-authentication inside an exchange";
  }
  // [MQTT-4.12.0-3]
  if (!isRestart && packet.reasonCode !== ReasonCode.CONTINUE_AUTHENTICATION) {
    return "AUTH from a client continues or restarts";
  }
  if (!isRestart && exchange === null) return "AUTH outside an exchange";
  return null;
}
