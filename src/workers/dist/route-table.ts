/**
 * Applies route changes to this worker's match index, its own and those of other workers alike.
 * Thread: worker. Scope: one per worker.
 */

import { type RouteChange, RouteOp } from "../../shared/dist/route-command.ts";
import { shareLoadWord } from "../../shared/metrics/shared-words.ts";
import { optionsOf } from "./dist-api.ts";
import { type FilterEntry, type MatchIndex, NO_FILTER } from "./match-index.ts";
import { ShareGroup } from "./share-group.ts";
import { StoredMembers } from "./stored-members.ts";
import type { Subscription } from "./subscription.ts";

export class RouteTable {
  readonly stored = new StoredMembers();
  readonly #index: MatchIndex;

  constructor(index: MatchIndex) {
    this.#index = index;
  }

  /** `subscription`: the member itself when it is a session of this worker, else null. */
  apply(change: RouteChange, source: number, subscription: Subscription | null): void {
    switch (change.op) {
      case RouteOp.ADD_WORKER:
        this.#index.addWorker(change.tenantId, change.filter, source);
        break;
      case RouteOp.REMOVE_WORKER:
        this.#index.removeWorker(change.tenantId, change.filter, source);
        break;
      case RouteOp.ADD_INBOX:
        this.#addInbox(change, source);
        break;
      case RouteOp.REMOVE_INBOX:
        this.#update(change, (entry) => removeInbox(entry, change));
        break;
      case RouteOp.ADD_MEMBER:
      case RouteOp.ADD_INBOX_MEMBER:
        this.#addMember(change, source, subscription);
        break;
      case RouteOp.REMOVE_MEMBER:
      case RouteOp.REMOVE_INBOX_MEMBER:
        this.#update(change, (entry) => this.#removeMember(entry, change, source));
        break;
      case RouteOp.INBOX_ONLINE:
      case RouteOp.INBOX_OFFLINE:
        this.stored.setOnline(
          change.tenantId,
          change.clientId,
          source,
          change.op === RouteOp.INBOX_ONLINE,
        );
        break;
      case RouteOp.SYNC_REQUEST:
      case RouteOp.SYNC_END:
        break;
    }
  }

  /**
   * Forgets the transient sessions of a worker that is gone, and who was online there. Stored
   * sessions outlive it, and so do their routes, until `forgetStale`. O(filters).
   */
  forgetWorker(thread: number): void {
    const index = this.#index;
    this.stored.forgetWorker(thread);
    for (let node = index.nextFilter(0); node !== NO_FILTER; node = index.nextFilter(node + 1)) {
      const entry = index.entryAt(node);
      if (entry !== null) {
        forgetMembers(entry, thread);
        markStale(entry, thread);
      }
      index.removeWorkerAt(node, thread);
    }
  }

  /**
   * A worker that was gone has told all its routes: what it has not told again was removed
   * meanwhile. O(filters).
   */
  forgetStale(thread: number): void {
    const index = this.#index;
    for (let node = index.nextFilter(0); node !== NO_FILTER; node = index.nextFilter(node + 1)) {
      const entry = index.entryAt(node);
      if (entry === null) continue;
      for (const [clientId, route] of entry.inboxes ?? []) {
        if (route.isStale && route.source === thread) entry.inboxes?.delete(clientId);
      }
      if (entry.inboxes?.size === 0) entry.inboxes = null;
      this.#forgetStaleMembers(entry, index.tenantAt(node), thread);
      index.prune(entry);
    }
  }

  /** The shared group of a filter on this worker, null when nobody is in it. */
  findGroup(
    tenantId: string,
    filter: string,
    group: string,
    isOrdered: boolean,
  ): ShareGroup | null {
    const entry = this.#index.find(tenantId, filter);
    return entry === null ? null : findShare(entry, group, isOrdered);
  }

  #update(change: RouteChange, act: (entry: FilterEntry) => void): void {
    const entry = this.#index.find(change.tenantId, change.filter);
    if (entry === null) return;
    act(entry);
    this.#index.prune(entry);
  }

  #addInbox(change: RouteChange, source: number): void {
    const { clientId, incarnation } = change;
    const entry = this.#index.ensure(change.tenantId, change.filter);
    entry.inboxes ??= new Map();
    const options = optionsOf(change);
    entry.inboxes.set(clientId, { clientId, incarnation, source, isStale: false, options });
  }

  #addMember(change: RouteChange, source: number, subscription: Subscription | null): void {
    const entry = this.#index.ensure(change.tenantId, change.filter);
    entry.shares ??= new Map();
    const key = shareKey(change.group, change.isOrdered);
    let group = entry.shares.get(key);
    if (group === undefined) {
      group = new ShareGroup(change.group, change.isOrdered, change.filter);
      entry.shares.set(key, group);
    }
    const { tenantId, clientId, slot, generation, incarnation } = change;
    const isInbox = change.op === RouteOp.ADD_INBOX_MEMBER;
    const loadWord = shareLoadWord(source, slot);
    const options = optionsOf(change);
    group.add(
      {
        clientId,
        thread: source,
        isInbox,
        incarnation,
        isStale: false,
        options,
        loadWord,
        slot,
        generation,
        subscription,
      },
      !isInbox || this.stored.isOnline(tenantId, clientId),
    );
    if (isInbox) this.stored.add(tenantId, clientId, group);
  }

  #forgetStaleMembers(entry: FilterEntry, tenantId: string, thread: number): void {
    for (const group of entry.shares?.values() ?? []) {
      const stale = [...group.members()].filter(
        (member) => member.isStale && member.thread === thread,
      );
      for (const { clientId } of stale) {
        group.remove(clientId, thread, true);
        this.stored.remove(tenantId, clientId, group);
      }
      dropEmptyGroup(entry, group);
    }
  }

  #removeMember(entry: FilterEntry, change: RouteChange, source: number): void {
    const isInbox = change.op === RouteOp.REMOVE_INBOX_MEMBER;
    const group = findShare(entry, change.group, change.isOrdered);
    if (group === null) return;
    group.remove(change.clientId, source, isInbox);
    if (isInbox) this.stored.remove(change.tenantId, change.clientId, group);
    dropEmptyGroup(entry, group);
  }
}

function shareKey(group: string, isOrdered: boolean): string {
  return isOrdered ? `o/${group}` : `s/${group}`;
}

function findShare(entry: FilterEntry, group: string, isOrdered: boolean): ShareGroup | null {
  return entry.shares?.get(shareKey(group, isOrdered)) ?? null;
}

function removeInbox(entry: FilterEntry, change: RouteChange): void {
  entry.inboxes?.delete(change.clientId);
  if (entry.inboxes?.size === 0) entry.inboxes = null;
}

function forgetMembers(entry: FilterEntry, thread: number): void {
  for (const group of entry.shares?.values() ?? []) {
    const gone = [...group.members()].filter(
      (member) => !member.isInbox && member.thread === thread,
    );
    for (const member of gone) group.remove(member.clientId, thread, false);
    dropEmptyGroup(entry, group);
  }
}

function markStale(entry: FilterEntry, thread: number): void {
  for (const route of entry.inboxes?.values() ?? []) {
    if (route.source === thread) route.isStale = true;
  }
  for (const group of entry.shares?.values() ?? []) {
    for (const member of group.members()) {
      if (member.isInbox && member.thread === thread) member.isStale = true;
    }
  }
}

function dropEmptyGroup(entry: FilterEntry, group: ShareGroup): void {
  if (group.size > 0 || entry.shares === null) return;
  entry.shares.delete(shareKey(group.name, group.isOrdered));
  if (entry.shares.size === 0) entry.shares = null;
}
