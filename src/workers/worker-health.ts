/**
 * How a worker thread feels: delay of its event loop and time spent collecting garbage, for
 * /metrics. Nothing here runs per packet: a probe every 20 ms, a note per collection, a look once a
 * second.
 *
 * Thread: worker. Scope: one per worker.
 */

import { PerformanceObserver } from "node:perf_hooks";
import { LoopDelay } from "../platform/loop-delay.ts";
import { Counter } from "../shared/metrics/counter-table.ts";

const PUBLISH_MS = 1000;
/**
 * Delays are told of this minute and the one before: long enough for any scraper, short enough to
 * forget.
 */
const WINDOW_MS = 60_000;
const MILLISECONDS = 1e-3;

/** Writes its columns of the worker's counter row from now on. */
export class WorkerHealth {
  readonly #counters: Float64Array;
  readonly #delay = new LoopDelay();
  readonly #collections: PerformanceObserver;
  readonly #timer: NodeJS.Timeout;
  #windowStartMs = performance.now();
  #lastP99 = 0;
  #lastMax = 0;

  constructor(counters: Float64Array) {
    this.#counters = counters;
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
    this.#delay.stop();
    this.#collections.disconnect();
    clearInterval(this.#timer);
  }

  #publish(): void {
    const p99 = this.#delay.seconds(0.99);
    const max = this.#delay.seconds(1);
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
