/**
 * The frame assembler: any cut of a stream gives the same packets, and memory only for what really
 * waits.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { DecodeOptions } from "../../../src/shared/mqtt/decode-options.ts";
import { decodePacket } from "../../../src/shared/mqtt/decoder.ts";
import {
  FRAMES_OK,
  FrameAssembler,
  type FrameSink,
} from "../../../src/shared/mqtt/frame-assembler.ts";
import { PacketView } from "../../../src/shared/mqtt/packet-view.ts";
import { decode, decodeOptions, summary } from "../../helpers/decoding.ts";
import { ILLEGAL_PACKETS } from "../../helpers/illegal-packets.ts";
import { LEGAL_PACKETS } from "../../helpers/legal-packets.ts";
import { bytes, concat, type Level, pingreq, publish } from "../../helpers/packets.ts";

const LIMIT = 1_048_576;

/**
 * Decodes as a session would, and keeps what it saw. Pauses after every packet when `pausesAlways`.
 */
class RecordingSink implements FrameSink {
  isPaused = false;
  pausesAlways = false;
  readonly packets: unknown[] = [];
  /** Buffers that packets were handed in. */
  readonly buffers = new Set<Uint8Array>();
  readonly #view = new PacketView();
  readonly #options: DecodeOptions;

  constructor(level: 0 | Level) {
    this.#options = decodeOptions(level);
  }

