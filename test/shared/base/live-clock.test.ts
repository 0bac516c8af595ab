import assert from "node:assert/strict";
import { test } from "node:test";
import { LiveClock, LONGEST_STEP_MS } from "../../../src/shared/base/live-clock.ts";

test("live clock: follows its clock while that is read often enough", () => {
  const clock = new LiveClock(5000);
  assert.equal(clock.nowMs, 5000);
  for (let ms = 5250; ms <= 10_000; ms += 250) clock.advance(ms);
  assert.equal(clock.nowMs, 10_000);
});

test("live clock: of the time in which nobody looked little has passed, and then it goes on", () => {
  const clock = new LiveClock(0);
  clock.advance(3_600_000);
  assert.equal(clock.nowMs, LONGEST_STEP_MS);
  clock.advance(3_600_250);
  assert.equal(clock.nowMs, LONGEST_STEP_MS + 250);
});

test("live clock: stands still while its clock is set back, and follows it from there", () => {
  const clock = new LiveClock(10_000);
  clock.advance(4000);
  assert.equal(clock.nowMs, 10_000);
  clock.advance(4250);
  assert.equal(clock.nowMs, 10_250);
});
