/**
 * From CONNECT to the end of a stored session.
 *
 * ```
 *   absent ──── attach ────▶ attached ──── detach, worker lost ────▶ detached
 *     ▲                        ▲                                       │ will delay over:
 *     │                        └──────────── attach: resume ───────────┤ will published
 *     └── attach with clean start, session expiry over ────────────────┘
 * ```
 *
 * Commands name their attachment (worker's life, token); one that is over is unknown, which fences
 * late commands. Routes name the session's incarnation, so what they still match after its end is
 * refused (NO_INBOX), and a new session of the same name never gets its predecessor's messages.
 * Times come with the commands; what happens by itself is proposed when it is due, and does nothing
 * when it is not due any more.
 */

import { mayTake } from "../../base/operator-user.ts";
import { Counter } from "../../metrics/counter-table.ts";
import { publishedAt } from "../../mqtt/message.ts";
import { processOf } from "../../range/worker-life.ts";
import {
  type AttachReply,
  type AttachRequest,
  AttachStatus,
  type DropReport,
  NEVER_EXPIRES,
  type OwedReplay,
  refusedAttach,
} from "../inbox-types.ts";
import type { Delivery } from "./delivery.ts";
import { Changed, Inbox, NO_WILL } from "./inbox.ts";
import { bucketOf } from "./inbox-key.ts";
import { dropsOf, wake, willOf } from "./inbox-parts.ts";
import {
  beginWindow,
  endExchange,
  endWindow,
  exchangesOf,
  peekFirst,
  sweep,
  takeFirst,
} from "./outbound.ts";
import type { RangeState } from "./range-state.ts";
import { forgetReplay } from "./replay.ts";
import { removeAll } from "./subscriptions.ts";

/** Messages that one command lets go of when a session ends: some milliseconds. */
const PURGE_MAX = 4096;
/**
 * While other members take the messages of sessions that have ended, the rest is looked at again.
 */
const HAND_OVER_PAUSE_MS = 1000;

/** An attach command, and who sent it. */
export interface Attaching {
  readonly request: AttachRequest;
  readonly windowBytes: number;
  /** Sessions that its tenant may have more. */
  readonly sessionRoom: number;
  readonly boot: number;
  readonly thread: number;
  readonly token: number;
  /** It waits for the answer. */
  readonly isAnswered: boolean;
}

/**
 * Attaches a connection, answers it, and pushes what is in flight and what waits. A connection
 * still attached counts as lost: the dictionary has closed it, only its detach never came.
 */
export function attach(state: RangeState, attaching: Attaching, nowMs: number): void {
  const { request } = attaching;
  const { tenantId, clientId } = request;
  const stored = state.find(tenantId, clientId);
  const refusal = stored === null ? null : refusalOf(stored, attaching);
  if (refusal !== null) {
    refuse(state, attaching, refusal);
    return;
  }
  if (stored?.isAttached === true) detach(state, stored, -1, false, nowMs);
  // Asked again: detaching may have ended the session. A clean start does [MQTT-3.1.2-4], and
  // publishes its waiting will.
  let existing = state.find(tenantId, clientId);
  // One that takes another's place adds none.
  const hasRoom = existing !== null || attaching.sessionRoom > 0;
  // [MQTT-3.1.4-4]
  if (existing !== null && request.cleanStart) {
    end(state, existing, nowMs);
    existing = null;
  }
  if (existing === null && request.sessionExpirySeconds === 0) {
    const isDiscarded = stored !== null && request.cleanStart;
    refuse(state, attaching, isDiscarded ? AttachStatus.DISCARDED : AttachStatus.ABSENT);
    return;
  }
  if (!hasRoom) {
    refuse(state, attaching, AttachStatus.QUOTA);
    return;
  }
  // Resumed, or a new session [MQTT-3.1.2-5] [MQTT-3.1.2-6].
  const inbox = existing ?? create(state, request);
  const isAfterRestart = processOf(inbox.epochBoot) !== processOf(attaching.boot);
  bind(state, inbox, attaching);
  const presence = { sessionPresent: existing !== null, isAfterRestart };
  answer(state, inbox, attaching, presence);
  beginWindow(state, inbox, nowMs);
  state.schedule(inbox);
}

/**
 * The connection of an attached inbox is gone. `sessionExpirySeconds` -1 keeps what attach said.
 * The will waits for its delay or the session's end, whichever comes first [MQTT-3.1.2-8];
 * `discardWill` forgets it [MQTT-3.14.4-3].
 */
export function detach(
  state: RangeState,
  inbox: Inbox,
  sessionExpirySeconds: number,
  discardWill: boolean,
  nowMs: number,
): void {
  unbind(state, inbox);
  if (sessionExpirySeconds >= 0) inbox.sessionExpirySeconds = sessionExpirySeconds;
  if (discardWill) forgetWill(state, inbox); // [MQTT-3.1.2-10]
  const expirySeconds = inbox.sessionExpirySeconds;
  // [MQTT-3.1.2-23] Until then it stays as it is.
  if (expirySeconds !== NEVER_EXPIRES) inbox.endDueMs = nowMs + expirySeconds * 1000;
  if (inbox.willDelaySeconds !== NO_WILL) {
    inbox.willDueMs = nowMs + Math.min(inbox.willDelaySeconds, expirySeconds) * 1000;
  }
  state.change(inbox, Changed.HEAD);
  runDue(state, inbox, nowMs);
}

