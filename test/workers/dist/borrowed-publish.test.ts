/**
 * One publish on its way: sent on as it came where possible, re-encoded where not, owned on demand.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Message } from "../../../src/shared/mqtt/message.ts";
import { BorrowedPublish } from "../../../src/workers/dist/borrowed-publish.ts";
import { decode } from "../../helpers/decoding.ts";
import {
  concat,
  type Level,
  type PublishFields,
  property,
  publish,
} from "../../helpers/packets.ts";

const decoder = new TextDecoder();
const encoder = new TextEncoder();
const RECEIVED_AT = 1_000_000;

/** A BorrowedPublish as a session loads it from a packet in a larger chunk. */
function load(fields: PublishFields, aliasTopic: string | null = null): BorrowedPublish {
  const level = fields.level ?? 5;
  const { result, view } = decode(publish(fields), level);
  assert.ok(result > 0, "the packet is legal");
  const borrowed = new BorrowedPublish();
  const topic = aliasTopic === null ? null : encoder.encode(aliasTopic);
  borrowed.loadView(view, level === 5, topic, "tenant", "publisher", RECEIVED_AT);
  return borrowed;
}

/** What a subscriber of `level` gets, with its packet identifier in place. */
function sent(borrowed: BorrowedPublish, level: Level, qos = 0, retain = false): Uint8Array {
  const isV5 = level === 5;
  const copy = Uint8Array.from(borrowed.packet(isV5, qos, retain));
  if (qos > 0) {
    const at = borrowed.packetIdOffset(isV5, qos, retain);
    copy[at] = 0x12;
    copy[at + 1] = 0x34;
  }
  return copy;
}

const PACKET_ID = 0x1234;
const PROPERTIES = [
  property.user("b", "1"),
  property.contentType("text/plain"),
  property.user("a", "2"),
  property.responseTopic("re/ply"),
];

interface Case {
  readonly name: string;
  readonly fields: PublishFields;
}

const CASES: readonly Case[] = [
  { name: "3.1.1, empty payload", fields: { level: 4, topic: "a", payload: "" } },
  { name: "3.1.1", fields: { level: 4, topic: "a/🐿", payload: "hello" } },
  { name: "3.1.1, QoS 1", fields: { level: 4, topic: "a/b", payload: "x", qos: 1, packetId: 9 } },
  { name: "5", fields: { topic: "a/b", payload: "hello" } },
  { name: "5, QoS 2", fields: { topic: "a/b", payload: "x", qos: 2, packetId: 65_535 } },
  { name: "5, properties", fields: { topic: "a/b", payload: "x", properties: PROPERTIES } },
  { name: "5, large", fields: { topic: "a/b", payload: "x".repeat(300_000) } },
  {
    name: "5, duplicate",
    fields: { topic: "a/b", payload: "x", qos: 1, packetId: 3, dup: true, properties: PROPERTIES },
  },
  {
    name: "5, retained",
    fields: { topic: "a", payload: "x", retain: true, properties: PROPERTIES },
  },
];

for (const { name, fields } of CASES) {
  test(`borrowed publish: ${name}: every receiver gets topic, properties and payload unchanged`, () => {
    const borrowed = load(fields);
    for (const level of [3, 4, 5] as const) {
      for (const qos of [0, 1, 2]) {
        for (const retain of [false, true]) {
          const expected = publish({
            ...fields,
            level,
            qos,
            retain,
            dup: false, // [MQTT-3.3.1-3]
            packetId: PACKET_ID,
            properties: fields.properties ?? [],
          });
          const actual = sent(borrowed, level, qos, retain);
          assert.deepEqual(actual, expected, `level ${level}, QoS ${qos}, retain ${retain}`);
        }
      }
    }
  });
}

