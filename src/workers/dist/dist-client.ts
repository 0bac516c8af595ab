/**
 * This worker's own routes: the transient subscriptions of its sessions and the inboxes it owns,
 * announced to every worker so that a publish anywhere finds them.
 *
 * Changes of one duty cycle travel in one record per peer with a growing sequence number; each peer
 * answers with the number it has applied. A SUBACK waits until all peers have applied the change it
 * depends on, so after SUBACK a publish from any connection is delivered.
 *
 * A worker that starts asks its peers for their routes and opens its listeners only when all have
 * answered. It gets them piece by piece, the next piece when the last one is applied, so that a
 * million routes stop neither the peers' sessions nor fill a ring's queue.
 * Thread: worker. Scope: one per worker.
 */

import { assert } from "../../shared/base/assert.ts";
import { RecordReader } from "../../shared/bytes/record-reader.ts";
import { RecordWriter } from "../../shared/bytes/record-writer.ts";
import {
  type RouteChange,
  RouteOp,
  readRouteRecord,
  writeRouteRecord,
} from "../../shared/dist/route-command.ts";
import { RecordType } from "../../shared/protocol/ring-message.ts";
import type { RingEndpoint } from "../../shared/ring/ring-endpoint.ts";
import { AppliedBarrier } from "./applied-barrier.ts";
import type { DeliveryOptions, InboxRoutes, ShareName, StoredRouteName } from "./dist-api.ts";
import { InboxMembers, type SharedRouteName } from "./inbox-members.ts";
import { addLocal, removeLocal } from "./local-subscriptions.ts";
import { type MatchIndex, NO_FILTER } from "./match-index.ts";
import type { MemberTable } from "./member-table.ts";
import {
  controlChange,
  knownMemberChange,
  memberChange,
  sessionChange,
  workerChange,
} from "./route-changes.ts";
import type { RouteTable } from "./route-table.ts";
import { NO_MEMBER_SLOT, type Subscription } from "./subscription.ts";

/** Changes per record: 512 of 100 bytes are below a quarter of the smallest ring, 64 KiB. */
const CHANGES_PER_RECORD = 512;
/** Changes per answer to a worker that synchronizes: some milliseconds of work. */
const CHANGES_PER_PIECE = 4096;

export class DistClient implements InboxRoutes {
  readonly #endpoint: RingEndpoint;
  readonly #index: MatchIndex;
  readonly #table: RouteTable;
  readonly #members: MemberTable;
  readonly #self: number;
  readonly #reader = new RecordReader();
  readonly #writer = new RecordWriter();
  readonly #barrier: AppliedBarrier;
  readonly #inboxMembers: InboxMembers;
  #pending: RouteChange[] = [];
  /** Number of the newest own change; changes are numbered from 1. */
  #sequence = 0;
  /** Peers that are being told all routes: the first node not yet told. */
  readonly #told = new Map<number, number>();
  readonly #unsynced = new Set<number>();
  #onSynced: (() => void) | null = null;

  constructor(endpoint: RingEndpoint, index: MatchIndex, table: RouteTable, members: MemberTable) {
    this.#endpoint = endpoint;
    this.#index = index;
    this.#table = table;
    this.#members = members;
    this.#self = endpoint.threadIndex;
    this.#barrier = new AppliedBarrier(endpoint.threadCount, this.#self);
    this.#inboxMembers = new InboxMembers(members);
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
   * Asks all peers for their routes; `done` when those of `livePeers` have answered. Once, at
   * start. The others have not started yet: they have no routes, and will ask for ours when they
   * do.
   */
  synchronize(livePeers: readonly number[], done: () => void): void {
    for (const peer of livePeers) this.#unsynced.add(peer);
    this.#onSynced = done;
    for (const peer of livePeers) this.#sendTo(peer, [controlChange(RouteOp.SYNC_REQUEST)]);
    this.#reportSynced();
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

  addInboxRoute(route: StoredRouteName, options: DeliveryOptions, done: () => void): void {
    const { share } = route;
    if (share !== null) {
      const shared = { ...route, share };
      this.#inboxMembers.put(shared, options);
      this.#barrier.wait(this.#announceInboxMember(shared), done);
      return;
    }
    const change = sessionChange(RouteOp.ADD_INBOX, route, options, null);
    this.#barrier.wait(this.#change(change, null), done);
  }

  removeInboxRoute(route: StoredRouteName, done: () => void): void {
    const { share } = route;
    if (share === null) {
      const change = sessionChange(RouteOp.REMOVE_INBOX, route, null, null);
      this.#barrier.wait(this.#change(change, null), done);
      return;
    }
    const member = this.#inboxMembers.remove({ ...route, share });
    if (member === null) {
      done();
      return;
    }
    const change = sessionChange(RouteOp.REMOVE_INBOX_MEMBER, route, null, null);
    this.#barrier.wait(this.#change(change, null), () => {
      this.#members.release(member.slot);
      done();
    });
  }

