/**
 * CONNECT: from a decoded packet to an open session, in this order:
 *
 *     own rules → a turn in the queue → authenticate (AUTH round trips) → tenant rules → authorize connect and will
 *       → claim the client identifier → attach or discard the stored session → CONNACK
 *
 * Every step may wait for another thread; input is paused meanwhile, so nothing is processed before
 * the CONNACK [MQTT-3.1.4-6]. Values above the server's own limits are legal and accepted; the
 * server just uses less. Thread: worker.
 */

import { ProtocolVersion } from "../../shared/mqtt/packet-type.ts";
import type { ConnectPacket } from "../../shared/mqtt/packet-view.ts";
import { ReasonCode } from "../../shared/mqtt/reason-code.ts";
import type { AuthRequest } from "../auth/auth-provider.ts";
import { concludeAuthentication } from "./conclude-auth.ts";
import { beginExtendedAuth } from "./extended-auth.ts";
import { refuse } from "./refuse-connect.ts";
import type { Session } from "./session.ts";
import { PauseReason, Phase } from "./session-state.ts";

export function handleConnect(session: Session, packet: ConnectPacket): void {
  session.protocolVersion = packet.protocolVersion;
  session.phase = Phase.OPENING;
  takeConnectFields(session, packet);
  const fault = assignClientId(session, packet);
  if (fault !== null) {
    // [MQTT-3.1.3-8]
    refuse(session, ReasonCode.CLIENT_IDENTIFIER_NOT_VALID, fault);
    return;
  }
  const request = authRequest(session, packet);
  session.pause(PauseReason.ANSWER);
  session.context.connects.admit(() => begin(session, request, packet));
}

function begin(session: Session, request: AuthRequest, packet: ConnectPacket): void {
  session.context.turns.leave(session);
  // It may have ended while it waited for its turn.
  if (session.phase !== Phase.OPENING) return;
  if (packet.authenticationMethod === null) void authenticate(session, request, packet);
  else beginExtendedAuth(session, request, packet);
}

async function authenticate(
  session: Session,
  request: AuthRequest,
  packet: ConnectPacket,
): Promise<void> {
  const outcome = await session.context.auth.authenticate(request);
  session.context.wake();
  concludeAuthentication(session, request, packet, outcome);
}

function takeConnectFields(session: Session, packet: ConnectPacket): void {
  session.clientId = packet.clientId;
  session.cleanStart = packet.cleanStart;
  session.will = packet.will; // [MQTT-3.1.2-7]
  session.receiveMaximum = packet.receiveMaximum;
  session.maximumPacketSize = packet.maximumPacketSize;
  session.requestProblemInformation = packet.requestProblemInformation;
  session.keepAliveMs = packet.keepAliveSeconds * 1000;
  session.sessionExpirySeconds = packet.sessionExpirySeconds;
  session.hasAskedToBeKept = packet.sessionExpirySeconds > 0;
}

/**
 * Returns why the identifier is refused, or null. An empty one is replaced [MQTT-3.1.3-6]
 * [MQTT-3.2.2-16]; any other that the decoder has passed is accepted, whatever its length and its
 * characters [MQTT-3.1.3-5].
 */
function assignClientId(session: Session, packet: ConnectPacket): string | null {
  if (packet.clientId !== "") return null;
  if (packet.protocolVersion === ProtocolVersion.V31) return "MQTT 3.1 demands a client identifier";
  if (packet.protocolVersion === ProtocolVersion.V311 && !packet.cleanStart) {
    return "an empty client identifier demands Clean Session";
  }
  session.clientId = session.context.newClientId();
  return null;
}

function authRequest(session: Session, packet: ConnectPacket): AuthRequest {
  const { transport } = session;
  return {
    protocolVersion: packet.protocolVersion,
    clientId: session.clientId,
    username: packet.username,
    password: packet.password,
    remoteAddress: transport.remoteAddress,
    remotePort: transport.remotePort,
    isLoopback: transport.isLoopback,
    listenerId: transport.listenerId,
    certificate: transport.certificate,
    userProperties: packet.userProperties,
  };
}
