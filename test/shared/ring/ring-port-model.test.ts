/**
 * Any sequence of sends, duty cycles and sleeps over tiny rings: per pair everything arrives once,
 * whole and in order, and when all threads sleep nothing is left waiting anywhere.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ASKING, PLAIN, ThreadModel } from "./thread-model.ts";

const THREAD_COUNT = 3;
const anyThread = fc.nat(THREAD_COUNT - 1);
/** Small mostly, sometimes far beyond the ring. */
const anySize = fc.oneof(
  { weight: 6, arbitrary: fc.nat(24) },
  { weight: 3, arbitrary: fc.nat(150) },
  { weight: 1, arbitrary: fc.nat(2500) },
);

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom("claim" as const, "abort" as const, "enqueue" as const, "ask" as const),
      thread: anyThread,
      target: anyThread,
      size: anySize,
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom("cycle" as const, "flush" as const, "park" as const),
      thread: anyThread,
      target: anyThread,
      size: fc.nat(5),
    }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

function run(model: ThreadModel, { kind, thread: index, target, size }: Step): void {
  const thread = model.threads[index]!;
  switch (kind) {
    case "claim":
    case "abort":
      thread.wake();
      model.claim(thread, target, size, kind === "abort");
      break;
    case "enqueue":
    case "ask":
      thread.wake();
      model.enqueue(thread, target, kind === "ask" ? ASKING : PLAIN, size);
      break;
    case "cycle":
      thread.wake();
      model.cycle(thread, size);
      break;
    case "flush":
      thread.wake();
      thread.port.flush();
      break;
    case "park":
      if (!thread.isAsleep) model.tryPark(thread);
      break;
  }
}

test("ring port: whatever threads do, all arrives in order and nobody sleeps on work", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(128, 256, 1024),
      fc.integer({ min: 1, max: 20 }),
      fc.array(step, { maxLength: 80 }),
      (capacity, limit, steps) => {
        const model = new ThreadModel(THREAD_COUNT, capacity);
        for (const one of steps) run(model, one);
        model.settle(limit);
        assert.equal(model.unreceivedCount, 0, "sent and never received");
        for (const { port } of model.threads) {
          for (let target = 0; target < THREAD_COUNT; target += 1) {
            assert.equal(port.queuedBytes(target), 0);
          }
          assert.equal(port.isCongested, false);
        }
      },
    ),
    { numRuns: 400 },
  );
});
