/**
 * PUBLISH towards subscribers, read back by the independent client-side reader and by mqtt-packet.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Packet, parser } from "mqtt-packet";
import {
  AliasForm,
  copyForwardProperties,
  encodedPublish,
  NO_SUBSCRIPTION_IDENTIFIERS,
  publishVariant,
  writePublish,
} from "../../../src/shared/mqtt/encode-publish.ts";
import { Message } from "../../../src/shared/mqtt/message.ts";
import { messageFromView } from "../../../src/shared/mqtt/message-from-view.ts";
import { decode } from "../../helpers/decoding.ts";
import { bytes, concat, property, publish, utf8 } from "../../helpers/packets.ts";
import { decodeServerPackets, type ServerPacket } from "../../helpers/server-packets.ts";

interface MessageFields {
  topic?: string;
  payload?: Uint8Array;
  forward?: Uint8Array;
  expirySeconds?: number;
}

function message(fields: MessageFields = {}): Message {
  const { topic = "a/b", payload = utf8("hello"), forward = bytes() } = fields;
  const expiry = fields.expirySeconds ?? -1;
  return new Message("tenant", utf8(topic), payload, forward, 2, false, expiry, 0, "publisher");
}

interface Receiver {
  level: 3 | 4 | 5;
  qos: number;
  retain?: boolean;
  alias?: AliasForm;
  identifiers?: readonly number[];
  packetId?: number;
  dup?: boolean;
  aliasValue?: number;
  expirySeconds?: number;
}

/** The bytes for one receiver, written between other bytes that must stay as they are. */
function packetFor(source: Message, receiver: Receiver): Uint8Array {
  const { level, qos, retain = false, alias = AliasForm.NONE } = receiver;
  const variant = publishVariant(level, qos, retain, alias);
  const list = receiver.identifiers ?? NO_SUBSCRIPTION_IDENTIFIERS;
  const encoded = encodedPublish(source, variant, list);
  const size = encoded.bytes.length;
  const target = new Uint8Array(size + 8).fill(0xee);
  const { packetId = 0, dup = false, aliasValue = 0, expirySeconds = -1 } = receiver;
  writePublish(target, 4, encoded, packetId, dup, aliasValue, expirySeconds);
  assert.ok([...target.subarray(0, 4), ...target.subarray(size + 4)].every((b) => b === 0xee));
  return target.slice(4, 4 + size);
}

function publishFor(source: Message, receiver: Receiver): ServerPacket & { type: "publish" } {
  const [packet] = decodeServerPackets(packetFor(source, receiver), receiver.level);
  assert.equal(packet?.type, "publish");
  return packet;
}

test("PUBLISH encoder: QoS, RETAIN, DUP and packet identifier in every version", () => {
  for (const level of [3, 4, 5] as const) {
    for (const qos of [0, 1, 2]) {
      for (const retain of [false, true]) {
        const packetId = qos === 0 ? 0 : 0xabcd;
        const dup = qos > 0;
        const packet = publishFor(message(), { level, qos, retain, packetId, dup });
        assert.equal(packet.topic, "a/b");
        assert.deepEqual(packet.payload, utf8("hello"));
        assert.equal(packet.qos, qos);
        assert.equal(packet.retain, retain);
        assert.equal(packet.dup, dup);
        assert.equal(packet.packetId, packetId);
      }
    }
  }
});

test("PUBLISH encoder: DUP is never set with QoS 0 [MQTT-3.3.1-2]", () => {
  assert.equal(publishFor(message(), { level: 5, qos: 0, dup: true }).dup, false);
});

test("PUBLISH encoder: a patched copy leaves the shared form as it was", () => {
  const source = message({ expirySeconds: 100 });
  const first = { level: 5, qos: 1, packetId: 1, dup: true, expirySeconds: 7 } as const;
  publishFor(source, first);
  const packet = publishFor(source, { level: 5, qos: 1, packetId: 2, expirySeconds: 99 });
  assert.deepEqual([packet.packetId, packet.dup, packet.properties.messageExpiry], [2, false, 99]);
});

test("PUBLISH encoder: the remaining expiry is the receiver's, in all four bytes [MQTT-3.3.2-6]", () => {
  for (const expirySeconds of [0, 1, 0x0102_0304, 0xffff_ffff]) {
    const packet = publishFor(message({ expirySeconds: 0xffff_ffff }), {
      level: 5,
      qos: 0,
      expirySeconds,
    });
    assert.equal(packet.properties.messageExpiry, expirySeconds);
  }
});

