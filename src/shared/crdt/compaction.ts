/**
 * Forgets the history of ended lives. Every start of a node brings a replica with a name of its
 * own, so a history that kept them all would grow for ever.
 *
 * A replica that has not been among the living for `retentionMs`, and of which nothing is alive
 * here, is dropped from the causal history. Safe as far as memory reaches: a peer that still holds
 * values of that replica, and knows nothing of their removal after having been away for longer than
 * the retention, brings them back; they then belong to a dead node, and its cleaner removes or
 * adopts them like any others.
 */

import type { ReplicaId } from "./causal-context.ts";
import type { OrMap } from "./or-map.ts";

const NEVER = Number.POSITIVE_INFINITY;

export class Compaction {
  readonly #map: OrMap;
  readonly #retentionMs: number;
  readonly #retiredSinceMs = new Map<ReplicaId, number>();
  #living: ReadonlySet<ReplicaId> = new Set();

  constructor(map: OrMap, retentionMs: number) {
    this.#map = map;
    this.#retentionMs = retentionMs;
  }

  /** When the next replica may be forgotten. */
  get nextDeadlineMs(): number {
    let deadlineMs = NEVER;
    for (const sinceMs of this.#retiredSinceMs.values()) {
      deadlineMs = Math.min(deadlineMs, sinceMs + this.#retentionMs);
    }
    return deadlineMs;
  }

  isRetired(replica: ReplicaId): boolean {
    return replica !== this.#map.replica && !this.#living.has(replica);
  }

  /**
   * The replicas that live now; to be called whenever that changes, and after merges now and then.
   */
  handleLiving(living: ReadonlySet<ReplicaId>, nowMs: number): void {
    this.#living = living;
    for (const replica of this.#retiredSinceMs.keys()) {
      if (!this.isRetired(replica)) this.#retiredSinceMs.delete(replica);
    }
    this.noticeRetired(nowMs);
  }

  /** Starts the clock of replicas that are in the history and not alive. O(replicas). */
  noticeRetired(nowMs: number): void {
    for (const replica of this.#map.replicas()) {
      if (!this.isRetired(replica) || this.#retiredSinceMs.has(replica)) continue;
      this.#retiredSinceMs.set(replica, nowMs);
    }
  }

  handleTimeout(nowMs: number): void {
    for (const [replica, sinceMs] of this.#retiredSinceMs) {
      if (nowMs - sinceMs < this.#retentionMs) continue;
      // Something of it is alive: its cleaner has not come round yet, so look again later.
      if (this.#map.forget(replica)) this.#retiredSinceMs.delete(replica);
      else this.#retiredSinceMs.set(replica, nowMs);
    }
  }
}
