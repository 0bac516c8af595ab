/**
 * One publish to everybody who wants it: local sessions directly, other workers one record each, inboxes one command
 * per owning worker, shared groups one member each.
 *
 * Flow: publish 5/8, after match, before session delivery. Thread: worker. Scope: one per worker.
 * Order: everything leaves synchronously, so two publishes of one connection reach every receiver in that order.
 */

import { assert } from "../../shared/base/assert.ts";
import { Counter } from "../../shared/metrics/counter-table.ts";
import type { Message } from "../../shared/mqtt/message.ts";
import { RecordType } from "../../shared/protocol/ring-message.ts";
import type { RingEndpoint } from "../../shared/ring/ring-endpoint.ts";
import type { TenantSettings } from "../../shared/tenant/tenant-settings.ts";
import type { InboxClient } from "../inbox/inbox-api.ts";
import type { RetainClient } from "../retain/retain-api.ts";
import { BorrowedPublish } from "./borrowed-publish.ts";
import type { DeliverLink } from "./deliver-link.ts";
import { type Publisher, PublishOutcome } from "./dist-api.ts";
import { InboxFanout } from "./inbox-fanout.ts";
import { deliverLocal } from "./local-fanout.ts";
import type { FilterEntry, MatchIndex } from "./match-index.ts";
import type { MemberTable, SharedRoute } from "./member-table.ts";
import { PendingPublish } from "./pending-publish.ts";
import type { RouteTable } from "./route-table.ts";
import type { ShareGroup, ShareStrategy } from "./share-group.ts";

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
}

export class DistPublisher implements Publisher {
  readonly #context: PublisherContext;
  readonly #own = new BorrowedPublish();
  readonly #incoming = new BorrowedPublish();
  readonly #fanout: InboxFanout;
  /** Entries with local subscribers of the publish under way; scratch, never shrinks. */
  readonly #locals: FilterEntry[] = [];
  #isPublishing = false;

