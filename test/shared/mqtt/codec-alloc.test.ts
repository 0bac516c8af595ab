/**
 * The codec's hot paths allocate nothing: measured by V8's counter of bytes ever allocated, which
 * Node 20 lacks. The gate is 8 bytes per operation: below the smallest object, above the counter's
 * own noise.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { getHeapStatistics } from "node:v8";
import { decodePacket } from "../../../src/shared/mqtt/decoder.ts";
import { writeAck } from "../../../src/shared/mqtt/encode-ack.ts";
import {
  AliasForm,
  copyForwardProperties,
  encodedPublish,
  NO_SUBSCRIPTION_IDENTIFIERS,
  publishVariant,
  writePublish,
} from "../../../src/shared/mqtt/encode-publish.ts";
import { FrameAssembler, type FrameSink } from "../../../src/shared/mqtt/frame-assembler.ts";
import { messageFromView } from "../../../src/shared/mqtt/message-from-view.ts";
import { PacketType } from "../../../src/shared/mqtt/packet-type.ts";
import { PacketView } from "../../../src/shared/mqtt/packet-view.ts";
import { decodeOptions } from "../../helpers/decoding.ts";
import { pingreq, property, puback, publish, pubrec } from "../../helpers/packets.ts";

const MAX_BYTES_PER_OPERATION = 8;
const OPERATIONS = 200_000;

/** Undefined where this Node has no such counter. */
function allocatedBytes(): number | undefined {
  const statistics: object = getHeapStatistics();
  const total: unknown = Reflect.get(statistics, "total_allocated_bytes");
  return typeof total === "number" ? total : undefined;
}

const skip = allocatedBytes() === undefined ? "this Node does not count allocated bytes" : false;

function bytesPerOperation(operation: () => void): number {
  for (let i = 0; i < OPERATIONS; i++) operation();
  const before = allocatedBytes() ?? 0;
  for (let i = 0; i < OPERATIONS; i++) operation();
  return ((allocatedBytes() ?? 0) - before) / OPERATIONS;
}

function assertAllocatesNothing(name: string, operation: () => void): void {
  const found = bytesPerOperation(operation);
  assert.ok(found < MAX_BYTES_PER_OPERATION, `${name}: ${found.toFixed(1)} bytes per operation`);
}

const PROPERTIES = [
  property.topicAlias(1),
  property.messageExpiry(60),
  property.user("key", "value"),
  property.contentType("text/plain"),
];

const DECODED = [
  ["PUBLISH 3.1.1", 4, publish({ level: 4, topic: "a/b/c", payload: "hello", qos: 1 })],
  ["PUBLISH 5 with properties", 5, publish({ topic: "é/b", qos: 2, properties: PROPERTIES })],
  ["a refused PUBLISH", 5, publish({ topic: "a/+", payload: "x" })],
  ["PUBACK", 4, puback({ packetId: 1 })],
  [
    "PUBREC 5 with properties",
    5,
    pubrec({ packetId: 1, reasonCode: 0, properties: PROPERTIES.slice(2, 3) }),
  ],
  ["PINGREQ", 5, pingreq()],
] as const;

for (const [name, level, content] of DECODED) {
  test(`allocation: decoding ${name} allocates nothing`, { skip }, () => {
    const view = new PacketView();
    const options = decodeOptions(level);
    assertAllocatesNothing(name, () => {
      decodePacket(view, content, 0, content.length, options);
    });
  });
}

test("allocation: a chunk of whole packets passes the assembler without any", { skip }, () => {
  const view = new PacketView();
  const options = decodeOptions(4);
  const content = publish({ level: 4, topic: "a/b/c", payload: "hello" });
  const sink: FrameSink = {
    isPaused: false,
    handleFrames: (source, start, end) => decodePacket(view, source, start, end, options),
  };
  const assembler = new FrameAssembler();
  assertAllocatesNothing("push", () => {
    assembler.push(content, 0, content.length, 65_536, sink);
  });
});

test("allocation: a delivery from a cached form allocates nothing", { skip }, () => {
  const view = new PacketView();
  const content = publish({ topic: "a/b/c", payload: "hello", qos: 1, properties: PROPERTIES });
  decodePacket(view, content, 0, content.length, decodeOptions(5));
  const message = messageFromView(view, "tenant", null, 0, "publisher");
  const target = new Uint8Array(1024);
  const variant = publishVariant(5, 1, false, AliasForm.SET);
  const identifiers = [1, 2];
  assertAllocatesNothing("plain form", () => {
    const encoded = encodedPublish(message, variant, NO_SUBSCRIPTION_IDENTIFIERS);
    writePublish(target, 0, encoded, 7, true, 3, 59);
  });
  assertAllocatesNothing("form with subscription identifiers", () => {
    writePublish(target, 0, encodedPublish(message, variant, identifiers), 7, true, 3, 59);
  });
  assertAllocatesNothing("acknowledgement", () => {
    writeAck(target, 0, PacketType.PUBACK, 7, 0x10);
  });
  assertAllocatesNothing("forwarded properties", () => {
    copyForwardProperties(view, target, 0);
  });
});
