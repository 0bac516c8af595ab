/**
 * The decoder against mqtt-packet's encoder, where that one is right: whatever it generates from a
 * random legal packet reads back as the same packet.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { generate, type Packet } from "mqtt-packet";
import type {
  ConnectPacket,
  PacketView,
  SubscribePacket,
  UnsubscribePacket,
} from "../../../src/shared/mqtt/packet-view.ts";
import { decode } from "../../helpers/decoding.ts";
import type { Level } from "../../helpers/packets.ts";

const RUNS = { numRuns: 300 };
const textDecoder = new TextDecoder("utf-8", { ignoreBOM: true });

const text = fc.string({ unit: "grapheme", maxLength: 20 }).filter((t) => !t.includes("\0"));
const topic = text.filter((t) => t !== "" && !/[+#]/u.test(t));
const level = fc.constantFrom<Level>(4, 5);
const packetId = fc.integer({ min: 1, max: 65_535 });
const uint32 = fc.nat(0xffff_ffff);
const payload = fc.uint8Array({ maxLength: 400 }).map((content) => Buffer.from(content));

/** Filters built level by level, some shared. */
const filter = fc
  .tuple(
    fc.constantFrom("", "$share/group/", "$oshare/g/"),
    fc.array(
      fc.oneof(
        text.map((t) => t.replace(/[+#/$]/gu, "x")),
        fc.constant("+"),
      ),
      {
        minLength: 1,
        maxLength: 5,
      },
    ),
    fc.boolean(),
  )
  .map(([share, levels, isOpen]) => `${share}${levels.join("/")}${isOpen ? "/#" : ""}`)
  .filter((joined) => joined !== "" && !joined.endsWith("share/group/") && joined !== "$oshare/g/");

function accepted(packet: Packet, version: Level, protocolVersion: 0 | Level): PacketView {
  const content = generate(packet, { protocolVersion: version });
  const { result, view } = decode(content, protocolVersion);
  assert.equal(result, content.length, view.faultText);
  return view;
}

function part(view: PacketView, offset: number, length: number): Uint8Array {
  return Uint8Array.from(view.bytes.subarray(offset, offset + length));
}

test("decoder: reads every CONNECT that mqtt-packet generates [oracle]", () => {
  const will = fc.record({
    topic,
    payload,
    qos: fc.constantFrom<0 | 1 | 2>(0, 1, 2),
    retain: fc.boolean(),
  });
  const properties = fc.record(
    {
      sessionExpiryInterval: uint32,
      receiveMaximum: packetId,
      maximumPacketSize: fc.integer({ min: 1, max: 0xffff_ffff }),
      topicAliasMaximum: fc.nat(65_535),
      requestResponseInformation: fc.boolean(),
      requestProblemInformation: fc.boolean(),
      authenticationMethod: text,
    },
    { requiredKeys: [] },
  );
  const fields = fc.record({
    protocolVersion: level,
    clientId: text.filter((t) => t !== ""),
    clean: fc.boolean(),
    keepalive: fc.nat(65_535),
    username: text,
    password: payload,
    will: fc.option(will, { nil: undefined }),
    properties,
  });
  fc.assert(
    fc.property(fields, ({ will: givenWill, ...given }) => {
      const connect: Packet = { cmd: "connect", ...given, ...(givenWill && { will: givenWill }) };
      const packet = accepted(connect, given.protocolVersion, 0).cold as ConnectPacket;
      assert.equal(packet.protocolVersion, given.protocolVersion);
      assert.equal(packet.clientId, given.clientId);
      assert.equal(packet.cleanStart, given.clean);
      assert.equal(packet.keepAliveSeconds, given.keepalive);
      assert.equal(packet.username, given.username);
      assert.deepEqual(Buffer.from(packet.password ?? []), given.password);
      assert.equal(packet.will?.topic, givenWill?.topic);
      assert.equal(packet.will?.qos, givenWill?.qos);
      assert.equal(packet.will?.retain, givenWill?.retain);
      if (givenWill) assert.deepEqual(Buffer.from(packet.will?.payload ?? []), givenWill.payload);
      if (given.protocolVersion !== 5) return;
      const wanted = given.properties;
      assert.equal(packet.sessionExpirySeconds, wanted.sessionExpiryInterval ?? 0);
      assert.equal(packet.receiveMaximum, wanted.receiveMaximum ?? 65_535);
      assert.equal(packet.maximumPacketSize, wanted.maximumPacketSize ?? 0);
      assert.equal(packet.topicAliasMaximum, wanted.topicAliasMaximum ?? 0);
      const { requestResponseInformation = false, requestProblemInformation = true } = wanted;
      assert.equal(packet.requestResponseInformation, requestResponseInformation);
      assert.equal(packet.requestProblemInformation, requestProblemInformation);
      assert.equal(packet.authenticationMethod, wanted.authenticationMethod ?? null);
    }),
    RUNS,
  );
});

test("decoder: reads every PUBLISH that mqtt-packet generates [oracle]", () => {
  const properties = fc.record(
    {
      payloadFormatIndicator: fc.boolean(),
      messageExpiryInterval: uint32,
      topicAlias: fc.integer({ min: 1, max: 10 }),
      responseTopic: topic,
      correlationData: payload,
      contentType: text,
    },
    { requiredKeys: [] },
  );
  const fields = fc.record({
    version: level,
    topic,
    payload,
    qos: fc.constantFrom<0 | 1 | 2>(0, 1, 2),
    retain: fc.boolean(),
    dup: fc.boolean(),
    messageId: packetId,
    properties,
  });
  fc.assert(
    fc.property(fields, ({ version, ...given }) => {
      const dup = given.dup && given.qos > 0;
      const view = accepted({ cmd: "publish", ...given, dup }, version, version);
      const found = textDecoder.decode(part(view, view.topicOffset, view.topicLength));
      assert.equal(found, given.topic);
      assert.deepEqual(
        Buffer.from(part(view, view.payloadOffset, view.payloadLength)),
        given.payload,
      );
      assert.deepEqual([view.qos, view.retain, view.dup], [given.qos, given.retain, dup]);
      assert.equal(view.packetId, given.qos > 0 ? given.messageId : 0);
      const wanted = version === 5 ? given.properties : {};
      assert.equal(view.topicAlias, wanted.topicAlias ?? 0);
      assert.equal(view.messageExpirySeconds, wanted.messageExpiryInterval ?? -1);
      assert.equal(view.payloadFormat, wanted.payloadFormatIndicator === true ? 1 : 0);
    }),
    RUNS,
  );
});

test("decoder: reads every SUBSCRIBE and UNSUBSCRIBE that mqtt-packet generates [oracle]", () => {
  const entry = fc.record({
    topic: filter,
    qos: fc.constantFrom<0 | 1 | 2>(0, 1, 2),
    nl: fc.boolean(),
    rap: fc.boolean(),
    rh: fc.nat(2),
  });
  const fields = fc.record({
    version: level,
    messageId: packetId,
    entries: fc.array(entry, { minLength: 1, maxLength: 6 }),
    identifier: fc.integer({ min: 1, max: 268_435_455 }),
  });
  fc.assert(
    fc.property(fields, ({ version, messageId, entries, identifier }) => {
      const subscriptions = entries.map((given) => ({
        ...given,
        nl: given.nl && !/^\$o?share\//u.test(given.topic),
      }));
      const properties = { subscriptionIdentifier: identifier };
      const subscribe: Packet = { cmd: "subscribe", messageId, subscriptions, properties };
      const found = accepted(subscribe, version, version).cold as SubscribePacket;
      assert.equal(found.packetId, messageId);
      const isV5 = version === 5;
      assert.equal(found.subscriptionIdentifier, isV5 ? identifier : 0);
      const expected = subscriptions.map(({ topic: wanted, qos, nl, rap, rh }) => ({
        filter: wanted,
        qos,
        noLocal: isV5 && nl,
        retainAsPublished: isV5 && rap,
        retainHandling: isV5 ? rh : 0,
      }));
      assert.deepEqual(found.subscriptions, expected);
      const unsubscriptions = entries.map(({ topic: wanted }) => wanted);
      const unsubscribe: Packet = { cmd: "unsubscribe", messageId, unsubscriptions };
      const view = accepted(unsubscribe, version, version);
      assert.deepEqual((view.cold as UnsubscribePacket).filters, unsubscriptions);
    }),
    RUNS,
  );
});

test("decoder: reads every acknowledgement that mqtt-packet generates [oracle]", () => {
  const commands = ["puback", "pubrec", "pubrel", "pubcomp"] as const;
  const codes = { puback: 0x97, pubrec: 0x10, pubrel: 0x92, pubcomp: 0x92 };
  const fields = fc.record({
    version: level,
    cmd: fc.constantFrom(...commands),
    messageId: packetId,
    isRefusal: fc.boolean(),
    reasonString: fc.option(text, { nil: undefined }),
  });
  fc.assert(
    fc.property(fields, ({ version, cmd, messageId, isRefusal, reasonString }) => {
      const reasonCode = isRefusal ? codes[cmd] : 0;
      const reason = reasonString === undefined ? {} : { properties: { reasonString } };
      const view = accepted({ cmd, messageId, reasonCode, ...reason }, version, version);
      assert.equal(view.type, 4 + commands.indexOf(cmd));
      assert.equal(view.packetId, messageId);
      assert.equal(view.reasonCode, version === 5 ? reasonCode : 0);
    }),
    RUNS,
  );
});
