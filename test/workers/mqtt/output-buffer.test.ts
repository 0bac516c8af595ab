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

/** Sends up to `limit` waiting bytes as a transport does. */
function send(output: ChunkedOutput<Owner>, limit = Number.POSITIVE_INFINITY): Buffer {
  const parts: Buffer[] = [];
  let left = limit;
  while (output.waitingSize > 0 && left > 0) {
    const size = Math.min(left, output.headWaiting);
    parts.push(Buffer.from(output.headBytes.subarray(output.headStart, output.headStart + size)));
    output.consume(size);
    left -= size;
  }
  return Buffer.concat(parts);
}

/** Flushes and empties the output. */
function drain(output: ChunkedOutput<Owner>): Buffer {
  output.markFlushed();
  return send(output);
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

test("output buffer: reports dirty again after a flush that the kernel did not take", () => {
  const { pool, owner, output } = newOutput();
  write(output, 10, 1);
  output.markFlushed();
  assert.equal(output.size, 0);
  assert.equal(output.waitingSize, 10);
  write(output, 5, 2);
  write(output, 5, 2);
  assert.equal(owner.dirtyCount, 2);
  assert.equal(output.size, 10);
  assert.equal(output.waitingSize, 10);
  assert.equal(pool.outstandingCount, 1, "little output of many cycles shares a chunk");
});

test("output buffer: only flushed bytes are sent", () => {
  const { pool, output } = newOutput();
  write(output, 10, 1);
  output.markFlushed();
  write(output, 20, 2);
  assert.deepEqual(send(output), Buffer.alloc(10, 1));
  assert.equal(output.headWaiting, 0);
  assert.equal(output.size, 20);
  assert.equal(pool.outstandingCount, 1);
  assert.deepEqual(drain(output), Buffer.alloc(20, 2));
  assert.equal(pool.outstandingCount, 0);
});

test("output buffer: up to 64 KiB are one contiguous chunk, so one write", () => {
  const { output } = newOutput();
  for (let index = 0; index < 64; index += 1) write(output, 1024, index);
  output.markFlushed();
  assert.equal(output.headWaiting, 65_536);
  write(output, 1, 0xff);
  output.markFlushed();
  assert.equal(output.headWaiting, 65_536);
  assert.equal(output.waitingSize, 65_537);
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

test("output buffer: a taken head belongs to the taker, new bytes behind it stay", () => {
  const { pool, output } = newOutput();
  write(output, 600, 1);
  output.markFlushed();
  write(output, 300, 2);
  const head = output.takeHead();
  assert.equal(output.waitingSize, 0);
  assert.equal(output.size, 300);
  write(output, 5000, 3);
  assert.deepEqual(head.subarray(0, 600), Buffer.alloc(600, 1));
  const expected = Buffer.concat([Buffer.alloc(300, 2), Buffer.alloc(5000, 3)]);
  assert.ok(drain(output).equals(expected));
  assert.equal(pool.outstandingCount, 1);
  pool.release(head);
  assert.equal(pool.outstandingCount, 0);
});

type Step =
  | { readonly kind: "write"; readonly size: number }
  | { readonly kind: "send"; readonly size: number }
  | { readonly kind: "flush" | "take" | "discard" };

const STEP: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant("write"), size: fc.integer({ min: 1, max: 300 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("write"), size: fc.integer({ min: 1, max: 40_000 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("write"),
      size: fc.integer({ min: 60_000, max: 140_000 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("send"), size: fc.integer({ min: 1, max: 100_000 }) }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("flush") }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("take") }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("discard") }) },
) as fc.Arbitrary<Step>;

/** What the output should hold: one queue of bytes, the first `waiting` of them flushed. */
class OutputModel {
  readonly pool = new ChunkPool();
  readonly output: ChunkedOutput<OutputModel>;
  isDirty = false;
  #queue = Buffer.alloc(0);
  #waiting = 0;
  #value = 0;

  constructor() {
    const markDirty = (model: OutputModel): void => {
      assert.equal(model.isDirty, false, "dirty is reported once per flush");
      model.isDirty = true;
    };
    this.output = new ChunkedOutput<OutputModel>(this.pool, markDirty, this);
  }

  apply(step: Step): void {
    if (step.kind === "write") this.#write(step.size);
    else if (step.kind === "send") this.#send(step.size);
    else if (step.kind === "take") this.#take();
    else if (step.kind === "flush") this.#flush();
    else this.#discard();
    assert.equal(this.output.waitingSize, this.#waiting);
    assert.equal(this.output.size, this.#queue.length - this.#waiting);
    assert.equal(this.pool.outstandingCount === 0, this.#queue.length === 0);
    assert.equal(this.isDirty, this.output.size > 0);
  }

  #write(size: number): void {
    this.#value = (this.#value + 1) & 0xff;
    const offset = this.output.reserve(size);
    this.output.bytes.fill(this.#value, offset, offset + size);
    this.#queue = Buffer.concat([this.#queue, Buffer.alloc(size, this.#value)]);
  }

  #send(limit: number): void {
    const { output } = this;
    const size = Math.min(limit, output.headWaiting);
    const sent = Buffer.from(output.headBytes.subarray(output.headStart, output.headStart + size));
    output.consume(size);
    this.#expect(sent);
  }

  #take(): void {
    const { output } = this;
    if (output.waitingSize === 0) return;
    const { headStart, headWaiting } = output;
    const chunk = output.takeHead();
    this.#expect(chunk.subarray(headStart, headStart + headWaiting));
    this.pool.release(chunk);
  }

  #flush(): void {
    this.output.markFlushed();
    this.#waiting = this.#queue.length;
    this.isDirty = false;
  }

  #discard(): void {
    this.output.discard();
    this.#queue = Buffer.alloc(0);
    this.#waiting = 0;
    this.isDirty = false;
  }

  #expect(sent: Buffer): void {
    assert.ok(sent.equals(this.#queue.subarray(0, sent.length)));
    this.#queue = this.#queue.subarray(sent.length);
    this.#waiting -= sent.length;
  }
}

test("output buffer: any sequence of writes, flushes and sends keeps every byte in order, no chunk leaks", () => {
  fc.assert(
    fc.property(fc.array(STEP, { maxLength: 60 }), (steps) => {
      const model = new OutputModel();
      for (const step of steps) model.apply(step);
      model.apply({ kind: "discard" });
    }),
    { numRuns: 150 },
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
