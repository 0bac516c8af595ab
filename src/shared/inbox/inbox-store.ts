/**
 * All persistent sessions of one owner thread: the pure state machine behind the inbox service.
 *
 * ```
 *   absent ──── attach ────▶ attached ──── detach, worker lost ────▶ detached
 *     ▲                        ▲                                       │ will delay over:
 *     │                        └──────────── attach: resume ───────────┤ will published
 *     └── attach with clean start, session expiry over ────────────────┘
 * ```
 *
 * Commands name their attachment (thread, token); one that is over is unknown here, which fences
 * late commands. The routes of a session that ended may still be matched by other workers for a
 * moment: until all have removed them, what they send is refused (NO_INBOX), so a new session of
 * the same name never gets its predecessor's messages. Time is an argument. Thread: the owner.
 * Scope: one per worker.
 */

import { DeadlineHeap } from "../collections/deadline-heap.ts";
import { Counter } from "../metrics/counter-table.ts";
import { Message } from "../mqtt/message.ts";
import type { DeliveryForm, StoredMessage } from "./delivery.ts";
import { EndedInboxes } from "./ended-inboxes.ts";
import { Inbox } from "./inbox.ts";
import type { InboxContext, InboxLimits } from "./inbox-context.ts";
import type { PushTarget, Requester } from "./inbox-output.ts";
import {
  type AttachReply,
  type AttachRequest,
  AttachStatus,
  InboxSubscribeStatus,
  InsertStatus,
  NEVER_EXPIRES,
  type StoredSubscription,
} from "./inbox-types.ts";

/**
 * Inboxes that one `handleTimeout` serves: a publish each costs some 10 µs, so the wills of a cut
 * cable hold the worker up for 40 ms at a time. The event loop calls four times per second.
 */
const DUE_PER_CALL = 4000;

export class InboxStore {
  readonly #context: InboxContext;
  readonly #tenants = new Map<string, Map<string, Inbox>>();
  /** Sessions that have expired so far, by tenant. */
  readonly #expired = new Map<string, number>();
  /** By thread, then token. */
  readonly #attachments = new Map<number, Map<number, Inbox>>();
  readonly #deadlines = new DeadlineHeap<Inbox>();
  readonly #ended: EndedInboxes;
  #lastIncarnation = 0;

  constructor(context: InboxContext) {
    this.#context = context;
    this.#ended = new EndedInboxes(context.output);
  }

  /** Wall clock; Infinity when nothing is due. */
  get nextDeadlineMs(): number {
    return this.#deadlines.nextDeadlineMs;
  }

  /** Tenants that have sessions here. */
  tenants(): Iterable<string> {
    return this.#tenants.keys();
  }

  /** Sessions of a tenant, attached or not. */
  sessionCount(tenantId: string): number {
    return this.#tenants.get(tenantId)?.size ?? 0;
  }

  /** Sessions of a tenant that have ended so far because their client stayed away too long. */
  expiredCount(tenantId: string): number {
    return this.#expired.get(tenantId) ?? 0;
  }

  find(tenantId: string, clientId: string): Inbox | null {
    return this.#tenants.get(tenantId)?.get(clientId) ?? null;
  }

  /** The inbox that this attachment is attached to; null when the attachment is over. */
  attached(thread: number, token: number): Inbox | null {
    return this.#attachments.get(thread)?.get(token) ?? null;
  }

  /**
   * Attaches a connection, answers it, and pushes what is in flight and what waits. A connection
   * still attached counts as lost: the dictionary has closed it, only its detach never came.
   */
  attach(request: AttachRequest, target: PushTarget, nowMs: number): void {
    const stored = this.find(request.tenantId, request.clientId);
    const refusal = stored === null ? null : refusalOf(stored, request);
    if (refusal !== null) {
      this.#refuse(target, refusal);
      return;
    }
    if (stored?.outbound.isAttached) this.detach(stored, -1, false, nowMs);
    // Asked again: detaching may have ended the session. A clean start does [MQTT-3.1.2-4], and
    // publishes its waiting will.
    let existing = this.find(request.tenantId, request.clientId);
    // [MQTT-3.1.4-4]
    if (existing !== null && request.cleanStart) {
      this.#end(existing, nowMs);
      existing = null;
    }
    if (existing === null && request.sessionExpirySeconds === 0) {
      this.#refuse(target, AttachStatus.ABSENT);
      return;
    }
    // Resumed, or a new session [MQTT-3.1.2-5] [MQTT-3.1.2-6].
    const inbox = existing ?? this.#create(request, nowMs);
    this.#bind(inbox, request, target);
    this.#context.output.attached(target, describe(inbox, existing !== null));
    inbox.outbound.attach(target, request.receiveMaximum, nowMs);
    this.#reschedule(inbox);
  }