test("borrowed publish: a packet of the receiver's form is sent on from where it lies", () => {
  const content = publish({ topic: "a/b", payload: "hello", qos: 1, packetId: 7 });
  const { view } = decode(content, 5);
  const borrowed = new BorrowedPublish();
  borrowed.loadView(view, true, null, "t", "p", 0);
  const packet = borrowed.packet(true, 1, false);
  assert.equal(packet.buffer, view.bytes.buffer);
  assert.equal(packet.byteOffset, view.bytes.byteOffset + view.packetOffset);
  assert.equal(packet.length, content.length);
  assert.notEqual(borrowed.packet(true, 0, false).buffer, view.bytes.buffer);
  assert.notEqual(borrowed.packet(false, 1, false).buffer, view.bytes.buffer);
});

test("borrowed publish: each form is encoded once", () => {
  const borrowed = load({ topic: "a", payload: "x", retain: true });
  const first = borrowed.packet(true, 0, true);
  borrowed.packet(false, 0, false);
  assert.equal(borrowed.packet(true, 0, true), first);
});

test("borrowed publish: topic alias and expiry are not forwarded as they came [MQTT-3.3.2-7]", () => {
  const borrowed = load({
    topic: "a/b",
    payload: "x",
    properties: [property.topicAlias(3), property.messageExpiry(60), property.user("k", "v")],
  });
  const forwarded = [property.messageExpiry(60), property.user("k", "v")];
  const expected = publish({ topic: "a/b", payload: "x", properties: forwarded });
  assert.deepEqual(sent(borrowed, 5), expected);
  assert.deepEqual(sent(borrowed, 4), publish({ level: 4, topic: "a/b", payload: "x" }));
});

test("borrowed publish: an alias alone stands for its topic [MQTT-3.3.2-7]", () => {
  const fields = { topic: "", payload: "x", properties: [property.topicAlias(3)] };
  const borrowed = load(fields, "the/topic");
  assert.deepEqual(sent(borrowed, 5), publish({ topic: "the/topic", payload: "x" }));
  assert.equal(decoder.decode(borrowed.own().topic), "the/topic");
});

test("borrowed publish: the expiry sent is what is left of it [MQTT-3.3.2-6]", () => {
  for (const [waitedMs, left] of [
    [0, 60],
    [999, 60],
    [1000, 59],
    [58_500, 2],
    [59_999, 1],
    [60_000, 1],
    [-5000, 60],
  ] as const) {
    const message = messageWith({ expirySeconds: 60 });
    const borrowed = new BorrowedPublish();
    borrowed.loadMessage(message, RECEIVED_AT + waitedMs);
    const properties = [property.messageExpiry(left)];
    const expected = publish({ topic: "a", payload: "x", properties });
    assert.deepEqual(sent(borrowed, 5), expected, `after ${waitedMs} ms`);
    assert.equal(borrowed.isExpired, false);
  }
});

test("borrowed publish: knows when it has outlived its expiry [MQTT-3.3.2-5]", () => {
  const borrowed = new BorrowedPublish();
  borrowed.loadMessage(messageWith({ expirySeconds: 60 }), RECEIVED_AT + 60_001);
  assert.ok(borrowed.isExpired);
  borrowed.loadMessage(messageWith({ expirySeconds: -1 }), RECEIVED_AT + 1e9);
  assert.ok(!borrowed.isExpired);
});

test("borrowed publish: the longest expiry survives", () => {
  const borrowed = new BorrowedPublish();
  borrowed.loadMessage(messageWith({ expirySeconds: 0xffff_ffff }), RECEIVED_AT);
  const properties = [property.messageExpiry(0xffff_ffff)];
  assert.deepEqual(sent(borrowed, 5), publish({ topic: "a", payload: "x", properties }));
});

function messageWith({ expirySeconds = -1, payload = "x" }): Message {
  const [topic, bytes] = [encoder.encode("a"), encoder.encode(payload)];
  return new Message(
    "t",
    topic,
    bytes,
    new Uint8Array(0),
    1,
    false,
    expirySeconds,
    RECEIVED_AT,
    "p",
  );
}

