/**
 * The decoder against the packet table: what is accepted, what is refused and how, and that nothing
 * else is touched.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  DECODE_INCOMPLETE,
  decodePacket,
  peekPacketSize,
} from "../../../src/shared/mqtt/decoder.ts";
import { PacketView } from "../../../src/shared/mqtt/packet-view.ts";
import { decode, decodeOptions, summary } from "../../helpers/decoding.ts";
import { ILLEGAL_PACKETS } from "../../helpers/illegal-packets.ts";
import { LEGAL_PACKETS } from "../../helpers/legal-packets.ts";
import { bytes, concat, connect, pingreq, publish } from "../../helpers/packets.ts";

for (const { name, level, bytes: content } of LEGAL_PACKETS) {
  test(`decoder: accepts ${name}, consuming exactly its bytes`, () => {
    const { result, view } = decode(content, level);
    assert.equal(view.faultText, "");
    assert.equal(result, content.length);
    assert.equal(view.packetSize, content.length);
  });
}

for (const { name, level, bytes: content, reasonCode } of ILLEGAL_PACKETS) {
  test(`decoder: refuses ${name} with 0x${reasonCode.toString(16)}`, () => {
    const { result, view } = decode(content, level);
    assert.equal(-result, reasonCode);
    assert.notEqual(view.faultText, "");
  });
}

test("decoder: the names of the packet table are unique", () => {
  const names = [...LEGAL_PACKETS, ...ILLEGAL_PACKETS].map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
});

test("decoder: what stands before and behind a packet changes nothing", () => {
  for (const { level, bytes: content } of [...LEGAL_PACKETS, ...ILLEGAL_PACKETS]) {
    const zeros = decode(content, level, 0x00);
    const ones = decode(content, level, 0xff);
    assert.equal(zeros.result, ones.result);
    if (zeros.result > 0) assert.deepEqual(summary(zeros.view), summary(ones.view));
  }
});

test("decoder: every proper beginning of a legal packet is incomplete, never a fault", () => {
  for (const { name, level, bytes: content } of LEGAL_PACKETS) {
    for (let size = 0; size < content.length; size++) {
      const { result } = decode(content.subarray(0, size), level);
      assert.equal(result, DECODE_INCOMPLETE, `${name} cut to ${size} bytes`);
    }
  }
});

test("decoder: an illegal packet is never accepted by any of its beginnings", () => {
  for (const { name, level, bytes: content } of ILLEGAL_PACKETS) {
    for (let size = 0; size < content.length; size++) {
      const { result } = decode(content.subarray(0, size), level);
      assert.ok(result <= 0, `${name} cut to ${size} bytes`);
    }
  }
});

test("decoder: one view decodes all packets one after another without remembering any", () => {
  const view = new PacketView();
  for (const { name, level, bytes: content } of LEGAL_PACKETS) {
    const options = decodeOptions(level);
    assert.equal(decodePacket(view, content, 0, content.length, options), content.length, name);
    assert.deepEqual(summary(view), summary(decode(content, level).view), name);
  }
});

test("decoder: an oversized packet is refused with its fixed header, before its body [MQTT5 §3.1.2.11.4]", () => {
  const header = publish({ level: 4, topic: "t", payload: new Uint8Array(300) }).subarray(0, 3);
  const options = { ...decodeOptions(4), maxPacketSize: 306 };
  assert.equal(decodePacket(new PacketView(), header, 0, 3, options), DECODE_INCOMPLETE);
  const smaller = { ...options, maxPacketSize: 305 };
  assert.equal(decodePacket(new PacketView(), header, 0, 3, smaller), -0x95);
});

test("decoder: a first byte that is illegal is refused before the rest arrives", () => {
  assert.equal(decode(bytes(0x47), 0).result, -0x82);
  assert.equal(decode(bytes(0x36), 5).result, -0x81);
});

test("decoder: a faulty CONNECT says in which version to refuse it [MQTT-3.1.2-2]", () => {
  const version = (content: Uint8Array) => decode(content, 0).view.connectVersion;
  assert.equal(version(connect({ level: 3, flags: 3 })), 3);
  assert.equal(version(connect({ level: 4, flags: 3 })), 4);
  assert.equal(version(connect({ flags: 3 })), 5);
  assert.equal(version(connect({ levelByte: 6 })), 5);
  assert.equal(version(connect({ levelByte: 0x84 })), 4);
  assert.equal(version(connect({ levelByte: 2 })), 4);
  assert.equal(version(connect({ protocolName: "HTTP" })), 0);
  assert.equal(version(pingreq()), 0);
});

test("decoder: peekPacketSize knows a packet's size from its header", () => {
  for (const payloadSize of [0, 100, 124, 125, 16_380, 16_381, 100_000]) {
    const content = publish({ level: 4, topic: "t", payload: new Uint8Array(payloadSize) });
    assert.equal(peekPacketSize(content, 0, 5, 200_000), content.length);
  }
  assert.equal(peekPacketSize(bytes(0x30), 0, 1, 100), DECODE_INCOMPLETE);
  assert.equal(peekPacketSize(bytes(0x30, 0x80), 0, 2, 100), DECODE_INCOMPLETE);
  assert.equal(peekPacketSize(bytes(0x30, 0x80, 0), 0, 3, 100), -0x81);
  assert.equal(peekPacketSize(bytes(0x30, 99), 0, 2, 100), -0x95);
});

test("decoder: the largest packet of all is incomplete until its last byte, not too large", () => {
  const header = bytes(0x30, 0xff, 0xff, 0xff, 0x7f);
  assert.equal(peekPacketSize(header, 0, 5, 268_435_460), 268_435_460);
});

test("decoder: packets back to back are taken one by one", () => {
  const first = publish({ topic: "one", payload: "1" });
  const content = concat(first, pingreq(), publish({ topic: "two" }));
  const view = new PacketView();
  const options = decodeOptions(5);
  let at = 0;
  const types: number[] = [];
  while (at < content.length) {
    at += decodePacket(view, content, at, content.length, options);
    types.push(view.type);
  }
  assert.deepEqual(types, [3, 12, 3]);
});
