/** SUBSCRIBE, UNSUBSCRIBE, DISCONNECT and AUTH: the packet objects. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { decode } from "../../helpers/decoding.ts";
import {
  auth,
  bytes,
  disconnect,
  type Level,
  property,
  subscribe,
  unsubscribe,
} from "../../helpers/packets.ts";

function cold(content: Uint8Array, level: Level): unknown {
  const { result, view } = decode(content, level);
  assert.ok(result > 0, view.faultText);
  return view.cold;
}

test("SUBSCRIBE decoder: filters in order with all their options", () => {
  const content = subscribe({
    packetId: 77,
    properties: [property.subscriptionIdentifier(268_435_455), property.user("k", "v")],
    filters: [
      { filter: "a/#", qos: 2, noLocal: true, retainAsPublished: true, retainHandling: 2 },
      { filter: "$share/g/b", qos: 1, retainHandling: 1 },
    ],
  });
  const requests = [
    { filter: "a/#", qos: 2, noLocal: true, retainAsPublished: true, retainHandling: 2 },
    { filter: "$share/g/b", qos: 1, noLocal: false, retainAsPublished: false, retainHandling: 1 },
  ];
  assert.deepEqual(cold(content, 5), {
    packetId: 77,
    subscriptions: requests,
    subscriptionIdentifier: 268_435_455,
    userProperties: [{ name: "k", value: "v" }],
  });
});

test("SUBSCRIBE decoder: MQTT 3.1.1 has QoS alone, and the identifier of an earlier packet is forgotten", () => {
  const before = subscribe({
    filters: [{ filter: "a" }],
    properties: [property.subscriptionIdentifier(5), property.user("k", "v")],
  });
  assert.ok(decode(before, 5).result > 0);
  const filters = [{ filter: "é/+", qos: 1 }];
  const request = { filter: "é/+", qos: 1, noLocal: false, retainAsPublished: false };
  assert.deepEqual(cold(subscribe({ level: 4, filters }), 4), {
    packetId: 1,
    subscriptions: [{ ...request, retainHandling: 0 }],
    subscriptionIdentifier: 0,
    userProperties: [],
  });
});

test("UNSUBSCRIBE decoder: filters in order", () => {
  const content = unsubscribe({ packetId: 3, filters: ["b", "a", "$share/g/#"] });
  assert.deepEqual(cold(content, 5), {
    packetId: 3,
    filters: ["b", "a", "$share/g/#"],
    userProperties: [],
  });
});

test("SUBSCRIBE decoder: 65,535 filters are taken, one more is refused", () => {
  const filters = (count: number) => Array.from({ length: count }, () => ({ filter: "a" }));
  assert.ok(decode(subscribe({ filters: filters(65_535) }), 5).result > 0);
  assert.equal(decode(subscribe({ filters: filters(65_536) }), 5).result, -0x97);
});

test("DISCONNECT decoder: all forms", () => {
  const plain = {
    reasonCode: 0,
    sessionExpirySeconds: -1,
    reasonString: null,
    userProperties: [],
  };
  assert.deepEqual(cold(disconnect(), 4), plain);
  assert.deepEqual(cold(disconnect(), 5), plain);
  assert.deepEqual(cold(disconnect(0x04), 5), { ...plain, reasonCode: 4 });
  const list = [property.sessionExpiry(0), property.reasonString("r"), property.user("k", "v")];
  assert.deepEqual(cold(disconnect(0x80, list), 5), {
    reasonCode: 0x80,
    sessionExpirySeconds: 0,
    reasonString: "r",
    userProperties: [{ name: "k", value: "v" }],
  });
});

test("AUTH decoder: method, data, reason [MQTT-4.12.0-3]", () => {
  const list = [property.authMethod("m"), property.authData(bytes(0)), property.reasonString("r")];
  assert.deepEqual(cold(auth(0x19, list), 5), {
    reasonCode: 0x19,
    authenticationMethod: "m",
    authenticationData: bytes(0),
    reasonString: "r",
    userProperties: [],
  });
});
