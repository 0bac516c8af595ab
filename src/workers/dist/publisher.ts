/**
 * One publish to everybody who wants it: local sessions directly, other workers one record each,
 * inboxes one command per owning worker, shared groups one member each.
 *
 * Flow: publish 5/8, after match, before session delivery. Thread: worker. Scope: one per worker.
 * Order: everything leaves synchronously, so two publishes of one connection reach every receiver
 * in that order [MQTT-4.6.0-5] [MQTT-4.6.0-6].
 */

import { assert } from "../../shared/base/assert.ts";
import { RingQueue } from "../../shared/collections/ring-queue.ts";
import { Counter } from "../../shared/metrics/counter-table.ts";
import { type Message, withoutOrigin } from "../../shared/mqtt/message.ts";
import { RecordType } from "../../shared/protocol/ring-message.ts";
import type { RingEndpoint } from "../../shared/ring/ring-endpoint.ts";
import type { TenantSettings } from "../../shared/tenant/tenant-settings.ts";
import { splitShareFilter } from "../../shared/topic/share-filter.ts";
import { type InboxClient, InsertStatus } from "../inbox/inbox-api.ts";
import type { RetainClient } from "../retain/retain-api.ts";
import { BorrowedPublish } from "./borrowed-publish.ts";
import type { DeliverLink } from "./deliver-link.ts";
import { type Publisher, PublishOutcome } from "./dist-api.ts";
import { InboxFanout, type SharedMessage } from "./inbox-fanout.ts";
import { deliverLocal, deliverRun, deliverRunTo } from "./local-fanout.ts";
import { type FilterEntry, type MatchIndex, WORKERS_PER_WORD } from "./match-index.ts";
import type { MemberTable, SharedRoute } from "./member-table.ts";
import { PendingPublish } from "./pending-publish.ts";
import type { PublishRun } from "./publish-run.ts";
import type { RouteTable } from "./route-table.ts";
import type { ShareGroup, ShareStrategy } from "./share-group.ts";
import type { Subscription } from "./subscription.ts";

/** Who wanted a publish; bits. */
const NOBODY = 0;
/** Transient sessions: they have it, or it is on its way to their worker. */
const TRANSIENT = 1;
/** Persistent sessions: their inboxes still have to take it. */
const PERSISTENT = 2;

/** `publishBorrowed` answers later, through `done`. */
export const PUBLISH_PENDING = -1;

export interface PublisherContext {
  readonly endpoint: RingEndpoint;
  readonly index: MatchIndex;
  readonly table: RouteTable;
  readonly members: MemberTable;
  readonly link: DeliverLink;
  readonly loads: Int32Array;
  readonly counters: Float64Array;
  readonly inbox: InboxClient;
  readonly retain: RetainClient;
  nowMs(): number;
  random(): number;
  settings(tenantId: string): TenantSettings;
  shareStrategy(): ShareStrategy;
  /** False: routes of stored sessions are missing. */
  areRoutesWhole(): boolean;
}

export class DistPublisher implements Publisher {
  readonly #context: PublisherContext;
  readonly #own = new BorrowedPublish();
  readonly #incoming = new BorrowedPublish();
  readonly #fanout: InboxFanout;
  /** Entries with local subscribers of the publish under way; scratch, never shrinks. */
  readonly #locals: FilterEntry[] = [];
  /** Shared groups of the publish under way; scratch as well. */
  readonly #groups: ShareGroup[] = [];
  /**
   * Deliveries run foreign code, which may publish again (a will). Such publishes wait here until
   * the one under way has reached everybody: scratch is used once at a time, and order is kept.
   */
  readonly #deferred = new RingQueue<() => void>();
  #isBusy = false;
  #isSettling = false;

