import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Prng } from "../../../src/shared/base/prng.ts";
import { ProbeSchedule } from "../../../src/shared/swim/probe-schedule.ts";

const everybody = () => true;

function scheduleOf(count: number, seed: number): ProbeSchedule {
  const schedule = new ProbeSchedule(new Prng(seed));
  for (let i = 0; i < count; i++) schedule.add(`n${i}`);
  return schedule;
}

test("probe schedule: each member once a round, so none waits for two rounds [SWIM §4.3]", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 30 }), fc.integer(), (count, seed) => {
      const schedule = scheduleOf(count, seed);
      for (let round = 0; round < 3; round++) {
        const probed = Array.from({ length: count }, () => schedule.next(everybody));
        assert.equal(new Set(probed).size, count);
      }
    }),
  );
});

test("probe schedule: rounds differ in order [SWIM §4.3]", () => {
  const schedule = scheduleOf(20, 3);
  const round = () => Array.from({ length: 20 }, () => schedule.next(everybody)).join();
  assert.notEqual(round(), round());
});

test("probe schedule: a newcomer is probed within the running round, wherever it stands", () => {
  const waits = new Set<number>();
  for (let seed = 0; seed < 200; seed++) {
    const schedule = scheduleOf(6, seed);
    schedule.next(everybody);
    schedule.add("new");
    let wait = 1;
    while (schedule.next(everybody) !== "new") wait += 1;
    waits.add(wait);
  }
  assert.deepEqual([...waits].sort(), [1, 2, 3, 4, 5, 6]);
});

test("probe schedule: who is not to be probed is passed over, and comes back only when added", () => {
  const schedule = scheduleOf(4, 1);
  const others = (nodeId: string) => nodeId !== "n2";
  const probed = Array.from({ length: 9 }, () => schedule.next(others));
  assert.equal(probed.includes("n2"), false);
  assert.equal(schedule.size, 3);
  schedule.add("n2");
  schedule.add("n2");
  assert.equal(schedule.size, 4);
});

test("probe schedule: nobody to probe", () => {
  assert.equal(scheduleOf(0, 1).next(everybody), null);
  assert.equal(
    scheduleOf(3, 1).next(() => false),
    null,
  );
});
