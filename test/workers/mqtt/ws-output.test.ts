import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ChunkPool } from "../../../src/workers/mqtt/output-pool.ts";
import type { Transport } from "../../../src/workers/mqtt/transport.ts";
import { frameHeaderSize, Opcode } from "../../../src/workers/mqtt/ws-frame.ts";
import { WsOutput } from "../../../src/workers/mqtt/ws-output.ts";

const OWNER = {} as Transport;

interface ServerFrame {
  readonly opcode: number;
  readonly payload: Buffer;
}

/** Reads frames as a client does, and insists on what RFC 6455 §5.1 and §5.2 demand of a server. */
function parseFrames(bytes: Buffer): ServerFrame[] {
  const frames: ServerFrame[] = [];
  for (let at = 0; at < bytes.length; ) {
    const lead = bytes[at]!;
    const short = bytes[at + 1]!;
    assert.equal(lead & 0xf0, 0x80, "whole, no reserved bit");
    assert.ok(short < 128, "not masked");
    const size =
      short < 126
        ? short
        : short === 126
          ? bytes.readUInt16BE(at + 2)
          : Number(bytes.readBigUInt64BE(at + 2));
    const form = short < 126 ? 2 : short === 126 ? 4 : 10;
    assert.equal(form, frameHeaderSize(size), "the shortest way to say the length");
    const start = at + form;
    assert.ok(start + size <= bytes.length, "a whole frame");
    frames.push({ opcode: lead & 0x0f, payload: bytes.subarray(start, start + size) });
    at = start + size;
  }
  return frames;
}

function dataOf(frames: readonly ServerFrame[]): Buffer {
  const data = frames.filter(({ opcode }) => opcode === Opcode.BINARY);
  return Buffer.concat(data.map(({ payload }) => payload));
}

