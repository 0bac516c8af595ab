/** Sizes and limits of the ring's bytes. */

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  createRing,
  HEAD_WORD,
  MAX_RING_CAPACITY,
  MIN_RING_CAPACITY,
  maxClaimSize,
  PARKED_WORD,
  PART_PREFIX_SIZE,
  RECORDS_OFFSET,
  recordSize,
  ringCapacity,
  STARVED_WORD,
  TAIL_WORD,
} from "../../../src/shared/ring/ring-layout.ts";

test("ring layout: a record is its header and payload, rounded up to 8", () => {
  const sizes = [0, 1, 7, 8, 9, 56, 57].map(recordSize);
  assert.deepEqual(sizes, [8, 16, 16, 16, 24, 64, 72]);
});

test("ring layout: header words lie 128 bytes apart, records begin behind", () => {
  const words = [HEAD_WORD, TAIL_WORD, PARKED_WORD, STARVED_WORD, RECORDS_OFFSET / 4];
  assert.deepEqual(words, [0, 32, 64, 96, 128]);
});

test("ring layout: the largest claim fills exactly a quarter", () => {
  for (let capacity = MIN_RING_CAPACITY; capacity <= 1 << 20; capacity *= 2) {
    assert.equal(recordSize(maxClaimSize(capacity)), capacity / 4);
    assert.ok(maxClaimSize(capacity) > PART_PREFIX_SIZE, "a first part carries some payload");
  }
});

test("ring layout: a new ring is empty and its consumer counts as parked", () => {
  const ring = createRing(1024);
  assert.equal(ringCapacity(ring), 1024);
  const words = [...new Int32Array(ring)];
  assert.equal(words[PARKED_WORD], 1);
  assert.equal(
    words.reduce((sum, word) => sum + Math.abs(word), 0),
    1,
    "everything else is zero",
  );
});

test("ring layout: a capacity that is no power of two, or out of range, is an assertion", () => {
  for (const capacity of [0, 64, MIN_RING_CAPACITY + 8, 3 * 1024, MAX_RING_CAPACITY * 2]) {
    assert.throws(() => createRing(capacity), /capacity/, String(capacity));
  }
  assert.throws(() => ringCapacity(new SharedArrayBuffer(1000)), /capacity/);
});