  constructor(context: PublisherContext) {
    this.#context = context;
    this.#fanout = new InboxFanout(context.inbox);
    const endpoint = context.endpoint;
    endpoint.setHandler(RecordType.DELIVER, (bytes, offset) => this.#handleDeliver(bytes, offset));
    endpoint.setHandler(RecordType.DELIVER_SHARED, (bytes, offset) =>
      this.#handleDeliverShared(bytes, offset),
    );
  }

  /** Publishes a message that already has memory of its own: wills, the broker's own messages, hand-overs. */
  publish(message: Message, done: ((outcome: PublishOutcome) => void) | null): void {
    // A publish may cause another one (a will while delivering): each needs its own borrowed object.
    const publish = this.#isPublishing ? new BorrowedPublish() : this.#own;
    publish.loadMessage(message, this.#context.nowMs());
    const outcome = this.publishBorrowed(publish, done);
    if (outcome !== PUBLISH_PENDING && done !== null) done(outcome);
  }

  /**
   * Delivers a publish whose memory is only borrowed. Returns the outcome, or PUBLISH_PENDING when inboxes or the
   * retained store have to answer first (`done`). With `done` null nobody waits.
   */
  publishBorrowed(
    publish: BorrowedPublish,
    done: ((outcome: PublishOutcome) => void) | null,
  ): PublishOutcome | typeof PUBLISH_PENDING {
    const pending = done === null ? null : new PendingPublish(done);
    // Before fan-out: who subscribes because of this message finds it stored [MQTT-3.3.1-5].
    if (publish.retain) this.#store(publish, pending);
    const isNested = this.#isPublishing;
    this.#isPublishing = true;
    const matched = this.#fanOut(publish, pending);
    this.#isPublishing = isNested;
    if (!matched) this.#context.counters[Counter.DROPPED_NO_SUBSCRIBER]! += 1;
    const outcome = matched ? PublishOutcome.DELIVERED : PublishOutcome.NO_SUBSCRIBER;
    if (pending === null) return outcome;
    return pending.seal(outcome) ? outcome : PUBLISH_PENDING;
  }

  /** A shared group's message whose member has left: to another member, if there is one. */
  redispatch(message: Message, route: SharedRoute): void {
    const publish = new BorrowedPublish();
    publish.loadMessage(message, this.#context.nowMs());
    this.#redispatch(publish, route);
  }

  #redispatch(publish: BorrowedPublish, route: SharedRoute): void {
    const { counters, table } = this.#context;
    const group = table.findGroup(route.tenantId, route.filter, route.group, route.ordered);
    if (group === null || !this.#deliverShare(publish, group)) {
      counters[Counter.DROPPED_NO_SUBSCRIBER]! += 1;
      return;
    }
    counters[Counter.SHARED_REDISPATCHED]! += 1;
    this.#fanout.send(publish, null);
  }

  #store(publish: BorrowedPublish, pending: PendingPublish | null): void {
    const message = publish.own();
    if (pending === null) this.#context.retain.store(message, null);
    else this.#context.retain.store(message, pending.expectStored());
  }

  /** Returns whether anybody wanted it. */
  #fanOut(publish: BorrowedPublish, pending: PendingPublish | null): boolean {
    const { index } = this.#context;
    const count = index.match(
      publish.tenantId,
      publish.topicBytes,
      publish.topicOffset,
      publish.topicLength,
    );
    if (count === 0) return false;
    let workersLow = 0;
    let workersHigh = 0;
    let localCount = 0;
    let routedCount = 0;
    for (let at = 0; at < count; at += 1) {
      const entry = index.matched(at);
      workersLow |= entry.workersLow;
      workersHigh |= entry.workersHigh;
      if (entry.local !== null) this.#locals[localCount++] = entry;
      if (entry.inboxes !== null || entry.shares !== null) routedCount += 1;
    }
    let matched = (workersLow | workersHigh) !== 0;
    // Inboxes and groups first: `matched` entries are borrowed, and local delivery runs foreign code.
    if (routedCount > 0) matched = this.#fanOutRoutes(publish, count, pending) || matched;
    this.#sendToWorkers(publish, workersLow, 0);
    this.#sendToWorkers(publish, workersHigh, 31);
    if (localCount > 0) deliverLocal(publish, this.#locals, localCount);
    return matched;
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

  #fanOutRoutes(publish: BorrowedPublish, count: number, pending: PendingPublish | null): boolean {
    const { index } = this.#context;
    const settings = this.#context.settings(publish.tenantId);
    let matched = false;
    let groupsLeft = settings.MaxGroupFanout;
    this.#fanout.begin(settings, publish.payloadLength);
    const groups: ShareGroup[] = [];
    for (let at = 0; at < count; at += 1) {
      const entry = index.matched(at);
      for (const route of entry.inboxes?.values() ?? []) {
        matched = this.#fanout.add(publish, route) || matched;
      }
      if (entry.shares !== null) groups.push(...entry.shares);
    }
    for (const group of groups) {
      if (groupsLeft === 0) {
        this.#context.counters[Counter.DROPPED_FANOUT_LIMIT]! += 1;
        continue;
      }
      groupsLeft -= 1;
      matched = this.#deliverShare(publish, group) || matched;
    }
    if (this.#fanout.limited > 0) {
      this.#context.counters[Counter.DROPPED_FANOUT_LIMIT]! += this.#fanout.limited;
    }
    this.#fanout.send(publish, pending);
    return matched;
  }

  /** Sends to one member of the group; false when the group has nobody. Inbox members wait for `#fanout.send`. */
  #deliverShare(publish: BorrowedPublish, group: ShareGroup): boolean {
    const context = this.#context;
    const member = group.pick(
      context.shareStrategy(),
      context.loads,
      publish.publisherId,
      context.random(),
    );
    if (member === null) return false;
    if (member.isInbox) {
      this.#fanout.addShared(publish, member, group.shareFilter);
      return true;
    }
    Atomics.add(context.loads, member.loadWord, 1);
    if (member.subscription !== null) {
      const { receiver, options, identifiers } = member.subscription;
      const qos = Math.min(publish.qos, options.qos);
      const retain = options.retainAsPublished && publish.retain;
      receiver.deliver(publish, qos, retain, identifiers, member.subscription);
    } else if (!context.link.send(member.thread, publish, member)) {
      Atomics.sub(context.loads, member.loadWord, 1);
    }
    return true;
  }

  #handleDeliver(bytes: Uint8Array, offset: number): void {
    const publish = this.#incoming;
    this.#context.link.load(bytes, offset, publish, this.#context.nowMs());
    const { index } = this.#context;
    const count = index.match(
      publish.tenantId,
      publish.topicBytes,
      publish.topicOffset,
      publish.topicLength,
    );
    let localCount = 0;
    for (let at = 0; at < count; at += 1) {
      const entry = index.matched(at);
      if (entry.local !== null) this.#locals[localCount++] = entry;
    }
    if (localCount > 0) deliverLocal(publish, this.#locals, localCount);
  }

  #handleDeliverShared(bytes: Uint8Array, offset: number): void {
    const publish = this.#incoming;
    const header = this.#context.link.load(bytes, offset, publish, this.#context.nowMs());
    const subscription = this.#context.members.find(header.slot, header.generation);
    if (subscription === null) {
      // The member left while the record travelled.
      const route = this.#context.members.route(header.slot, header.generation);
      if (route !== null) this.#redispatch(publish, route);
      return;
    }
    assert(subscription.share !== null, "members have shared subscriptions");
    const { receiver, options, identifiers } = subscription;
    const qos = Math.min(publish.qos, options.qos);
    receiver.deliver(
      publish,
      qos,
      options.retainAsPublished && publish.retain,
      identifiers,
      subscription,
    );
  }
}
