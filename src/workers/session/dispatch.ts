/**
 * One decoded packet to the handler of its type. The decoder has refused what no client may send at
 * all; here is what depends on the session's phase. Flow: publish 3/8. Thread: worker.
 */

import { assert } from "../../shared/base/assert.ts";
import { PacketType } from "../../shared/mqtt/packet-type.ts";
import type {
  AuthPacket,
  ConnectPacket,
  DisconnectPacket,
  PacketView,
  SubscribePacket,
  UnsubscribePacket,
} from "../../shared/mqtt/packet-view.ts";
import { ReasonCode } from "../../shared/mqtt/reason-code.ts";
import { handlePuback, handlePubcomp, handlePubrec, handlePubrel } from "./handle-ack.ts";
import { handleAuth } from "./handle-auth.ts";
import { handleConnect } from "./handle-connect.ts";
import { handleDisconnect } from "./handle-disconnect.ts";
import { handlePublish } from "./handle-publish.ts";
import { handleSubscribe } from "./handle-subscribe.ts";
import { handleUnsubscribe } from "./handle-unsubscribe.ts";
import { sendPingresp } from "./send.ts";
import type { Session } from "./session.ts";
import { EndReason, Phase } from "./session-state.ts";

/** Returns how many bytes behind the packet have been handled with it; mostly 0. */
export function dispatch(session: Session, view: PacketView): number {
  if (session.phase !== Phase.ACTIVE) dispatchOpening(session, view);
  else if (view.type === PacketType.PUBLISH) return handlePublish(session, view);
  else dispatchActive(session, view);
  return 0;
}

function dispatchActive(session: Session, view: PacketView): void {
  switch (view.type) {
    case PacketType.PUBACK:
      handlePuback(session, view.packetId, view.reasonCode);
      break;
    case PacketType.PUBREC:
      handlePubrec(session, view.packetId, view.reasonCode);
      break;
    case PacketType.PUBREL:
      handlePubrel(session, view.packetId);
      break;
    case PacketType.PUBCOMP:
      handlePubcomp(session, view.packetId);
      break;
    case PacketType.PINGREQ:
      sendPingresp(session); // [MQTT-3.12.4-1]
      break;
    case PacketType.SUBSCRIBE:
      handleSubscribe(session, view.cold as SubscribePacket);
      break;
    case PacketType.UNSUBSCRIBE:
      handleUnsubscribe(session, view.cold as UnsubscribePacket);
      break;
    case PacketType.DISCONNECT:
      handleDisconnect(session, view.cold as DisconnectPacket);
      break;
    case PacketType.AUTH:
      handleAuth(session, view.cold as AuthPacket);
      break;
    default:
      // [MQTT-3.1.0-2] A second CONNECT.
      session.close(ReasonCode.PROTOCOL_ERROR, "CONNECT on an open session");
  }
}

/**
 * Before CONNACK: CONNECT first [MQTT-3.1.0-1], then only what an extended authentication needs
 * [MQTT-3.1.2-30].
 */
function dispatchOpening(session: Session, view: PacketView): void {
  if (view.type === PacketType.CONNECT && session.phase === Phase.AWAIT_CONNECT) {
    assert(view.cold !== null, "the decoder fills in CONNECT");
    handleConnect(session, view.cold as ConnectPacket);
    return;
  }
  if (view.type === PacketType.AUTH && session.authExchange !== null) {
    handleAuth(session, view.cold as AuthPacket);
    return;
  }
  // The transport reports its end later; what the chunk still holds is not looked at.
  session.end(EndReason.CONNECTION_LOST);
  session.transport.destroy();
}
