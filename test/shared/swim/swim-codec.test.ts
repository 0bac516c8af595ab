import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodePacket } from "../../../src/shared/swim/decode-swim.ts";
import {
  encodeClaim,
  encodeHeader,
  encodeMessage,
  joinParts,
} from "../../../src/shared/swim/encode-swim.ts";
import { isNodeId, ROW_BYTES_MIN } from "../../../src/shared/swim/swim-layout.ts";
import {
  MessageKind,
  PacketFault,
  type SwimMessage,
  type SwimPacket,
} from "../../../src/shared/swim/swim-message.ts";
import { claims, messages } from "./swim-arbitraries.ts";

const CLUSTER = "blue";
const SENDER = { nodeId: "0123abcd-0000-4000-8000-00000000beef", address: "10.1.2.3:7946" };
const HEADER = encodeHeader(CLUSTER, SENDER);
const NODE = {
  nodeId: SENDER.nodeId,
  startEpoch: 1_700_000_000_000,
  incarnation: 7,
  address: SENDER.address,
  protocolVersion: 1,
  metadata: Uint8Array.of(1, 2, 3),
};

function packetOf(...content: SwimMessage[]): Uint8Array {
  return joinParts([HEADER, ...content.map(encodeMessage)]);
}

function decode(bytes: Uint8Array): SwimPacket | PacketFault {
  return decodePacket(bytes, CLUSTER);
}

/** HEADER and the given bytes. */
function raw(...bytes: number[]): Uint8Array {
  return joinParts([HEADER, Uint8Array.from(bytes)]);
}

test("swim codec: decoding gives back what was encoded", () => {
  fc.assert(
    fc.property(fc.array(messages, { maxLength: 6 }), (content) => {
      const decoded = decode(packetOf(...content)) as SwimPacket;
      assert.deepEqual(decoded, { sender: SENDER, messages: content });
    }),
  );
});

test("swim codec: a claim is the same bytes alone and as a message", () => {
  fc.assert(
    fc.property(claims, (claim) => {
      assert.deepEqual(encodeClaim(claim), encodeMessage({ kind: MessageKind.CLAIM, claim }));
    }),
  );
});

test("swim codec: what is decoded shares no memory with the packet", () => {
  const bytes = packetOf({ kind: MessageKind.CLAIM, claim: { status: 0, node: NODE } });
  const decoded = decode(bytes) as SwimPacket;
  bytes.fill(0);
  assert.deepEqual(decoded.messages, [
    { kind: MessageKind.CLAIM, claim: { status: 0, node: NODE } },
  ]);
});

test("swim codec: a packet cut anywhere inside a message is malformed", () => {
  const rows = [
    { node: NODE, status: 1 as const, startEpoch: 1e12, incarnation: 8, statusAgeMs: 5 },
  ];
  const row = { ...rows[0]!, startEpoch: NODE.startEpoch };
  const sync = { kind: MessageKind.SYNC, isReplyWanted: true, token: 9, rows: [row] };
  const request = {
    kind: MessageKind.PING_REQUEST,
    sequence: 1,
    target: NODE.nodeId,
    targetAddress: "a",
  };
  for (const message of [
    sync,
    request,
    { kind: MessageKind.CLAIM, claim: { status: 0, node: NODE } },
  ]) {
    const bytes = packetOf(message as SwimMessage);
    assert.notEqual(typeof decode(bytes), "number");
    for (let size = 0; size < bytes.length; size++) {
      const cut = decode(bytes.subarray(0, size));
      if (size === HEADER.length) assert.deepEqual(cut, { sender: SENDER, messages: [] });
      else assert.equal(cut, PacketFault.MALFORMED, `cut to ${size} of ${bytes.length}`);
    }
  }
});

