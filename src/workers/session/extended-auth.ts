/**
 * Extended authentication (MQTT5 §4.12): the AUTH round trips inside CONNECT and re-authentication
 * on an open session. The provider keeps its state in `ExtendedAuthExchange.state` between steps.
 * Thread: worker.
 */

import type { ConnectPacket } from "../../shared/mqtt/packet-view.ts";
import { ReasonCode } from "../../shared/mqtt/reason-code.ts";
import type { AuthDecision } from "../auth/auth-chain.ts";
import type { AuthRequest } from "../auth/auth-provider.ts";
import { concludeAuthentication } from "./conclude-auth.ts";
import { sendCold } from "./send.ts";
import type { Session } from "./session.ts";
import { PauseReason, Phase } from "./session-state.ts";

export interface ExtendedAuthExchange {
  readonly method: string;
  readonly request: AuthRequest;
  /** The CONNECT under way; null during re-authentication. */
  readonly connect: ConnectPacket | null;
  /** What the provider keeps between steps; null before the first. */
  state: unknown;
}

/** CONNECT carries a method: the first step. Input stays paused until the provider has answered. */
export function beginExtendedAuth(
  session: Session,
  request: AuthRequest,
  packet: ConnectPacket,
): void {
  const method = packet.authenticationMethod ?? "";
  session.authExchange = { method, request, connect: packet, state: null };
  session.authRequest = request;
  void step(session, session.authExchange, packet.authenticationData);
}

/** AUTH 0x19 on an open session [MQTT-4.12.1-1]. The caller has checked the method. */
export function beginReAuthentication(session: Session, data: Uint8Array | null): void {
  const request = session.authRequest;
  if (request === null) return;
  const method = session.authMethod;
  session.authExchange = { method, request, connect: null, state: null };
  session.pause(PauseReason.ANSWER);
  void step(session, session.authExchange, data);
}

/** AUTH 0x18: the client's next answer. */
export function continueExtendedAuth(session: Session, data: Uint8Array | null): void {
  if (session.authExchange === null) return;
  session.pause(PauseReason.ANSWER);
  void step(session, session.authExchange, data);
}

async function step(
  session: Session,
  exchange: ExtendedAuthExchange,
  data: Uint8Array | null,
): Promise<void> {
  const outcome = await session.context.auth.authenticateExtended(
    exchange.request,
    {
      method: exchange.method,
      data,
      state: exchange.state,
      isReAuthentication: exchange.connect === null,
    },
    session.identity,
  );
  session.context.wake();
  if (session.phase === Phase.CLOSED || session.authExchange !== exchange) return;
  if (outcome.kind === "continue") {
    exchange.state = outcome.state;
    sendAuth(session, exchange.method, ReasonCode.CONTINUE_AUTHENTICATION, outcome.authData);
    session.resume(PauseReason.ANSWER);
    return;
  }
  session.authExchange = null;
  if (exchange.connect === null) {
    concludeReAuthentication(session, exchange, outcome);
    return;
  }
  session.authMethod = exchange.method;
  concludeAuthentication(session, exchange.request, exchange.connect, outcome);
}

/** Failure closes the connection [MQTT-4.12.1-2]; success may not change who the client is. */
function concludeReAuthentication(
  session: Session,
  exchange: ExtendedAuthExchange,
  outcome: AuthDecision,
): void {
  if (outcome.kind !== "success") {
    const code = outcome.kind === "reject" ? outcome.reasonCode : ReasonCode.NOT_AUTHORIZED;
    session.close(code, outcome.kind === "reject" ? outcome.reason : "re-authentication failed");
    return;
  }
  const identity = session.identity;
  if (identity?.tenantId !== outcome.tenantId || identity.userId !== outcome.userId) {
    session.close(ReasonCode.NOT_AUTHORIZED, "re-authentication as another user");
    return;
  }
  sendAuth(session, exchange.method, ReasonCode.SUCCESS, outcome.authData ?? null);
  session.resume(PauseReason.ANSWER);
}

/** [MQTT-4.12.0-2] [MQTT-4.12.0-5] */
function sendAuth(
  session: Session,
  method: string,
  reasonCode: number,
  data: Uint8Array | null,
): void {
  sendCold(session, {
    type: "auth",
    reasonCode,
    authenticationMethod: method,
    authenticationData: data,
    userProperties: [],
  });
}