  constructor(context: PublisherContext) {
    this.#context = context;
    this.#fanout = new InboxFanout(context.inbox, (shared, settled) => {
      this.#redispatchShared(shared, settled);
    });
    const endpoint = context.endpoint;
    endpoint.setHandler(RecordType.DELIVER, (bytes, offset) => this.#handleDeliver(bytes, offset));
    endpoint.setHandler(RecordType.DELIVER_SHARED, (bytes, offset) =>
      this.#handleDeliverShared(bytes, offset),
    );
  }

  /**
   * Publishes a message that already has memory of its own: wills, the broker's own messages,
   * hand-overs. From inside a delivery, once that publish is done.
   */
  publish(
    message: Message,
    done: ((outcome: PublishOutcome) => void) | null,
    isForStored = false,
  ): void {
    this.#whenIdle(() => {
      this.#own.loadMessage(message, this.#context.nowMs());
      this.#own.isForStored = isForStored;
      const outcome = this.publishBorrowed(this.#own, done);
      if (outcome !== PUBLISH_PENDING && done !== null) done(outcome);
    });
  }

  /**
   * Delivers a publish whose memory is only borrowed; not from inside a delivery. Returns the
   * outcome, or PUBLISH_PENDING when inboxes or the retained store have to answer first (`done`).
   * With `done` null nobody waits. While routes are missing nobody gets what somebody waits for:
   * its publisher has to send it again, and whoever had it would have it twice.
   */
  publishBorrowed(
    publish: BorrowedPublish,
    done: ((outcome: PublishOutcome) => void) | null,
  ): PublishOutcome | typeof PUBLISH_PENDING {
    if (done !== null && !this.#context.areRoutesWhole()) return PublishOutcome.FAILED;
    const pending = done === null ? null : new PendingPublish(done);
    this.#begin();
    // Before fan-out: who subscribes because of this message finds it stored [MQTT-3.3.1-5].
    if (publish.retain) this.#store(publish, pending); // [MQTT-3.3.1-8]
    const takers = this.#fanOut(publish, pending);
    // The broker's own statistics are stored for whoever comes; nobody misses them now.
    if (takers === NOBODY && publish.publisherId !== "") {
      this.#context.counters[Counter.DROPPED_NO_SUBSCRIBER]! += 1;
    }
    this.#end();
    const outcome = takers === NOBODY ? PublishOutcome.NO_SUBSCRIBER : PublishOutcome.DELIVERED;
    if (pending === null) return outcome;
    return pending.seal(outcome, (takers & TRANSIENT) !== 0) ?? PUBLISH_PENDING;
  }

  /**
   * Delivers the publish that is loaded, the first of `run`, and those that follow it alike. False:
   * nothing has been done, because none follows, or because others than transient sessions of this
   * worker want them, or several filters match. Nobody waits for an outcome: QoS 0.
   */
  publishRun(publish: BorrowedPublish, run: PublishRun): boolean {
    const entry = this.#soleEntry(publish);
    if (entry === null) return false;
    if (entry.shares !== null) return this.#shareRun(publish, run, entry.shares);
    if (!run.extend(Number.POSITIVE_INFINITY)) return false;
    this.#begin();
    deliverRun(publish, run, entry);
    this.#end();
    return true;
  }

  /**
   * A shared group's message whose member has left: to another member, if there is one. `done`, if
   * not null, gets NO_INBOX if there is none, STORED when one has it, or why it is not stored.
   */
  redispatch(
    message: Message,
    route: SharedRoute,
    done: ((status: InsertStatus) => void) | null,
  ): void {
    // That the group has it is noted already, and must not keep it from the next member.
    this.#redispatchWhenIdle(withoutOrigin(message), route, done, 0);
  }

  #redispatchShared(
    { message, shareFilter, attempt }: SharedMessage,
    settled: (status: InsertStatus) => void,
  ): void {
    const share = splitShareFilter(shareFilter);
    assert(share !== null, "a shared group's message names its filter as shared");
    const route = { tenantId: message.tenantId, ...share };
    this.#redispatchWhenIdle(message, route, settled, attempt);
  }

  #redispatchWhenIdle(
    message: Message,
    route: SharedRoute,
    done: ((status: InsertStatus) => void) | null,
    attempt: number,
  ): void {
    this.#whenIdle(() => {
      this.#own.loadMessage(message, this.#context.nowMs());
      this.#begin();
      this.#redispatch(this.#own, route, done, attempt);
      this.#end();
    });
  }

  #whenIdle(task: () => void): void {
    if (this.#isBusy || this.#isSettling) this.#deferred.push(task);
    else task();
  }

  #begin(): void {
    assert(!this.#isBusy, "one publish at a time");
    this.#isBusy = true;
  }

  #end(): void {
    this.#isBusy = false;
    if (this.#deferred.size === 0 || this.#isSettling) return;
    this.#isSettling = true;
    for (let task = this.#deferred.shift(); task !== undefined; task = this.#deferred.shift()) {
      task();
    }
    this.#isSettling = false;
  }

  #redispatch(
    publish: BorrowedPublish,
    route: SharedRoute,
    done: ((status: InsertStatus) => void) | null,
    attempt: number,
  ): void {
    const { counters, table } = this.#context;
    // [MQTT-3.3.2-5] Nothing is owed to anybody.
    if (publish.isExpired) {
      counters[Counter.DROPPED_EXPIRED]! += 1;
      done?.(InsertStatus.STORED);
      return;
    }
    if (done !== null && !this.#context.areRoutesWhole()) {
      done(InsertStatus.UNAVAILABLE);
      return;
    }
    const group = table.findGroup(route.tenantId, route.filter, route.group, route.ordered);
    if (group === null || this.#deliverShare(publish, group) === NOBODY) {
      counters[Counter.DROPPED_NO_SUBSCRIBER]! += 1;
      done?.(InsertStatus.NO_INBOX);
      return;
    }
    counters[Counter.SHARED_REDISPATCHED]! += 1;
    const pending = done === null ? null : new PendingPublish((outcome) => done(statusOf(outcome)));
    this.#fanout.send(publish, pending, attempt);
    const outcome = pending?.seal(PublishOutcome.DELIVERED, true) ?? null;
    if (outcome !== null) done?.(statusOf(outcome));
  }

  #store(publish: BorrowedPublish, pending: PendingPublish | null): void {
    const message = publish.own();
    if (pending === null) this.#context.retain.store(message, null);
    else this.#context.retain.store(message, pending.expectStored());
  }

  /**
   * The one entry that matches, when it has local subscribers and nothing else, or shared groups
   * and nothing else; else null.
   */
  #soleEntry(publish: BorrowedPublish): FilterEntry | null {
    const { endpoint, index } = this.#context;
    const { tenantId, topicBytes, topicOffset, topicLength } = publish;
    if (index.match(tenantId, topicBytes, topicOffset, topicLength) !== 1) return null;
    const entry = index.matched(0);
    if (entry === null || entry.inboxes !== null) return null;
    if (entry.local !== null && entry.shares !== null) return null;
    return index.hasOtherWorkers(entry.node, endpoint.threadIndex) ? null : entry;
  }

  /** As `publishRun`, to one member on this worker of the only group. */
  #shareRun(
    publish: BorrowedPublish,
    run: PublishRun,
    shares: ReadonlyMap<string, ShareGroup>,
  ): boolean {
    if (shares.size !== 1) return false;
    const { loads } = this.#context;
    const strategy = this.#context.shareStrategy();
    for (const group of shares.values()) {
      const member = group.runMember(strategy, loads, publish.publisherId, publish.receivedAtMs);
      const subscription = member?.subscription ?? null;
      if (subscription === null || !run.extend(group.runLeft)) return false;
      group.takeRun(run.count);
      this.#begin();
      deliverRunTo(publish, run, subscription);
      this.#end();
    }
    return true;
  }

  /** Returns who wanted it. */
  #fanOut(publish: BorrowedPublish, pending: PendingPublish | null): number {
    const { index } = this.#context;
    // [MQTT-3.3.2-3]
    const count = index.match(
      publish.tenantId,
      publish.topicBytes,
      publish.topicOffset,
      publish.topicLength,
    );
    if (count === 0) return NOBODY;
    let workersLow = 0;
    let workersHigh = 0;
    let localCount = 0;
    let routedCount = 0;
    for (let at = 0; at < count; at += 1) {
      workersLow |= index.matchedWorkersLow(at);
      workersHigh |= index.matchedWorkersHigh(at);
      const entry = index.matched(at);
      if (entry === null) continue;
      if (entry.local !== null) this.#locals[localCount++] = entry;
      if (entry.inboxes !== null || entry.shares !== null) routedCount += 1;
    }
    if (publish.isForStored) workersLow = workersHigh = localCount = 0;
    let takers = (workersLow | workersHigh) === 0 ? NOBODY : TRANSIENT;
    // Inboxes and groups first: what `index` matched is borrowed, and local delivery runs foreign
    // code.
    if (routedCount > 0) takers |= this.#fanOutRoutes(publish, count, pending);
    this.#sendToWorkers(publish, workersLow, 0);
    this.#sendToWorkers(publish, workersHigh, WORKERS_PER_WORD);
    if (localCount > 0) deliverLocal(publish, this.#locals, localCount);
    return takers;
  }

  #sendToWorkers(publish: BorrowedPublish, workers: number, base: number): void {
    const self = this.#context.endpoint.threadIndex;
    let rest = workers;
    while (rest !== 0) {
      const bit = 31 - Math.clz32(rest);
      rest &= ~(1 << bit);
      const thread = base + bit + 1;
      if (thread !== self) this.#context.link.send(thread, publish, null);
    }
  }

  #fanOutRoutes(publish: BorrowedPublish, count: number, pending: PendingPublish | null): number {
    const { counters, index } = this.#context;
    const settings = this.#context.settings(publish.tenantId);
    let takers = NOBODY;
    let groupCount = 0;
    this.#fanout.begin(settings, publish.payloadLength);
    for (let at = 0; at < count; at += 1) {
      const entry = index.matched(at);
      if (entry === null) continue;
      for (const route of entry.inboxes?.values() ?? []) {
        if (this.#fanout.add(publish, route)) takers |= PERSISTENT;
      }
      for (const group of entry.shares?.values() ?? []) this.#groups[groupCount++] = group;
    }
    const served = Math.min(groupCount, settings.MaxGroupFanout);
    for (let at = 0; at < served; at += 1) {
      takers |= this.#serveGroup(publish, this.#groups[at]!, pending);
    }
    counters[Counter.DROPPED_FANOUT_LIMIT]! += this.#fanout.limited + groupCount - served;
    this.#fanout.send(publish, pending, 0);
    return takers;
  }

  /**
   * A repeated QoS 2 publish goes to a member only if none has it, stored or not: the choice of the
   * first time would be another one now [MQTT-4.8.2-4].
   */
  #serveGroup(publish: BorrowedPublish, group: ShareGroup, pending: PendingPublish | null): number {
    if (publish.origin?.isRepeat !== true || pending === null) {
      return this.#deliverShare(publish, group);
    }
    const done = pending.expectInserted();
    const message = publish.own();
    const { shareFilter } = group;
    this.#context.inbox.askTaken(message, shareFilter, (status) => {
      const settle = (last: InsertStatus) => done(Uint8Array.of(last));
      if (status !== InsertStatus.NO_INBOX) settle(status);
      else this.#redispatchShared({ message, shareFilter, attempt: 0 }, settle);
    });
    return PERSISTENT;
  }

  /** Sends to one member of the group, if it has any. Inbox members wait for `#fanout.send`. */
  #deliverShare(publish: BorrowedPublish, group: ShareGroup): number {
    const context = this.#context;
    const member = group.pick(
      context.shareStrategy(),
      context.loads,
      publish.publisherId,
      publish.receivedAtMs,
      context.random(),
    );
    if (member === null) return NOBODY;
    // A will that is published again: a member without a stored session may have it, unnoted.
    const isUnnoted = publish.isForStored && publish.origin === null;
    if (isUnnoted && !member.isInbox) return NOBODY;
    Atomics.add(context.loads, member.loadWord, 1);
    if (member.isInbox) {
      this.#fanout.addShared(publish, member, group.shareFilter);
      return PERSISTENT;
    }
    if (publish.origin !== null) context.inbox.noteTaken(publish.own(), group.shareFilter);
    if (member.subscription !== null) {
      deliverToMember(publish, member.subscription);
    } else if (!context.link.send(member.thread, publish, member)) {
      Atomics.sub(context.loads, member.loadWord, 1);
    }
    return TRANSIENT;
  }

  #handleDeliver(bytes: Uint8Array, offset: number): void {
    const publish = this.#incoming;
    const { counters, index, link } = this.#context;
    link.load(bytes, offset, publish, this.#context.nowMs());
    if (publish.isExpired) {
      counters[Counter.DROPPED_EXPIRED]! += 1;
      return;
    }
    const count = index.match(
      publish.tenantId,
      publish.topicBytes,
      publish.topicOffset,
      publish.topicLength,
    );
    let localCount = 0;
    for (let at = 0; at < count; at += 1) {
      const entry = index.matched(at);
      if (entry !== null && entry.local !== null) this.#locals[localCount++] = entry;
    }
    if (localCount === 0) return;
    this.#begin();
    deliverLocal(publish, this.#locals, localCount);
    this.#end();
  }

  #handleDeliverShared(bytes: Uint8Array, offset: number): void {
    const publish = this.#incoming;
    const { counters, link, members } = this.#context;
    const { slot, generation } = link.load(bytes, offset, publish, this.#context.nowMs());
    const subscription = members.find(slot, generation);
    // The member left while the record travelled.
    const route = subscription === null ? members.route(slot, generation) : null;
    // [MQTT-3.3.2-5]
    if (subscription !== null && publish.isExpired) {
      counters[Counter.DROPPED_EXPIRED]! += 1;
      members.finish(slot);
      return;
    }
    this.#begin();
    if (subscription !== null) deliverToMember(publish, subscription);
    else if (route !== null) this.#redispatch(publish, route, null, 0);
    this.#end();
  }
}

/** To a shared group's member on this worker. */
function deliverToMember(publish: BorrowedPublish, subscription: Subscription): void {
  const { receiver, options, identifiers } = subscription;
  const qos = Math.min(publish.qos, options.qos); // [MQTT-3.8.4-8] [MQTT-4.8.2-3]
  const retain = options.retainAsPublished && publish.retain;
  // A copy of its own beside those of other subscriptions [MQTT-3.3.4-5].
  receiver.deliver(publish, qos, retain, identifiers, subscription);
}

/** What became of a message that was given to a group's member. */
function statusOf(outcome: PublishOutcome): InsertStatus {
  if (outcome === PublishOutcome.FAILED) return InsertStatus.UNAVAILABLE;
  if (outcome === PublishOutcome.NO_ROOM) return InsertStatus.NO_ROOM;
  return outcome === PublishOutcome.QUOTA ? InsertStatus.QUOTA : InsertStatus.STORED;
}
