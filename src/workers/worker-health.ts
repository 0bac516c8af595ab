/**
 * How a worker thread feels: delay of its event loop and time spent collecting garbage, for
 * /metrics. Nothing here runs per packet: a probe every 20 ms, a note per collection, a look once a
 * second.
 *
 * Thread: worker. Scope: one per worker.
 */

import {
  type IntervalHistogram,
  monitorEventLoopDelay,
  PerformanceObserver,
} from "node:perf_hooks";
import { Counter } from "../shared/metrics/counter-table.ts";

/** How often the event loop is probed. Finer costs more than it tells. */
const PROBE_MS = 20;
const PUBLISH_MS = 1000;
/**
 * Delays are told of this minute and the one before: long enough for any scraper, short enough to
 * forget.
 */
const WINDOW_MS = 60_000;
const NANOSECONDS = 1e-9;
const MILLISECONDS = 1e-3;

/** Writes its columns of the worker's counter row from now on. */
export class WorkerHealth {
  readonly #counters: Float64Array;
  readonly #delay: IntervalHistogram;
  readonly #collections: PerformanceObserver;
  readonly #timer: NodeJS.Timeout;
  #windowStartMs = performance.now();
  #lastP99 = 0;
  #lastMax = 0;

  constructor(counters: Float64Array) {
    this.#counters = counters;
    this.#delay = monitorEventLoopDelay({ resolution: PROBE_MS });
    this.#delay.enable();
    this.#collections = new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) {
        counters[Counter.GC_SECONDS]! += duration * MILLISECONDS;
      }
    });
    this.#collections.observe({ entryTypes: ["gc"] });
    this.#timer = setInterval(() => this.#publish(), PUBLISH_MS);
    this.#timer.unref();
  }

  stop(): void {
    this.#delay.disable();
    this.#collections.disconnect();
    clearInterval(this.#timer);
  }

  #publish(): void {
    // Without a probe yet a percentile is NaN.
    if (this.#delay.count === 0) return;
    const p99 = this.#delay.percentile(99) * NANOSECONDS;
    const max = this.#delay.max * NANOSECONDS;
    this.#counters[Counter.EVENT_LOOP_DELAY_P99_SECONDS] = Math.max(p99, this.#lastP99);
    this.#counters[Counter.EVENT_LOOP_DELAY_MAX_SECONDS] = Math.max(max, this.#lastMax);
    const nowMs = performance.now();
    if (nowMs - this.#windowStartMs < WINDOW_MS) return;
    this.#windowStartMs = nowMs;
    this.#lastP99 = p99;
    this.#lastMax = max;
    this.#delay.reset();
  }
}
