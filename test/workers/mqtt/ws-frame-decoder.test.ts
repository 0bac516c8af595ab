import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { CloseCode, FIN, Opcode } from "../../../src/workers/mqtt/ws-frame.ts";
import { WsFrameDecoder, type WsFrameSink } from "../../../src/workers/mqtt/ws-frame-decoder.ts";
import { clientClose, clientFrame } from "./ws-client-frames.ts";
import { receive } from "./ws-receiver-oracle.ts";

const FRAME_SIZE_MAX = 100_000;

/** What a stream of frames came to. */
interface Outcome {
  readonly payload: string;
  readonly pings: readonly string[];
  /** "closed 1000", "violation 1002", or null: still open. */
  readonly end: string | null;
}

class RecordingSink implements WsFrameSink {
  readonly frameSizeMax = FRAME_SIZE_MAX;
  readonly pings: string[] = [];
  readonly #parts: Buffer[] = [];
  payloadCalls = 0;
  end: string | null = null;

  get payload(): Buffer {
    return Buffer.concat(this.#parts);
  }

  get outcome(): Outcome {
    return { payload: this.payload.toString("latin1"), pings: this.pings, end: this.end };
  }

  handlePayload(bytes: Uint8Array, start: number, end: number): void {
    assert.equal(this.end, null, "nothing comes behind the end");
    assert.ok(start < end, "never empty");
    this.payloadCalls += 1;
    this.#parts.push(Buffer.from(bytes.subarray(start, end)));
  }

  handlePing(bytes: Uint8Array, start: number, end: number): void {
    assert.equal(this.end, null, "nothing comes behind the end");
    this.pings.push(Buffer.from(bytes.subarray(start, end)).toString("latin1"));
  }

  handleCloseFrame(code: number): void {
    assert.equal(this.end, null, "the end is reported once");
    this.end = `closed ${code}`;
  }

  handleViolation(code: number, text: string): void {
    assert.equal(this.end, null, "the end is reported once");
    assert.notEqual(text, "");
    this.end = `violation ${code}`;
  }
}

/** Decodes `bytes` cut at the given places, each piece somewhere inside a buffer of its own. */
function decode(bytes: Uint8Array, cuts: readonly number[] = []): RecordingSink {
  const sink = new RecordingSink();
  const decoder = new WsFrameDecoder();
  const ends = [...cuts, bytes.length];
  let start = 0;
  for (const end of ends) {
    const margin = start % 7;
    const buffer = new Uint8Array(margin + end - start + 3).fill(0xee);
    buffer.set(bytes.subarray(start, end), margin);
    const before = sink.payloadCalls;
    decoder.decode(buffer, margin, margin + end - start, sink);
    assert.ok(sink.payloadCalls <= before + 1, "one piece of payload per read");
    assert.ok(buffer.subarray(margin + end - start).every((byte) => byte === 0xee));
    assert.ok(buffer.subarray(0, margin).every((byte) => byte === 0xee));
    start = end;
  }
  return sink;
}

function everyByte(bytes: Uint8Array): number[] {
  return Array.from({ length: bytes.length - 1 }, (_, index) => index + 1);
}

const { CONTINUATION, TEXT, CLOSE, PING, PONG } = Opcode;
const LETTERS = "abcdefghijklmnopqrstuvwxyz".repeat(10);

/** In the order of the Autobahn test suite, with what a server of binary messages owes. */
const CASES: readonly (readonly [string, readonly Buffer[], Partial<Outcome>])[] = [
  ["an empty frame", [clientFrame(), clientFrame({ payload: "a" })], { payload: "a" }],
  ...[1, 125, 126, 127, 200].map(
    (size) =>
      [
        `a frame of ${size} bytes`,
        [clientFrame({ payload: LETTERS.slice(0, size) }), clientFrame({ payload: "z" })],
        { payload: `${LETTERS.slice(0, size)}z` },
      ] as const,
  ),
  ["an empty ping", [clientFrame({ opcode: PING })], { pings: [""] }],
  [
    "a ping of 125 bytes",
    [clientFrame({ opcode: PING, payload: LETTERS.slice(0, 125) })],
    { pings: [LETTERS.slice(0, 125)] },
  ],
  [
    "ten pings",
    Array.from({ length: 10 }, (_, n) => clientFrame({ opcode: PING, payload: `p${n}` })),
    { pings: Array.from({ length: 10 }, (_, n) => `p${n}`) },
  ],
  [
    "a ping of 126 bytes",
    [clientFrame({ opcode: PING, payload: LETTERS.slice(0, 126) })],
    { end: "violation 1002" },
  ],
  [
    "an unasked pong",
    [clientFrame({ opcode: PONG, payload: "x" }), clientFrame({ payload: "a" })],
    { payload: "a" },
  ],
  ...[0x40, 0x20, 0x10, 0x70].flatMap((reserved) =>
    [Opcode.BINARY, PING, CLOSE].map(
      (opcode) =>
        [
          `reserved bits ${reserved} with opcode ${opcode}`,
          [clientFrame({ payload: "a" }), clientFrame({ opcode, reserved })],
          { payload: "a", end: "violation 1002" },
        ] as const,
    ),
  ),
  ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map(
    (opcode) =>
      [
        `opcode ${opcode}`,
        [clientFrame({ payload: "a" }), clientFrame({ opcode }), clientFrame({ payload: "b" })],
        { payload: "a", end: "violation 1002" },
      ] as const,
  ),
  ["a fragmented ping", [clientFrame({ opcode: PING, isFinal: false })], { end: "violation 1002" }],
  [
    "a fragmented close",
    [clientFrame({ opcode: CLOSE, isFinal: false })],
    { end: "violation 1002" },
  ],
  [
    "fragments with a ping between",
    [
      clientFrame({ payload: "one ", isFinal: false }),
      clientFrame({ opcode: PING, payload: "between" }),
      clientFrame({ opcode: CONTINUATION, payload: "", isFinal: false }),
      clientFrame({ opcode: CONTINUATION, payload: "two ", isFinal: false }),
      clientFrame({ opcode: CONTINUATION, payload: "three" }),
      clientFrame({ payload: "!" }),
    ],
    { payload: "one two three!", pings: ["between"] },
  ],
  [
    "a continuation of nothing",
    [clientFrame({ payload: "a" }), clientFrame({ opcode: CONTINUATION, payload: "b" })],
    { payload: "a", end: "violation 1002" },
  ],
  [
    "a new message inside another",
    [clientFrame({ payload: "a", isFinal: false }), clientFrame({ payload: "b" })],
    { payload: "a", end: "violation 1002" },
  ],
  [
    "a text message inside another",
    [clientFrame({ payload: "a", isFinal: false }), clientFrame({ opcode: TEXT })],
    { payload: "a", end: "violation 1002" },
  ],
  [
    "text [MQTT-6.0.0-1]",
    [clientFrame({ payload: "a" }), clientFrame({ opcode: TEXT, payload: "b" })],
    { payload: "a", end: "violation 1003" },
  ],
  ["text in fragments", [clientFrame({ opcode: TEXT, isFinal: false })], { end: "violation 1003" }],
  ["no mask", [clientFrame({ payload: "a", mask: null })], { end: "violation 1002" }],
  ["a ping without a mask", [clientFrame({ opcode: PING, mask: null })], { end: "violation 1002" }],
  [
    "a mask of zeros",
    [clientFrame({ payload: "abcdefg", mask: [0, 0, 0, 0] })],
    { payload: "abcdefg" },
  ],
  [
    "lengths in longer forms",
    [
      clientFrame({ payload: "a", lengthForm: 16 }),
      clientFrame({ payload: "b", lengthForm: 64 }),
      clientFrame({ lengthForm: 64 }),
      clientFrame({ payload: "c" }),
    ],
    { payload: "abc" },
  ],
  ["a frame at the limit", [clientFrame({ announcedSize: BigInt(FRAME_SIZE_MAX) })], {}],
  ...[BigInt(FRAME_SIZE_MAX) + 1n, 2n ** 32n, 2n ** 53n + 1n, 2n ** 63n - 1n].map(
    (announcedSize) =>
      [
        `a frame that announces ${announcedSize} bytes`,
        [clientFrame({ payload: "a" }), clientFrame({ announcedSize, payload: "b" })],
        { payload: "a", end: "violation 1009" },
      ] as const,
  ),
  ...[2n ** 63n, 2n ** 64n - 1n].map(
    (announcedSize) =>
      [
        `a frame that announces ${announcedSize} bytes, which is illegal`,
        [clientFrame({ announcedSize })],
        { end: "violation 1002" },
      ] as const,
  ),
  ["close without a code", [clientFrame({ opcode: CLOSE })], { end: "closed 1005" }],
  [
    "close with half a code",
    [clientFrame({ opcode: CLOSE, payload: "\x03" })],
    { end: "violation 1002" },
  ],
  ["close with a reason", [clientClose(1000, "goodbye ✓")], { end: "closed 1000" }],
  [
    "close with the longest reason",
    [clientClose(1000, LETTERS.slice(0, 123)), clientFrame({ payload: "ignored" })],
    { end: "closed 1000" },
  ],
  [
    "close with too long a reason",
    [clientClose(1000, LETTERS.slice(0, 124))],
    { end: "violation 1002" },
  ],
  [
    "close with a reason that is not UTF-8",
    [clientClose(1000, Buffer.of(0xce, 0xba, 0xe1))],
    { end: "violation 1007" },
  ],
  [
    "data, close, data",
    [clientFrame({ payload: "a" }), clientClose(1001), clientFrame({ payload: "b" })],
    { payload: "a", end: "closed 1001" },
  ],
  [
    "close inside a fragmented message",
    [clientFrame({ payload: "a", isFinal: false }), clientClose(1001)],
    { payload: "a", end: "closed 1001" },
  ],
  ...[1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1014, 3000, 3999, 4000, 4999].map(
    (code) => [`close code ${code}`, [clientClose(code)], { end: `closed ${code}` }] as const,
  ),
  ...[0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535].map(
    (code) => [`close code ${code}`, [clientClose(code)], { end: "violation 1002" }] as const,
  ),
];

for (const [name, frames, expected] of CASES) {
  test(`websocket frames: ${name}, whole and split at every byte [RFC6455 §5]`, () => {
    const bytes = Buffer.concat(frames);
    const outcome = { payload: "", pings: [], end: null, ...expected };
    assert.deepEqual(decode(bytes).outcome, outcome);
    for (const cut of everyByte(bytes)) {
      assert.deepEqual(decode(bytes, [cut]).outcome, outcome, `cut at ${cut}`);
    }
    assert.deepEqual(decode(bytes, everyByte(bytes)).outcome, outcome, "byte by byte");
  });
}

test("websocket frames: large ones, in pieces of every awkward size", () => {
  for (const size of [65_535, 65_536, FRAME_SIZE_MAX]) {
    const payload = Buffer.from(Array.from({ length: size }, (_, at) => (at * 31) >> 3));
    const bytes = Buffer.concat([clientFrame({ payload }), clientFrame({ payload: "tail" })]);
    const expected = Buffer.concat([payload, Buffer.from("tail")]);
    for (const step of [1000, 1001, 1002, 1003, 65_536]) {
      const cuts = Array.from(
        { length: Math.floor((bytes.length - 1) / step) },
        (_, n) => (n + 1) * step,
      );
      assert.ok(decode(bytes, cuts).payload.equals(expected), `${size} in pieces of ${step}`);
    }
  }
});

test("websocket frames: all payload of a read is one piece, in front of the buffer's rest", () => {
  const frames = Array.from({ length: 100 }, (_, n) => clientFrame({ payload: `message ${n}, ` }));
  const sink = decode(Buffer.concat([...frames, clientFrame({ opcode: PING }), ...frames]));
  assert.equal(sink.payloadCalls, 1);
  assert.match(sink.payload.toString(), /^message 0, message 1, .*message 99, message 0, .*, $/);
});

const FRAMES = fc.array(
  fc.record({
    payload: fc.uint8Array({ maxLength: 300 }),
    mask: fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255)),
    isFinal: fc.boolean(),
    ping: fc.option(fc.string({ maxLength: 30, unit: "grapheme-ascii" }), { nil: null }),
  }),
  { maxLength: 20 },
);
const CUTS = fc.array(fc.nat(4000), { maxLength: 30 });

