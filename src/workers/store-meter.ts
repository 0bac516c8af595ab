/**
 * What the stores of a worker cost, for /metrics: how many commits, how much in each, how long they
 * and the disk's flushing took. A few additions per commit; the store itself is asked ten times a
 * second at most, because that reads the file's state.
 *
 * Thread: worker. Scope: one per worker.
 */

import { createHistogram, type RecordableHistogram } from "node:perf_hooks";
import { Counter } from "../shared/metrics/counter-table.ts";
import type { CommitReport } from "./ranges/store-turn.ts";
import type { LogStore } from "./store/log-store.ts";

const USAGE_MS = 100;
/** The percentile is told of this minute and the one before, as the event loop's delays are. */
const WINDOW_MS = 60_000;
const PERCENTILE = 99;
const MICROS = 1000;
const MILLISECONDS = 1e-3;
const MICROSECONDS = 1e-6;

/** Writes its columns of the worker's counter row. */
export class StoreMeter {
  readonly #counters: Float64Array;
  readonly #clockMs: () => number;
  readonly #histogram: RecordableHistogram = createHistogram();
  /** Milliseconds of flushing that were told of, and when. */
  readonly #flushed = new Map<LogStore, { flushMs: number; atMs: number }>();
  #windowStartMs: number;
  #lastP99 = 0;

  constructor(counters: Float64Array, clockMs: () => number) {
    this.#counters = counters;
    this.#clockMs = clockMs;
    this.#windowStartMs = clockMs();
  }

  take({ store, entries, bytes, ms }: CommitReport): void {
    const counters = this.#counters;
    counters[Counter.STORE_COMMITS]! += 1;
    counters[Counter.STORE_COMMIT_ENTRIES]! += entries;
    counters[Counter.STORE_COMMIT_BYTES]! += bytes;
    counters[Counter.STORE_COMMIT_SECONDS]! += ms * MILLISECONDS;
    // The histogram takes whole numbers from 1.
    this.#histogram.record(Math.max(1, Math.round(ms * MICROS)));
    const nowMs = this.#clockMs();
    const known = this.#flushed.get(store);
    if (known === undefined || nowMs - known.atMs >= USAGE_MS) this.#ask(store, nowMs);
  }

  #ask(store: LogStore, nowMs: number): void {
    const { flushMs } = store.usage();
    const before = this.#flushed.get(store)?.flushMs ?? 0;
    this.#flushed.set(store, { flushMs, atMs: nowMs });
    this.#counters[Counter.STORE_FLUSH_SECONDS]! += (flushMs - before) * MILLISECONDS;
    this.#publishPercentile(nowMs);
  }

  #publishPercentile(nowMs: number): void {
    const p99 = this.#histogram.percentile(PERCENTILE) * MICROSECONDS;
    this.#counters[Counter.STORE_COMMIT_P99_SECONDS] = Math.max(p99, this.#lastP99);
    if (nowMs - this.#windowStartMs < WINDOW_MS) return;
    this.#windowStartMs = nowMs;
    this.#lastP99 = p99;
    this.#histogram.reset();
  }
}
