/**
 * Byte budgets of output that clients have not taken: per connection, per tenant, per process (each
 * worker gets its share). A session counts what is left after each flush, so a burst within one
 * duty cycle costs nobody anything. Thread: worker.
 */

import type { Session } from "./session.ts";

/** True: QoS 0 is dropped for this session, QoS 1 and 2 wait. */
export function isOverBudget(session: Session): boolean {
  const { limits, workers } = session.context.config;
  const { transport, tenant } = session;
  if (transport.output.size + transport.bufferedBytes > limits.connectionOutputBytes) {
    // A burst within one duty cycle is not yet a slow client: first see whether the kernel takes
    // it.
    if (transport.bufferedBytes > 0) return true;
    session.context.flushNow(transport);
    if (transport.output.size + transport.bufferedBytes > limits.connectionOutputBytes) return true;
  }
  const workerBytes = session.context.pendingOutputBytes;
  if (workerBytes * workers > limits.processOutputBytes) return session.countedBytes > 0;
  const tenantBytes = tenant?.pendingBytes ?? 0;
  return tenantBytes * workers > limits.tenantOutputBytes && session.countedBytes > 0;
}

/**
 * Called after each flush of the session's transport, and with `isGone` when the connection is
 * closed.
 */
export function countOutput(session: Session, isGone: boolean): void {
  const waiting = isGone ? 0 : session.transport.bufferedBytes;
  const change = waiting - session.countedBytes;
  if (change === 0) return;
  session.countedBytes = waiting;
  session.context.pendingOutputBytes += change;
  if (session.tenant !== null) session.tenant.pendingBytes += change;
  if (waiting > 0) noteWaiting(session, change < 0);
  else session.stalledSinceMs = 0;
}

/** The session has output that does not leave; from now on it must make progress. */
export function noteOverMark(session: Session): void {
  if (session.stalledSinceMs === 0 && session.countedBytes > 0) noteWaiting(session, false);
}

function noteWaiting(session: Session, hasMoved: boolean): void {
  if (session.stalledSinceMs !== 0 && !hasMoved) return;
  const isNew = session.stalledSinceMs === 0;
  session.stalledSinceMs = session.context.liveMs();
  if (isNew) session.reviewDeadline();
}
