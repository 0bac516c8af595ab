/**
 * The time by which sessions, wills and messages live. It begins at the wall clock, then counts
 * what really passes: when somebody sets that clock by hours, nobody expires early and nobody late.
 *
 *   now = monotonic + origin + raised + correction
 *
 *   origin       wall clock less monotonic clock as the process started; known to all threads
 *   raised       seconds that stored state was ahead of that: time never goes back over a restart
 *   correction   milliseconds, by main: brings time back to the wall clock, 1 % faster or slower
 *
 * `raised` and `correction` are shared words, so all threads have one time. Thread: any. Scope: one
 * per thread.
 */

import { WORD_CLOCK_CORRECTION, WORD_CLOCK_RAISED } from "./shared-words.ts";

const SECOND_MS = 1000;
/** Of the time that passes. What an expiry of an hour is wrong by, at most: 36 seconds. */
const CORRECTION_RATE = 0.01;

export interface SteadyClockOptions {
  readonly words: Int32Array;
  readonly originMs: number;
  /** Milliseconds with fractions, the same in every thread; never goes back. */
  readonly monotonicMs: () => number;
}

export class SteadyClock {
  readonly #options: SteadyClockOptions;
  #followedMs: number;
  /** Of a correction; less than a millisecond. */
  #rest = 0;

  constructor(options: SteadyClockOptions) {
    this.#options = options;
    this.#followedMs = options.monotonicMs();
  }

  /** Whole milliseconds, like those of the wall clock. */
  get nowMs(): number {
    return Math.floor(this.#exactMs);
  }

  /** Stored state has reached this time: from now on it is not earlier. */
  raise(toMs: number): void {
    const { words } = this.#options;
    for (;;) {
      const raised = Atomics.load(words, WORD_CLOCK_RAISED);
      const seconds = Math.ceil((toMs - this.#exactMs) / SECOND_MS);
      if (seconds <= 0) return;
      const found = Atomics.compareExchange(words, WORD_CLOCK_RAISED, raised, raised + seconds);
      if (found === raised) return;
    }
  }

  /** Main's, now and then: nearer to the wall clock. Returns how far time is ahead of that. */
  follow(wallMs: number): number {
    const monotonicMs = this.#options.monotonicMs();
    const most = (monotonicMs - this.#followedMs) * CORRECTION_RATE;
    this.#followedMs = monotonicMs;
    const aheadMs = this.#exactMs - wallMs;
    // The wall clock has whole milliseconds, and so have corrections: no more is to be seen.
    if (Math.abs(aheadMs) <= 1) return aheadMs;
    const wanted = this.#rest + Math.max(-most, Math.min(most, -aheadMs));
    const whole = Math.trunc(wanted);
    this.#rest = wanted - whole;
    if (whole !== 0) Atomics.add(this.#options.words, WORD_CLOCK_CORRECTION, whole);
    return aheadMs;
  }

  get #exactMs(): number {
    const { words, originMs, monotonicMs } = this.#options;
    const raised = Atomics.load(words, WORD_CLOCK_RAISED) * SECOND_MS;
    return monotonicMs() + originMs + raised + Atomics.load(words, WORD_CLOCK_CORRECTION);
  }
}
