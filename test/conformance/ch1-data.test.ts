/**
 * MQTT 5 chapter 1.5: how data is represented. Malformed strings and integers end the connection.
 */

import assert from "node:assert/strict";
import * as packets from "../helpers/packets.ts";
import { expectRefusal, MALFORMED, PROTOCOL_ERROR, payloads, takePublishes } from "./expect.ts";
import { conformanceSuite } from "./suite.ts";

const suite = conformanceSuite();
const { property } = packets;

const TOPIC_INVALID = 0x90;
const FILTER_INVALID = 0x8f;
const CLIENT_ID_INVALID = 0x85;

const BROKEN_TEXTS: readonly (readonly [string, Uint8Array, string])[] = [
  ["a surrogate", packets.bytes(0x61, 0xed, 0xa0, 0x80), "MQTT-1.5.4-1"],
  ["an overlong form", packets.bytes(0x61, 0xc1, 0xa1), "MQTT-1.5.4-1"],
  ["a byte that is no UTF-8", packets.bytes(0x61, 0xff), "MQTT-1.5.4-1"],
  ["a truncated character", packets.bytes(0x61, 0xe2, 0x82), "MQTT-1.5.4-1"],
  ["a code point above U+10FFFF", packets.bytes(0x61, 0xf4, 0x90, 0x80, 0x80), "MQTT-1.5.4-1"],
  ["U+0000", packets.bytes(0x61, 0x00, 0x62), "MQTT-1.5.4-2"],
];

for (const [what, text, id] of BROKEN_TEXTS) {
  suite.check(`strings: ${what} in a topic name ends the connection [${id}]`, async (bench) => {
    for (const level of [4, 5] as const) {
      const client = await bench.connect({ level });
      client.send(packets.publish({ level, topic: text }));
      await client.expectFault(MALFORMED, TOPIC_INVALID);
    }
  });

  suite.check(
    `strings: ${what} in a topic filter ends the connection [${id}] [MQTT-3.8.3-1] [MQTT-4.7.3-2]`,
    async (bench) => {
      const client = await bench.connect();
      client.send(packets.subscribe({ filters: [{ filter: text }] }));
      await client.expectFault(MALFORMED, FILTER_INVALID);
    },
  );

  suite.check(
    `strings: ${what} in a client identifier is refused [${id}] [MQTT-3.1.3-4]`,
    async (bench) => {
      const client = await bench.open();
      client.send(packets.connect({ clientId: text }));
      await expectRefusal(client, MALFORMED, CLIENT_ID_INVALID);
    },
  );

  suite.check(
    `strings: ${what} in a user property ends the connection [MQTT-1.5.7-1]`,
    async (bench) => {
      for (const pair of [property.user("name", text), property.user(text, "value")]) {
        const client = await bench.connect();
        client.send(packets.publish({ topic: bench.topic("x"), properties: [pair] }));
        await client.expectFault(MALFORMED);
      }
    },
  );
}

suite.check(
  "strings: a byte order mark is kept and counts when matching [MQTT-1.5.4-3]",
  async (bench) => {
    const marked = `\ufeff${bench.topic("bom")}`;
    const client = await bench.connect();
    await client.subscribe([{ filter: bench.topic("bom") }, { filter: marked }]);
    client.send(packets.publish({ topic: marked, payload: "marked" }));
    client.send(packets.publish({ topic: bench.topic("bom"), payload: "plain" }));
    const messages = await takePublishes(client, 2);
    assert.deepEqual(payloads(messages), ["marked", "plain"]);
    assert.deepEqual(
      messages.map((message) => message.topic),
      [marked, bench.topic("bom")],
    );
  },
);

suite.check(
  "strings: all of Unicode works in topics and client identifiers [MQTT-1.5.4-1]",
  async (bench) => {
    for (const text of [
      "🐿️/ᚱᚨᛏᚨ",
      "数据/温度",
      "ё/é",
      "\u{10fffd}\u{fffd}",
      "a\u0301 b",
      "\ud7ff\ue000",
    ]) {
      const topic = bench.topic(text);
      const client = await bench.connect({ clientId: bench.clientId(text) });
      await client.subscribe(topic);
      client.send(packets.publish({ topic, payload: text }));
      const message = await client.expectPublish(text);
      assert.equal(message.topic, topic);
    }
  },
);

suite.check(
  "strings: noncharacters and control characters are let through [MQTT-1.5.4-1]",
  async (bench) => {
    for (const text of ["\u{10ffff}", "\ufffe", "\u0001\u001f", "\u007f\u009f"]) {
      const topic = bench.topic(text);
      const client = await bench.connect();
      await client.subscribe(topic);
      client.send(packets.publish({ topic, payload: "x" }));
      assert.equal((await client.expectPublish("x")).topic, topic);
    }
  },
);

suite.check(
  "variable byte integer: a longer form than needed ends the connection [MQTT-1.5.5-1]",
  async (bench) => {
    const remainingLength = await bench.connect();
    remainingLength.send(packets.bytes(0xc0, 0x80, 0x00));
    await remainingLength.expectFault(MALFORMED);
    const propertyLength = await bench.connect();
    const head = packets.field(bench.topic("x"));
    propertyLength.send(packets.packet(0x30, head, packets.varint(0, 2), packets.utf8("payload")));
    await propertyLength.expectFault(MALFORMED);
  },
);

suite.check(
  "variable byte integer: five bytes end the connection [MQTT-1.5.5-1]",
  async (bench) => {
    const client = await bench.connect();
    client.send(packets.bytes(0x30, 0xff, 0xff, 0xff, 0xff, 0x01));
    await client.expectFault(MALFORMED, PROTOCOL_ERROR);
  },
);

suite.check(
  "strings: a length beyond the packet ends the connection [MQTT-4.13.1-1]",
  async (bench) => {
    const client = await bench.connect();
    client.send(packets.packet(0x30, packets.field("abc", 200), packets.properties()));
    await client.expectFault(MALFORMED, PROTOCOL_ERROR);
  },
);
