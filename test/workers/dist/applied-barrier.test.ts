/** Who waits until all workers have applied a change, and for how long. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AppliedBarrier } from "../../../src/workers/dist/applied-barrier.ts";

const SELF = 1;

test("applied barrier: alone, nobody waits", () => {
  const barrier = new AppliedBarrier(2, SELF);
  let done = 0;
  barrier.wait(5, () => {
    done += 1;
  });
  assert.equal(done, 1);
  assert.ok(!barrier.needsChanges(0) && !barrier.needsChanges(SELF));
});

test("applied barrier: the slowest worker decides", () => {
  const barrier = new AppliedBarrier(4, SELF);
  const done: number[] = [];
  for (const sequence of [1, 2, 3]) barrier.wait(sequence, () => done.push(sequence));
  barrier.applied(2, 3);
  assert.deepEqual(done, []);
  barrier.applied(3, 2);
  assert.deepEqual(done, [1, 2]);
  barrier.applied(3, 3);
  assert.deepEqual(done, [1, 2, 3]);
});

test("applied barrier: a worker that is gone holds nobody up, until it is back", () => {
  const barrier = new AppliedBarrier(4, SELF);
  const done: number[] = [];
  barrier.applied(2, 1);
  barrier.wait(1, () => done.push(1));
  barrier.exclude(3);
  assert.deepEqual(done, [1]);
  assert.ok(!barrier.needsChanges(3));
  barrier.include(3);
  assert.ok(barrier.needsChanges(3));
  barrier.wait(1, () => done.push(2));
  assert.deepEqual(done, [1]);
  barrier.applied(3, 1);
  assert.deepEqual(done, [1, 2]);
});

test("applied barrier: who waits because of an older change is not forgotten behind a newer one", () => {
  const barrier = new AppliedBarrier(3, SELF);
  const done: number[] = [];
  barrier.wait(9, () => done.push(9));
  barrier.wait(2, () => done.push(2));
  barrier.applied(2, 2);
  barrier.applied(2, 9);
  assert.deepEqual(done, [9, 2]);
});

test("applied barrier: a waiter may wait again", () => {
  const barrier = new AppliedBarrier(3, SELF);
  const done: string[] = [];
  barrier.wait(1, () => {
    done.push("first");
    barrier.wait(1, () => done.push("at once"));
    barrier.wait(2, () => done.push("later"));
  });
  barrier.applied(2, 1);
  assert.deepEqual(done, ["first", "at once"]);
  barrier.applied(2, 2);
  assert.deepEqual(done, ["first", "at once", "later"]);
});

test("applied barrier: any order of answers runs each waiter once, never early, in the end all", () => {
  const step = fc.record({ peer: fc.integer({ min: 2, max: 4 }), isWait: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const barrier = new AppliedBarrier(5, SELF);
      const applied = [0, 0, 0, 0, 0];
      const runs = new Map<number, number>();
      let sequence = 0;
      for (const { peer, isWait } of steps) {
        if (isWait) {
          sequence += 1;
          const number = sequence;
          barrier.wait(number, () => {
            assert.ok(applied.slice(2).every((reached) => reached >= number));
            runs.set(number, (runs.get(number) ?? 0) + 1);
          });
        } else if (applied[peer]! < sequence) {
          applied[peer]! += 1;
          barrier.applied(peer, applied[peer]!);
        }
      }
      for (const peer of [2, 3, 4]) {
        applied[peer] = sequence;
        barrier.applied(peer, sequence);
      }
      assert.equal(runs.size, sequence);
      assert.ok([...runs.values()].every((count) => count === 1));
    }),
  );
});
