/**
 * One persistent session as data. Numbers and flags are the head, which is in memory for every
 * session; what can be long is there only while it is needed (`isAwake`, and the queue's pages).
 *
 * What happens to it stands in session-life.ts, subscriptions.ts and outbound.ts.
 */

import type { HeapItem } from "../../collections/deadline-heap.ts";
import type { RingQueue } from "../../collections/ring-queue.ts";
import type { OutboundWindow } from "../../mqtt/outbound-window.ts";
import type { SubscriptionOptions } from "../../mqtt/subscription-options.ts";
import type { InboxWill } from "../inbox-types.ts";
import type { Delivery } from "./delivery.ts";
import type { DropList } from "./drops.ts";
import type { QosZeroQueue } from "./qos-zero-queue.ts";
import type { ReplayProgress } from "./replay-progress.ts";
import type { TenantShare } from "./tenant-share.ts";
import type { WaitingQueue } from "./waiting-queue.ts";

/** Parts that differ from the store, as bits. */
export const Changed = {
  NOTHING: 0,
  HEAD: 1,
  WILL: 2,
  DROPS: 4,
  INBOUND: 8,
  SUBSCRIPTIONS: 16,
  EXCHANGES: 32,
  REPLAY: 64,
} as const;

/** No will. */
export const NO_WILL = -1;

/** A stored subscription; `slot` is its place in the store. */
export interface Subscribed {
  readonly slot: number;
  readonly filter: string;
  readonly options: SubscriptionOptions;
  /** The session has not been handed all its retained messages. */
  readonly isReplayOwed: boolean;
}

export class Inbox implements HeapItem {
  /** Its incarnation too. */
  readonly id: number;
  tenant: TenantShare;
  readonly clientId: string;
  /** The user that created it. */
  readonly userId: string;

  // The attachment: a worker's life, its thread, and that worker's number of it. 0: detached.
  boot = 0;
  thread = 0;
  token = 0;
  /** Of the latest attachment, and the life of the worker that it was on. */
  epoch = 0;
  epochBoot = 0;
  receiveMaximum = 1;
  /** Bytes pushed and not acknowledged before pushing pauses. */
  windowBytes = 0;

  /** NEVER_EXPIRES = kept for ever. */
  sessionExpirySeconds = 0;
  /** Wall clock; Infinity while attached and when the session never ends. */
  endDueMs = Number.POSITIVE_INFINITY;
  /** Wall clock; Infinity while attached and when there is no will. */
  willDueMs = Number.POSITIVE_INFINITY;
  willDelaySeconds = NO_WILL;
  /** It is over: only its queue is left, and goes piece by piece. */
  isEnded = false;

  // Waiting messages have the sequence numbers [first, next).
  firstSequence = 0;
  nextSequence = 0;
  waitingBytes = 0;
  /** When the queue is to be looked through for expired messages; Infinity: there are none. */
  earliestExpiryMs = Number.POSITIVE_INFINITY;
  sweptMs = 0;
  /** The queue is not searched as a whole before. */
  searchAfterMs = 0;

  // Exchanges: sent, not finished.
  exchangeCount = 0;
  lastPacketId = 0;
  lastOrder = 0;
  /** Bytes of messages sent on the present attachment and not acknowledged. */
  outstandingBytes = 0;
  /**
   * Exchanges of earlier attachments with an order in (repeatedOrder, repeatEndOrder] that still
   * wait for PUBACK or PUBREC are to be sent again, `repeatsLeft` of them.
   */
  repeatedOrder = 0;
  repeatEndOrder = 0;
  repeatsLeft = 0;

  /** Deliveries, waiting or in flight, with the message stored within them, and their bytes. */
  inlineCount = 0;
  inlineBytes = 0;
  /** The same with a shared message. */
  sharedCount = 0;

  subscriptionCount = 0;
  lastSlot = 0;
  inboundCount = 0;
  hasDrops = false;
  hasReplay = false;

  /** All below are in memory, as far as there are any. */
  isAwake = false;
  will: InboxWill | null = null;
  drops: DropList | null = null;
  inbound: Set<number> | null = null;
  /** By filter as the client sent it, so that each share group is a subscription of its own. */
  subscriptions: Map<string, Subscribed> | null = null;
  window: OutboundWindow<Delivery> | null = null;
  /** The retained messages that the session is being handed. */
  replay: ReplayProgress | null = null;
  /** To be sent again, oldest first. */
  repeats: RingQueue<Delivery> | null = null;

  /** Null: all that waits is in the store. */
  queue: WaitingQueue | null = null;

  // For this life of the process only:
  /** Its worker lives, so what is sent can be pushed. */
  isReachable = false;
  /** Sent as far as the state goes, and waiting for room on the way to the session's worker. */
  unsent: RingQueue<Delivery> | null = null;
  qosZero: QosZeroQueue | null = null;
  /** It has got a message as a member of a shared group, whose choices depend on its load. */
  isGroupMember = false;
  heapIndex = -1;
  heapDeadlineMs = Number.POSITIVE_INFINITY;

  // What the store does not have yet:
  changed: number = Changed.NOTHING;
  isListed = false;
  isHeadStored = false;
  isWillStored = false;
  /** Slots whose record is to be removed. */
  removedSlots: number[] | null = null;
  addedSubscriptions: Subscribed[] | null = null;
  changedExchanges: Delivery[] | null = null;
  endedExchanges: number[] | null = null;
  /** Rows of replays that are over. */
  endedReplayRows = 0;

  constructor(id: number, tenant: TenantShare, clientId: string, userId: string) {
    this.id = id;
    this.tenant = tenant;
    this.clientId = clientId;
    this.userId = userId;
  }

  get isAttached(): boolean {
    return this.boot !== 0;
  }

  /** QoS 1 and 2 messages not yet sent. */
  get waitingCount(): number {
    return this.nextSequence - this.firstSequence;
  }

  /** Messages that wait for or are on their way to the client. */
  get load(): number {
    return this.waitingCount + this.exchangeCount;
  }
}