/** Nobody serves these attachments any more: to their sessions this is a network failure. */
export function loseWorker(
  state: RangeState,
  boot: number,
  lastToken: number,
  nowMs: number,
): void {
  const attachments = state.attachments.get(boot);
  if (attachments === undefined) return;
  const lost = [...attachments.values()].filter((inbox) => inbox.token <= lastToken);
  // Wills get their numbers in an order that does not depend on this life's history.
  lost.sort((left, right) => left.id - right.id);
  for (const inbox of lost) detach(state, inbox, -1, false, nowMs);
}

/** Publishes the will, ends the session, drops expired messages, as far as that is due. */
export function runDue(state: RangeState, inbox: Inbox, nowMs: number): void {
  if (inbox.isEnded) {
    purge(state, inbox, nowMs);
    return;
  }
  if (nowMs >= inbox.willDueMs) publishWill(state, inbox, nowMs);
  if (nowMs >= inbox.endDueMs) {
    // One that was to end with its connection has not expired.
    if (inbox.sessionExpirySeconds > 0) state.countExpired(inbox.tenant.tenantId);
    end(state, inbox, nowMs);
    return;
  }
  if (nowMs >= inbox.earliestExpiryMs) sweep(state, inbox, nowMs);
  state.schedule(inbox);
}

function refusalOf(stored: Inbox, { request, boot }: Attaching): AttachStatus | null {
  // A late command of a predecessor. The dictionary counts epochs anew in every process, and what
  // an earlier process proposed stands before in the log.
  const isComparable = processOf(boot) === processOf(stored.epochBoot);
  if (isComparable && request.epoch < stored.epoch) return AttachStatus.UNAVAILABLE;
  return mayTake(request.userId, stored.userId) ? null : AttachStatus.WRONG_USER;
}

function refuse(state: RangeState, attaching: Attaching, status: AttachStatus): void {
  if (!attaching.isAnswered) return;
  state.output.attached(attaching, refusedAttach(status));
}

function create(state: RangeState, request: AttachRequest): Inbox {
  const { tenantId, clientId, userId } = request;
  const tenant = state.tenant(tenantId);
  const id = state.newId(bucketOf(tenantId, clientId));
  const inbox = new Inbox(id, tenant, clientId, userId);
  inbox.isAwake = true;
  tenant.inboxes.set(clientId, inbox);
  state.inboxes.set(id, inbox);
  state.countSession(tenant, 1);
  return inbox;
}

/** A new attachment forgets the old will in time [MQTT-3.1.3-9] and brings its own. */
function bind(state: RangeState, inbox: Inbox, attaching: Attaching): void {
  const { request, boot, token } = attaching;
  wake(state, inbox);
  inbox.boot = boot;
  inbox.thread = attaching.thread;
  inbox.token = token;
  inbox.isReachable = attaching.isAnswered;
  inbox.epoch = request.epoch;
  inbox.epochBoot = boot;
  inbox.receiveMaximum = request.receiveMaximum;
  inbox.windowBytes = attaching.windowBytes;
  inbox.sessionExpirySeconds = request.sessionExpirySeconds;
  inbox.will = request.will;
  inbox.willDelaySeconds = request.will?.delaySeconds ?? NO_WILL;
  inbox.willDueMs = Number.POSITIVE_INFINITY;
  inbox.endDueMs = Number.POSITIVE_INFINITY;
  state.change(inbox, Changed.WILL);
  let attachments = state.attachments.get(boot);
  if (attachments === undefined) {
    attachments = new Map();
    state.attachments.set(boot, attachments);
  }
  attachments.set(token, inbox);
  if (state.isLive) state.output.onlineChanged(inbox, true);
}

/** Tells the session what is stored, and what it has missed, which the operator is owed word of. */
function answer(
  state: RangeState,
  inbox: Inbox,
  attaching: Attaching,
  { sessionPresent, isAfterRestart }: Pick<AttachReply, "sessionPresent" | "isAfterRestart">,
): void {
  const drops = takeDrops(state, inbox, false);
  if (!attaching.isAnswered) return;
  const subscriptions = [...(inbox.subscriptions?.values() ?? [])];
  state.output.attached(attaching, {
    status: AttachStatus.ATTACHED,
    sessionPresent,
    subscriptions: subscriptions.map(({ filter, options }) => ({ filter, options })),
    inboundPacketIds: [...(inbox.inbound ?? [])],
    isAfterRestart,
    incarnation: inbox.id,
    drops,
    load: inbox.load,
    replays: owedReplays(inbox),
  });
  for (const subscribed of subscriptions) state.output.addRoute(inbox, subscribed, null);
}

