import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ChunkedOutput } from "../../../src/workers/mqtt/output-buffer.ts";
import { CHUNK_SIZES, ChunkPool } from "../../../src/workers/mqtt/output-pool.ts";

interface Owner {
  dirtyCount: number;
}

function newOutput(): { pool: ChunkPool; owner: Owner; output: ChunkedOutput<Owner> } {
  const pool = new ChunkPool();
  const owner = { dirtyCount: 0 };
  const markDirty = (target: Owner): void => {
    target.dirtyCount += 1;
  };
  return { pool, owner, output: new ChunkedOutput(pool, markDirty, owner) };
}

function write(output: ChunkedOutput<Owner>, size: number, value: number): void {
  const offset = output.reserve(size);
  output.bytes.fill(value, offset, offset + size);
}

/** Empties the output as a transport does. */
function drain(output: ChunkedOutput<Owner>): Buffer {
  const parts: Buffer[] = [];
  while (output.size > 0) {
    parts.push(Buffer.from(output.headBytes.subarray(0, output.headSize)));
    output.dropHead();
  }
  return Buffer.concat(parts);
}

test("output buffer: holds no memory while empty, before and after use", () => {
  const { pool, output } = newOutput();
  assert.equal(pool.outstandingCount, 0);
  assert.equal(output.bytes.length, 0);
  write(output, 10, 1);
  assert.equal(pool.outstandingCount, 1);
  drain(output);
  assert.equal(pool.outstandingCount, 0);
  assert.equal(output.bytes.length, 0);
});

test("output buffer: reports dirty once per flush", () => {
  const { owner, output } = newOutput();
  write(output, 10, 1);
  write(output, 10_000, 2);
  assert.equal(owner.dirtyCount, 1);
  drain(output);
  write(output, 1, 3);
  assert.equal(owner.dirtyCount, 2);
});

test("output buffer: up to 64 KiB are one contiguous chunk, so one write", () => {
  const { output } = newOutput();
  for (let index = 0; index < 64; index += 1) write(output, 1024, index);
  assert.equal(output.headSize, 65_536);
  write(output, 1, 0xff);
  assert.equal(output.headSize, 65_536);
  assert.equal(output.size, 65_537);
});

test("output buffer: starts with a chunk that would have held the previous flush", () => {
  const { output } = newOutput();
  write(output, 900, 1);
  write(output, 9000, 1);
  drain(output);
  write(output, 10, 1);
  assert.equal(output.bytes.length, 16_384);
  drain(output);
  write(output, 10, 1);
  assert.equal(output.bytes.length, 1024, "and forgets a burst after one smaller flush");
});

test("output buffer: a packet larger than any chunk gets memory of its own, which is not kept", () => {
  const { pool, output } = newOutput();
  write(output, 10, 1);
  const before = pool.freeBytes;
  write(output, 1_000_000, 2);
  write(output, 10, 3);
  assert.equal(output.size, 1_000_020);
  const bytes = drain(output);
  assert.equal(bytes.length, 1_000_020);
  assert.equal(bytes[9], 1);
  assert.equal(bytes[10], 2);
  assert.equal(bytes[1_000_010], 3);
  assert.ok(pool.freeBytes <= before + 65_536 + 1024);
  assert.equal(pool.outstandingCount, 0);
});

test("output buffer: a taken head belongs to the taker while writing goes on", () => {
  const { pool, output } = newOutput();
  write(output, 65_536, 1);
  write(output, 65_536, 2);
  write(output, 100, 3);
  const head = output.takeHead();
  assert.equal(head[0], 1);
  assert.equal(output.size, 65_636);
  write(output, 70_000, 4);
  assert.equal(head[65_535], 1);
  assert.equal(drain(output).length, 135_636);
  assert.equal(pool.outstandingCount, 1);
  pool.release(head);
  assert.equal(pool.outstandingCount, 0);
});

test("output buffer: any sequence of writes and flushes keeps every byte in order and leaks no chunk", () => {
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.integer({ min: 1, max: 300 }) },
    { weight: 2, arbitrary: fc.integer({ min: 1, max: 40_000 }) },
    { weight: 1, arbitrary: fc.integer({ min: 60_000, max: 140_000 }) },
    { weight: 2, arbitrary: fc.constant(0) },
    { weight: 1, arbitrary: fc.constant(-1) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const { pool, output } = newOutput();
      let pending: Buffer[] = [];
      let value = 0;
      for (const size of steps) {
        if (size > 0) {
          value = (value + 1) & 0xff;
          write(output, size, value);
          pending.push(Buffer.alloc(size, value));
          const total = pending.reduce((sum, part) => sum + part.length, 0);
          assert.equal(output.size, total);
        } else {
          const isDiscard = size < 0;
          if (isDiscard) output.discard();
          else assert.ok(drain(output).equals(Buffer.concat(pending)));
          assert.equal(output.size, 0);
          assert.equal(pool.outstandingCount, 0);
          pending = [];
        }
      }
      assert.ok(drain(output).equals(Buffer.concat(pending)));
      assert.equal(pool.outstandingCount, 0);
    }),
    { numRuns: 60 },
  );
});

test("output pool: hands out the smallest size that fits, and the same memory again", () => {
  const pool = new ChunkPool();
  for (const size of CHUNK_SIZES) {
    const chunk = pool.acquire(size);
    assert.equal(chunk.length, size);
    pool.release(chunk);
    assert.equal(pool.acquire(size - 1), chunk);
    pool.release(chunk);
  }
  assert.equal(pool.acquire(1025).length, 4096);
  assert.equal(pool.acquire(65_537).length, 65_537);
  assert.equal(pool.outstandingCount, 2);
});

test("output pool: chunks of one slab do not overlap", () => {
  const pool = new ChunkPool();
  const chunks = Array.from({ length: 200 }, () => pool.acquire(1024));
  for (const [index, chunk] of chunks.entries()) chunk.fill(index & 0xff);
  for (const [index, chunk] of chunks.entries()) {
    assert.ok(chunk.every((byte) => byte === (index & 0xff)));
  }
});

test("output pool: keeps at most 16 MiB per size after a burst", () => {
  const pool = new ChunkPool();
  const chunks = Array.from({ length: 300 }, () => pool.acquire(65_536));
  for (const chunk of chunks) pool.release(chunk);
  assert.equal(pool.freeBytes, 16 * 1024 * 1024);
  assert.equal(pool.outstandingCount, 0);
});
