/**
 * One persistent session as data: who may use it, who is attached, subscriptions, received QoS 2
 * identifiers, will, times, and its outbound queue. What happens to it stands in inbox-store.ts.
 */

import type { HeapItem } from "../collections/deadline-heap.ts";
import type { InboxContext } from "./inbox-context.ts";
import type { AttachRequest, InboxWill, SubscriptionOptions } from "./inbox-types.ts";
import { OutboundQueue } from "./outbound-queue.ts";

export class Inbox implements HeapItem {
  readonly tenantId: string;
  readonly clientId: string;
  /** Grows from one session of a name to the next, also over restarts. */
  readonly incarnation: number;
  /** The user that created it. */
  readonly userId: string;
  /** Of the latest attachment. */
  epoch = 0;
  /** NEVER_EXPIRES = kept for ever. */
  sessionExpirySeconds = 0;
  will: InboxWill | null = null;
  /** Wall clock; Infinity while attached and when there is none. */
  willDueMs = Number.POSITIVE_INFINITY;
  /** Wall clock; Infinity while attached and when the session never ends. */
  endDueMs = Number.POSITIVE_INFINITY;
  /** By filter as the client sent it, so that each share group is a subscription of its own. */
  readonly subscriptions = new Map<string, SubscriptionOptions>();
  readonly inboundPacketIds = new Set<number>();
  readonly outbound: OutboundQueue;
  /** Routes being removed that some worker may still match. */
  routesLeaving = 0;
  /** It has got a message as a member of a shared group, whose choices depend on its load. */
  isGroupMember = false;
  heapIndex = -1;
  heapDeadlineMs = Number.POSITIVE_INFINITY;

  constructor(
    { tenantId, clientId, userId }: Pick<AttachRequest, "tenantId" | "clientId" | "userId">,
    incarnation: number,
    context: InboxContext,
  ) {
    this.tenantId = tenantId;
    this.clientId = clientId;
    this.incarnation = incarnation;
    this.userId = userId;
    this.outbound = new OutboundQueue(context);
  }

  /** Messages that wait for or are on their way to the client. */
  get load(): number {
    return this.outbound.waitingCount + this.outbound.inFlightCount;
  }

  /** When something happens by itself next: will, end, or a search for expired messages. */
  get dueMs(): number {
    return Math.min(this.willDueMs, this.endDueMs, this.outbound.sweepDueMs);
  }
}
