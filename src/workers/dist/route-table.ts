/**
 * Applies route changes to this worker's match index, its own and those of other workers alike.
 * Thread: worker. Scope: one per worker.
 */

import { type RouteChange, RouteOp } from "../../shared/dist/route-command.ts";
import { shareLoadWord } from "../../shared/metrics/shared-words.ts";
import { optionsOf, type StoredRouteName } from "./dist-api.ts";
import { type FilterEntry, type MatchIndex, NO_FILTER } from "./match-index.ts";
import { ShareGroup } from "./share-group.ts";
import type { Subscription } from "./subscription.ts";

export class RouteTable {
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
        this.#update(change, (entry) => removeInbox(entry, change, source));
        break;
      case RouteOp.ADD_MEMBER:
      case RouteOp.ADD_INBOX_MEMBER:
        this.#addMember(change, source, subscription);
        break;
      case RouteOp.REMOVE_MEMBER:
      case RouteOp.REMOVE_INBOX_MEMBER:
        this.#update(change, (entry) => removeMember(entry, change, source));
        break;
      case RouteOp.SYNC_REQUEST:
      case RouteOp.SYNC_END:
        break;
    }
  }

  /** Forgets everything that lives on a worker that is gone. O(filters). */
  forgetWorker(thread: number): void {
    const index = this.#index;
    for (let node = index.nextFilter(0); node !== NO_FILTER; node = index.nextFilter(node + 1)) {
      const entry = index.entryAt(node);
      if (entry !== null) forgetRoutes(entry, thread);
      index.removeWorkerAt(node, thread);
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

  /** Does worker `thread` announce this route of a stored session? */
  hasInboxRoute(route: StoredRouteName, thread: number): boolean {
    const { tenantId, clientId, incarnation, filter, share } = route;
    const entry = this.#index.find(tenantId, filter);
    if (entry === null) return false;
    if (share === null) {
      const known = entry.inboxes?.get(clientId);
      return known?.thread === thread && known.incarnation === incarnation;
    }
    const member = findShare(entry, share.group, share.ordered)?.find(clientId, thread, true);
    return member?.incarnation === incarnation;
  }

  #update(change: RouteChange, act: (entry: FilterEntry) => void): void {
    const entry = this.#index.find(change.tenantId, change.filter);
    if (entry === null) return;
    act(entry);
    this.#index.prune(entry);
  }

  #addInbox(change: RouteChange, source: number): void {
    const entry = this.#index.ensure(change.tenantId, change.filter);
    entry.inboxes ??= new Map();
    const { clientId, incarnation } = change;
    // What comes late from an earlier life of the name changes nothing.
    if ((entry.inboxes.get(clientId)?.incarnation ?? 0) > incarnation) return;
    entry.inboxes.set(clientId, {
      clientId,
      incarnation,
      thread: source,
      options: optionsOf(change),
    });
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
    group.add({
      clientId: change.clientId,
      thread: source,
      incarnation: change.incarnation,
      isInbox: change.op === RouteOp.ADD_INBOX_MEMBER,
      isOnline: change.isOnline,
      options: optionsOf(change),
      loadWord: shareLoadWord(source, change.slot),
      slot: change.slot,
      generation: change.generation,
      subscription,
    });
  }
}

function shareKey(group: string, isOrdered: boolean): string {
  return isOrdered ? `o/${group}` : `s/${group}`;
}

function findShare(entry: FilterEntry, group: string, isOrdered: boolean): ShareGroup | null {
  return entry.shares?.get(shareKey(group, isOrdered)) ?? null;
}

function removeInbox(
  entry: FilterEntry,
  { clientId, incarnation }: Pick<RouteChange, "clientId" | "incarnation">,
  source: number,
): void {
  const route = entry.inboxes?.get(clientId);
  if (route?.thread !== source || route.incarnation > incarnation) return;
  entry.inboxes?.delete(clientId);
  if (entry.inboxes === null) return;
  if (entry.inboxes.size === 0) entry.inboxes = null;
}

function removeMember(entry: FilterEntry, change: RouteChange, source: number): void {
  const isInbox = change.op === RouteOp.REMOVE_INBOX_MEMBER;
  const group = findShare(entry, change.group, change.isOrdered);
  if (group === null) return;
  group.remove(change.clientId, source, isInbox);
  dropEmptyGroup(entry, group);
}

function forgetRoutes(entry: FilterEntry, thread: number): void {
  for (const route of entry.inboxes?.values() ?? []) {
    if (route.thread === thread) removeInbox(entry, route, thread);
  }
  for (const group of entry.shares?.values() ?? []) {
    const gone = [...group.members()].filter((member) => member.thread === thread);
    for (const member of gone) group.remove(member.clientId, thread, member.isInbox);
    dropEmptyGroup(entry, group);
  }
}

function dropEmptyGroup(entry: FilterEntry, group: ShareGroup): void {
  if (group.size > 0 || entry.shares === null) return;
  entry.shares.delete(shareKey(group.name, group.isOrdered));
  if (entry.shares.size === 0) entry.shares = null;
}