/** An output, what was written to it, and what a transport has sent of it. */
class OutputBench {
  readonly pool = new ChunkPool();
  readonly output = new WsOutput(this.pool, () => this.#markDirty(), OWNER);
  readonly pongs: string[] = [];
  isDirty = false;
  counted = 0;
  #written: Buffer[] = [];
  #sent: Buffer[] = [];
  #value = 0;

  get written(): Buffer {
    return Buffer.concat(this.#written);
  }

  get sent(): Buffer {
    return Buffer.concat(this.#sent);
  }

  get frames(): ServerFrame[] {
    return parseFrames(this.sent);
  }

  write(size: number): void {
    this.#value = (this.#value + 1) & 0xff;
    const at = this.output.reserve(size);
    this.output.bytes.fill(this.#value, at, at + size);
    this.#written.push(Buffer.alloc(size, this.#value));
  }

  pong(text: string): void {
    const ping = Buffer.from(`..${text}`);
    this.output.addPong(ping, 2, ping.length);
    this.pongs.push(text);
  }

  flush(): void {
    const total = this.output.waitingSize + this.output.size;
    this.output.markFlushed();
    this.isDirty = false;
    assert.equal(this.output.size, 0);
    assert.ok(this.output.waitingSize <= total, "a header takes no more than its room");
  }

  /** As the kernel takes bytes from the head. */
  send(limit = Number.POSITIVE_INFINITY): void {
    for (let left = limit; this.output.waitingSize > 0 && left > 0; ) {
      const size = Math.min(left, this.output.headWaiting);
      this.#take(this.output.headBytes, this.output.headStart, size);
      this.output.consume(size);
      left -= size;
    }
  }

  /** As a head is left to the stream. */
  take(): void {
    if (this.output.waitingSize === 0) return;
    const { headStart, headWaiting } = this.output;
    const chunk = this.output.takeHead();
    this.#take(chunk, headStart, headWaiting);
    this.pool.release(chunk);
  }

  #take(chunk: Buffer, start: number, size: number): void {
    this.#sent.push(Buffer.from(chunk.subarray(start, start + size)));
    this.counted += this.output.countPayload(size);
  }

  #markDirty(): void {
    assert.equal(this.isDirty, false, "dirty is reported once per flush");
    this.isDirty = true;
  }
}

test("websocket output: the bytes of a cycle leave as one frame", () => {
  for (const size of [1, 2, 125, 126, 127, 1000, 60_000]) {
    const bench = new OutputBench();
    bench.write(1);
    if (size > 1) bench.write(size - 1);
    bench.flush();
    bench.send();
    assert.equal(bench.frames.length, 1, `${size} bytes`);
    assert.ok(dataOf(bench.frames).equals(bench.written));
    assert.equal(bench.sent.length, size + frameHeaderSize(size), "and nothing else leaves");
    assert.equal(bench.pool.outstandingCount, 0);
    assert.equal(bench.counted, size);
  }
});

test("websocket output: what exceeds a chunk leaves in several frames of at most 64 KiB", () => {
  const bench = new OutputBench();
  for (let index = 0; index < 100; index += 1) bench.write(5000);
  bench.flush();
  bench.send();
  const sizes = bench.frames.map(({ payload }) => payload.length);
  assert.ok(sizes.length <= 9, `${sizes}`);
  assert.ok(sizes.every((size) => size <= 65_536));
  assert.ok(dataOf(bench.frames).equals(bench.written));
});

test("websocket output: packets around the size of a chunk stay whole", () => {
  for (const size of [65_530, 65_531, 65_532, 65_533, 65_534, 65_535, 65_536, 65_537, 2_000_000]) {
    const bench = new OutputBench();
    bench.write(10);
    bench.write(size);
    bench.write(10);
    bench.flush();
    bench.send();
    assert.ok(dataOf(bench.frames).equals(bench.written), `${size} bytes`);
    assert.equal(bench.counted, size + 20);
    assert.equal(bench.pool.outstandingCount, 0);
  }
});

test("websocket output: a short frame behind waiting ones leaves no gap", () => {
  const bench = new OutputBench();
  for (let cycle = 0; cycle < 50; cycle += 1) {
    bench.write(1 + cycle * 3);
    bench.flush();
  }
  assert.equal(bench.pool.outstandingCount, 1, "little output of many cycles shares a chunk");
  bench.send();
  assert.equal(bench.frames.length, 50);
  assert.ok(dataOf(bench.frames).equals(bench.written));
});

test("websocket output: a frame that is not flushed survives the loss of its chunk", () => {
  const bench = new OutputBench();
  bench.write(300);
  bench.flush();
  bench.pong("one");
  bench.write(40);
  bench.take();
  bench.write(50);
  bench.flush();
  bench.send();
  assert.deepEqual(
    bench.frames.map(({ opcode, payload }) => [opcode, payload.length]),
    [
      [Opcode.BINARY, 300],
      [Opcode.PONG, 3],
      [Opcode.BINARY, 90],
    ],
  );
  assert.ok(dataOf(bench.frames).equals(bench.written));
});

test("websocket output: pongs stand between frames, raw bytes in front of all", () => {
  const bench = new OutputBench();
  const at = bench.output.reserveRaw(4);
  bench.output.bytes.write("HTTP", at, "latin1");
  bench.write(10);
  bench.pong("");
  bench.write(200);
  bench.pong("x".repeat(125));
  bench.flush();
  bench.send();
  assert.equal(bench.sent.subarray(0, 4).toString("latin1"), "HTTP");
  const frames = parseFrames(bench.sent.subarray(4));
  assert.deepEqual(
    frames.map(({ opcode, payload }) => [opcode, payload.length]),
    [
      [Opcode.BINARY, 10],
      [Opcode.PONG, 0],
      [Opcode.BINARY, 200],
      [Opcode.PONG, 125],
    ],
  );
  assert.equal(bench.counted, 210, "only payload is counted");
});

type Step =
  | { readonly kind: "write" | "send"; readonly size: number }
  | { readonly kind: "flush" | "take" }
  | { readonly kind: "pong"; readonly text: string };

const SIZE = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 130 }) },
  { weight: 2, arbitrary: fc.integer({ min: 1, max: 40_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: 65_500, max: 140_000 }) },
);
const STEP: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("write"), size: SIZE }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("send"), size: SIZE }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("flush") }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("take") }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("pong"), text: fc.string({ maxLength: 100 }) }),
  },
) as fc.Arbitrary<Step>;

function apply(bench: OutputBench, step: Step): void {
  if (step.kind === "pong") bench.pong(step.text.replaceAll(/[^ -~]/g, ""));
  else if (step.kind === "write") bench.write(step.size);
  else if (step.kind === "send") bench.send(step.size);
  else if (step.kind === "flush") bench.flush();
  else bench.take();
}

test("websocket output: any writes, pongs, flushes and sends give whole frames with every byte in order", () => {
  fc.assert(
    fc.property(fc.array(STEP, { maxLength: 60 }), (steps) => {
      const bench = new OutputBench();
      for (const step of steps) apply(bench, step);
      bench.flush();
      bench.send();
      const frames = bench.frames;
      assert.ok(dataOf(frames).equals(bench.written));
      const pongs = frames.filter(({ opcode }) => opcode === Opcode.PONG);
      assert.deepEqual(
        pongs.map(({ payload }) => payload.toString()),
        bench.pongs,
      );
      assert.equal(bench.counted, bench.written.length);
      assert.equal(bench.output.size + bench.output.waitingSize, 0);
      assert.equal(bench.pool.outstandingCount, 0);
    }),
    { numRuns: 300 },
  );
});

test("websocket output: discard forgets open frames, too", () => {
  const bench = new OutputBench();
  bench.write(10);
  bench.flush();
  bench.write(10);
  bench.output.discard();
  bench.isDirty = false;
  assert.equal(bench.output.size + bench.output.waitingSize, 0);
  assert.equal(bench.pool.outstandingCount, 0);
  bench.write(20);
  bench.flush();
  bench.send();
  assert.deepEqual(
    bench.frames.map(({ payload }) => payload.length),
    [20],
  );
});