test("PUBLISH encoder: a message without expiry has none, and MQTT 3 has no properties at all", () => {
  const never = publishFor(message(), { level: 5, qos: 0, expirySeconds: 5 });
  assert.deepEqual(never.properties.order, []);
  const source = message({ expirySeconds: 9, forward: property.contentType("c") });
  const plain = publish({ level: 4, topic: "a/b", payload: "hello" });
  assert.deepEqual(packetFor(source, { level: 4, qos: 0, identifiers: [1] }), plain);
});

test("PUBLISH encoder: alias set carries topic and number, alias used carries the number alone", () => {
  const set = { level: 5, qos: 1, packetId: 1, alias: AliasForm.SET, aliasValue: 0x1234 } as const;
  const first = publishFor(message(), set);
  assert.deepEqual([first.topic, first.properties.topicAlias], ["a/b", 0x1234]);
  const again = publishFor(message(), { ...set, alias: AliasForm.USE });
  assert.deepEqual([again.topic, again.properties.topicAlias], ["", 0x1234]);
});

test("PUBLISH encoder: all subscription identifiers, in order [MQTT-3.3.4-3] [MQTT-3.3.4-4]", () => {
  const identifiers = [1, 127, 128, 268_435_455];
  const packet = publishFor(message(), { level: 5, qos: 0, identifiers });
  assert.deepEqual(packet.properties.subscriptionIdentifiers, identifiers);
});

test("PUBLISH encoder: forwarded properties follow our own, unchanged and in order [MQTT-3.3.2-18]", () => {
  const forward = concat(
    property.user("b", "1"),
    property.payloadFormat(1),
    property.user("a", "2"),
    property.user("b", "3"),
  );
  const packet = publishFor(message({ forward, expirySeconds: 5 }), {
    level: 5,
    qos: 0,
    alias: AliasForm.SET,
    aliasValue: 1,
    identifiers: [4],
    expirySeconds: 5,
  });
  assert.deepEqual(packet.properties.order, [2, 0x23, 0x0b, 0x26, 1, 0x26, 0x26]);
  assert.deepEqual(packet.properties.userProperties, [
    ["b", "1"],
    ["a", "2"],
    ["b", "3"],
  ]);
});

test("PUBLISH encoder: a form is made once per variant and shared", () => {
  const source = message({ expirySeconds: 1 });
  const variants = new Set<unknown>();
  for (let round = 0; round < 2; round++) {
    for (const level of [4, 5]) {
      for (const qos of [0, 1, 2]) {
        for (const retain of [false, true]) {
          for (const alias of level === 5 ? [0, 1, 2] : [0]) {
            const variant = publishVariant(level, qos, retain, alias as AliasForm);
            variants.add(encodedPublish(source, variant, NO_SUBSCRIPTION_IDENTIFIERS));
          }
        }
      }
    }
  }
  assert.equal(variants.size, 3 * 2 + 3 * 2 * 3);
  assert.equal(publishVariant(3, 1, true, 0), publishVariant(4, 1, true, 0));
});

test("PUBLISH encoder: the last identifier list is recognised by value, plain forms are kept beside it", () => {
  const source = message();
  const variant = publishVariant(5, 1, false, AliasForm.NONE);
  const plain = encodedPublish(source, variant, []);
  const listed = encodedPublish(source, variant, [1, 2]);
  assert.equal(encodedPublish(source, variant, [1, 2]), listed);
  assert.notEqual(encodedPublish(source, variant, [2, 1]), listed);
  assert.notEqual(encodedPublish(source, publishVariant(5, 2, false, 0), [2, 1]), listed);
  assert.equal(encodedPublish(source, variant, []), plain);
});

test("PUBLISH encoder: remaining lengths of every size", () => {
  for (const size of [0, 100, 121, 122, 16_377, 16_378, 2_097_145, 2_097_146]) {
    const payload = new Uint8Array(size).fill(7);
    const packet = publishFor(message({ payload }), { level: 4, qos: 0 });
    assert.deepEqual(packet.payload, payload);
  }
});

