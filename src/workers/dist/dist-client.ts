/**
 * The routes that this worker announces to every worker, so that a publish anywhere finds them: the
 * transient subscriptions of its sessions, and those of stored sessions whose range it has
 * (dist-service.ts). Also, for members of shared groups, which stored sessions are connected.
 *
 * Changes of one duty cycle travel in one record per peer with a growing sequence number; each peer
 * answers with the number it has applied. A SUBACK waits until all peers have applied the change it
 * depends on, so after SUBACK a publish from any connection is delivered.
 *
 * A worker that starts asks its peers for their routes and opens its listeners only when all have
 * answered. It gets them piece by piece, the next piece when the last one is applied, so that a
 * million routes stop neither the peers' sessions nor fill a ring's queue (route-sync.ts).
 * Thread: worker. Scope: one per worker.
 */

import { assert } from "../../shared/base/assert.ts";
import { RecordReader } from "../../shared/bytes/record-reader.ts";
import { RecordWriter } from "../../shared/bytes/record-writer.ts";
import type { StoredRoute } from "../../shared/dist/dist-log-command.ts";
import {
  type RouteChange,
  RouteOp,
  readRouteRecord,
  writeRouteRecord,
} from "../../shared/dist/route-command.ts";
import type { SubscriptionOptions } from "../../shared/mqtt/subscription-options.ts";
import { RecordType } from "../../shared/protocol/ring-message.ts";
import type { RingEndpoint } from "../../shared/ring/ring-endpoint.ts";
import { AppliedBarrier } from "./applied-barrier.ts";
import { areSameOptions, type ShareName } from "./dist-api.ts";
import { addLocal, removeLocal } from "./local-subscriptions.ts";
import type { MatchIndex } from "./match-index.ts";
import type { MemberTable } from "./member-table.ts";
import {
  type MemberPlace,
  memberChange,
  presenceChange,
  storedRouteAdded,
  storedRouteRemoved,
  workerChange,
} from "./route-changes.ts";
import { type OnlineSession, RouteSync } from "./route-sync.ts";
import type { RouteTable } from "./route-table.ts";
import type { ShareMember } from "./share-group.ts";
import { sessionKey } from "./stored-members.ts";
import { NO_MEMBER_SLOT, type Subscription } from "./subscription.ts";

/** Changes per record: 512 of 100 bytes are below a quarter of the smallest ring, 64 KiB. */
const CHANGES_PER_RECORD = 512;
/** Changes are numbered from 2, so that 1 can say that none has been made. */
const NO_CHANGE = 1;
/** Instead of a number: nobody waits for the answer. */
const NO_ANSWER = 0;

export class DistClient {
  readonly #endpoint: RingEndpoint;
  readonly #index: MatchIndex;
  readonly #table: RouteTable;
  readonly #members: MemberTable;
  readonly #self: number;
  readonly #reader = new RecordReader();
  readonly #writer = new RecordWriter();
  readonly #barrier: AppliedBarrier;
  /** Stored sessions of this worker's ranges that are connected, by `sessionKey`. */
  readonly #connected = new Map<string, OnlineSession>();
  readonly #sync: RouteSync;
  #pending: RouteChange[] = [];
  /** Number of the newest own change. */
  #sequence = NO_CHANGE;

