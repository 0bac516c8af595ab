import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DisseminationQueue } from "../../../src/shared/swim/dissemination-queue.ts";
import { CLAIM_BYTES_MIN } from "../../../src/shared/swim/swim-layout.ts";

/** A claim of the smallest size, recognised by its first byte. */
function marked(mark: number, size = CLAIM_BYTES_MIN): Uint8Array {
  return new Uint8Array(size).fill(mark);
}

function marksOf(claims: Uint8Array[]): number[] {
  return claims.map((bytes) => bytes[0]!);
}

test("dissemination queue: a claim is sent so often and no more [SWIM §4.1]", () => {
  const queue = new DisseminationQueue();
  queue.offer("a", marked(1));
  for (let i = 0; i < 4; i++) assert.deepEqual(marksOf(queue.take(1_400, 4)), [1]);
  assert.deepEqual(queue.take(1_400, 4), []);
  assert.equal(queue.size, 0);
});

test("dissemination queue: the least sent goes first, the older first among equals [SWIM §4.1]", () => {
  const queue = new DisseminationQueue();
  const room = 2 * CLAIM_BYTES_MIN;
  queue.offer("a", marked(1));
  queue.offer("b", marked(2));
  queue.offer("c", marked(3));
  assert.deepEqual(marksOf(queue.take(room, 4)), [1, 2]);
  queue.offer("d", marked(4));
  assert.deepEqual(marksOf(queue.take(room, 4)), [3, 4]);
  assert.deepEqual(marksOf(queue.take(room, 4)), [1, 2]);
});

test("dissemination queue: newer news about a member replaces older, and starts afresh", () => {
  const queue = new DisseminationQueue();
  queue.offer("a", marked(1));
  queue.take(1_400, 2);
  queue.offer("a", marked(2));
  assert.equal(queue.size, 1);
  assert.deepEqual(marksOf(queue.take(1_400, 2)), [2]);
  assert.deepEqual(marksOf(queue.take(1_400, 2)), [2]);
  assert.equal(queue.size, 0);
});

test("dissemination queue: what the packet tells already is left out, and keeps its turns", () => {
  const queue = new DisseminationQueue();
  queue.offer("a", marked(1));
  queue.offer("b", marked(2));
  assert.deepEqual(marksOf(queue.take(1_400, 1, "a")), [2]);
  assert.deepEqual(marksOf(queue.take(1_400, 1)), [1]);
  queue.offer("c", marked(3));
  queue.withdraw("c");
  queue.withdraw("unknown");
  assert.equal(queue.size, 0);
});

test("dissemination queue: a large claim does not block small ones behind it", () => {
  const queue = new DisseminationQueue();
  queue.offer("large", marked(1, 800));
  queue.offer("small", marked(2, 40));
  assert.deepEqual(marksOf(queue.take(100, 4)), [2]);
  assert.deepEqual(marksOf(queue.take(900, 4)), [1, 2]);
});

test("dissemination queue: within the budget, each claim exactly its number of times", () => {
  const sizes = fc.array(fc.integer({ min: CLAIM_BYTES_MIN, max: 300 }), {
    minLength: 1,
    maxLength: 30,
  });
  fc.assert(
    fc.property(
      sizes,
      fc.integer({ min: 300, max: 1_000 }),
      fc.integer({ min: 1, max: 6 }),
      (all, budget, limit) => {
        const queue = new DisseminationQueue();
        all.forEach((size, index) => {
          queue.offer(`n${index}`, marked(index, size));
        });
        const sent = new Array<number>(all.length).fill(0);
        while (queue.size > 0) {
          const claims = queue.take(budget, limit);
          assert.ok(claims.length > 0);
          assert.ok(claims.reduce((sum, bytes) => sum + bytes.length, 0) <= budget);
          for (const mark of marksOf(claims)) sent[mark]! += 1;
          // Fair: nobody is ahead by more than a turn that others had no room for.
          assert.equal(new Set(marksOf(claims)).size, claims.length);
        }
        assert.ok(sent.every((count) => count === limit));
      },
    ),
  );
});
