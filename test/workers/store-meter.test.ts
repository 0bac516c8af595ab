import assert from "node:assert/strict";
import { test } from "node:test";
import { COUNTER_COLUMNS, Counter } from "../../src/shared/metrics/counter-table.ts";
import type { LogStore } from "../../src/workers/store/log-store.ts";
import { StoreMeter } from "../../src/workers/store-meter.ts";

/** A store that has flushed for `flushMs`. */
function storeWith(usage: { flushMs: number }): LogStore {
  return { usage: () => ({ fileBytes: 0, liveBytes: 0, ...usage }) } as unknown as LogStore;
}

function near(actual: number | undefined, expected: number): void {
  assert.ok(Math.abs((actual ?? Number.NaN) - expected) < 1e-9, `${actual}, not ${expected}`);
}

test("store meter: commits, what was in them and how long they took add up over stores", () => {
  const counters = new Float64Array(COUNTER_COLUMNS);
  const meter = new StoreMeter(counters, () => 0);
  const one = storeWith({ flushMs: 4 });
  const other = storeWith({ flushMs: 6 });
  meter.take({ store: one, entries: 3, bytes: 700, ms: 5 });
  meter.take({ store: other, entries: 0, bytes: 300, ms: 7 });
  assert.equal(counters[Counter.STORE_COMMITS], 2);
  assert.equal(counters[Counter.STORE_COMMIT_ENTRIES], 3);
  assert.equal(counters[Counter.STORE_COMMIT_BYTES], 1000);
  near(counters[Counter.STORE_COMMIT_SECONDS], 0.012);
  near(counters[Counter.STORE_FLUSH_SECONDS], 0.01);
});

test("store meter: the store is asked ten times a second at most, and nothing is told twice", () => {
  const counters = new Float64Array(COUNTER_COLUMNS);
  const usage = { flushMs: 10 };
  let asked = 0;
  const store = {
    usage: () => {
      asked += 1;
      return { fileBytes: 0, liveBytes: 0, ...usage };
    },
  } as unknown as LogStore;
  let nowMs = 0;
  const meter = new StoreMeter(counters, () => nowMs);
  for (; nowMs < 200; nowMs += 10) {
    usage.flushMs += 1;
    meter.take({ store, entries: 1, bytes: 1, ms: 1 });
  }
  assert.equal(asked, 2);
  near(counters[Counter.STORE_FLUSH_SECONDS], 0.021);
});

test("store meter: the slowest percent of commits is told for a minute or two, then forgotten", () => {
  const counters = new Float64Array(COUNTER_COLUMNS);
  const store = storeWith({ flushMs: 0 });
  let nowMs = 0;
  const meter = new StoreMeter(counters, () => nowMs);
  const commit = (atMs: number, ms: number) => {
    nowMs = atMs;
    meter.take({ store, entries: 1, bytes: 1, ms });
    return counters[Counter.STORE_COMMIT_P99_SECONDS] ?? 0;
  };
  assert.ok(commit(0, 500) >= 0.49);
  assert.ok(commit(60_000, 1) >= 0.49);
  assert.ok(commit(119_000, 1) >= 0.49);
  commit(121_000, 1);
  assert.ok(commit(182_000, 1) < 0.01);
});
