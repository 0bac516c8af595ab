/** The array queue against the plainest model there is: an array with push and shift. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RingQueue } from "../../../src/shared/collections/ring-queue.ts";

type Step = { readonly kind: "push" | "shift" | "clear"; readonly times: number };

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom("push", "push", "shift", "shift", "clear"),
  times: fc.integer({ min: 1, max: 40 }),
});

function run(queue: RingQueue<number>, model: number[], { kind, times }: Step): void {
  if (kind === "clear") {
    queue.clear();
    model.length = 0;
    return;
  }
  for (let time = 0; time < times; time += 1) {
    if (kind === "shift") {
      assert.equal(queue.shift(), model.shift());
    } else {
      const item = model.length * 1000 + time;
      queue.push(item);
      model.push(item);
    }
  }
}

test("ring queue: behaves like an array with push and shift", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const queue = new RingQueue<number>();
      const model: number[] = [];
      for (const one of steps) {
        run(queue, model, one);
        assert.equal(queue.size, model.length);
        assert.equal(queue.peek(), model[0]);
        model.forEach((item, distance) => {
          assert.equal(queue.at(distance), item);
        });
      }
    }),
  );
});

test("ring queue: a burst of 100,000 comes out in order, twice", () => {
  const queue = new RingQueue<number>();
  for (let round = 0; round < 2; round += 1) {
    for (let item = 0; item < 100_000; item += 1) queue.push(item);
    for (let item = 0; item < 100_000; item += 1) assert.equal(queue.shift(), item);
    assert.equal(queue.size, 0);
    assert.equal(queue.shift(), undefined);
  }
});

test("ring queue: a place beyond the end is an assertion", () => {
  const queue = new RingQueue<string>();
  queue.push("only");
  assert.equal(queue.at(0), "only");
  assert.throws(() => queue.at(1), /beyond the end/);
  assert.throws(() => queue.at(-1), /beyond the end/);
});
