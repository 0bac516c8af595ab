/**
 * By how much the event loop of this thread is late, as a probe every 20 ms meets it. Node records
 * the time between two probes, the interval included; here it is taken off. Thread: any.
 */

import { type IntervalHistogram, monitorEventLoopDelay } from "node:perf_hooks";

/** How often the event loop is probed. Finer costs more than it tells. */
const PROBE_MS = 20;
const MILLISECONDS = 1e-3;
const NANOSECONDS = 1e-9;

/** The part of Node's histogram that is read. */
export type ProbeIntervals = Pick<
  IntervalHistogram,
  "count" | "percentile" | "reset" | "enable" | "disable"
>;

export class LoopDelay {
  readonly #intervals: ProbeIntervals;

  /** Runs until `stop`. */
  constructor(intervals: ProbeIntervals = monitorEventLoopDelay({ resolution: PROBE_MS })) {
    this.#intervals = intervals;
    intervals.enable();
  }

  /** Seconds since the last `reset`; `quantile` is above 0 and at most 1, the longest. */
  seconds(quantile: number): number {
    // Without a probe yet a percentile is NaN.
    if (this.#intervals.count === 0) return 0;
    const interval = this.#intervals.percentile(quantile * 100) * NANOSECONDS;
    return Math.max(0, interval - PROBE_MS * MILLISECONDS);
  }

  reset(): void {
    this.#intervals.reset();
  }

  stop(): void {
    this.#intervals.disable();
  }
}