  hasInboxRoute(route: StoredRouteName): boolean {
    return this.#table.hasInboxRoute(route, this.#self);
  }

  setInboxOnline(tenantId: string, clientId: string, isOnline: boolean): void {
    const memberships = this.#inboxMembers.setOnline(tenantId, clientId, isOnline);
    for (const { filter, share, incarnation } of memberships) {
      this.#announceInboxMember({ tenantId, clientId, incarnation, filter, share });
    }
  }

  setInboxLoad(tenantId: string, clientId: string, load: number): void {
    for (const { slot } of this.#inboxMembers.of(tenantId, clientId)) {
      this.#members.setLoad(slot, load);
    }
  }

  /** A peer is gone: nobody waits for it, its routes vanish. */
  peerLost(peer: number): void {
    this.#table.forgetWorker(peer);
    this.#members.resetLoads();
    this.#told.delete(peer);
    this.#unsynced.delete(peer);
    this.#reportSynced();
    this.#barrier.exclude(peer);
  }

  /** End of a duty cycle: all changes since the last one, in one record per peer if they fit. */
  flush(): void {
    if (this.#pending.length === 0) return;
    const changes = this.#pending;
    this.#pending = [];
    for (let peer = 1; peer < this.#endpoint.threadCount; peer += 1) {
      if (this.#barrier.needsChanges(peer)) this.#sendTo(peer, changes);
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

  #announceInboxMember(route: SharedRouteName): number {
    const { options, slot } = this.#inboxMembers.find(route);
    const isOnline = this.#inboxMembers.isOnline(route.tenantId, route.clientId);
    const place = { isOnline, slot, generation: this.#members.generation(slot) };
    return this.#change(sessionChange(RouteOp.ADD_INBOX_MEMBER, route, options, place), null);
  }

  #sendTo(peer: number, changes: readonly RouteChange[]): void {
    for (let start = 0; start < changes.length; start += CHANGES_PER_RECORD) {
      const part = changes.slice(start, start + CHANGES_PER_RECORD);
      const isLast = start + part.length === changes.length;
      this.#writer.clear();
      writeRouteRecord(this.#writer, part, isLast ? this.#sequence : 0);
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
      if (change.op === RouteOp.SYNC_REQUEST) this.#startTelling(source);
      else if (change.op === RouteOp.SYNC_END) this.#unsynced.delete(source);
      else this.#table.apply(change, source, null);
    }
    this.#reportSynced();
    if (record.sequence > 0) {
      this.#writer.clear();
      this.#writer.u64(record.sequence);
      this.#send(source, RecordType.ROUTE_APPLIED);
    }
  }

  #handleApplied(source: number, sequence: number): void {
    if (this.#told.has(source)) this.#tellMore(source);
    this.#barrier.applied(source, sequence);
  }

  /**
   * A peer has just started and knows nothing: tell it all routes of this worker. Changes made
   * meanwhile travel between the pieces: a route told twice is the same route, and one removed
   * before it was told is unknown there. What the peer answers before it was told everything is
   * early, and harmless: it serves nobody before SYNC_END.
   */
  #startTelling(peer: number): void {
    this.#barrier.include(peer);
    this.#told.set(peer, 0);
    this.#tellMore(peer);
  }

  #tellMore(peer: number): void {
    const index = this.#index;
    const changes: RouteChange[] = [];
    let node = index.nextFilter(this.#told.get(peer) ?? 0);
    while (node !== NO_FILTER && changes.length < CHANGES_PER_PIECE) {
      this.#collectOwn(node, changes);
      node = index.nextFilter(node + 1);
    }
    if (node === NO_FILTER) {
      changes.push(controlChange(RouteOp.SYNC_END));
      this.#told.delete(peer);
    } else {
      this.#told.set(peer, node);
    }
    this.#sendTo(peer, changes);
  }

  #collectOwn(node: number, into: RouteChange[]): void {
    const index = this.#index;
    const entry = index.entryAt(node);
    const isSubscribed = index.hasWorker(node, this.#self);
    if (entry === null && !isSubscribed) return;
    const tenantId = index.tenantAt(node);
    const filter = index.filterAt(node);
    if (isSubscribed) into.push(workerChange(RouteOp.ADD_WORKER, tenantId, filter));
    for (const { thread, clientId, incarnation, options } of entry?.inboxes?.values() ?? []) {
      if (thread !== this.#self) continue;
      const route = { tenantId, filter, share: null, clientId, incarnation };
      into.push(sessionChange(RouteOp.ADD_INBOX, route, options, null));
    }
    for (const group of entry?.shares?.values() ?? []) {
      const share = { group: group.name, ordered: group.isOrdered };
      for (const member of group.members()) {
        if (member.thread !== this.#self) continue;
        into.push(knownMemberChange(tenantId, filter, share, member));
      }
    }
  }

  #reportSynced(): void {
    if (this.#unsynced.size > 0 || this.#onSynced === null) return;
    const done = this.#onSynced;
    this.#onSynced = null;
    done();
  }
}
