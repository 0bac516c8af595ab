/**
 * Which of this worker's route changes every other worker has applied, and who waits for that: the
 * reason why a SUBACK may be sent.
 *
 * Changes have growing numbers. Peers answer with the number they have applied; a waiter runs when
 * the slowest has reached its number. A peer that is gone holds nobody up.
 * Thread: worker. Scope: one per worker, owned by DistClient.
 */

import { RingQueue } from "../../shared/collections/ring-queue.ts";

interface Waiter {
  readonly sequence: number;
  readonly done: () => void;
}

export class AppliedBarrier {
  /** Highest own change that each thread has applied; Infinity for those that need none. */
  readonly #appliedBy: number[];
  readonly #waiters = new RingQueue<Waiter>();

  /** Main (thread 0) holds no routes, and this worker applies its own at once. */
  constructor(threadCount: number, self: number) {
    this.#appliedBy = new Array<number>(threadCount).fill(0);
    this.#appliedBy[0] = Number.POSITIVE_INFINITY;
    this.#appliedBy[self] = Number.POSITIVE_INFINITY;
  }

  /** False for a thread that needs no changes. */
  needsChanges(thread: number): boolean {
    return this.#appliedBy[thread] !== Number.POSITIVE_INFINITY;
  }

  /** `thread` has applied everything up to `sequence`. */
  applied(thread: number, sequence: number): void {
    this.#appliedBy[thread] = sequence;
    this.#wake();
  }

  /** A peer has started: from now on its answers count. */
  include(thread: number): void {
    this.#appliedBy[thread] = 0;
  }

  /** A peer is gone: nobody waits for it. */
  exclude(thread: number): void {
    this.applied(thread, Number.POSITIVE_INFINITY);
  }

  /** Calls `done` once change `sequence` is applied everywhere; at once if it is. */
  wait(sequence: number, done: () => void): void {
    if (this.#appliedByAll() >= sequence) done();
    else this.#waiters.push({ sequence, done });
  }

  #appliedByAll(): number {
    let lowest = Number.POSITIVE_INFINITY;
    for (const applied of this.#appliedBy) lowest = Math.min(lowest, applied);
    return lowest;
  }

  /**
   * A subscription whose route was announced earlier waits with an older number behind newer ones,
   * so it may be held back for one round trip; nobody is forgotten.
   */
  #wake(): void {
    const applied = this.#appliedByAll();
    for (;;) {
      const waiter = this.#waiters.peek();
      if (waiter === undefined || waiter.sequence > applied) return;
      this.#waiters.shift();
      waiter.done();
    }
  }
}
