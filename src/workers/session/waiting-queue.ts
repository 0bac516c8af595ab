/**
 * Messages that wait in a transient session for room in its window, counted in messages and in
 * memory: per session, per tenant and for the whole process, so that clients who acknowledge
 * nothing cannot fill it. Quotas hold over all workers, but for a message that each of them takes
 * at the same moment. Thread: worker.
 */

import { RingQueue } from "../../shared/collections/ring-queue.ts";
import { messageFootprint } from "../../shared/mqtt/message-codec.ts";
import { Quota } from "../../shared/quota/quota-ledger.ts";
import type { Delivery } from "./deliver.ts";
import type { Session } from "./session.ts";

/** True when one more message may wait. The first always may: packets have a limit of their own. */
export function canWait(session: Session, delivery: Delivery): boolean {
  const { context, queue, tenant } = session;
  if (tenant === null) return false;
  const { limits } = context.config;
  const size = messageFootprint(delivery.message);
  const { all } = context.quotas;
  if (all.held(Quota.TRANSIENT_BYTES) + size > limits.processQueueBytes) return false;
  if (tenant.account.held(Quota.TRANSIENT_BYTES) + size > limits.tenantQueueBytes) return false;
  if (queue === null || queue.size === 0) return true;
  if (queue.size >= tenant.settings.SessionInboxSize) return false;
  return session.queueBytes + size <= limits.sessionQueueBytes;
}

export function pushWaiting(session: Session, delivery: Delivery): void {
  session.queue ??= new RingQueue();
  session.queue.push(delivery);
  count(session, messageFootprint(delivery.message));
}

/** The oldest message, taken out; undefined when none waits. */
export function shiftWaiting(session: Session): Delivery | undefined {
  const delivery = session.queue?.shift();
  if (delivery !== undefined) count(session, -messageFootprint(delivery.message));
  return delivery;
}

function count(session: Session, bytes: number): void {
  const { context, tenant } = session;
  session.queueBytes += bytes;
  context.queueBytes += bytes;
  context.quotas.all.hold(Quota.TRANSIENT_BYTES, context.queueBytes);
  if (tenant === null) return;
  tenant.queueBytes += bytes;
  tenant.account.hold(Quota.TRANSIENT_BYTES, tenant.queueBytes);
}