test("swim codec: arbitrary and damaged bytes never throw", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      assert.equal(typeof decode(bytes), "number", "a fault");
      decode(joinParts([HEADER, bytes]));
    }),
    { numRuns: 500 },
  );
  fc.assert(
    fc.property(
      fc.array(messages, { minLength: 1, maxLength: 3 }),
      fc.nat(),
      fc.nat(255),
      (content, at, value) => {
        const bytes = packetOf(...content);
        bytes[at % bytes.length] = value;
        const decoded = decode(bytes);
        // What still decodes is a packet that can be said in bytes again.
        if (typeof decoded === "number") return;
        const header = encodeHeader(CLUSTER, decoded.sender);
        const again = joinParts([header, ...decoded.messages.map(encodeMessage)]);
        assert.deepEqual(again, bytes);
      },
    ),
    { numRuns: 500 },
  );
});

test("swim codec: other clusters and newer protocols are told apart from damage", () => {
  const other = encodeHeader("green", SENDER);
  assert.equal(decode(other), PacketFault.WRONG_CLUSTER);
  const newer = HEADER.slice();
  newer[2] = 2;
  assert.equal(decode(newer), PacketFault.WRONG_VERSION);
  newer[2] = 0;
  assert.equal(decode(newer), PacketFault.MALFORMED);
});

test("swim codec: fields out of their range are refused", () => {
  const id = [...new Array<number>(16).fill(5)];
  const version = new Array<number>(10).fill(0);
  const cases: Record<string, number[]> = {
    "unknown kind": [99],
    "kind zero": [0],
    "status above LEFT": [20, ...id, ...version, ...id],
    "protocol version zero": [16, ...id, ...version, 0, 1, 65, 0, 0],
    "empty address": [16, ...id, ...version, 1, 0, 0, 0],
    "U+0000 in an address": [16, ...id, ...version, 1, 1, 0, 0, 0],
    "513 bytes of metadata": [
      16,
      ...id,
      ...version,
      1,
      1,
      65,
      1,
      2,
      ...new Array<number>(513).fill(0),
    ],
    "unknown sync flag": [7, 2, 0, 0, 0, 0, 0, 0],
    "more rows than bytes": [
      7,
      0,
      0,
      0,
      0,
      0,
      255,
      255,
      ...new Array<number>(ROW_BYTES_MIN).fill(0),
    ],
    "a byte after the last message": [3, 1, 0, 0, 0, 3],
  };
  for (const [name, bytes] of Object.entries(cases)) {
    assert.equal(decode(raw(...bytes)), PacketFault.MALFORMED, name);
  }
});

test("swim codec: a row whose status is older than its description is refused", () => {
  const row = { node: NODE, status: 2 as const, startEpoch: NODE.startEpoch, statusAgeMs: 0 };
  const sync = (incarnation: number, status: 0 | 2) =>
    packetOf({
      kind: MessageKind.SYNC,
      isReplyWanted: false,
      token: 0,
      rows: [{ ...row, status, incarnation }],
    });
  assert.equal(decode(sync(6, 2)), PacketFault.MALFORMED);
  assert.notEqual(decode(sync(8, 2)), PacketFault.MALFORMED);
  assert.equal(decode(sync(8, 0)), PacketFault.MALFORMED, "alive in a version of another's making");
});

test("swim codec: the largest claim fits a datagram with the largest header", () => {
  const nodeId = SENDER.nodeId;
  const address = "a".repeat(255);
  const header = encodeHeader("c".repeat(64), { nodeId, address });
  const node = { ...NODE, address, metadata: new Uint8Array(512) };
  assert.equal(header.length, 340);
  assert.equal(encodeClaim({ status: 0, node }).length, 798);
});

test("swim codec: node ids are UUIDs in lower case", () => {
  assert.ok(isNodeId("0123abcd-ef01-4000-8000-00000000beef"));
  const others = ["", "0123ABCD-ef01-4000-8000-00000000beef", "0123abcdef0140008000-00000000beef"];
  for (const text of others) assert.equal(isNodeId(text), false, text);
});