  handleFrames(source: Uint8Array, start: number, end: number): number {
    this.buffers.add(source);
    let at = start;
    while (at < end && !this.isPaused) {
      const size = decodePacket(this.#view, source, at, end, this.#options);
      if (size < 0) return size;
      if (size === 0) break;
      this.packets.push(summary(this.#view));
      at += size;
      this.isPaused = this.pausesAlways;
    }
    return at - start;
  }
}

function pushAll(chunks: readonly Uint8Array[], sink: FrameSink, limit = LIMIT): number {
  const assembler = new FrameAssembler();
  for (const chunk of chunks) {
    // A socket's chunk lies somewhere in a larger buffer.
    const buffer = concat(bytes(1, 2), chunk, bytes(3));
    const result = assembler.push(buffer, 2, 2 + chunk.length, limit, sink);
    buffer.fill(0xee); // borrowed until the call returns, and not longer
    if (result < 0) return result;
  }
  return FRAMES_OK;
}

test("frame assembler: each legal packet, cut in two at every byte, decodes the same", () => {
  for (const { name, level, bytes: content } of LEGAL_PACKETS) {
    const expected = summary(decode(content, level).view);
    const step = Math.max(1, Math.floor(content.length / 300));
    for (let cut = 1; cut < content.length; cut += step) {
      const sink = new RecordingSink(level);
      pushAll([content.subarray(0, cut), content.subarray(cut)], sink);
      assert.deepEqual(sink.packets, [expected], `${name} cut at ${cut}`);
    }
  }
});

test("frame assembler: each legal packet in chunks of one byte decodes the same", () => {
  for (const { name, level, bytes: content } of LEGAL_PACKETS) {
    const sink = new RecordingSink(level);
    pushAll(
      Array.from(content, (byte) => bytes(byte)),
      sink,
    );
    assert.deepEqual(sink.packets, [summary(decode(content, level).view)], name);
  }
});

test("frame assembler: each illegal packet, cut in two at every byte, is refused the same", () => {
  for (const { name, level, bytes: content, reasonCode } of ILLEGAL_PACKETS) {
    for (let cut = 1; cut < content.length; cut++) {
      const sink = new RecordingSink(level);
      const result = pushAll([content.subarray(0, cut), content.subarray(cut)], sink);
      assert.equal(-result, reasonCode, `${name} cut at ${cut}`);
      assert.deepEqual(sink.packets, [], `${name} cut at ${cut}`);
    }
  }
});

test("frame assembler: a chunk of whole packets is handed on in its own memory", () => {
  const sink = new RecordingSink(5);
  const chunk = concat(publish({ topic: "a" }), pingreq(), publish({ topic: "b" }));
  const assembler = new FrameAssembler();
  assert.equal(assembler.push(chunk, 0, chunk.length, LIMIT, sink), FRAMES_OK);
  assert.equal(sink.packets.length, 3);
  assert.deepEqual([...sink.buffers], [chunk]);
  assert.equal(assembler.heldSize, 0);
  assert.equal(assembler.heldCapacity, 0);
});

test("frame assembler: a packet split over two chunks is the only one copied", () => {
  const sink = new RecordingSink(5);
  const packets = [publish({ topic: "a", payload: "1234" }), pingreq(), publish({ topic: "b" })];
  const stream = concat(...packets);
  const first = stream.subarray(0, 5);
  const second = stream.subarray(5);
  const assembler = new FrameAssembler();
  assembler.push(first, 0, first.length, LIMIT, sink);
  assert.equal(assembler.heldSize, 5);
  assembler.push(second, 0, second.length, LIMIT, sink);
  assert.equal(sink.packets.length, 3);
  assert.equal(assembler.heldCapacity, 0);
});

test("frame assembler: held memory follows what arrived, not what a length announces", () => {
  const sink = new RecordingSink(5);
  const content = publish({ topic: "t", payload: new Uint8Array(1_000_000) });
  const assembler = new FrameAssembler();
  for (let at = 0; at < content.length - 1; at += 1000) {
    const end = Math.min(at + 1000, content.length - 1);
    assert.equal(assembler.push(content, at, end, LIMIT, sink), FRAMES_OK);
    assert.equal(assembler.heldSize, end);
    assert.ok(assembler.heldCapacity <= Math.max(2 * end, 64), `at ${end}`);
  }
  assembler.push(content, content.length - 1, content.length, LIMIT, sink);
  assert.equal(sink.packets.length, 1);
  assert.equal(assembler.heldCapacity, 0);
});

test("frame assembler: a packet above the limit is refused before a byte of its body is held", () => {
  const sink: FrameSink = { isPaused: false, handleFrames: () => 0 };
  const assembler = new FrameAssembler();
  assert.equal(assembler.push(bytes(0x30), 0, 1, 100, sink), FRAMES_OK);
  assert.equal(assembler.push(bytes(0x80), 0, 1, 100, sink), FRAMES_OK);
  assert.equal(assembler.push(bytes(1, 7, 7, 7), 0, 4, 100, sink), -0x95);
  assert.equal(assembler.heldSize, 0);
});

test("frame assembler: a paused sink gets nothing until it resumes, then everything in order", () => {
  const sink = new RecordingSink(5);
  sink.pausesAlways = true;
  const assembler = new FrameAssembler();
  const topics = ["a", "b", "c", "d"];
  const stream = concat(...topics.map((topic) => publish({ topic })));
  assembler.push(stream, 0, 9, LIMIT, sink);
  assembler.push(stream, 9, stream.length, LIMIT, sink);
  assert.equal(sink.packets.length, 1);
  for (let resumed = 2; resumed <= topics.length; resumed++) {
    sink.isPaused = false;
    assert.equal(assembler.resume(sink), FRAMES_OK);
    assert.equal(sink.packets.length, resumed);
  }
  assert.equal(assembler.heldCapacity, 0);
  const expected = topics.map((topic) => summary(decode(publish({ topic }), 5).view));
  assert.deepEqual(sink.packets, expected);
});

test("frame assembler: bytes that wait for a paused sink are bounded by the limit", () => {
  const sink: FrameSink = { isPaused: true, handleFrames: () => assert.fail("paused") };
  const assembler = new FrameAssembler();
  assert.equal(assembler.push(new Uint8Array(60), 0, 60, 100, sink), FRAMES_OK);
  assert.equal(assembler.push(new Uint8Array(40), 0, 40, 100, sink), FRAMES_OK);
  assert.equal(assembler.push(new Uint8Array(1), 0, 1, 100, sink), -0x97);
  assert.equal(assembler.heldCapacity, 0);
});

test("frame assembler: a sink's refusal is passed on and everything held is forgotten", () => {
  const sink = new RecordingSink(5);
  const assembler = new FrameAssembler();
  const content = publish({ topic: "t", dup: true });
  assert.equal(assembler.push(content, 0, content.length, LIMIT, sink), -0x82);
  assert.equal(assembler.heldSize, 0);
  assert.equal(assembler.resume(sink), FRAMES_OK);
});

test("frame assembler: any cut of any stream, with pauses anywhere, gives the same packets [property]", () => {
  const ofLevel5 = LEGAL_PACKETS.filter(({ level }) => level === 5);
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(...ofLevel5), { minLength: 1, maxLength: 8 }),
      fc.array(fc.tuple(fc.nat(400), fc.boolean()), { minLength: 1, maxLength: 40 }),
      (cases, cuts) => {
        const stream = concat(...cases.map((entry) => entry.bytes));
        const sink = new RecordingSink(5);
        const assembler = new FrameAssembler();
        let at = 0;
        for (const [size, isPaused] of cuts) {
          const end = Math.min(stream.length, at + size);
          sink.isPaused = isPaused;
          assert.equal(assembler.push(stream, at, end, LIMIT, sink), FRAMES_OK);
          at = end;
        }
        sink.isPaused = false;
        assert.equal(assembler.resume(sink), FRAMES_OK);
        assert.equal(assembler.push(stream, at, stream.length, LIMIT, sink), FRAMES_OK);
        const expected = cases.map((entry) => summary(decode(entry.bytes, 5).view));
        assert.deepEqual(sink.packets, expected);
        assert.equal(assembler.heldCapacity, 0);
      },
    ),
    { numRuns: 200 },
  );
});
