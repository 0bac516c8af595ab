/**
 * DISCONNECT from the client: what becomes of will and session expiry, then the end. Thread:
 * worker.
 */

import type { DisconnectPacket } from "../../shared/mqtt/packet-view.ts";
import { ReasonCode } from "../../shared/mqtt/reason-code.ts";
import type { Session } from "./session.ts";
import { EndReason } from "./session-state.ts";

export function handleDisconnect(session: Session, packet: DisconnectPacket): void {
  const { sessionExpirySeconds } = packet;
  if (sessionExpirySeconds > 0 && !session.hasAskedToBeKept) {
    // MQTT5 §3.14.2.2.2: a session that ends with its connection cannot be prolonged.
    session.close(ReasonCode.PROTOCOL_ERROR, "session expiry in DISCONNECT after none in CONNECT");
    return;
  }
  if (sessionExpirySeconds >= 0) session.disconnectExpirySeconds = sessionExpirySeconds;
  // [MQTT-3.14.4-3] [MQTT-3.1.2-10]
  if (packet.reasonCode === ReasonCode.NORMAL_DISCONNECTION) session.will = null;
  session.end(EndReason.CLIENT_DISCONNECTED);
  session.transport.close();
}
