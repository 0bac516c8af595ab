/**
 * Time for patience with others: as long as this thread was there to notice anything. A process
 * that was stopped, whose machine was suspended or gave it no time, has missed what came meanwhile:
 * it waits in sockets and rings, and timers run before it is read. Nobody was silent who was not
 * listened to. A wall clock that is set does not count either.
 *
 * Pure: clock readings in, time out. It never goes back. Scope: one per thread and purpose.
 */

/** A thread that runs looks several times as often. */
export const LONGEST_STEP_MS = 1000;

export class LiveClock {
  #nowMs: number;
  #readMs: number;

  /** Begins with `clockMs`, a reading of any clock. */
  constructor(clockMs: number) {
    this.#nowMs = clockMs;
    this.#readMs = clockMs;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  /**
   * A later reading of the same clock; of the time since the last one at most `longestStepMs`
   * counts.
   */
  advance(clockMs: number, longestStepMs = LONGEST_STEP_MS): void {
    const stepMs = clockMs - this.#readMs;
    this.#readMs = clockMs;
    if (stepMs > 0) this.#nowMs += Math.min(stepMs, longestStepMs);
  }
}
