/**
 * This worker's own routes: the transient subscriptions of its sessions and the inboxes it owns, announced to every
 * worker so that a publish anywhere finds them.
 *
 * Changes of one duty cycle travel in one record per peer with a growing sequence number; each peer answers with the
 * number it has applied. A SUBACK waits until all peers have applied the change it depends on, so after SUBACK a
 * publish from any connection is delivered.
 *
 * A worker that starts asks its peers for their routes and opens its listeners only when all have answered.
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
import { type DeliveryOptions, type InboxRoutes, optionsOf, type ShareName } from "./dist-api.ts";
import type { FilterEntry, MatchIndex } from "./match-index.ts";
import type { MemberTable } from "./member-table.ts";
import type { RouteTable } from "./route-table.ts";
import { OFFLINE_LOAD } from "./share-group.ts";
import type { Subscription } from "./subscription.ts";

/** Changes per record: 64 average 200 bytes fit a quarter of the smallest ring many times over. */
const CHANGES_PER_RECORD = 1024;

interface Waiter {
  readonly sequence: number;
  readonly done: () => void;
}

const NO_OPTIONS: DeliveryOptions = {
  qos: 0,
  noLocal: false,
  retainAsPublished: false,
  subscriptionIdentifier: 0,
};

export class DistClient implements InboxRoutes {
  readonly #endpoint: RingEndpoint;
  readonly #index: MatchIndex;
  readonly #table: RouteTable;
  readonly #members: MemberTable;
  readonly #self: number;
  readonly #reader = new RecordReader();
  readonly #writer = new RecordWriter();
  #pending: RouteChange[] = [];
  /** Number of the newest own change; changes are numbered from 1. */
  #sequence = 0;
  /** Highest own change that each peer has applied; Infinity for threads that hold no routes (main, self). */
  readonly #appliedBy: number[];
  readonly #waiters: Waiter[] = [];
  #waiterHead = 0;
  readonly #unsynced = new Set<number>();
  #onSynced: (() => void) | null = null;
  /** Slots of persistent members, by session, to tell online from offline. */
  readonly #inboxSlots = new Map<string, Map<string, number>>();
  readonly #onlineInboxes = new Set<string>();