  /**
   * The connection of an attached inbox is gone. `sessionExpirySeconds` -1 keeps what attach said.
   * The will waits for its delay or the session's end, whichever comes first [MQTT-3.1.2-8];
   * `discardWill` forgets it [MQTT-3.14.4-3].
   */
  detach(inbox: Inbox, sessionExpirySeconds: number, discardWill: boolean, nowMs: number): void {
    this.#unbind(inbox);
    inbox.outbound.detach();
    if (sessionExpirySeconds >= 0) inbox.sessionExpirySeconds = sessionExpirySeconds;
    if (discardWill) inbox.will = null; // [MQTT-3.1.2-10]
    const expirySeconds = inbox.sessionExpirySeconds;
    // [MQTT-3.1.2-23] Until then it stays as it is.
    if (expirySeconds !== NEVER_EXPIRES) inbox.endDueMs = nowMs + expirySeconds * 1000;
    if (inbox.will !== null) {
      inbox.willDueMs = nowMs + Math.min(inbox.will.delaySeconds, expirySeconds) * 1000;
    }
    this.#runDue(inbox, nowMs);
  }

  /** Adds or replaces a subscription; the answer leaves when every worker matches it. */
  subscribe(
    inbox: Inbox,
    subscription: StoredSubscription,
    limits: InboxLimits,
    requester: Requester,
  ): void {
    const { filter, options } = subscription;
    const isNew = !inbox.subscriptions.has(filter);
    const limit = limits.MaxTopicFiltersPerInbox;
    // A full inbox may still replace what it has.
    if (isNew && limit > 0 && inbox.subscriptions.size >= limit) {
      this.#context.output.subscribeRefused(requester, InboxSubscribeStatus.QUOTA);
      return;
    }
    inbox.subscriptions.set(filter, options); // [MQTT-3.8.4-3]
    const { thread, request } = requester;
    const status = isNew ? InboxSubscribeStatus.NEW : InboxSubscribeStatus.REPLACED;
    this.#context.output.addRoute({ inbox, filter, thread, request }, options, status);
  }

  /**
   * Removes the subscription of exactly this filter [MQTT-3.10.4-1]; messages already stored stay.
   */
  unsubscribe(inbox: Inbox, filter: string, requester: Requester): void {
    if (!inbox.subscriptions.delete(filter)) {
      this.#context.output.unsubscribeMissed(requester);
      return;
    }
    inbox.routesLeaving += 1;
    const { thread, request } = requester;
    this.#context.output.removeRoute({ inbox, filter, thread, request });
  }

  /** Stores one message in the inbox of a client of the message's tenant. */
  insert(
    clientId: string,
    stored: StoredMessage,
    form: DeliveryForm,
    limits: InboxLimits,
    nowMs: number,
  ): InsertStatus {
    const tenantId = stored.message.tenantId;
    const inbox = this.find(tenantId, clientId);
    if (inbox === null || this.#ended.has(tenantId, clientId)) return InsertStatus.NO_INBOX;
    const status = inbox.outbound.offer(stored, form, limits, nowMs);
    if (form.shareFilter !== null) inbox.isGroupMember = true;
    if (inbox.isGroupMember) this.#context.output.loadChanged(inbox);
    if (inbox.outbound.sweepDueMs < inbox.heapDeadlineMs) this.#reschedule(inbox);
    return status;
  }

  /** Messages of this inbox that wait to be sent; 0 when it does not exist. */
  waitingCount(tenantId: string, clientId: string): number {
    return this.find(tenantId, clientId)?.outbound.waitingCount ?? 0;
  }

  /** All workers have removed one route of `inbox`. */
  routeRemoved(inbox: Inbox): void {
    this.#ended.routeRemoved(inbox);
  }

  /** The way to `thread` is free again: what stopped for it goes on. */
  resume(thread: number, nowMs: number): void {
    const attachments = this.#attachments.get(thread);
    if (attachments === undefined) return;
    for (const inbox of attachments.values()) inbox.outbound.resume(nowMs);
  }

  /** The sessions' worker died: to them this is a network failure. */
  peerLost(thread: number, nowMs: number): void {
    const attachments = this.#attachments.get(thread);
    if (attachments === undefined) return;
    for (const inbox of [...attachments.values()]) this.detach(inbox, -1, false, nowMs);
    this.#attachments.delete(thread);
  }

  /**
   * Publishes the wills, ends the sessions and drops the expired messages that are due, so many
   * inboxes at a time: `nextDeadlineMs` lies in the past until all have been served.
   */
  handleTimeout(nowMs: number): void {
    for (let left = DUE_PER_CALL; left > 0; left--) {
      const inbox = this.#deadlines.pollDue(nowMs);
      if (inbox === null) return;
      this.#runDue(inbox, nowMs);
    }
  }

  #refuse(target: PushTarget, status: AttachStatus): void {
    const reply = { status, sessionPresent: false, subscriptions: [], inboundPacketIds: [] };
    this.#context.output.attached(target, reply);
  }

