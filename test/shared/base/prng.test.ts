import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Prng } from "../../../src/shared/base/prng.ts";

test("prng: the same seed gives the same numbers, another seed others", () => {
  const draw = (seed: number) => {
    const prng = new Prng(seed);
    return Array.from({ length: 8 }, () => prng.u32());
  };
  assert.deepEqual(draw(4711), draw(4711));
  assert.notDeepEqual(draw(4711), draw(4712));
  assert.equal(new Set(draw(0)).size, 8, "the zero seed is as good as any");
});

test("prng: below stays below, and reaches every value", () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 50 }), (seed, count) => {
      const prng = new Prng(seed);
      const seen = new Set<number>();
      for (let i = 0; i < 40 * count; i++) seen.add(prng.below(count));
      assert.ok([...seen].every((value) => Number.isInteger(value) && value >= 0 && value < count));
      assert.ok(seen.size >= count * 0.9);
    }),
    { numRuns: 50 },
  );
});

test("prng: uniform in every one of 16 equal parts", () => {
  const prng = new Prng(1);
  const counts = new Array<number>(16).fill(0);
  const draws = 160_000;
  for (let i = 0; i < draws; i++) counts[Math.floor(prng.fraction() * 16)]! += 1;
  // Standard deviation of a count: sqrt(n p (1 - p)) = 97; six of them either way.
  for (const count of counts) assert.ok(Math.abs(count - draws / 16) < 600, `${counts}`);
});

test("prng: chance of 0 never comes, of 1 always", () => {
  const prng = new Prng(9);
  for (let i = 0; i < 1_000; i++) {
    assert.equal(prng.chance(0), false);
    assert.equal(prng.chance(1), true);
  }
});

test("prng: a split generator is not shifted by draws from its parent", () => {
  const first = new Prng(3);
  const firstChild = first.split();
  const second = new Prng(3);
  const secondChild = second.split();
  for (let i = 0; i < 5; i++) second.u32();
  for (let i = 0; i < 20; i++) assert.equal(firstChild.u32(), secondChild.u32());
  assert.notEqual(firstChild.u32(), first.u32());
});

test("prng: shuffle keeps the items and brings each to each place", () => {
  const prng = new Prng(5);
  const places = new Set<string>();
  for (let i = 0; i < 500; i++) {
    const items = ["a", "b", "c", "d"];
    prng.shuffle(items);
    assert.deepEqual([...items].sort(), ["a", "b", "c", "d"]);
    places.add(items.join(""));
  }
  assert.equal(places.size, 24);
});
