/**
 * The one deadline a session has at a time: its connect timeout, then the nearest of keep alive,
 * stalled output and what has to be sent again. Checked lazily: packets only note the time, and who
 * turns out to be alive is put back for later. Time in which this worker was held up itself is
 * nobody's silence (live-clock.ts). Thread: worker.
 */

import { Counter } from "../../shared/metrics/counter-table.ts";
import { ReasonCode } from "../../shared/mqtt/reason-code.ts";
import { countOutput } from "./output-budget.ts";
import { refuse } from "./refuse-connect.ts";
import { resendDue, resendDueMs } from "./resend.ts";
import type { Session } from "./session.ts";
import { EndReason, PauseReason, Phase } from "./session-state.ts";

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

/** `nowMs`: of the live clock. */
export function handleDeadline(session: Session, nowMs: number): void {
  if (session.phase === Phase.CLOSED) return;
  if (session.phase !== Phase.ACTIVE) {
    endOpening(session);
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

/** No CONNECT has come in time, or no step of its authentication; or it has, and waits for us. */
function endOpening(session: Session): void {
  const { context, transport, identity } = session;
  if (session.phase === Phase.OPENING && session.isPausedFor(PauseReason.ANSWER)) {
    const waitsFor = session.epoch > 0 ? "store" : "claim";
    context.log.warn("connect_unanswered", {
      tenant: session.tenantId,
      client_id: session.clientId,
      peer: transport.remoteAddress,
      waits_for: identity === null ? "authentication" : waitsFor,
      limit_ms: context.config.limits.connectTimeoutMs,
    });
    refuse(session, ReasonCode.SERVER_UNAVAILABLE, "the server did not get to it in time");
    return;
  }
  context.log.info("connect_timeout", { peer: transport.remoteAddress });
  session.end(EndReason.CONNECTION_LOST);
  transport.destroy();
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
