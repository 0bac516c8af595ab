/**
 * Producer and consumer of one ring against an array. The rings are tiny, so that records wrap and
 * the ring is full all the time, and start just below the points where a 32-bit position changes
 * sign or wraps.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RING_FULL } from "../../../src/shared/ring/ring-endpoint.ts";
import {
  createRing,
  HEAD_WORD,
  RECORDS_OFFSET,
  TAIL_WORD,
} from "../../../src/shared/ring/ring-layout.ts";
import { SpscConsumer } from "../../../src/shared/ring/spsc-consumer.ts";
import { SpscProducer } from "../../../src/shared/ring/spsc-producer.ts";

type Step =
  | { readonly kind: "send"; readonly share: number; readonly isAborted: boolean }
  | { readonly kind: "drain"; readonly limit: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("send" as const),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
      isAborted: fc.integer({ min: 0, max: 4 }).map((value) => value === 0),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("drain" as const), limit: fc.nat(8) }),
  },
);

const START_POSITIONS = [0, 64, 0x7fff_ff80, -0x8000_0000, -128, -8];

/** A ring as it looks after `position` bytes have passed through it. */
function ringAt(capacity: number, position: number): SharedArrayBuffer {
  const ring = createRing(capacity);
  const words = new Int32Array(ring);
  words[HEAD_WORD] = position;
  words[TAIL_WORD] = position;
  return ring;
}

class Pair {
  readonly producer: SpscProducer;
  readonly consumer: SpscConsumer;
  readonly model: { type: number; bytes: number[] }[] = [];
  #sequence = 0;

  constructor(ring: SharedArrayBuffer) {
    this.producer = new SpscProducer(ring);
    this.consumer = new SpscConsumer(ring);
  }

  /** False when the ring was full. Looks, when it can, whether the consumer sees the open claim. */
  send(size: number, isAborted: boolean): boolean {
    this.#sequence += 1;
    const type = (this.#sequence % 255) + 1;
    const offset = this.producer.tryClaim(type, size);
    if (offset === RING_FULL) return false;
    const bytes = Array.from({ length: size }, (_, index) => (this.#sequence + index) & 0xff);
    this.producer.bytes.set(bytes, offset);
    if (this.model.length === 0) this.drain(1);
    if (isAborted) {
      this.producer.abort();
    } else {
      this.producer.commit();
      this.model.push({ type, bytes });
    }
    return true;
  }

  drain(limit: number): void {
    const expectedCount = Math.min(limit, this.model.length);
    const count = this.consumer.drain(limit, (type, offset, length) => {
      const bytes = [...this.consumer.bytes.subarray(offset, offset + length)];
      assert.deepEqual({ type, bytes }, this.model.shift());
    });
    assert.equal(count, expectedCount);
  }
}

test("ring: any sequence of claims, commits, aborts and drains reads like an array queue", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(128, 256, 1024),
      fc.constantFrom(...START_POSITIONS),
      fc.array(step, { maxLength: 120 }),
      (capacity, position, steps) => {
        const pair = new Pair(ringAt(capacity, position));
        for (const one of steps) {
          if (one.kind === "drain") pair.drain(one.limit);
          else pair.send(Math.round(one.share * pair.producer.maxClaimSize), one.isAborted);
        }
        pair.drain(Number.MAX_SAFE_INTEGER);
        assert.equal(pair.model.length, 0);
        assert.ok(pair.send(pair.producer.maxClaimSize, false), "an empty ring takes any claim");
      },
    ),
    { numRuns: 300 },
  );
});

test("ring: three of the largest claims fit, the fourth finds it full, a drain makes room", () => {
  const pair = new Pair(createRing(1024));
  const size = pair.producer.maxClaimSize;
  assert.deepEqual(
    [1, 2, 3, 4].map(() => pair.send(size, false)),
    [true, true, true, false],
  );
  pair.drain(1);
  assert.ok(pair.send(size, false));
  pair.drain(10);
});

test("ring: a long walk over the wrap keeps every record, at every size", () => {
  const pair = new Pair(ringAt(256, 0x7fff_f000));
  for (let turn = 0; turn < 20_000; turn += 1) {
    pair.send(turn % (pair.producer.maxClaimSize + 1), turn % 7 === 0);
    if (turn % 2 === 0) pair.drain(3);
  }
  pair.drain(100);
  assert.equal(pair.model.length, 0);
});

test("ring: a claim is invisible until commit, and leaves nothing behind after abort", () => {
  const ring = createRing(256);
  const pair = new Pair(ring);
  const words = new Int32Array(ring);
  const offset = pair.producer.tryClaim(1, 5);
  assert.equal(words[RECORDS_OFFSET / 4], -13, "claimed: the negative length");
  assert.equal(pair.consumer.hasRecord, false);
  pair.producer.abort();
  assert.equal(words[RECORDS_OFFSET / 4], 0);
  assert.equal(pair.producer.tryClaim(1, 5), offset, "the memory is free at once");
  pair.producer.commit();
  assert.equal(words[RECORDS_OFFSET / 4], 13, "committed: the length");
  assert.equal(pair.consumer.hasRecord, true);
});

test("ring: records written before the consumer exists wait for it", () => {
  const ring = createRing(256);
  const producer = new SpscProducer(ring);
  producer.tryClaim(7, 0);
  producer.commit();
  const types: number[] = [];
  new SpscConsumer(ring).drain(10, (type) => types.push(type));
  assert.deepEqual(types, [7]);
});

test("ring: a producer that takes the ring over goes on where the last one stood", () => {
  const ring = createRing(256);
  for (const type of [1, 2, 3]) {
    const producer = new SpscProducer(ring);
    producer.tryClaim(type, 3);
    producer.commit();
  }
  const types: number[] = [];
  new SpscConsumer(ring).drain(10, (type) => types.push(type));
  assert.deepEqual(types, [1, 2, 3]);
});

test("ring: misuse of the producer is an assertion", () => {
  const { producer } = new Pair(createRing(256));
  assert.throws(() => producer.commit(), /without a claim/);
  assert.throws(() => producer.abort(), /without a claim/);
  assert.throws(() => producer.tryClaim(1, -1), /out of range/);
  assert.throws(() => producer.tryClaim(1, producer.maxClaimSize + 1), /out of range/);
  producer.tryClaim(1, 1);
  assert.throws(() => producer.tryClaim(1, 1), /claim is open/);
});

test("ring: a length that cannot be is an assertion, not a read beyond the ring", () => {
  for (const length of [1, 7, 257, 0x7fff_ffff]) {
    const ring = createRing(256);
    new Int32Array(ring)[RECORDS_OFFSET / 4] = length;
    const consumer = new SpscConsumer(ring);
    assert.throws(() => consumer.drain(1, () => {}), /length impossible/, String(length));
  }
});

test("ring: one caller per parking is told to ring", () => {
  const pair = new Pair(createRing(256));
  pair.consumer.unpark();
  assert.equal(pair.producer.takeParked(), false);
  pair.consumer.park();
  assert.equal(pair.producer.takeParked(), true);
  assert.equal(pair.producer.takeParked(), false);
});

test("ring: a starved producer is reported once, and only when room was made", () => {
  const pair = new Pair(createRing(256));
  pair.send(10, false);
  pair.producer.setStarved();
  pair.drain(0);
  assert.equal(pair.consumer.takeStarved(), false, "no room yet");
  pair.drain(1);
  assert.equal(pair.consumer.takeStarved(), true);
  assert.equal(pair.consumer.takeStarved(), false);
});
