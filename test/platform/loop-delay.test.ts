import assert from "node:assert/strict";
import { test } from "node:test";
import { LoopDelay, type ProbeIntervals } from "../../src/platform/loop-delay.ts";

/** Intervals between probes, nanoseconds, shortest first. */
function intervals(recorded: number[]): ProbeIntervals {
  return {
    get count() {
      return recorded.length;
    },
    percentile: (percentile) => recorded[Math.ceil((percentile / 100) * recorded.length) - 1]!,
    enable: () => true,
    disable: () => true,
    reset: () => {
      recorded.length = 0;
    },
  };
}

test("loop delay: what is beyond the interval of the probes counts, and nothing else", () => {
  const delay = new LoopDelay(intervals([19_500_000, 20_100_000, 23_000_000, 320_000_000]));
  assert.equal(delay.seconds(0.25), 0, "a probe that came early");
  assert.ok(Math.abs(delay.seconds(0.5) - 0.0001) < 1e-9);
  assert.ok(Math.abs(delay.seconds(0.75) - 0.003) < 1e-9);
  assert.ok(Math.abs(delay.seconds(1) - 0.3) < 1e-9);
  delay.reset();
  assert.equal(delay.seconds(0.99), 0, "no probe yet");
});
