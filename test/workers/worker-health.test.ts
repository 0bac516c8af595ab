import assert from "node:assert/strict";
import { test } from "node:test";
import { COUNTER_COLUMNS, Counter } from "../../src/shared/metrics/counter-table.ts";
import { WorkerHealth } from "../../src/workers/worker-health.ts";
import { until } from "../helpers/deadline.ts";

test("worker health: delays and garbage collections appear in the counters, until it is stopped", async () => {
  const counters = new Float64Array(COUNTER_COLUMNS);
  const health = new WorkerHealth(counters);
  let garbage: unknown[] = [];
  await until(() => {
    // Beyond the young generation's size, so that collections must run.
    garbage = Array.from({ length: 200_000 }, (_none, index) => ({ index }));
    return counters[Counter.GC_SECONDS]! > 0 && counters[Counter.EVENT_LOOP_DELAY_MAX_SECONDS]! > 0;
  }, "the worker's health to be told");
  health.stop();
  assert.ok(garbage.length > 0);
  assert.ok(
    counters[Counter.EVENT_LOOP_DELAY_P99_SECONDS]! <=
      counters[Counter.EVENT_LOOP_DELAY_MAX_SECONDS]!,
  );
  const told = [...counters];
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([...counters], told);
});
