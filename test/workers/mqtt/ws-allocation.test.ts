import assert from "node:assert/strict";
import { test } from "node:test";
import { getHeapStatistics } from "node:v8";
import { ChunkPool } from "../../../src/workers/mqtt/output-pool.ts";
import type { Transport } from "../../../src/workers/mqtt/transport.ts";
import { WsFrameDecoder, type WsFrameSink } from "../../../src/workers/mqtt/ws-frame-decoder.ts";
import { WsOutput } from "../../../src/workers/mqtt/ws-output.ts";
import { clientFrame } from "./ws-client-frames.ts";

const ROUND_COUNT = 20_000;
const SPAN_COUNT = 6;
/** The smallest object is larger: less per frame means none per frame. */
const BYTES_PER_FRAME_MAX = 8;

interface HeapCounters {
  /** Absent before Node 26. */
  readonly total_allocated_bytes?: number;
}

function allocatedBytes(): number | undefined {
  return (getHeapStatistics() as HeapCounters).total_allocated_bytes;
}

const skip = allocatedBytes() === undefined && "this Node version does not count allocated bytes";

/**
 * Bytes allocated per round: the least of some spans, since the compiler allocates now and then,
 * too.
 */
function measure(round: () => void): number {
  const spans = Array.from({ length: SPAN_COUNT }, () => {
    const before = allocatedBytes() ?? 0;
    for (let index = 0; index < ROUND_COUNT; index += 1) round();
    return (allocatedBytes() ?? 0) - before;
  });
  return Math.min(...spans) / ROUND_COUNT;
}

test("websocket frames: decoding allocates nothing per frame", { skip }, () => {
  const frames = Buffer.concat([
    clientFrame({ payload: Buffer.alloc(72, 1) }),
    clientFrame({ payload: Buffer.alloc(500, 2), isFinal: false }),
    clientFrame({ opcode: 0, payload: Buffer.alloc(10, 3) }),
  ]);
  const buffer = Buffer.alloc(65_536);
  const decoder = new WsFrameDecoder();
  let received = 0;
  const sink: WsFrameSink = {
    frameSizeMax: 100_000,
    handlePayload(_bytes, start, end) {
      received += end - start;
    },
    handlePing: () => assert.fail("no ping was sent"),
    handleCloseFrame: () => assert.fail("no close was sent"),
    handleViolation: (_code, text) => assert.fail(text),
  };
  const perRead = measure(() => {
    buffer.set(frames);
    decoder.decode(buffer, 0, frames.length, sink);
  });
  assert.equal(received, SPAN_COUNT * ROUND_COUNT * 582);
  assert.ok(perRead < BYTES_PER_FRAME_MAX, `${perRead} bytes per read`);
});

test("websocket output: framing allocates nothing per frame", { skip }, () => {
  const output = new WsOutput(new ChunkPool(), () => {}, {} as Transport);
  const payload = new Uint8Array(72);
  const perFlush = measure(() => {
    const at = output.reserve(payload.length);
    output.bytes.set(payload, at);
    output.markFlushed();
    output.consume(output.headWaiting);
  });
  assert.equal(output.waitingSize, 0);
  assert.ok(perFlush < BYTES_PER_FRAME_MAX, `${perFlush} bytes per flush`);
});