  constructor(endpoint: RingEndpoint, index: MatchIndex, table: RouteTable, members: MemberTable) {
    this.#endpoint = endpoint;
    this.#index = index;
    this.#table = table;
    this.#members = members;
    this.#self = endpoint.threadIndex;
    this.#appliedBy = new Array<number>(endpoint.threadCount).fill(0);
    this.#appliedBy[0] = Number.POSITIVE_INFINITY;
    this.#appliedBy[this.#self] = Number.POSITIVE_INFINITY;
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
   * Asks all peers for their routes; `done` when those of `livePeers` have answered. Once, at start. The others have
   * not started yet: they have no routes, and will ask for ours when they do.
   */
  synchronize(livePeers: readonly number[], done: () => void): void {
    for (const peer of livePeers) this.#unsynced.add(peer);
    this.#onSynced = done;
    for (const peer of livePeers) this.#sendTo(peer, [control(RouteOp.SYNC_REQUEST)]);
    this.#reportSynced();
  }

  /** A transient session subscribes. `done` after every worker matches it. */
  subscribe(tenantId: string, subscription: Subscription, done: () => void): void {
    if (subscription.share !== null) {
      subscription.memberSlot = this.#members.acquire(tenantId, subscription);
      const change = this.#memberChange(RouteOp.ADD_MEMBER, tenantId, subscription);
      this.#table.apply(change, this.#self, subscription);
      this.#wait(this.#announce(change), done);
      return;
    }
    const entry = this.#index.ensure(tenantId, subscription.filter);
    addLocal(entry, subscription);
    if (!entry.hasWorker(this.#self)) {
      const change = workerChange(RouteOp.ADD_WORKER, tenantId, subscription.filter);
      this.#table.apply(change, this.#self, null);
      entry.announcedSequence = this.#announce(change);
    }
    this.#wait(entry.announcedSequence, done);
  }

  /** A shared subscription has new options: every worker must pick by them. `done` as for `subscribe`. */
  resubscribe(tenantId: string, subscription: Subscription, done: () => void): void {
    const change = this.#memberChange(RouteOp.ADD_MEMBER, tenantId, subscription);
    this.#table.apply(change, this.#self, subscription);
    this.#wait(this.#announce(change), done);
  }

  unsubscribe(tenantId: string, subscription: Subscription): void {
    if (subscription.share !== null) {
      const change = this.#memberChange(RouteOp.REMOVE_MEMBER, tenantId, subscription);
      this.#members.release(subscription.memberSlot);
      this.#table.apply(change, this.#self, null);
      this.#announce(change);
      return;
    }
    const entry = this.#index.find(tenantId, subscription.filter);
    assert(entry !== null, "a live subscription has an entry");
    removeLocal(entry, subscription);
    if (entry.local !== null) return;
    const change = workerChange(RouteOp.REMOVE_WORKER, tenantId, subscription.filter);
    this.#table.apply(change, this.#self, null);
    this.#announce(change);
  }

  addInboxRoute(
    tenantId: string,
    filter: string,
    share: ShareName | null,
    clientId: string,
    options: DeliveryOptions,
    done: () => void,
  ): void {
    const op = share === null ? RouteOp.ADD_INBOX : RouteOp.ADD_INBOX_MEMBER;
    const slot = share === null ? 0 : this.#inboxSlot(tenantId, filter, share, clientId);
    const change = inboxChange(op, tenantId, filter, share, clientId, options, slot);
    this.#table.apply(change, this.#self, null);
    this.#wait(this.#announce(change), done);
  }

  removeInboxRoute(
    tenantId: string,
    filter: string,
    share: ShareName | null,
    clientId: string,
    done: () => void,
  ): void {
    const op = share === null ? RouteOp.REMOVE_INBOX : RouteOp.REMOVE_INBOX_MEMBER;
    const change = inboxChange(op, tenantId, filter, share, clientId, NO_OPTIONS, 0);
    this.#table.apply(change, this.#self, null);
    if (share !== null) this.#releaseInboxSlot(tenantId, filter, share, clientId);
    this.#wait(this.#announce(change), done);
  }

  /** Shared groups prefer stored sessions that have a connection over those that have none. */
  setInboxOnline(tenantId: string, clientId: string, isOnline: boolean): void {
    const session = `${tenantId}\0${clientId}`;
    if (isOnline) this.#onlineInboxes.add(session);
    else this.#onlineInboxes.delete(session);
    for (const slot of this.#inboxSlots.get(session)?.values() ?? []) {
      this.#members.setLoad(slot, isOnline ? 0 : OFFLINE_LOAD);
    }
  }

  /** A peer is gone: nobody waits for it, its routes vanish. */
  peerLost(peer: number): void {
    this.#table.forgetWorker(peer);
    this.#appliedBy[peer] = Number.POSITIVE_INFINITY;
    this.#unsynced.delete(peer);
    this.#reportSynced();
    this.#wake();
  }

  /** End of a duty cycle: one record per peer with all changes since the last one. */
  flush(): void {
    if (this.#pending.length === 0) return;
    const changes = this.#pending;
    this.#pending = [];
    for (const peer of this.#peers()) {
      if (this.#appliedBy[peer] !== Number.POSITIVE_INFINITY) this.#sendTo(peer, changes);
    }
  }

  *#peers(): Generator<number> {
    for (let thread = 1; thread < this.#endpoint.threadCount; thread += 1) {
      if (thread !== this.#self) yield thread;
    }
  }

  #announce(change: RouteChange): number {
    this.#pending.push(change);
    this.#sequence += 1;
    return this.#sequence;
  }

  #wait(sequence: number, done: () => void): void {
    if (this.#appliedByAll() >= sequence) {
      done();
      return;
    }
    this.#waiters.push({ sequence, done });
  }

  #appliedByAll(): number {
    let lowest = Number.POSITIVE_INFINITY;
    for (const applied of this.#appliedBy) lowest = Math.min(lowest, applied);
    return lowest;
  }

  /**
   * Calls everybody whose change is applied everywhere. An entry announced earlier waits with an older number behind
   * newer ones, so the head may hold others back for one round trip; nobody is forgotten.
   */
  #wake(): void {
    const applied = this.#appliedByAll();
    for (;;) {
      const waiter = this.#waiters[this.#waiterHead];
      if (waiter === undefined || waiter.sequence > applied) break;
      this.#waiterHead += 1;
      waiter.done();
    }
    if (this.#waiterHead > 1024 || this.#waiterHead === this.#waiters.length) {
      this.#waiters.splice(0, this.#waiterHead);
      this.#waiterHead = 0;
    }
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

  #handleChanges(bytes: Uint8Array, offset: number, length: number, source: number): void {
    this.#reader.reset(bytes, offset, length);
    const record = readRouteRecord(this.#reader);
    this.#reader.release();
    for (const change of record.changes) {
      if (change.op === RouteOp.SYNC_REQUEST) this.#answerSync(source);
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

  #send(peer: number, type: RecordType): void {
    this.#endpoint.enqueue(peer, type, this.#writer.bytes, 0, this.#writer.size);
  }

  #handleApplied(source: number, sequence: number): void {
    this.#appliedBy[source] = sequence;
    this.#wake();
  }

  /** A peer has just started and knows nothing: tell it all routes of this worker. */
  #answerSync(peer: number): void {
    this.flush();
    this.#appliedBy[peer] = 0;
    const changes: RouteChange[] = [];
    this.#index.forEach((entry, tenantId, filter) => {
      this.#collectOwn(entry, tenantId, filter, changes);
    });
    changes.push(control(RouteOp.SYNC_END));
    this.#sendTo(peer, changes);
  }

  #collectOwn(entry: FilterEntry, tenantId: string, filter: string, into: RouteChange[]): void {
    if (entry.hasWorker(this.#self)) into.push(workerChange(RouteOp.ADD_WORKER, tenantId, filter));
    for (const route of entry.inboxes?.values() ?? []) {
      if (route.thread !== this.#self) continue;
      into.push(
        inboxChange(RouteOp.ADD_INBOX, tenantId, filter, null, route.clientId, route.options, 0),
      );
    }
    for (const group of entry.shares ?? []) {
      for (const member of group.members) {
        if (member.thread !== this.#self) continue;
        into.push({
          ...optionsOf(member.options),
          op: member.isInbox ? RouteOp.ADD_INBOX_MEMBER : RouteOp.ADD_MEMBER,
          tenantId,
          filter,
          group: group.name,
          isOrdered: group.isOrdered,
          clientId: member.clientId,
          slot: member.slot,
          generation: member.generation,
        });
      }
    }
  }

  #reportSynced(): void {
    if (this.#unsynced.size > 0 || this.#onSynced === null) return;
    const done = this.#onSynced;
    this.#onSynced = null;
    done();
  }

  #memberChange(op: RouteOp, tenantId: string, subscription: Subscription): RouteChange {
    assert(subscription.share !== null, "a member's subscription is shared");
    return {
      ...optionsOf(subscription.options),
      op,
      tenantId,
      filter: subscription.filter,
      group: subscription.share.group,
      isOrdered: subscription.share.ordered,
      clientId: subscription.receiver.clientId,
      slot: subscription.memberSlot,
      generation: this.#members.generation(subscription.memberSlot),
    };
  }

  #inboxSlot(tenantId: string, filter: string, share: ShareName, clientId: string): number {
    const session = `${tenantId}\0${clientId}`;
    let slots = this.#inboxSlots.get(session);
    if (slots === undefined) {
      slots = new Map();
      this.#inboxSlots.set(session, slots);
    }
    const route = shareRoute(filter, share);
    let slot = slots.get(route);
    if (slot === undefined) {
      slot = this.#members.acquire(tenantId, null);
      slots.set(route, slot);
    }
    this.#members.setLoad(slot, this.#onlineInboxes.has(session) ? 0 : OFFLINE_LOAD);
    return slot;
  }

  #releaseInboxSlot(tenantId: string, filter: string, share: ShareName, clientId: string): void {
    const session = `${tenantId}\0${clientId}`;
    const slots = this.#inboxSlots.get(session);
    const slot = slots?.get(shareRoute(filter, share));
    if (slots === undefined || slot === undefined) return;
    slots.delete(shareRoute(filter, share));
    if (slots.size === 0) this.#inboxSlots.delete(session);
    this.#members.release(slot);
  }
}

