/**
 * CONNACK, SUBACK, UNSUBACK, DISCONNECT, AUTH: what a client reads, per version and Maximum Packet
 * Size.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { UserProperty } from "../../../src/shared/mqtt/packet-view.ts";
import {
  type ColdServerPacket,
  type ConnackFields,
  encodeColdPacket,
} from "../../../src/workers/mqtt/cold-packets.ts";
import { bytes } from "../../helpers/packets.ts";
import { decodeServerPackets, type ServerPacket } from "../../helpers/server-packets.ts";

const USERS: readonly UserProperty[] = [
  { name: "b", value: "1" },
  { name: "a", value: "2" },
  { name: "b", value: "3" },
  { name: "__proto__", value: "4" },
  { name: "1", value: "5" },
  { name: "", value: "" },
];

function encode(packet: ColdServerPacket, level: 3 | 4 | 5, limit = 0): Uint8Array {
  const content = encodeColdPacket(packet, level, limit);
  assert.ok(content !== null);
  return content;
}

function readBack(packet: ColdServerPacket, limit = 0): ServerPacket {
  const [found] = decodeServerPackets(encode(packet, 5, limit), 5);
  assert.ok(found !== undefined);
  return found;
}

/** The properties of what a client reads. */
function propertiesOf(packet: ColdServerPacket, limit = 0) {
  const found = readBack(packet, limit);
  assert.ok("properties" in found);
  return found.properties;
}

const CONNACK: ConnackFields = { type: "connack", sessionPresent: false, reasonCode: 0 };

/** One packet of each kind that may carry a reason. */
const REASONED: readonly ColdServerPacket[] = [
  { ...CONNACK, reasonCode: 0x87 },
  { type: "suback", packetId: 1, reasonCodes: [0, 0x87] },
  { type: "unsuback", packetId: 1, reasonCodes: [0x11] },
  { type: "puback", packetId: 1, reasonCode: 0x87 },
  { type: "pubrec", packetId: 1, reasonCode: 0x97 },
  { type: "pubrel", packetId: 1, reasonCode: 0x92 },
  { type: "pubcomp", packetId: 1, reasonCode: 0x92 },
  { type: "disconnect", reasonCode: 0x8b },
  { type: "auth", reasonCode: 0x18, authenticationMethod: "m" },
];

test("CONNACK: MQTT 5 without anything is five bytes", () => {
  assert.deepEqual([...encode(CONNACK, 5)], [0x20, 3, 0, 0, 0]);
  assert.deepEqual([...encode({ ...CONNACK, sessionPresent: true }, 5)], [0x20, 3, 1, 0, 0]);
});

test("CONNACK: session present is 0 with a refusal [MQTT-3.2.2-6]", () => {
  const refused = { ...CONNACK, sessionPresent: true, reasonCode: 0x87 };
  for (const level of [3, 4, 5] as const) assert.equal(encode(refused, level)[2], 0);
});

test("CONNACK: every property arrives with its value", () => {
  const properties = propertiesOf({
    ...CONNACK,
    sessionExpirySeconds: 0xffff_ffff,
    receiveMaximum: 65_535,
    maximumQos: 0,
    retainAvailable: false,
    maximumPacketSize: 268_435_460,
    assignedClientIdentifier: "assigned \u{1f600}",
    topicAliasMaximum: 32,
    wildcardAvailable: false,
    subscriptionIdentifiersAvailable: true,
    sharedAvailable: false,
    serverKeepAlive: 65_535,
    responseInformation: "r",
    serverReference: "other:1883",
    authenticationMethod: "SCRAM-SHA-256",
    authenticationData: bytes(0, 255),
    reasonString: "why",
    userProperties: USERS,
  });
  assert.equal(properties.order.length, 16 + USERS.length);
  assert.equal(properties.sessionExpiry, 0xffff_ffff);
  assert.equal(properties.receiveMaximum, 65_535);
  assert.equal(properties.maximumQos, 0);
  assert.equal(properties.retainAvailable, 0);
  assert.equal(properties.maximumPacketSize, 268_435_460);
  assert.equal(properties.assignedClientId, "assigned \u{1f600}");
  assert.equal(properties.topicAliasMaximum, 32);
  assert.equal(properties.wildcardAvailable, 0);
  assert.equal(properties.subscriptionIdentifiersAvailable, 1);
  assert.equal(properties.sharedAvailable, 0);
  assert.equal(properties.serverKeepAlive, 65_535);
  assert.equal(properties.responseInformation, "r");
  assert.equal(properties.serverReference, "other:1883");
  assert.equal(properties.authMethod, "SCRAM-SHA-256");
  assert.deepEqual(properties.authData, bytes(0, 255));
  assert.equal(properties.reasonString, "why");
});

test("CONNACK: MQTT 3.1.1 has a return code and session present, MQTT 3.1 the return code alone", () => {
  const present = { ...CONNACK, sessionPresent: true, receiveMaximum: 5, reasonString: "x" };
  assert.deepEqual([...encode(present, 4)], [0x20, 2, 1, 0]);
  assert.deepEqual([...encode(present, 3)], [0x20, 2, 0, 0]);
  const returnCodes = [
    [0x84, 1],
    [0x85, 2],
    [0x88, 3],
    [0x97, 3],
    [0x86, 4],
    [0x87, 5],
    [0x8a, 5],
  ] as const;
  for (const [reasonCode, returnCode] of returnCodes) {
    assert.equal(encode({ ...CONNACK, reasonCode }, 4)[3], returnCode);
  }
});

