import assert from "node:assert/strict";
import { test } from "node:test";
import {
  endOfUpgrade,
  FrameStripper,
  MAX_FRAME_HEADER_BYTES,
  upgradeRequest,
  writeFrameHeader,
} from "../../../bench/load/ws-carrier.ts";

/** A frame as a server sends it: not masked. */
function frame(opcode: number, payload: Buffer): Buffer {
  const { length } = payload;
  let head = Buffer.of(0x80 | opcode, length);
  if (length >= 126 && length < 65_536)
    head = Buffer.of(0x80 | opcode, 126, length >> 8, length & 255);
  if (length >= 65_536) {
    head = Buffer.alloc(10);
    head[0] = 0x80 | opcode;
    head[1] = 127;
    head.writeUInt32BE(length, 6);
  }
  return Buffer.concat([head, payload]);
}

function stripInParts(stream: Buffer, size: number): { content: Buffer; stripper: FrameStripper } {
  const stripper = new FrameStripper();
  const parts: Buffer[] = [];
  for (let at = 0; at < stream.length; at += size) {
    // In a larger buffer, to see that nothing outside is touched.
    const room = Buffer.alloc(size + 2, 0xee);
    const length = stream.copy(room, 1, at, at + size);
    const end = stripper.strip(room, 1, 1 + length);
    parts.push(Buffer.from(room.subarray(1, end)));
    assert.equal(room[0], 0xee);
  }
  return { content: Buffer.concat(parts), stripper };
}

test("frame stripper: any split of frames of any length gives the content [RFC 6455 §5.2]", () => {
  const contents = [
    Buffer.from("abc"),
    Buffer.alloc(0),
    Buffer.alloc(300, 1),
    Buffer.alloc(70_000, 2),
  ];
  const stream = Buffer.concat(contents.map((content) => frame(2, content)));
  const wanted = Buffer.concat(contents);
  for (const size of [1, 2, 3, 7, 64, 4096, stream.length]) {
    assert.ok(stripInParts(stream, size).content.equals(wanted), `parts of ${size}`);
  }
});

test("frame stripper: pings are answered with their content, other control frames ignored", () => {
  const stream = Buffer.concat([
    frame(2, Buffer.from("x")),
    frame(9, Buffer.from("hello")),
    frame(10, Buffer.from("stray pong")),
    frame(9, Buffer.alloc(0)),
    frame(2, Buffer.from("y")),
  ]);
  for (const size of [1, 4, stream.length]) {
    const { content, stripper } = stripInParts(stream, size);
    assert.equal(content.toString(), "xy");
    const [first, second] = stripper.replies;
    assert.deepEqual([...first!], [0x8a, 0x85, 0, 0, 0, 0, ...Buffer.from("hello")]);
    assert.deepEqual([...second!], [0x8a, 0x80, 0, 0, 0, 0]);
  }
});

test("frame header: masked with a key of zero, in the shortest form, ending where the body starts", () => {
  for (const [length, size] of [
    [5, 6],
    [126, 8],
    [65_535, 8],
    [65_536, 14],
  ] as const) {
    const bytes = Buffer.alloc(20, 0xee);
    const start = writeFrameHeader(bytes, MAX_FRAME_HEADER_BYTES, length);
    assert.equal(MAX_FRAME_HEADER_BYTES - start, size);
    assert.equal(bytes[start], 0x82);
    assert.equal(bytes[start + 1]! & 0x80, 0x80);
    assert.equal(bytes.readUInt32BE(MAX_FRAME_HEADER_BYTES - 4), 0);
    assert.equal(bytes[MAX_FRAME_HEADER_BYTES], 0xee);
  }
});

test("upgrade: asks for the mqtt subprotocol [MQTT-6.0.0-3], waits for the whole answer, says why not", () => {
  assert.match(upgradeRequest("h", 1).toString(), /Sec-WebSocket-Protocol: mqtt\r\n/);
  const answer = Buffer.from("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\nrest");
  assert.equal(endOfUpgrade(answer, 20), -1);
  assert.equal(endOfUpgrade(answer, answer.length), answer.length - 4);
  const refusal = Buffer.from("HTTP/1.1 404 Not Found\r\n\r\n");
  assert.throws(() => endOfUpgrade(refusal, refusal.length), /404/);
});
