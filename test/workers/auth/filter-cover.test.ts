import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { matchesFilter } from "../../../src/shared/topic/topic-filter.ts";
import { filterCovers, filtersOverlap } from "../../../src/workers/auth/filter-cover.ts";

const COVERS: readonly [rule: string, requested: string, expected: boolean][] = [
  ["a/b", "a/b", true],
  ["a/b", "a/c", false],
  ["a/b", "a", false],
  ["a/b", "a/b/c", false],
  ["a/bc", "a/b", false],
  ["a/b", "a/bc", false],
  ["a/+", "a/b", true],
  ["a/+", "a/+", true],
  ["a/+", "a/#", false],
  ["a/+", "a", false],
  ["a/+", "a/", true],
  ["a/b", "a/+", false],
  ["a/#", "a", true],
  ["a/#", "a/b", true],
  ["a/#", "a/+", true],
  ["a/#", "a/+/#", true],
  ["a/#", "a/#", true],
  ["a/#", "ab", false],
  ["a/#", "+/b", false],
  ["a/#", "#", false],
  ["a/+/#", "a/#", false],
  ["#", "#", true],
  ["#", "+/a", true],
  ["#", "/", true],
  ["+/#", "#", true],
  ["+/+/#", "#", false],
  ["+", "#", false],
  ["+", "+", true],
  ["+", "/", false],
  ["+/+", "/", true],
  ["#", "$SYS/a", false],
  ["#", "$SYS/#", false],
  ["+/a", "$SYS/a", false],
  ["$SYS/#", "$SYS/a", true],
  ["$SYS/#", "$SYS", true],
  ["$SYS/#", "#", false],
  ["a/$b", "a/$b", true],
  ["a/+", "a/$b", true],
];

for (const [rule, requested, expected] of COVERS) {
  test(`filter cover: ${rule} ${expected ? "covers" : "does not cover"} ${requested}`, () => {
    assert.equal(filterCovers(rule, requested), expected);
  });
}

const OVERLAPS: readonly [left: string, right: string, expected: boolean][] = [
  ["a/b", "a/b", true],
  ["a/b", "a/c", false],
  ["a/+", "+/b", true],
  ["a/+", "b/+", false],
  ["a/#", "a", true],
  ["a/#", "+", true],
  ["a/+", "a", false],
  ["a/b/#", "a/b", true],
  ["a/b/#", "a/+", true],
  ["a/b/#", "a", false],
  ["#", "a/b/c", true],
  ["#", "#", true],
  ["#", "$SYS/a", false],
  ["$SYS/secret", "#", false],
  ["$SYS/secret", "$SYS/#", true],
  ["$SYS/secret", "+/secret", false],
  ["+/#", "a", true],
  ["+", "#", true],
];

for (const [left, right, expected] of OVERLAPS) {
  test(`filter cover: ${left} and ${right} ${expected ? "overlap" : "do not overlap"}`, () => {
    assert.equal(filtersOverlap(left, right), expected);
    assert.equal(filtersOverlap(right, left), expected);
  });
}

/**
 * Every topic of up to four levels; "z" occurs in no filter and stands for all other names. The
 * topic of one empty level counts here, though no client may use it: the filters need not know
 * that.
 */
const TOPICS = (() => {
  const levels = ["", "a", "b", "$s", "z"];
  let longest = levels;
  const all = [...levels];
  for (let depth = 2; depth <= 4; depth++) {
    longest = longest.flatMap((topic) => levels.map((level) => `${topic}/${level}`));
    all.push(...longest);
  }
  return all;
})();

const filter = fc
  .tuple(
    fc.array(fc.constantFrom("", "a", "b", "+", "$s"), { maxLength: 3 }),
    fc.constantFrom("", "a", "+", "#", "#"),
  )
  .map(([head, last]) => [...head, last].join("/"));

test("filter cover: covers and overlaps agree with matching every topic", () => {
  fc.assert(
    fc.property(filter, filter, (rule, requested) => {
      const matched = TOPICS.filter((topic) => matchesFilter(requested, topic));
      const common = matched.filter((topic) => matchesFilter(rule, topic));
      assert.equal(filterCovers(rule, requested), common.length === matched.length, "covers");
      assert.equal(filtersOverlap(rule, requested), common.length > 0, "overlaps");
    }),
    { numRuns: 1500 },
  );
});

test("filter cover: for a topic name both questions are plain matching", () => {
  fc.assert(
    fc.property(filter, fc.constantFrom(...TOPICS), (rule, topic) => {
      const matches = matchesFilter(rule, topic);
      assert.equal(filterCovers(rule, topic), matches);
      assert.equal(filtersOverlap(rule, topic), matches);
    }),
    { numRuns: 1500 },
  );
});