test("cold packets: user properties keep order and repetition [MQTT-3.3.2-18]", () => {
  const expected = USERS.map(({ name, value }) => [name, value]);
  for (const packet of REASONED) {
    const found = propertiesOf({ ...packet, userProperties: USERS, reasonString: "r" });
    assert.deepEqual(found.userProperties, expected, packet.type);
    assert.equal(found.reasonString, "r", packet.type);
  }
});

test("cold packets: user properties go first, then the reason string, to fit [MQTT-3.2.2-19] [MQTT-3.2.2-20]", () => {
  for (const packet of REASONED) {
    const reasoned = { ...packet, reasonString: "reason" };
    const full = { ...reasoned, userProperties: USERS };
    const fullSize = encode(full, 5).length;
    const reasonedSize = encode(reasoned, 5).length;
    const bareSize = encode(packet, 5).length;
    assert.equal(encode(full, 5, fullSize).length, fullSize, packet.type);
    assert.deepEqual(encode(full, 5, fullSize - 1), encode(reasoned, 5), packet.type);
    assert.deepEqual(encode(full, 5, reasonedSize), encode(reasoned, 5), packet.type);
    assert.deepEqual(encode(full, 5, reasonedSize - 1), encode(packet, 5), packet.type);
    assert.deepEqual(encode(full, 5, bareSize), encode(packet, 5), packet.type);
    assert.equal(encodeColdPacket(full, 5, bareSize - 1), null, packet.type);
  }
});

test("cold packets: without problem information only CONNACK and DISCONNECT give reasons [MQTT-3.1.2-29]", () => {
  for (const packet of REASONED) {
    const full = { ...packet, userProperties: USERS, reasonString: "reason" };
    const isKept = packet.type === "connack" || packet.type === "disconnect";
    const expected = encode(isKept ? full : packet, 5);
    assert.deepEqual(encodeColdPacket(full, 5, 0, false), expected, packet.type);
  }
});

test("cold packets: texts that MQTT cannot carry are left out [MQTT-1.5.4-2]", () => {
  const tooLong = "x".repeat(65_536);
  const found = propertiesOf({
    ...CONNACK,
    reasonString: "nul\0",
    serverReference: tooLong,
    userProperties: [
      { name: "n\0", value: "" },
      { name: "n", value: tooLong },
      { name: "kept", value: "x".repeat(65_535) },
    ],
  });
  assert.deepEqual(found.order, [0x26]);
  assert.equal(found.userProperties[0]?.[0], "kept");
});

test("SUBACK and UNSUBACK: one code per filter in order, as each version can say it [MQTT-3.9.3-1]", () => {
  const reasonCodes = [2, 0x87, 0, 0x97, 1];
  const suback = { type: "suback", packetId: 0x1234, reasonCodes } as const;
  assert.deepEqual([...encode(suback, 5)], [0x90, 8, 0x12, 0x34, 0, 2, 0x87, 0, 0x97, 1]);
  assert.deepEqual([...encode(suback, 4)], [0x90, 7, 0x12, 0x34, 2, 0x80, 0, 0x80, 1]);
  assert.deepEqual([...encode(suback, 3)], [0x90, 7, 0x12, 0x34, 2, 0, 0, 0, 1]);
  const unsuback = { type: "unsuback", packetId: 9, reasonCodes: [0, 0x11] } as const;
  assert.deepEqual([...encode(unsuback, 5)], [0xb0, 5, 0, 9, 0, 0, 0x11]);
  assert.deepEqual([...encode(unsuback, 4)], [0xb0, 2, 0, 9]);
});

test("SUBACK: thousands of codes", () => {
  const reasonCodes = Array.from({ length: 60_000 }, (_, i) => i % 3);
  const found = readBack({ type: "suback", packetId: 1, reasonCodes });
  assert.ok(found.type === "suback");
  assert.deepEqual(found.reasonCodes, reasonCodes);
});

test("acknowledgements: the short forms without properties, two bytes in MQTT 3", () => {
  const puback = { type: "puback", packetId: 1, reasonCode: 0 } as const;
  assert.deepEqual([...encode(puback, 5)], [0x40, 2, 0, 1]);
  assert.deepEqual(
    [...encode({ ...puback, reasonCode: 0x87, reasonString: "r" }, 4)],
    [0x40, 2, 0, 1],
  );
});

test("DISCONNECT and AUTH: MQTT 3 has none from a server", () => {
  assert.equal(encodeColdPacket({ type: "disconnect", reasonCode: 0x8b }, 4, 0), null);
  const auth = { type: "auth", reasonCode: 0x18, authenticationMethod: "m" } as const;
  assert.equal(encodeColdPacket(auth, 3, 0), null);
});

test("DISCONNECT and AUTH: their own properties", () => {
  const moved = { type: "disconnect", reasonCode: 0x9d, serverReference: "there" } as const;
  assert.equal(propertiesOf(moved).serverReference, "there");
  const found = propertiesOf({
    type: "auth",
    reasonCode: 0x18,
    authenticationMethod: "m",
    authenticationData: bytes(),
  });
  assert.deepEqual([found.authMethod, found.authData], ["m", bytes()]);
});