/** The one that has begun first: what comes of it next belongs to it. */
function owedReplays(inbox: Inbox): OwedReplay[] {
  const { replay, subscriptions } = inbox;
  const owed: OwedReplay[] = [];
  for (const { filter, isReplayOwed } of subscriptions?.values() ?? []) {
    if (!isReplayOwed) continue;
    if (filter === replay?.filter) owed.unshift({ filter, handedTopics: [...replay.topics] });
    else owed.push({ filter, handedTopics: [] });
  }
  return owed;
}

function unbind(state: RangeState, inbox: Inbox): void {
  if (!inbox.isAttached) return;
  const attachments = state.attachments.get(inbox.boot);
  attachments?.delete(inbox.token);
  if (attachments?.size === 0) state.attachments.delete(inbox.boot);
  endWindow(inbox);
  inbox.qosZero?.clear();
  inbox.qosZero = null;
  inbox.boot = 0;
  inbox.thread = 0;
  inbox.token = 0;
  inbox.isReachable = false;
  state.change(inbox, Changed.HEAD);
  if (state.isLive) state.output.onlineChanged(inbox, false);
}

/**
 * Forgets what the session has missed, and owes word of it: neither a crash nor a client that does
 * not wait for its CONNACK takes that away.
 */
function takeDrops(state: RangeState, inbox: Inbox, isOver: boolean): readonly DropReport[] {
  if (!inbox.hasDrops) return [];
  const drops = dropsOf(state, inbox).reports;
  inbox.hasDrops = false;
  inbox.drops = null;
  state.change(inbox, Changed.DROPS);
  const { clientId } = inbox;
  state.owe(
    inbox,
    { kind: "missed", tenantId: inbox.tenant.tenantId, clientId, isOver, drops },
    null,
  );
  return drops;
}

/** The will's own expiry counts from its publication (MQTT5 §3.1.3.2.4). */
function publishWill(state: RangeState, inbox: Inbox, nowMs: number): void {
  const will = willOf(state, inbox);
  if (will === null) return;
  forgetWill(state, inbox); // [MQTT-3.1.2-10]
  if (state.isLive) state.counters[Counter.WILLS_PUBLISHED]! += 1;
  const { userId } = inbox;
  state.owe(inbox, { kind: "will", userId, message: publishedAt(will.message, nowMs) }, null);
}

/** It is not published, whatever happens to the session. */
export function forgetWill(state: RangeState, inbox: Inbox): void {
  inbox.will = null;
  inbox.willDelaySeconds = NO_WILL;
  inbox.willDueMs = Number.POSITIVE_INFINITY;
  state.change(inbox, Changed.WILL);
}

/**
 * The session is over [MQTT-4.1.0-2]: nothing of it stays but messages that other group members may
 * have.
 */
function end(state: RangeState, inbox: Inbox, nowMs: number): void {
  wake(state, inbox);
  publishWill(state, inbox, nowMs);
  unbind(state, inbox);
  inbox.isEnded = true;
  inbox.tenant.inboxes.delete(inbox.clientId);
  state.countSession(inbox.tenant, -1);
  removeAll(state, inbox);
  forgetReplay(state, inbox);
  takeDrops(state, inbox, true);
  inbox.inboundCount = 0;
  inbox.inbound = null;
  state.change(inbox, Changed.INBOUND);
  for (const delivery of exchangesOf(inbox)) {
    // A QoS 2 exchange that has begun ends here [MQTT-4.8.2-5].
    if (delivery.qos === 1) handOver(state, inbox, delivery);
    endExchange(state, inbox, delivery);
  }
  purge(state, inbox, nowMs);
}

/**
 * Lets go of waiting messages, some at a time: the queue may be long. Those for other members of
 * groups stay in it until the outbox has room.
 */
function purge(state: RangeState, inbox: Inbox, nowMs: number): void {
  state.change(inbox, Changed.HEAD);
  inbox.endDueMs = nowMs;
  for (let left = PURGE_MAX; left > 0; left--) {
    if (state.outbox.isFull && peekFirst(state, inbox)?.shareFilter != null) {
      inbox.endDueMs = nowMs + HAND_OVER_PAUSE_MS;
      break;
    }
    const delivery = takeFirst(state, inbox);
    if (delivery === null) {
      state.inboxes.delete(inbox.id);
      state.deadlines.cancel(inbox);
      state.forgetIfEmpty(inbox.tenant);
      return;
    }
    handOver(state, inbox, delivery);
    state.release(inbox, delivery);
  }
  inbox.earliestExpiryMs = Number.POSITIVE_INFINITY;
  state.schedule(inbox);
}

/** Undelivered messages of a shared group are for another member. */
function handOver(state: RangeState, inbox: Inbox, delivery: Delivery): void {
  const { stored, shareFilter } = delivery;
  if (stored === null || shareFilter === null) return;
  state.shared.load(stored);
  const { message } = stored;
  if (message === null) return;
  state.owe(inbox, { kind: "redispatch", incarnation: inbox.id, shareFilter, message }, null);
}
