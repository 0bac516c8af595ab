/**
 * Brings the broker's time (steady-clock.ts) back to the wall clock, slowly, and tells the operator
 * while they are far apart. Thread: main. Scope: one per process.
 */

import type { Log } from "../platform/log.ts";
import type { SteadyClock } from "../shared/metrics/steady-clock.ts";

/** More than a clock is put right by in normal operation. */
const FAR_MS = 60_000;
const TELL_AGAIN_MS = 3_600_000;

export class ClockWatch {
  readonly #clock: SteadyClock;
  readonly #log: Log;
  /** Of the broker's time; when it was said last. */
  #toldMs = Number.NEGATIVE_INFINITY;
  #isFar = false;

  constructor(clock: SteadyClock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  /** Ten times a second or so. */
  tick(wallMs: number): void {
    const aheadMs = this.#clock.follow(wallMs);
    const wasFar = this.#isFar;
    this.#isFar = Math.abs(aheadMs) > FAR_MS;
    if (!this.#isFar) {
      if (wasFar) this.#log.info("clock_agrees", {});
      return;
    }
    const { nowMs } = this.#clock;
    if (wasFar && nowMs - this.#toldMs < TELL_AGAIN_MS) return;
    this.#toldMs = nowMs;
    this.#log.warn("clock_differs", {
      ahead_ms: Math.round(aheadMs),
      hint: "the system's clock was set, or was wrong once: what expires goes by the time that really passes, which nears the clock by 1 %",
    });
  }
}
