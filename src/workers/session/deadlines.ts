/**
 * The one deadline a session has at a time: its connect timeout, then the nearest of keep alive,
 * stalled output and what has to be sent again. Checked lazily: packets only note the time, and who
 * turns out to be alive is put back for later. Thread: worker.
 */

import { Counter } from "../../shared/metrics/counter-table.ts";
import { ReasonCode } from "../../shared/mqtt/reason-code.ts";
import { countOutput } from "./output-budget.ts";
import { resendDue, resendDueMs } from "./resend.ts";
import type { Session } from "./session.ts";
import { EndReason, Phase } from "./session-state.ts";

const KEEP_ALIVE_FACTOR = 1.5;

/** Sets the session's next deadline from its state; none when nothing is due. */
export function scheduleNextDeadline(session: Session): void {
  const deadlineMs = Math.min(
    keepAliveDeadline(session),
    stallDeadline(session),
    resendDueMs(session),
  );
  if (deadlineMs === Number.POSITIVE_INFINITY) session.context.deadlines.cancel(session);
  else session.context.deadlines.schedule(session, deadlineMs);
}

export function handleDeadline(session: Session, nowMs: number): void {
  if (session.phase === Phase.CLOSED) return;
  if (session.phase !== Phase.ACTIVE) {
    session.context.log.info("connect_timeout", { peer: session.transport.remoteAddress });
    session.end(EndReason.CONNECTION_LOST);
    session.transport.destroy();
    return;
  }
  // Who is not read at present is silent because of us.
  if (session.isPaused) session.lastReceivedMs = nowMs;
  if (nowMs >= keepAliveDeadline(session)) {
    session.close(ReasonCode.KEEP_ALIVE_TIMEOUT, "keep alive timeout"); // [MQTT-3.1.2-22]
    return;
  }
  // Take note of what has left since the last flush: a slow client is not a stalled one.
  countOutput(session, false);
  if (nowMs >= stallDeadline(session)) {
    closeStalled(session);
    return;
  }
  resendDue(session, nowMs);
  scheduleNextDeadline(session);
}

function keepAliveDeadline(session: Session): number {
  if (session.keepAliveMs === 0) return Number.POSITIVE_INFINITY;
  return session.lastReceivedMs + session.keepAliveMs * KEEP_ALIVE_FACTOR;
}

function stallDeadline(session: Session): number {
  if (session.stalledSinceMs === 0) return Number.POSITIVE_INFINITY;
  return session.stalledSinceMs + session.context.config.limits.stalledTimeoutMs;
}

/**
 * The client takes nothing: a DISCONNECT would wait behind everything else, so the connection is
 * dropped.
 */
function closeStalled(session: Session): void {
  session.context.counters[Counter.STALLED_CLOSED]! += 1;
  session.context.log.warn("client_stalled", {
    tenant: session.tenantId,
    client_id: session.clientId,
    peer: session.transport.remoteAddress,
    waiting_bytes: session.transport.bufferedBytes,
  });
  session.close(ReasonCode.QUOTA_EXCEEDED, "output not taken in time");
}