  #create(request: AttachRequest, nowMs: number): Inbox {
    const { tenantId, clientId } = request;
    // By the clock, so that routes left behind by an earlier process are older.
    this.#lastIncarnation = Math.max(this.#lastIncarnation + 1, Math.floor(nowMs));
    const inbox = new Inbox(request, this.#lastIncarnation, this.#context);
    let inboxes = this.#tenants.get(tenantId);
    if (inboxes === undefined) {
      inboxes = new Map();
      this.#tenants.set(tenantId, inboxes);
    }
    inboxes.set(clientId, inbox);
    this.#context.counters[Counter.PERSISTENT_SESSIONS]! += 1;
    return inbox;
  }

  /** A new attachment forgets the old will in time [MQTT-3.1.3-9] and brings its own. */
  #bind(inbox: Inbox, request: AttachRequest, target: PushTarget): void {
    inbox.epoch = request.epoch;
    inbox.sessionExpirySeconds = request.sessionExpirySeconds;
    inbox.will = request.will;
    inbox.willDueMs = Number.POSITIVE_INFINITY;
    inbox.endDueMs = Number.POSITIVE_INFINITY;
    let attachments = this.#attachments.get(target.thread);
    if (attachments === undefined) {
      attachments = new Map();
      this.#attachments.set(target.thread, attachments);
    }
    attachments.set(target.token, inbox);
    this.#context.output.onlineChanged(inbox, true);
  }

  #unbind(inbox: Inbox): void {
    const { thread, token, isAttached } = inbox.outbound;
    if (!isAttached) return;
    this.#attachments.get(thread)?.delete(token);
    this.#context.output.onlineChanged(inbox, false);
  }

  #runDue(inbox: Inbox, nowMs: number): void {
    if (nowMs >= inbox.willDueMs) this.#publishWill(inbox, nowMs);
    if (nowMs >= inbox.endDueMs) {
      // One that was to end with its connection has not expired.
      if (inbox.sessionExpirySeconds > 0) {
        this.#expired.set(inbox.tenantId, this.expiredCount(inbox.tenantId) + 1);
      }
      this.#end(inbox, nowMs);
      return;
    }
    if (nowMs >= inbox.outbound.sweepDueMs) inbox.outbound.sweep(nowMs);
    this.#reschedule(inbox);
  }

  /** The will's own expiry counts from its publication (MQTT5 §3.1.3.2.4). */
  #publishWill(inbox: Inbox, nowMs: number): void {
    const will = inbox.will;
    inbox.will = null; // [MQTT-3.1.2-10]
    inbox.willDueMs = Number.POSITIVE_INFINITY;
    if (will === null) return;
    this.#context.counters[Counter.WILLS_PUBLISHED]! += 1;
    this.#context.output.publishWill(receivedAt(will.message, nowMs));
  }

  /**
   * The session is over [MQTT-4.1.0-2]: nothing of it stays but messages that other group members
   * may have.
   */
  #end(inbox: Inbox, nowMs: number): void {
    this.#publishWill(inbox, nowMs);
    this.#unbind(inbox);
    this.#deadlines.cancel(inbox);
    const { tenantId, clientId } = inbox;
    const inboxes = this.#tenants.get(tenantId);
    inboxes?.delete(clientId);
    if (inboxes?.size === 0) this.#tenants.delete(tenantId);
    this.#context.counters[Counter.PERSISTENT_SESSIONS]! -= 1;
    this.#ended.add(inbox);
  }

  #reschedule(inbox: Inbox): void {
    this.#deadlines.schedule(inbox, inbox.dueMs);
  }
}

function refusalOf(stored: Inbox, request: AttachRequest): AttachStatus | null {
  // A late command of a predecessor.
  if (request.epoch < stored.epoch) return AttachStatus.UNAVAILABLE;
  return request.userId === stored.userId ? null : AttachStatus.WRONG_USER;
}

function describe(inbox: Inbox, sessionPresent: boolean): AttachReply {
  return {
    status: AttachStatus.ATTACHED,
    sessionPresent,
    subscriptions: [...inbox.subscriptions].map(([filter, options]) => ({ filter, options })),
    inboundPacketIds: [...inbox.inboundPacketIds],
  };
}

function receivedAt(message: Message, nowMs: number): Message {
  return new Message(
    message.tenantId,
    message.topic,
    message.payload,
    message.forwardProperties,
    message.qos,
    message.retain,
    message.expirySeconds,
    nowMs,
    message.publisherId,
  );
}
