/**
 * Messages that wait in a transient session for room in its window, counted in messages and in
 * memory: per session, per tenant and per worker, so that clients who acknowledge nothing cannot
 * fill it. Thread: worker.
 */

import { RingQueue } from "../../shared/collections/ring-queue.ts";
import { messageFootprint } from "../../shared/mqtt/message-codec.ts";
import type { Delivery } from "./deliver.ts";
import type { Session } from "./session.ts";

/** True when one more message may wait. The first always may: packets have a limit of their own. */
export function canWait(session: Session, delivery: Delivery): boolean {
  const { context, queue, tenant } = session;
  if (tenant === null) return false;
  const { limits, workers } = context.config;
  const size = messageFootprint(delivery.message);
  if ((context.queueBytes + size) * workers > limits.processQueueBytes) return false;
  if ((tenant.queueBytes + size) * workers > limits.tenantQueueBytes) return false;
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
  session.queueBytes += bytes;
  session.context.queueBytes += bytes;
  if (session.tenant !== null) session.tenant.queueBytes += bytes;
}