function cutsWithin(cuts: readonly number[], bytes: Uint8Array): number[] {
  return [...new Set(cuts.filter((cut) => cut < bytes.length))].sort((a, b) => a - b);
}

test("websocket frames: any fragments, masks, pings and cuts give the same bytes", () => {
  fc.assert(
    fc.property(FRAMES, CUTS, (frames, cuts) => {
      let isOpen = false;
      const parts = frames.flatMap(({ payload, mask, isFinal, ping }) => {
        const opcode = isOpen ? CONTINUATION : Opcode.BINARY;
        isOpen = !isFinal;
        const pinged = ping === null ? [] : [clientFrame({ opcode: PING, payload: ping, mask })];
        return [clientFrame({ opcode, payload, mask, isFinal }), ...pinged];
      });
      const bytes = Buffer.concat(parts);
      assert.deepEqual(decode(bytes, cutsWithin(cuts, bytes)).outcome, {
        payload: Buffer.concat(frames.map(({ payload }) => payload)).toString("latin1"),
        pings: frames.flatMap(({ ping }) => (ping === null ? [] : [ping])),
        end: null,
      });
    }),
    { numRuns: 300 },
  );
});

/** Legal frames with a few bytes changed: most of the way in, rarely refused at once. */
const MUTATED = fc
  .tuple(FRAMES, fc.array(fc.tuple(fc.nat(4000), fc.nat(255)), { maxLength: 4 }))
  .map(([frames, changes]) => {
    const bytes = Buffer.concat(
      frames.flatMap(({ payload, mask, isFinal, ping }, index) => [
        clientFrame({ payload, mask }),
        ...(ping === null ? [] : [clientFrame({ opcode: PING, payload: ping, mask })]),
        ...(index === 5 && isFinal ? [clientClose(1000 + payload.length)] : []),
      ]),
    );
    for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
    return bytes;
  });

