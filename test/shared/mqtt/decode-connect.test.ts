/** CONNECT: every field of the packet object, per protocol version. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ConnectPacket } from "../../../src/shared/mqtt/packet-view.ts";
import { decode } from "../../helpers/decoding.ts";
import { bytes, type ConnectFields, concat, connect, property } from "../../helpers/packets.ts";

function connectPacket(fields: ConnectFields): ConnectPacket {
  const { result, view } = decode(connect(fields), 0);
  assert.ok(result > 0, view.faultText);
  return view.cold as ConnectPacket;
}

test("CONNECT decoder: MQTT 5 without properties has the specified defaults [MQTT5 §3.1.2.11]", () => {
  assert.deepEqual(connectPacket({ clientId: "me", cleanStart: false, keepAlive: 65_535 }), {
    protocolVersion: 5,
    clientId: "me",
    cleanStart: false,
    keepAliveSeconds: 65_535,
    username: null,
    password: null,
    will: null,
    sessionExpirySeconds: 0,
    receiveMaximum: 65_535,
    maximumPacketSize: 0,
    topicAliasMaximum: 0,
    requestResponseInformation: false,
    requestProblemInformation: true,
    userProperties: [],
    authenticationMethod: null,
    authenticationData: null,
  } satisfies ConnectPacket);
});

test("CONNECT decoder: every property of MQTT 5, user properties in order and with repetition", () => {
  const packet = connectPacket({
    properties: [
      property.user("b", "1"),
      property.sessionExpiry(0xffff_ffff),
      property.receiveMaximum(1),
      property.user("a", "2"),
      property.maximumPacketSize(0xffff_ffff),
      property.topicAliasMaximum(65_535),
      property.requestResponseInformation(1),
      property.requestProblemInformation(0),
      property.authMethod("SCRAM"),
      property.authData(bytes(0, 255)),
      property.user("b", "3"),
    ],
  });
  assert.equal(packet.sessionExpirySeconds, 0xffff_ffff);
  assert.equal(packet.receiveMaximum, 1);
  assert.equal(packet.maximumPacketSize, 0xffff_ffff);
  assert.equal(packet.topicAliasMaximum, 65_535);
  assert.equal(packet.requestResponseInformation, true);
  assert.equal(packet.requestProblemInformation, false);
  assert.equal(packet.authenticationMethod, "SCRAM");
  assert.deepEqual(packet.authenticationData, bytes(0, 255));
  assert.deepEqual(packet.userProperties, [
    { name: "b", value: "1" },
    { name: "a", value: "2" },
    { name: "b", value: "3" },
  ]);
});

test("CONNECT decoder: client identifier, user name and password in MQTT 3.1 and 3.1.1", () => {
  for (const level of [3, 4] as const) {
    const packet = connectPacket({ level, clientId: "é", username: "ü", password: bytes(1, 0) });
    assert.equal(packet.protocolVersion, level);
    assert.equal(packet.clientId, "é");
    assert.equal(packet.username, "ü");
    assert.deepEqual(packet.password, bytes(1, 0));
  }
});

test("CONNECT decoder: MQTT 3.1 takes client identifiers above its 23 bytes", () => {
  assert.equal(connectPacket({ level: 3, clientId: "x".repeat(200) }).clientId.length, 200);
});

test("CONNECT decoder: an empty client identifier is the session's question, not malformed", () => {
  const packet = connectPacket({ level: 4, clientId: "", cleanStart: false });
  assert.equal(packet.clientId, "");
  assert.equal(packet.cleanStart, false);
});

test("CONNECT decoder: in MQTT 3.1 a promised user name and password may be missing [MQTT 3.1 §3.1]", () => {
  const packet = connectPacket({ level: 3, flags: 0xc2 });
  assert.equal(packet.username, null);
  assert.equal(packet.password, null);
});

test("CONNECT decoder: empty user name and password are values, not absence", () => {
  const packet = connectPacket({ username: "", password: "" });
  assert.equal(packet.username, "");
  assert.deepEqual(packet.password, bytes());
});

test("CONNECT decoder: a will, its properties forwarded in order without delay and expiry [MQTT-3.1.3-10]", () => {
  const forwarded = [
    property.user("z", "1"),
    property.payloadFormat(1),
    property.contentType("c"),
    property.user("a", "2"),
    property.responseTopic("r"),
    property.correlationData("d"),
  ];
  const [first = bytes(), ...rest] = forwarded;
  const list = [first, property.willDelay(5), property.messageExpiry(6), ...rest];
  const will = { topic: "w/t", payload: bytes(9, 8), qos: 2, retain: true, properties: list };
  assert.deepEqual(connectPacket({ will }).will, {
    topic: "w/t",
    payload: bytes(9, 8),
    qos: 2,
    retain: true,
    delaySeconds: 5,
    messageExpirySeconds: 6,
    forwardProperties: concat(...forwarded),
    payloadFormat: 1,
  });
});

test("CONNECT decoder: a will of MQTT 3.1.1 has no properties and never expires", () => {
  assert.deepEqual(connectPacket({ level: 4, will: { topic: "w", qos: 1 } }).will, {
    topic: "w",
    payload: bytes(),
    qos: 1,
    retain: false,
    delaySeconds: 0,
    messageExpirySeconds: -1,
    forwardProperties: bytes(),
    payloadFormat: 0,
  });
});

test("CONNECT decoder: password and will are copies that outlive the packet", () => {
  const content = connect({
    username: "u",
    password: "secret",
    will: { topic: "w", payload: "p" },
  });
  const { view } = decode(content, 0);
  const packet = view.cold as ConnectPacket;
  view.bytes.fill(0);
  assert.equal(new TextDecoder().decode(packet.password ?? bytes()), "secret");
  assert.deepEqual(packet.will?.payload, bytes(0x70));
});

test("CONNECT decoder: more user properties than anybody needs are refused, not made into objects", () => {
  const list = (count: number) => Array.from({ length: count }, () => property.user("", ""));
  assert.ok(decode(connect({ properties: list(1000) }), 0).result > 0);
  assert.equal(decode(connect({ properties: list(1001) }), 0).result, -0x97);
});
