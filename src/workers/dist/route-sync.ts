/**
 * How workers that start learn all routes, and how stale ones go.
 *
 *   W starts, its ranges replayed --SYNC_REQUEST--> every peer
 *                                 <--all its routes, piece by piece, SYNC_END--
 *   a peer that knew an earlier life of W --SYNC_REQUEST--> W, and gets all of W's as well
 *
 * The routes of stored sessions outlive the worker that has their range, so that publishes find
 * them while it starts again. What its earlier life had removed, and not told everybody any more,
 * is found at that SYNC_END: it is what has not been told again.
 *
 * A peer that dies before it has answered is still waited for: its successor has the same ranges.
 * Nobody answers before its own ranges are replayed, or what stands in their logs would be missing.
 * Thread: worker. Scope: one per worker, owned by DistClient.
 */

import { type RouteChange, RouteOp } from "../../shared/dist/route-command.ts";
import { type MatchIndex, NO_FILTER } from "./match-index.ts";
import {
  controlChange,
  knownMemberChange,
  presenceChange,
  storedRouteAdded,
  workerChange,
} from "./route-changes.ts";
import type { RouteTable } from "./route-table.ts";

/** Changes per answer to a worker that synchronizes: some milliseconds of work. */
const CHANGES_PER_PIECE = 4096;

/** A stored session with a connection. */
export interface OnlineSession {
  readonly tenantId: string;
  readonly clientId: string;
}

export interface RouteSyncOptions {
  readonly self: number;
  readonly index: MatchIndex;
  readonly table: RouteTable;
  /** Those that this worker says so of. */
  readonly online: () => Iterable<OnlineSession>;
  /** From now on the peer gets every change, and is waited for. */
  readonly include: (peer: number) => void;
  readonly send: (peer: number, changes: readonly RouteChange[]) => void;
  /** As `send`, without an answer. */
  readonly sendUnanswered: (peer: number, changes: readonly RouteChange[]) => void;
}

export class RouteSync {
  readonly #options: RouteSyncOptions;
  /** Peers that are being told all routes: the first node not yet told. */
  readonly #told = new Map<number, number>();
  /** Peers that have asked before this worker's ranges were replayed; null: they are. */
  #early: Set<number> | null = new Set();
  /** Peers of which all routes are still to come. */
  readonly #unsynced = new Set<number>();
  /** Peers that have died, and have not told all routes since. */
  readonly #lost = new Set<number>();
  #onSynced: (() => void) | null = null;

  constructor(options: RouteSyncOptions) {
    this.#options = options;
  }

  /**
   * This worker's ranges are replayed: asks these peers for their routes, answers those that have
   * asked. `done` when all have told everything. Once.
   */
  synchronize(peers: readonly number[], done: () => void): void {
    for (const peer of peers) this.#unsynced.add(peer);
    this.#onSynced = done;
    for (const peer of peers) this.#ask(peer);
    const early = this.#early ?? [];
    this.#early = null;
    for (const peer of early) this.#startTelling(peer);
    this.#reportSynced();
  }

  /** A peer has started and wants all routes. */
  handleRequest(peer: number): void {
    // Its earlier life is known here, and so may be routes that are there no more.
    if (this.#lost.has(peer)) this.#ask(peer);
    if (this.#early === null) this.#startTelling(peer);
    else this.#early.add(peer);
  }

  /** A peer has told everything. */
  handleEnd(peer: number): void {
    if (this.#lost.delete(peer)) this.#options.table.forgetStale(peer);
    this.#unsynced.delete(peer);
    this.#reportSynced();
  }

  /** A peer has applied what it was told last. */
  handleApplied(peer: number): void {
    if (this.#told.has(peer)) this.#tellMore(peer);
  }

  peerLost(peer: number): void {
    this.#told.delete(peer);
    this.#early?.delete(peer);
    this.#lost.add(peer);
  }

  #ask(peer: number): void {
    this.#options.sendUnanswered(peer, [controlChange(RouteOp.SYNC_REQUEST)]);
  }

  /**
   * Changes made meanwhile travel between the pieces: a route told twice is the same route, and one
   * removed before it was told is unknown there. What the peer answers before it was told
   * everything is early, and harmless: it serves nobody before SYNC_END, or knew the routes of this
   * worker's earlier life.
   */
  #startTelling(peer: number): void {
    this.#options.include(peer);
    this.#told.set(peer, 0);
    this.#tellMore(peer);
  }

  #tellMore(peer: number): void {
    const { index } = this.#options;
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
    this.#options.send(peer, changes);
  }

  #collectOwn(node: number, into: RouteChange[]): void {
    const { index, self } = this.#options;
    const entry = index.entryAt(node);
    const isSubscribed = index.hasWorker(node, self);
    if (entry === null && !isSubscribed) return;
    const tenantId = index.tenantAt(node);
    const filter = index.filterAt(node);
    if (isSubscribed) into.push(workerChange(RouteOp.ADD_WORKER, tenantId, filter));
    for (const { source, clientId, incarnation, options } of entry?.inboxes?.values() ?? []) {
      if (source !== self) continue;
      const route = { tenantId, filter, group: "", isOrdered: false, clientId, incarnation };
      into.push(storedRouteAdded(route, options, null));
    }
    for (const group of entry?.shares?.values() ?? []) {
      const share = { group: group.name, ordered: group.isOrdered };
      for (const member of group.members()) {
        if (member.thread !== self) continue;
        into.push(knownMemberChange(tenantId, filter, share, member));
      }
    }
  }

  #collectPresence(into: RouteChange[]): void {
    const { online, table } = this.#options;
    for (const { tenantId, clientId } of online()) {
      if (!table.stored.isMember(tenantId, clientId)) continue;
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
