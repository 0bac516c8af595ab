import assert from "node:assert/strict";
import { test } from "node:test";
import { ClockWatch } from "../../src/main/clock-watch.ts";
import { sharedWordsSize } from "../../src/shared/metrics/shared-words.ts";
import { SteadyClock } from "../../src/shared/metrics/steady-clock.ts";
import { arrayLog } from "./helpers.ts";

const HOUR = 3_600_000;

test("clock watch: a clock that is far off is told of at once, once an hour, and when it agrees", () => {
  let monotonicMs = 0;
  let wallMs = 1_700_000_000_000;
  const clock = new SteadyClock({
    words: new Int32Array(new SharedArrayBuffer(sharedWordsSize(1))),
    originMs: wallMs,
    monotonicMs: () => monotonicMs,
  });
  const log = arrayLog();
  const watch = new ClockWatch(clock, log);
  const run = (ms: number) => {
    for (let left = ms; left > 0; left -= 1000) {
      monotonicMs += 1000;
      wallMs += 1000;
      watch.tick(wallMs);
    }
    return log.entries.splice(0).map(({ event }) => event);
  };
  assert.deepEqual(run(10_000), []);
  wallMs += 30_000;
  assert.deepEqual(run(10_000), [], "such a step needs no words");
  wallMs -= 3 * 60_000;
  assert.deepEqual(run(10_000), ["clock_differs"]);
  assert.deepEqual(run(1.1 * HOUR), ["clock_differs"]);
  assert.deepEqual(run(3 * HOUR).slice(-1), ["clock_agrees"]);
});
