/**
 * From the verdict of authentication to an identity and an open session, or a refusal. Thread:
 * worker.
 */

import { Counter } from "../../shared/metrics/counter-table.ts";
import type { ConnectPacket } from "../../shared/mqtt/packet-view.ts";
import { ReasonCode } from "../../shared/mqtt/reason-code.ts";
import type { AuthDecision } from "../auth/auth-chain.ts";
import type { AuthRequest } from "../auth/auth-provider.ts";
import { openSession } from "./open-session.ts";
import { refuse } from "./refuse-connect.ts";
import type { Session } from "./session.ts";
import { Phase } from "./session-state.ts";

const NO_ATTRIBUTES: Readonly<Record<string, string>> = Object.freeze({});

/** The verdict is in: go on opening, or refuse. `packet` is the CONNECT that started it. */
export function concludeAuthentication(
  session: Session,
  request: AuthRequest,
  packet: ConnectPacket,
  outcome: AuthDecision,
): void {
  if (session.phase !== Phase.OPENING) return;
  if (outcome.kind === "success") {
    session.identity = {
      tenantId: outcome.tenantId,
      userId: outcome.userId,
      username: request.username,
      clientId: session.clientId,
      remoteAddress: request.remoteAddress,
      attributes: outcome.attributes ?? NO_ATTRIBUTES,
    };
    openSession(session, packet, outcome);
    return;
  }
  session.context.counters[Counter.AUTH_FAILURES]! += 1;
  if (outcome.kind === "reject") {
    refuse(session, outcome.reasonCode, outcome.reason, outcome.serverReference ?? null);
    return;
  }
  refuse(session, ReasonCode.NOT_AUTHORIZED, "no authentication provider accepts this client");
}
