/**
 * MsgPubPerSec, InBoundBandWidth and OutBoundBandWidth of a tenant, per connection. A client above
 * a rate is read (or written) later, never dropped. Thread: worker. No bucket exists while a limit
 * is off.
 */

import { TokenBucket } from "../../shared/collections/token-bucket.ts";
import type { TenantSettings } from "../../shared/tenant/tenant-settings.ts";
import type { Session } from "./session.ts";
import { PauseReason } from "./session-state.ts";

/** Counts one publish of `packetSize` bytes; pauses the session's input while it is in debt. */
export function chargePublish(
  session: Session,
  settings: TenantSettings,
  packetSize: number,
): void {
  if (settings.MsgPubPerSec === 0 && settings.InBoundBandWidth === 0) return;
  const nowMs = session.context.nowMs();
  updateBuckets(session, settings, nowMs);
  session.publishRate?.take(1, nowMs);
  session.inboundBandwidth?.take(packetSize, nowMs);
  const waitMs = inputWaitMs(session, nowMs);
  if (waitMs === 0 || session.isPausedFor(PauseReason.RATE)) return;
  session.pause(PauseReason.RATE);
  session.context.resumeLater(session, PauseReason.RATE, waitMs);
}

/** After a reload: input that waits for a rate waits no longer than the new one demands. */
export function reviewRates(session: Session): void {
  const { context, tenant } = session;
  if (tenant === null || !session.isPausedFor(PauseReason.RATE)) return;
  const nowMs = context.nowMs();
  updateBuckets(session, tenant.settings, nowMs);
  const waitMs = inputWaitMs(session, nowMs);
  if (waitMs === 0) session.resume(PauseReason.RATE);
  else context.resumeLater(session, PauseReason.RATE, waitMs);
}

function updateBuckets(session: Session, settings: TenantSettings, nowMs: number): void {
  session.publishRate = bucketFor(session.publishRate, settings.MsgPubPerSec, nowMs);
  session.inboundBandwidth = bucketFor(session.inboundBandwidth, settings.InBoundBandWidth, nowMs);
}

function inputWaitMs(session: Session, nowMs: number): number {
  const forRate = session.publishRate?.waitMs(nowMs) ?? 0;
  return Math.max(forRate, session.inboundBandwidth?.waitMs(nowMs) ?? 0);
}

/** Milliseconds to hold the session's output back after `size` bytes have left; 0 = not at all. */
export function chargeOutput(session: Session, size: number): number {
  const limit = session.tenant?.settings.OutBoundBandWidth ?? 0;
  if (limit === 0) return 0;
  const nowMs = session.context.nowMs();
  session.outboundBandwidth = bucketFor(session.outboundBandwidth, limit, nowMs);
  if (session.outboundBandwidth === null) return 0;
  session.outboundBandwidth.take(size, nowMs);
  return session.outboundBandwidth.waitMs(nowMs);
}

/** The bucket at its current rate; null while the limit is off. */
function bucketFor(bucket: TokenBucket | null, limit: number, nowMs: number): TokenBucket | null {
  if (limit === 0) return null;
  if (bucket === null) return new TokenBucket(limit, nowMs);
  bucket.setRate(limit, nowMs);
  return bucket;
}
