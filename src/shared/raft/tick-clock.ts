/**
 * Turns a monotonic clock into ticks. After a stall (a paused process, a long collection) it yields
 * one tick, not all that were missed: a replica that was asleep knows nothing about its leader, and
 * the leader's messages are still waiting to be read (raft pitfall 26). Scope: one per group.
 */

import { assert } from "../base/assert.ts";

export class TickClock {
  readonly #periodMs: number;
  #nextAtMs: number;

  /**
   * `phase` in [0, 1): where in the period the ticks lie, e.g. a hash of the group, so that not all
   * groups of a cluster tick at once.
   */
  constructor(periodMs: number, phase: number, nowMs: number) {
    assert(periodMs > 0 && phase >= 0 && phase < 1, "tick clock: a period and a phase within it");
    this.#periodMs = periodMs;
    this.#nextAtMs = nowMs + periodMs * (phase + (phase === 0 ? 1 : 0));
  }

  /** When to ask again. */
  get nextDeadlineMs(): number {
    return this.#nextAtMs;
  }

  /** Is a tick due? Ask after the inbox is empty. */
  takeTick(nowMs: number): boolean {
    if (nowMs < this.#nextAtMs) return false;
    const missed = Math.floor((nowMs - this.#nextAtMs) / this.#periodMs);
    this.#nextAtMs += (missed + 1) * this.#periodMs;
    return true;
  }
}
