/**
 * Reads that wait until the leader is known to have been leader after they were asked
 * (Raft thesis §6.4).
 *
 * Every heartbeat broadcast is a round with a number that is never used again (raft pitfall 72),
 * also for a repeated one. A read waits for the first round that begins after it; when a quorum has
 * answered that round or a later one, nobody else can have committed anything before the read came
 * in. All reads of one Ready share one round.
 *
 * Reads that come before the leader has committed an entry of its own term wait for that first
 * (pitfall 71): its commit index may still be behind.
 * Scope: one per replica; used by leaders.
 */

import { RingQueue } from "../collections/ring-queue.ts";
import type { ReplicaId } from "./entry.ts";

export interface PendingRead {
  /** Who asked; the answer goes there. */
  readonly from: ReplicaId;
  readonly requestId: number;
  /** The commit index when the read came in: what must be applied before it is served. */
  readonly index: number;
  readonly round: number;
}

interface EarlyRead {
  readonly from: ReplicaId;
  readonly requestId: number;
}

interface SentRound {
  readonly round: number;
  readonly sentAtMs: number;
}

export class ReadIndexQueue {
  readonly #maxPending: number;
  readonly #hasLeases: boolean;
  readonly #pending = new RingQueue<PendingRead>();
  readonly #sentRounds = new RingQueue<SentRound>();
  #early: EarlyRead[] = [];
  #lastRound = 0;
  #answeredRound = 0;
  #answeredSentAtMs = Number.NEGATIVE_INFINITY;

  /** `hasLeases`: remember when rounds were sent. */
  constructor(maxPending: number, hasLeases: boolean) {
    this.#maxPending = maxPending;
    this.#hasLeases = hasLeases;
  }

  /** The newest round; acknowledgements above it are not this leader's. */
  get lastRound(): number {
    return this.#lastRound;
  }

  get isFull(): boolean {
    return this.#pending.size + this.#early.length >= this.#maxPending;
  }

  get hasPending(): boolean {
    return this.#pending.size > 0 || this.#early.length > 0;
  }

  /** Some read waits for a round that has not begun. */
  get needsRound(): boolean {
    const { size } = this.#pending;
    return size > 0 && this.#pending.at(size - 1).round > this.#lastRound;
  }

  /** When the newest round that a quorum has answered was sent; -Infinity when none was. */
  get answeredSentAtMs(): number {
    return this.#answeredSentAtMs;
  }

  /** A read that came before the first commit of the term. */
  addEarly(from: ReplicaId, requestId: number): void {
    this.#early.push({ from, requestId });
  }

  add(from: ReplicaId, requestId: number, index: number): void {
    this.#pending.push({ from, requestId, index, round: this.#lastRound + 1 });
  }

  /** The term has its first commit: early reads become ordinary ones. */
  admitEarly(index: number): void {
    if (this.#early.length === 0) return;
    for (const { from, requestId } of this.#early) this.add(from, requestId, index);
    this.#early = [];
  }

  /** Begins a round; returns its number. */
  beginRound(nowMs: number): number {
    this.#lastRound += 1;
    // Leases need checkQuorum, so no more than an election timeout's rounds wait for an answer.
    if (this.#hasLeases) this.#sentRounds.push({ round: this.#lastRound, sentAtMs: nowMs });
    return this.#lastRound;
  }

  /** A quorum has answered `round`. Returns the reads that it confirms. */
  confirm(round: number): readonly PendingRead[] {
    if (round <= this.#answeredRound) return NO_READS;
    this.#answeredRound = round;
    for (;;) {
      const sent = this.#sentRounds.peek();
      if (sent === undefined || sent.round > round) break;
      this.#answeredSentAtMs = sent.sentAtMs;
      this.#sentRounds.shift();
    }
    let confirmed: PendingRead[] | null = null;
    for (;;) {
      const read = this.#pending.peek();
      if (read === undefined || read.round > round) break;
      confirmed ??= [];
      confirmed.push(read);
      this.#pending.shift();
    }
    return confirmed ?? NO_READS;
  }

  /**
   * The electors changed: those who answered for the old ones say nothing for the new ones, and
   * after two changes the two need not have anybody in common.
   */
  forgetLease(): void {
    this.#sentRounds.clear();
    this.#answeredSentAtMs = Number.NEGATIVE_INFINITY;
  }

  /**
   * A term ended: reads that wait are dropped, whoever asked must ask again. Round numbers go on,
   * so that a late acknowledgement confirms nothing.
   */
  reset(): void {
    this.#pending.clear();
    this.#sentRounds.clear();
    this.#early = [];
    this.#answeredRound = this.#lastRound;
    this.#answeredSentAtMs = Number.NEGATIVE_INFINITY;
  }
}

const NO_READS: readonly PendingRead[] = [];
