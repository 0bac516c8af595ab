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
 * million routes stop neither the peers' sessions nor fill a ring's queue.
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
import { RecordType } from "../../shared/protocol/ring-message.ts";
import type { RingEndpoint } from "../../shared/ring/ring-endpoint.ts";
import { AppliedBarrier } from "./applied-barrier.ts";
import { areSameOptions, type DeliveryOptions, type ShareName } from "./dist-api.ts";
import { addLocal, removeLocal } from "./local-subscriptions.ts";
import { type MatchIndex, NO_FILTER } from "./match-index.ts";
import type { MemberTable } from "./member-table.ts";
import {
  controlChange,
  knownMemberChange,
  type MemberPlace,
  memberChange,
  presenceChange,
  storedRouteAdded,
  storedRouteRemoved,
  workerChange,
} from "./route-changes.ts";
import type { RouteTable } from "./route-table.ts";
import type { ShareMember } from "./share-group.ts";
import { sessionKey } from "./stored-members.ts";
import { NO_MEMBER_SLOT, type Subscription } from "./subscription.ts";

/** Changes per record: 512 of 100 bytes are below a quarter of the smallest ring, 64 KiB. */
const CHANGES_PER_RECORD = 512;
/** Changes per answer to a worker that synchronizes: some milliseconds of work. */
const CHANGES_PER_PIECE = 4096;

interface Session {
  readonly tenantId: string;
  readonly clientId: string;
}

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
  readonly #connected = new Map<string, Session>();
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
   * Asks these peers for their routes; `done` when all have answered, or are gone. Once, at start,
   * when they have opened their ranges. Who starts later has no other routes than these ranges',
   * and asks for ours.
   */
  synchronize(peers: readonly number[], done: () => void): void {
    for (const peer of peers) this.#unsynced.add(peer);
    this.#onSynced = done;
    for (const peer of peers) this.#sendTo(peer, [controlChange(RouteOp.SYNC_REQUEST)]);
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

  /**
   * A stored session's route, of a range of this worker, comes or has new options. `done` after
   * every worker matches it.
   */
  addStored(route: StoredRoute, options: DeliveryOptions, done: () => void): void {
    const place = route.group === "" ? null : this.#placeOf(route);
    this.#barrier.wait(this.#change(storedRouteAdded(route, options, place), null), done);
    this.#announcePresence(route);
  }

  /**
   * As `addStored`, for what a store has been found to hold: peers are told all of it later, piece
   * by piece (`tellPeers`).
   */
  restoreStored(route: StoredRoute, options: DeliveryOptions): void {
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

  hasStored(route: StoredRoute, options: DeliveryOptions): boolean {
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

  /** Ranges with routes were opened here: tells all routes to everybody who has started. */
  tellPeers(): void {
    for (let peer = 1; peer < this.#endpoint.threadCount; peer += 1) {
      if (this.#barrier.needsChanges(peer)) this.#startTelling(peer);
    }
  }

  /** A peer is gone: nobody waits for it, the routes of its transient sessions vanish. */
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
      else this.#applyFrom(source, change);
    }
    this.#reportSynced();
    if (record.sequence > 0) {
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
    const from = this.#told.get(peer) ?? 0;
    if (from === 0) this.#collectPresence(changes);
    let node = index.nextFilter(from);
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
    for (const { source, clientId, incarnation, options } of entry?.inboxes?.values() ?? []) {
      if (source !== this.#self) continue;
      const route = { tenantId, filter, group: "", isOrdered: false, clientId, incarnation };
      into.push(storedRouteAdded(route, options, null));
    }
    for (const group of entry?.shares?.values() ?? []) {
      const share = { group: group.name, ordered: group.isOrdered };
      for (const member of group.members()) {
        if (member.thread !== this.#self) continue;
        into.push(knownMemberChange(tenantId, filter, share, member));
      }
    }
  }

  #collectPresence(into: RouteChange[]): void {
    for (const { tenantId, clientId } of this.#connected.values()) {
      if (!this.#table.stored.isMember(tenantId, clientId)) continue;
      into.push(presenceChange(tenantId, clientId, true));
    }
  }

  #reportSynced(): void {
    if (this.#unsynced.size > 0 || this.#onSynced === null) return;
    const done = this.#onSynced;
    this.#onSynced = null;
    done();
  }
}
