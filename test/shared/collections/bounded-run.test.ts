import assert from "node:assert/strict";
import test from "node:test";
import { BoundedRun } from "../../../src/shared/collections/bounded-run.ts";

test("bounded run: so many are under way at a time, and the end is told once", () => {
  const waiting: ((isDone: boolean) => void)[] = [];
  const ends: boolean[] = [];
  let started = 0;
  let most = 0;
  const items = Array.from({ length: 5000 }, (_, at) => at);
  new BoundedRun(
    items.values(),
    (item, done) => {
      assert.equal(item, started);
      started += 1;
      waiting.push(done);
      most = Math.max(most, waiting.length);
    },
    (areAllDone) => ends.push(areAllDone),
  );
  while (waiting.length > 0) waiting.shift()!(true);
  assert.deepEqual([started, most, ends], [5000, 2000, [true]]);
});

test("bounded run: what ends at once does not nest, and one failure is enough", () => {
  const ends: boolean[] = [];
  const items = Array.from({ length: 100_000 }, (_, at) => at);
  new BoundedRun(
    items.values(),
    (item, done) => done(item !== 7),
    (areAllDone) => ends.push(areAllDone),
  );
  new BoundedRun(
    [].values(),
    () => assert.fail("there is nothing to start"),
    (areAllDone) => ends.push(areAllDone),
  );
  assert.deepEqual(ends, [false, true]);
});
