/** When dead workers may start again. */

import assert from "node:assert/strict";
import test from "node:test";
import {
  CRASH_LOOP_DEATHS,
  CRASH_LOOP_WINDOW_MS,
  RestartPolicy,
} from "../../src/main/restart-policy.ts";

test("restart policy: the first death waits not at all, later ones longer, too many end it", () => {
  const policy = new RestartPolicy();
  const waits = Array.from({ length: CRASH_LOOP_DEATHS }, (_, index) => policy.recordDeath(index));
  assert.deepEqual(waits, [0, 250, 500, 1000, -1]);
});

test("restart policy: deaths further apart than the window never end it", () => {
  const policy = new RestartPolicy();
  const stepMs = CRASH_LOOP_WINDOW_MS / (CRASH_LOOP_DEATHS - 1);
  for (let death = 0; death < 100; death++) assert.ok(policy.recordDeath(death * stepMs) >= 0);
});

test("restart policy: after a quiet time it starts anew", () => {
  const policy = new RestartPolicy();
  for (let death = 0; death < CRASH_LOOP_DEATHS - 1; death++) policy.recordDeath(death);
  assert.equal(policy.recordDeath(2 * CRASH_LOOP_WINDOW_MS), 0);
});
