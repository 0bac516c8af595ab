/** PUBLISH and its acknowledgements: the fields that the decoder finds. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { PacketView } from "../../../src/shared/mqtt/packet-view.ts";
import { decode } from "../../helpers/decoding.ts";
import { bytes, concat, property, publish, pubrec, pubrel, utf8 } from "../../helpers/packets.ts";

function topicOf(view: PacketView): string {
  const { topicOffset, topicLength } = view;
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(
    view.bytes.subarray(topicOffset, topicOffset + topicLength),
  );
}

function payloadOf(view: PacketView): Uint8Array {
  const { payloadOffset, payloadLength } = view;
  return Uint8Array.from(view.bytes.subarray(payloadOffset, payloadOffset + payloadLength));
}

test("PUBLISH decoder: flags, topic, packet identifier and payload", () => {
  const content = publish({
    level: 4,
    topic: "a/b",
    payload: "hi",
    qos: 2,
    retain: true,
    dup: true,
    packetId: 0x1234,
  });
  const { view } = decode(content, 4);
  assert.equal(view.qos, 2);
  assert.equal(view.retain, true);
  assert.equal(view.dup, true);
  assert.equal(view.packetId, 0x1234);
  assert.equal(topicOf(view), "a/b");
  assert.deepEqual(payloadOf(view), utf8("hi"));
  assert.equal(view.propertiesLength, 0);
});

test("PUBLISH decoder: QoS 0 has packet identifier 0, also after a QoS 1 packet [MQTT-2.2.1-2]", () => {
  assert.equal(decode(publish({ topic: "t" }), 5).view.packetId, 0);
});

test("PUBLISH decoder: absent properties have their neutral values", () => {
  const { view } = decode(publish({ topic: "t", properties: [] }), 5);
  assert.equal(view.topicAlias, 0);
  assert.equal(view.messageExpirySeconds, -1);
  assert.equal(view.payloadFormat, 0);
  assert.equal(view.forwardLength, 0);
});

test("PUBLISH decoder: alias, expiry and payload format, and what remains to be forwarded", () => {
  const kept = [property.payloadFormat(1), property.user("k", "v"), property.contentType("c")];
  const content = publish({
    topic: "t",
    payload: "x",
    properties: [property.topicAlias(10), ...kept, property.messageExpiry(0xffff_ffff)],
  });
  const { view } = decode(content, 5);
  assert.equal(view.topicAlias, 10);
  assert.equal(view.messageExpirySeconds, 0xffff_ffff);
  assert.equal(view.payloadFormat, 1);
  assert.equal(view.forwardLength, concat(...kept).length);
  assert.equal(view.propertiesLength, view.forwardLength + 3 + 5);
  assert.deepEqual(payloadOf(view), utf8("x"));
});

test("PUBLISH decoder: a byte order mark stays part of the topic [MQTT-1.5.4-3]", () => {
  const { view } = decode(publish({ topic: "\ufefft" }), 5);
  assert.equal(topicOf(view), "\ufefft");
});

test("PUBLISH decoder: payload bytes that look like packets stay payload", () => {
  const inner = publish({ topic: "x", payload: bytes(0, 0xff) });
  const { view, result } = decode(publish({ topic: "t", payload: inner }), 5);
  assert.ok(result > 0);
  assert.deepEqual(payloadOf(view), inner);
});

test("PUBLISH decoder: thousands of user properties are bytes to forward, not objects", () => {
  const list = Array.from({ length: 5000 }, (_, i) => property.user(String(i), ""));
  const { view, result } = decode(publish({ topic: "t", properties: list }), 5);
  assert.ok(result > 0);
  assert.equal(view.forwardLength, concat(...list).length);
});

test("acknowledgement decoder: packet identifier and reason code, SUCCESS when left out [MQTT5 §3.4.2.1]", () => {
  const short = decode(pubrec({ packetId: 65_535 }), 5).view;
  assert.deepEqual([short.type, short.packetId, short.reasonCode], [5, 65_535, 0]);
  const long = decode(pubrec({ packetId: 1, reasonCode: 0x97, properties: [] }), 5).view;
  assert.deepEqual([long.type, long.packetId, long.reasonCode], [5, 1, 0x97]);
  const after = decode(pubrel({ packetId: 2 }), 4).view;
  assert.deepEqual([after.type, after.packetId, after.reasonCode], [6, 2, 0]);
});