test("borrowed publish: an owned message keeps its bytes when the borrowed ones are gone", () => {
  const properties = [property.messageExpiry(9), property.user("k", "v")];
  const fields = { topic: "a/b", payload: "hello", qos: 2, packetId: 1, retain: true, properties };
  const { view } = decode(publish(fields), 5);
  const borrowed = new BorrowedPublish();
  borrowed.loadView(view, true, null, "tenant", "publisher", RECEIVED_AT);
  const message = borrowed.own();
  assert.equal(borrowed.own(), message);
  view.bytes.fill(0xee);
  borrowed.loadMessage(messageWith({}), 0);
  assert.equal(decoder.decode(message.topic), "a/b");
  assert.equal(decoder.decode(message.payload), "hello");
  assert.deepEqual(message.forwardProperties, concat(property.user("k", "v")));
  const { tenantId, publisherId, qos, retain, expirySeconds, receivedAtMs } = message;
  assert.deepEqual(
    { tenantId, publisherId, qos, retain, expirySeconds, receivedAtMs },
    {
      tenantId: "tenant",
      publisherId: "publisher",
      qos: 2,
      retain: true,
      expirySeconds: 9,
      receivedAtMs: RECEIVED_AT,
    },
  );
});

test("borrowed publish: a loaded message is its own copy", () => {
  const message = messageWith({});
  const borrowed = new BorrowedPublish();
  borrowed.loadMessage(message, RECEIVED_AT);
  assert.equal(borrowed.own(), message);
});

test("borrowed publish: nothing of an earlier publish shows through", () => {
  const borrowed = load({ topic: "first", payload: "1", qos: 1, packetId: 1, retain: true });
  for (const isV5 of [false, true]) {
    for (const qos of [0, 1, 2]) borrowed.packet(isV5, qos, true);
  }
  const first = borrowed.own();
  const { view } = decode(publish({ level: 4, topic: "second", payload: "2" }), 4);
  borrowed.loadView(view, false, null, "t", "p", RECEIVED_AT);
  assert.notEqual(borrowed.own(), first);
  for (const level of [4, 5] as const) {
    const expected = publish({ level, topic: "second", payload: "2", retain: true });
    assert.deepEqual(sent(borrowed, level, 0, true), expected);
  }
});

test("borrowed publish: forms of one publish stay whole while the scratch memory grows", () => {
  const properties = [property.topicAlias(1), property.user("k", "v".repeat(60_000))];
  const fields = { topic: "a", payload: "p".repeat(150_000), properties };
  const borrowed = load(fields);
  const forms = [0, 1, 2].flatMap((qos) =>
    ([4, 5] as const).flatMap((level) => [false, true].map((retain) => ({ qos, level, retain }))),
  );
  const packets = forms.map(({ qos, level, retain }) => borrowed.packet(level === 5, qos, retain));
  forms.forEach(({ qos, level, retain }, index) => {
    const expected = publish({
      ...fields,
      level,
      qos,
      retain,
      packetId: 1,
      properties: [property.user("k", "v".repeat(60_000))],
    });
    const actual = Uint8Array.from(packets[index]!);
    const at = borrowed.packetIdOffset(level === 5, qos, retain);
    if (qos > 0) actual.set([0, 1], at);
    assert.ok(Buffer.from(expected).equals(actual), `QoS ${qos}, level ${level}, ${retain}`);
  });
});

test("borrowed publish: a very large publish does not keep its memory", () => {
  const borrowed = new BorrowedPublish();
  borrowed.loadMessage(messageWith({ payload: "x".repeat(8 * 1024 * 1024) }), RECEIVED_AT);
  assert.ok(borrowed.packet(true, 0, false).buffer.byteLength > 8 * 1024 * 1024);
  borrowed.loadMessage(messageWith({}), RECEIVED_AT);
  assert.ok(borrowed.packet(true, 0, false).buffer.byteLength <= 1024 * 1024);
});