test("websocket frames: whatever comes, cuts change nothing and nothing is thrown", () => {
  fc.assert(
    fc.property(fc.oneof(MUTATED, fc.uint8Array({ maxLength: 400 })), CUTS, (bytes, cuts) => {
      const whole = decode(bytes);
      assert.deepEqual(decode(bytes, cutsWithin(cuts, bytes)).outcome, whole.outcome);
      assert.ok(whole.payload.length <= bytes.length);
    }),
    { numRuns: 500 },
  );
});

test("websocket frames: what is legal, and how it ends, is what the ws package says, too", () => {
  const verdicts = new Map<string | null, number>();
  const anything = fc.oneof({ arbitrary: MUTATED, weight: 4 }, fc.uint8Array({ maxLength: 40 }));
  fc.assert(
    fc.property(anything, (bytes) => {
      const ours = decode(bytes).outcome;
      const theirs = receive(bytes);
      verdicts.set(ours.end, (verdicts.get(ours.end) ?? 0) + 1);
      // Text is legal for them; and limits differ.
      const isOurs = ours.end === "violation 1003" || theirs.end === "violation 1009";
      if (isOurs || ours.end === "violation 1009") return;
      assert.equal(ours.end, theirs.end);
      assert.deepEqual(ours.pings, theirs.pings);
      assert.ok(ours.payload.startsWith(theirs.payload), "they pass on whole messages only");
    }),
    { numRuns: 2000 },
  );
  assert.ok((verdicts.get(null) ?? 0) > 100, "not everything is refused");
  assert.ok((verdicts.get("violation 1002") ?? 0) > 100, "and not everything is legal");
});

test("websocket frames: behind the end everything is ignored", () => {
  const sink = new RecordingSink();
  const decoder = new WsFrameDecoder();
  const feed = (bytes: Buffer) => decoder.decode(bytes, 0, bytes.length, sink);
  feed(Buffer.of(FIN | Opcode.TEXT, 0x80));
  assert.equal(sink.end, `violation ${CloseCode.UNSUPPORTED_DATA}`);
  feed(clientFrame({ payload: "late" }));
  feed(clientClose());
  assert.equal(sink.end, `violation ${CloseCode.UNSUPPORTED_DATA}`);
});