test("PUBLISH encoder: mqtt-packet reads what it wrote [oracle]", () => {
  const text = fc.string({ unit: "grapheme", maxLength: 12 }).filter((t) => !/[+#\0]/u.test(t));
  const fields = fc.record({
    level: fc.constantFrom(4 as const, 5 as const),
    topic: text.filter((t) => t !== ""),
    payload: fc.uint8Array({ maxLength: 300 }),
    qos: fc.nat(2),
    retain: fc.boolean(),
    packetId: fc.integer({ min: 1, max: 65_535 }),
    expirySeconds: fc.oneof(fc.constant(-1), fc.nat(0xffff_ffff)),
    identifiers: fc.array(fc.integer({ min: 1, max: 268_435_455 }), { maxLength: 3 }),
    contentType: text,
  });
  fc.assert(
    fc.property(fields, (given) => {
      const forward = property.contentType(given.contentType);
      const source = message({ ...given, forward });
      const receiver = { ...given, dup: given.qos > 0, alias: AliasForm.NONE };
      const found: Packet[] = [];
      const oracle = parser({ protocolVersion: given.level });
      oracle.on("packet", (packet) => found.push(packet));
      oracle.on("error", (error) => assert.fail(String(error)));
      oracle.parse(Buffer.from(packetFor(source, receiver)));
      const [packet] = found;
      assert.equal(packet?.cmd, "publish");
      assert.equal(packet.topic, given.topic);
      assert.deepEqual(Uint8Array.from(packet.payload as Buffer), given.payload);
      assert.deepEqual([packet.qos, packet.retain], [given.qos, given.retain]);
      if (given.qos > 0) assert.deepEqual([packet.messageId, packet.dup], [given.packetId, true]);
      if (given.level !== 5) return;
      const expiry = given.expirySeconds < 0 ? undefined : given.expirySeconds;
      assert.equal(packet.properties?.messageExpiryInterval, expiry);
      assert.equal(packet.properties?.contentType, given.contentType);
      const seen = [packet.properties?.subscriptionIdentifier ?? []].flat();
      assert.deepEqual(seen, given.identifiers);
    }),
    { numRuns: 300 },
  );
});

test("forwarded properties: alias and expiry are left out wherever they stand, the rest keeps its order", () => {
  const kept = [
    property.payloadFormat(1),
    property.user("x".repeat(100), "1"),
    property.contentType("c"),
    property.responseTopic("r"),
    property.correlationData(bytes(0)),
    property.user("a", ""),
  ];
  const dropped = [property.topicAlias(1), property.messageExpiry(9)];
  for (let first = 0; first <= kept.length; first++) {
    for (let second = first; second <= kept.length; second++) {
      const list = [...kept];
      list.splice(second, 0, ...dropped.slice(1));
      list.splice(first, 0, ...dropped.slice(0, 1));
      const { view } = decode(publish({ topic: "t", properties: list }), 5);
      const target = new Uint8Array(view.forwardLength + 2).fill(0xee);
      assert.equal(copyForwardProperties(view, target, 1), view.forwardLength);
      assert.deepEqual(target, concat(bytes(0xee), ...kept, bytes(0xee)));
    }
  }
});

test("message from view: owned copies of topic, payload and properties", () => {
  const content = publish({
    topic: "t/\u{1f600}",
    payload: new Uint8Array(200).fill(5),
    qos: 1,
    retain: true,
    properties: [property.messageExpiry(30), property.user("k", "v"), property.topicAlias(2)],
  });
  const { view } = decode(content, 5);
  const owned = messageFromView(view, "tenant", null, 1000, "publisher");
  view.bytes.fill(0);
  assert.deepEqual(owned.topic, utf8("t/\u{1f600}"));
  assert.deepEqual(owned.payload, new Uint8Array(200).fill(5));
  assert.deepEqual(owned.forwardProperties, property.user("k", "v"));
  assert.deepEqual([owned.qos, owned.retain, owned.expirySeconds], [1, true, 30]);
  assert.deepEqual(
    [owned.tenantId, owned.publisherId, owned.receivedAtMs],
    ["tenant", "publisher", 1000],
  );
});

test("message from view: a topic alias's topic is shared, not copied", () => {
  const topic = utf8("the/topic");
  const { view } = decode(publish({ topic: "", properties: [property.topicAlias(2)] }), 5);
  assert.equal(messageFromView(view, "tenant", topic, 0, "p").topic, topic);
});
