/**
 * A snapshot's state comes in chunks beside Raft, over links that break. This decides what each
 * chunk means; the store keeps the bytes. Scope: one per replica that may receive.
 *
 * A session is (leader, term, index): a chunk at offset 0 opens it, and only that; a chunk further
 * on continues the session it names, or is refused, and never opens another (raft pitfall 69). A
 * session of a later term, or of a later index in the same term, takes the place of the one before.
 */

import { NO_REPLICA, type ReplicaId } from "./entry.ts";

export interface SnapshotChunk {
  readonly leader: ReplicaId;
  readonly term: number;
  readonly index: number;
  readonly offset: number;
  readonly bytes: number;
  readonly isLast: boolean;
}

export const ChunkVerdict = {
  /** Keep it; `expectedOffset` has moved. */
  TAKEN: 0,
  /** Throw away what was there and keep this. */
  TAKEN_AS_FIRST: 1,
  /** Keep it: the snapshot is complete. */
  COMPLETE: 2,
  /** Here already, or too early: the sender goes on at `expectedOffset`. */
  OUT_OF_PLACE: 3,
  /** Of a session that is over, or was never opened: the sender begins anew. */
  UNKNOWN_SESSION: 4,
} as const;

export type ChunkVerdict = (typeof ChunkVerdict)[keyof typeof ChunkVerdict];

export class SnapshotIntake {
  #leader: ReplicaId = NO_REPLICA;
  #term = 0;
  #index = 0;
  #expectedOffset = 0;
  #isOpen = false;

  /** Where the open session goes on. */
  get expectedOffset(): number {
    return this.#expectedOffset;
  }

  take(chunk: SnapshotChunk): ChunkVerdict {
    const isSame = this.#isOpen && this.#isOfSession(chunk);
    if (!isSame && (chunk.offset > 0 || !this.#supersedes(chunk))) {
      return ChunkVerdict.UNKNOWN_SESSION;
    }
    if (!isSame) this.#open(chunk);
    if (chunk.offset !== this.#expectedOffset) return ChunkVerdict.OUT_OF_PLACE;
    this.#expectedOffset += chunk.bytes;
    if (chunk.isLast) {
      this.#isOpen = false;
      return ChunkVerdict.COMPLETE;
    }
    return isSame ? ChunkVerdict.TAKEN : ChunkVerdict.TAKEN_AS_FIRST;
  }

  #open({ leader, term, index }: SnapshotChunk): void {
    this.#leader = leader;
    this.#term = term;
    this.#index = index;
    this.#expectedOffset = 0;
    this.#isOpen = true;
  }

  #isOfSession({ leader, term, index }: SnapshotChunk): boolean {
    return leader === this.#leader && term === this.#term && index === this.#index;
  }

  /** Not older than the last session, open or complete. */
  #supersedes({ term, index }: SnapshotChunk): boolean {
    if (!this.#isOpen) return term > this.#term || (term === this.#term && index >= this.#index);
    return term > this.#term || (term === this.#term && index > this.#index);
  }
}