function shareRoute(filter: string, share: ShareName): string {
  return `${share.ordered ? "o" : "s"}${share.group}\0${filter}`;
}

function control(op: RouteOp): RouteChange {
  return workerChange(op, "", "");
}

function workerChange(op: RouteOp, tenantId: string, filter: string): RouteChange {
  return inboxChange(op, tenantId, filter, null, "", NO_OPTIONS, 0);
}

function inboxChange(
  op: RouteOp,
  tenantId: string,
  filter: string,
  share: ShareName | null,
  clientId: string,
  options: DeliveryOptions,
  slot: number,
): RouteChange {
  return {
    ...optionsOf(options),
    op,
    tenantId,
    filter,
    group: share?.group ?? "",
    isOrdered: share?.ordered ?? false,
    clientId,
    slot,
    generation: 0,
  };
}

function addLocal(entry: FilterEntry, subscription: Subscription): void {
  const local = entry.local;
  subscription.position = 0;
  if (local === null) {
    entry.local = subscription;
  } else if (Array.isArray(local)) {
    subscription.position = local.length;
    local.push(subscription);
  } else {
    subscription.position = 1;
    entry.local = [local, subscription];
  }
}

/** Moves the last one into the gap: order among subscribers of one filter means nothing. */
function removeLocal(entry: FilterEntry, subscription: Subscription): void {
  const local = entry.local;
  if (!Array.isArray(local)) {
    assert(local === subscription, "the subscription is the entry's only one");
    entry.local = null;
    return;
  }
  const last = local.pop();
  assert(last !== undefined, "the entry has subscriptions");
  if (last !== subscription) {
    local[subscription.position] = last;
    last.position = subscription.position;
  }
  if (local.length === 0) entry.local = null;
}
