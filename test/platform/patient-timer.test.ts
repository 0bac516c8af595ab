import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { PatientTimer } from "../../src/platform/patient-timer.ts";

/** Lets `clock` pass, and timers believe it was `timers`: the process was stopped in between. */
function timeOf(t: TestContext): (clock: number, timers?: number) => void {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let clockMs = 0;
  t.mock.method(performance, "now", () => clockMs);
  return (clock, timers = clock) => {
    clockMs += clock;
    t.mock.timers.tick(timers);
  };
}

test("patient timer: is called when it is due", (t) => {
  const pass = timeOf(t);
  let calls = 0;
  new PatientTimer(() => calls++, 3000);
  pass(2999);
  assert.equal(calls, 0);
  pass(1);
  assert.equal(calls, 1);
  pass(10_000);
  assert.equal(calls, 1);
});

test("patient timer: after a stop of the process it waits a moment longer, once", (t) => {
  const pass = timeOf(t);
  let calls = 0;
  new PatientTimer(() => calls++, 3000);
  pass(60_000, 3000);
  assert.equal(calls, 0);
  pass(60_000, 1000);
  assert.equal(calls, 1);
});

test("patient timer: cancelled, also in that moment, it is not called", (t) => {
  const pass = timeOf(t);
  let calls = 0;
  const timer = new PatientTimer(() => calls++, 3000);
  pass(60_000, 3000);
  timer.cancel();
  pass(60_000);
  assert.equal(calls, 0);
});
