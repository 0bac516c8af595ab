import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compareRuns, rankTest } from "../../../bench/suite/verdict.ts";

test("rank test: five runs all above five others are one arrangement in 126 on each side", () => {
  const p = rankTest([1, 2, 3, 4, 5], [6, 7, 8, 9, 10]);
  assert.ok(Math.abs(p - 2 / 252) < 1e-12);
  assert.equal(rankTest([6, 7, 8, 9, 10], [1, 2, 3, 4, 5]), p);
});

test("rank test: equal samples say nothing", () => {
  assert.equal(rankTest([1, 2, 3], [1, 2, 3]), 1);
  assert.equal(rankTest([5, 5, 5, 5], [5, 5, 5, 5]), 1);
  assert.equal(rankTest([], [1]), 1);
});

test("rank test: four runs above five others are two of the 126 ways to choose them", () => {
  assert.ok(Math.abs(rankTest([1, 2, 3, 4, 5], [6, 7, 8, 9]) - 2 / 126) < 1e-12);
});

test("rank test: many runs, the approximation agrees with the exact value", () => {
  const left = Array.from({ length: 10 }, (_none, index) => index * 2);
  const right = Array.from({ length: 10 }, (_none, index) => index * 2 + 5);
  const exact = rankTest(left, right);
  const approximate = rankTest([...left, 9.5], right);
  assert.ok(Math.abs(exact - approximate) < 0.1);
});

test("rank test: a probability, the same from both sides [property]", () => {
  const runs = fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(runs, runs, (left, right) => {
      const p = rankTest(left, right);
      assert.ok(p > 0 && p <= 1);
      assert.ok(Math.abs(p - rankTest(right, left)) < 1e-12);
    }),
    { numRuns: 60 },
  );
});

test("verdict: respects spread, direction, size of the change and number of runs", () => {
  const slow = [100, 101, 102, 103, 104];
  const fast = [120, 121, 122, 123, 124];
  assert.equal(compareRuns(slow, fast, false).verdict, "better");
  assert.equal(compareRuns(slow, fast, true).verdict, "worse");
  assert.equal(compareRuns(fast, slow, true).verdict, "better");
  assert.equal(compareRuns(slow, [90, 140, 95, 130, 99], false).verdict, "no difference shown");
  assert.equal(compareRuns(slow, [105, 106, 105.5, 106, 106], false).verdict, "better");
  const hardly = slow.map((value) => value * 10);
  const more = hardly.map((value) => value + 45);
  assert.equal(compareRuns(hardly, more, false).change > 0, true);
  assert.equal(
    compareRuns([1000, 1001, 1002, 1003, 1004], [1005, 1006, 1007, 1008, 1009], false).verdict,
    "no difference shown",
  );
  assert.equal(compareRuns([1, 2, 3], [7, 8, 9], false).verdict, "too few runs");
});