  constructor(endpoint: RingEndpoint, index: MatchIndex, table: RouteTable, members: MemberTable) {
    this.#endpoint = endpoint;
    this.#index = index;
    this.#table = table;
    this.#members = members;
    this.#self = endpoint.threadIndex;
    this.#barrier = new AppliedBarrier(endpoint.threadCount, this.#self);
    this.#sync = new RouteSync({
      self: this.#self,
      index,
      table,
      online: () => this.#connected.values(),
      include: (peer) => this.#barrier.include(peer),
      send: (peer, changes) => this.#sendTo(peer, changes, this.#sequence),
      sendUnanswered: (peer, changes) => this.#sendTo(peer, changes, NO_ANSWER),
    });
    endpoint.setHandler(RecordType.ROUTE_CHANGE, (bytes, offset, length, source) => {
      this.#handleChanges(bytes, offset, length, source);
    });
    endpoint.setHandler(RecordType.ROUTE_APPLIED, (bytes, offset, length, source) => {
      this.#reader.reset(bytes, offset, length);
      this.#handleApplied(source, this.#reader.u64());
      this.#reader.release();
    });
  }

  /**
   * This worker's ranges are replayed: asks these peers for their routes, and answers those that
   * have asked. `done` when all have told everything. Once, at start.
   */
  synchronize(peers: readonly number[], done: () => void): void {
    this.#sync.synchronize(peers, done);
  }

  /** A transient session subscribes. `done` after every worker matches it. */
  subscribe(tenantId: string, subscription: Subscription, done: () => void): void {
    if (subscription.share !== null) {
      subscription.memberSlot = this.#members.join(tenantId, subscription);
      this.resubscribe(tenantId, subscription, done);
      return;
    }
    const entry = this.#index.ensure(tenantId, subscription.filter);
    addLocal(entry, subscription);
    if (!this.#index.hasWorker(entry.node, this.#self)) {
      const change = workerChange(RouteOp.ADD_WORKER, tenantId, subscription.filter);
      entry.announcedSequence = this.#change(change, null);
    }
    this.#barrier.wait(entry.announcedSequence, done);
  }

  /** Members of a shared group, as far as this worker has heard. */
  groupSize(tenantId: string, filter: string, share: ShareName): number {
    return this.#table.findGroup(tenantId, filter, share.group, share.ordered)?.size ?? 0;
  }

  /**
   * A shared subscription has new options: every worker must pick by them. `done` as for
   * `subscribe`.
   */
  resubscribe(tenantId: string, subscription: Subscription, done: () => void): void {
    const change = this.#memberChange(RouteOp.ADD_MEMBER, tenantId, subscription);
    this.#barrier.wait(this.#change(change, subscription), done);
  }

  unsubscribe(tenantId: string, subscription: Subscription): void {
    if (subscription.share !== null) {
      const change = this.#memberChange(RouteOp.REMOVE_MEMBER, tenantId, subscription);
      const slot = subscription.memberSlot;
      this.#members.leave(slot);
      subscription.memberSlot = NO_MEMBER_SLOT;
      this.#barrier.wait(this.#change(change, null), () => this.#members.release(slot));
      return;
    }
    const entry = this.#index.find(tenantId, subscription.filter);
    assert(entry !== null, "a live subscription has an entry");
    removeLocal(entry, subscription);
    if (entry.local !== null) return;
    this.#change(workerChange(RouteOp.REMOVE_WORKER, tenantId, subscription.filter), null);
  }

  /**
   * A stored session's route, of a range of this worker, comes or has new options. `done` after
   * every worker matches it.
   */
  addStored(route: StoredRoute, options: SubscriptionOptions, done: () => void): void {
    const place = route.group === "" ? null : this.#placeOf(route);
    this.#barrier.wait(this.#change(storedRouteAdded(route, options, place), null), done);
    this.#announcePresence(route);
  }

  /**
   * As `addStored`, for what a store has been found to hold: peers ask for all of it later.
   */
  restoreStored(route: StoredRoute, options: SubscriptionOptions): void {
    const place = route.group === "" ? null : this.#placeOf(route);
    this.#table.apply(storedRouteAdded(route, options, place), this.#self, null);
  }

  /** `done` when no worker matches it any more. */
  removeStored(route: StoredRoute, done: () => void): void {
    const member = this.#storedMember(route);
    const sequence = this.#change(storedRouteRemoved(route), null);
    if (member !== null) this.#members.leave(member.slot);
    this.#barrier.wait(sequence, () => {
      if (member !== null) this.#members.release(member.slot);
      done();
    });
  }

  hasStored(route: StoredRoute, options: SubscriptionOptions): boolean {
    const entry = this.#index.find(route.tenantId, route.filter);
    if (entry === null) return false;
    const isShared = route.group !== "";
    const known = isShared ? this.#findStoredMember(route) : entry.inboxes?.get(route.clientId);
    if (known?.incarnation !== route.incarnation) return false;
    return areSameOptions(known.options, options);
  }

  /** A stored session of this worker's ranges has got or lost its connection. */
  setOnline(tenantId: string, clientId: string, isOnline: boolean): void {
    const key = sessionKey(tenantId, clientId);
    if (isOnline) this.#connected.set(key, { tenantId, clientId });
    else this.#connected.delete(key);
    if (!this.#table.stored.isMember(tenantId, clientId)) return;
    this.#change(presenceChange(tenantId, clientId, isOnline), null);
  }

  /** Messages that wait for or are on their way to a stored session of this worker's ranges. */
  setLoad(tenantId: string, clientId: string, load: number): void {
    for (const group of this.#table.stored.groupsOf(tenantId, clientId)) {
      const member = group.inboxMember(clientId);
      if (member !== null) this.#members.setLoad(member.loadWord, load);
    }
  }

  /** A peer is gone: nobody waits for it, the routes of its transient sessions vanish. */
  peerLost(peer: number): void {
    this.#table.forgetWorker(peer);
    this.#members.resetLoads();
    this.#sync.peerLost(peer);
    this.#barrier.exclude(peer);
  }

  /** End of a duty cycle: all changes since the last one, in one record per peer if they fit. */
  flush(): void {
    if (this.#pending.length === 0) return;
    const changes = this.#pending;
    this.#pending = [];
    for (let peer = 1; peer < this.#endpoint.threadCount; peer += 1) {
      if (this.#barrier.needsChanges(peer)) this.#sendTo(peer, changes, this.#sequence);
    }
  }

  /** Applies a change of this worker and announces it; returns its number. */
  #change(change: RouteChange, subscription: Subscription | null): number {
    this.#table.apply(change, this.#self, subscription);
    this.#pending.push(change);
    this.#sequence += 1;
    return this.#sequence;
  }

  #memberChange(op: RouteOp, tenantId: string, subscription: Subscription): RouteChange {
    const generation = this.#members.generation(subscription.memberSlot);
    return memberChange(op, tenantId, subscription, generation);
  }

  /** The place of a stored member in this worker's member table: the one it has, or a new one. */
  #placeOf(route: StoredRoute): MemberPlace {
    const known = this.#storedMember(route);
    if (known !== null) return known;
    const slot = this.#members.join(route.tenantId, null);
    return { slot, generation: this.#members.generation(slot) };
  }

  /** The member as announced by this very worker in this life; null when it has not been. */
  #storedMember(route: StoredRoute): ShareMember | null {
    if (route.group === "") return null;
    const member = this.#findStoredMember(route);
    return member !== null && member.thread === this.#self ? member : null;
  }

  #findStoredMember(route: StoredRoute): ShareMember | null {
    const { tenantId, filter, group, isOrdered, clientId } = route;
    return this.#table.findGroup(tenantId, filter, group, isOrdered)?.inboxMember(clientId) ?? null;
  }

  /** Nobody was told that a session is connected while it was in no shared group. */
  #announcePresence({ tenantId, clientId, group }: RouteChange | StoredRoute): void {
    if (group === "" || !this.#connected.has(sessionKey(tenantId, clientId))) return;
    if (this.#table.stored.isOnline(tenantId, clientId)) return;
    this.#change(presenceChange(tenantId, clientId, true), null);
  }

  /** `sequence`: what the peer is to answer when it has applied them all. */
  #sendTo(peer: number, changes: readonly RouteChange[], sequence: number): void {
    for (let start = 0; start < changes.length; start += CHANGES_PER_RECORD) {
      const part = changes.slice(start, start + CHANGES_PER_RECORD);
      const isLast = start + part.length === changes.length;
      this.#writer.clear();
      writeRouteRecord(this.#writer, part, isLast ? sequence : NO_ANSWER);
      this.#send(peer, RecordType.ROUTE_CHANGE);
    }
  }

  #send(peer: number, type: RecordType): void {
    this.#endpoint.enqueue(peer, type, this.#writer.bytes, 0, this.#writer.size);
  }

  #handleChanges(bytes: Uint8Array, offset: number, length: number, source: number): void {
    this.#reader.reset(bytes, offset, length);
    const record = readRouteRecord(this.#reader);
    this.#reader.release();
    for (const change of record.changes) {
      if (change.op === RouteOp.SYNC_REQUEST) this.#sync.handleRequest(source);
      else if (change.op === RouteOp.SYNC_END) this.#sync.handleEnd(source);
      else this.#applyFrom(source, change);
    }
    if (record.sequence !== NO_ANSWER) {
      this.#writer.clear();
      this.#writer.u64(record.sequence);
      this.#send(source, RecordType.ROUTE_APPLIED);
    }
  }

  #applyFrom(source: number, change: RouteChange): void {
    this.#table.apply(change, source, null);
    if (change.op === RouteOp.ADD_INBOX_MEMBER) this.#announcePresence(change);
  }

  #handleApplied(source: number, sequence: number): void {
    this.#sync.handleApplied(source);
    this.#barrier.applied(source, sequence);
  }
}
