/**
 * What a leader knows about one member's log, and what it may send there next (Raft thesis §10.2.1
 * names the pipelining; the three states are etcd's).
 *
 *   PROBE      one append per heartbeat round until the end of the common log is found
 *      |  ^    acknowledged -> REPLICATE;  log compacted away -> SNAPSHOT
 *      v  |    rejected, or unreachable -> PROBE
 *   REPLICATE  `next` runs ahead of `match`, limited by the in-flight window
 *   SNAPSHOT   nothing is sent until the snapshot is acknowledged or fails
 *
 * Invariant: match < next. While a leader's term lasts `match` never goes down (raft pitfall 40).
 */

import type { ReplicaId } from "./entry.ts";
import { Inflights } from "./inflights.ts";

export const ProgressState = {
  PROBE: 0,
  REPLICATE: 1,
  SNAPSHOT: 2,
} as const;

export type ProgressState = (typeof ProgressState)[keyof typeof ProgressState];

export interface InflightLimits {
  readonly maxInflightMessages: number;
  readonly maxInflightBytes: number;
}

export class Progress {
  readonly id: ReplicaId;
  readonly inflights: Inflights;
  state: ProgressState = ProgressState.PROBE;
  /** The member's log is known to equal the leader's up to here. */
  match = 0;
  /** The next entry to send. */
  next: number;
  isLearner: boolean;
  /** Heard of since the last check of the quorum. */
  isRecentlyActive = false;
  /** Nothing more may be sent before the next acknowledgement or heartbeat round. */
  isPaused = false;
  /** Index of the snapshot under way; 0 when none is. */
  pendingSnapshot = 0;
  /** The commit index that went to the member last. */
  sentCommit = 0;
  /**
   * Its commit index, as its last answer to a heartbeat said; 0 when none did. A new process of the
   * member may know less: see Quiescence.wake.
   */
  knownCommit = 0;
  /** The newest heartbeat round that the member has answered; 0 when none. */
  ackedRound = 0;

  constructor(id: ReplicaId, next: number, isLearner: boolean, limits: InflightLimits) {
    this.id = id;
    this.next = next;
    this.isLearner = isLearner;
    this.inflights = new Inflights(limits.maxInflightMessages, limits.maxInflightBytes);
  }

  /** Forgets everything but who it is: a new term begins, nothing is known of anybody. */
  reset(lastIndex: number): void {
    this.#enter(ProgressState.PROBE);
    this.match = 0;
    this.next = lastIndex + 1;
    this.isRecentlyActive = false;
    this.sentCommit = 0;
    this.knownCommit = 0;
    this.ackedRound = 0;
  }

  becomeProbe(): void {
    // The snapshot is there already, or will be: probe behind it.
    const snapshotIndex = this.state === ProgressState.SNAPSHOT ? this.pendingSnapshot : 0;
    this.#enter(ProgressState.PROBE);
    this.next = Math.max(this.match, snapshotIndex) + 1;
    this.sentCommit = Math.min(this.sentCommit, this.next - 1);
  }

  becomeReplicate(): void {
    this.#enter(ProgressState.REPLICATE);
    this.next = this.match + 1;
  }

  /** A snapshot at `index` is on its way. */
  becomeSnapshot(index: number): void {
    this.#enter(ProgressState.SNAPSHOT);
    this.pendingSnapshot = index;
    this.next = index + 1;
    this.sentCommit = index;
  }

  /** An append of `count` entries from `next` on was put into the outbox. */
  noteSent(count: number, bytes: number): void {
    if (this.state === ProgressState.REPLICATE) {
      if (count > 0) {
        this.next += count;
        this.inflights.add(this.next - 1, bytes);
      }
      // With a full window what goes out is a probe, and one per heartbeat round is enough
      // (raft pitfall 42).
      this.isPaused = this.inflights.isFull;
      return;
    }
    // One probe per heartbeat round (raft pitfall 41). An empty one may be repeated: it is small
    // and carries news of the commit index.
    if (count > 0) this.isPaused = true;
  }

  noteSentCommit(commit: number): void {
    this.sentCommit = commit;
  }

  /**
   * May a message with this commit index move the member's own? Not once it was told of all that it
   * was sent.
   */
  canAdvanceCommit(commit: number): boolean {
    return commit > this.sentCommit && this.sentCommit < this.next - 1;
  }

  /** The member acknowledged everything up to `index`. False: old news (raft pitfall 40). */
  noteAcknowledged(index: number): boolean {
    if (index <= this.match) return false;
    this.match = index;
    this.next = Math.max(this.next, index + 1);
    this.isPaused = false;
    return true;
  }

  /**
   * The member refused an append anchored at `rejected`; its log can match at `hint` at most.
   * False: an old refusal that no longer means anything (raft pitfall 39).
   */
  noteRejected(rejected: number, hint: number): boolean {
    if (this.state === ProgressState.REPLICATE) {
      if (rejected <= this.match) return false;
      this.next = this.match + 1;
      this.sentCommit = Math.min(this.sentCommit, this.match);
      return true;
    }
    // Probes go out one at a time, so a genuine refusal names the last one's anchor.
    if (rejected !== this.next - 1) return false;
    this.next = Math.max(Math.min(rejected, hint + 1), this.match + 1);
    this.sentCommit = Math.min(this.sentCommit, this.next - 1);
    this.isPaused = false;
    return true;
  }

  /** May an append be sent at all? */
  get isBlocked(): boolean {
    return this.state === ProgressState.SNAPSHOT || this.isPaused;
  }

  #enter(state: ProgressState): void {
    this.state = state;
    this.isPaused = false;
    this.pendingSnapshot = 0;
    this.inflights.clear();
  }
}
