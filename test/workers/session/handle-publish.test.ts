/**
 * PUBLISH from clients: acknowledgements and their order, QoS 2 without doubles, receive maximum,
 * aliases, refusals.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Counter } from "../../../src/shared/metrics/counter-table.ts";
import { AuthAction, type Verdict } from "../../../src/workers/auth/auth-provider.ts";
import * as packets from "../../helpers/packets.ts";
import type { FakeClient } from "./fake-client.ts";
import { openProvider, SessionWorld } from "./session-world.ts";

const KEPT = [packets.property.sessionExpiry(3600)];

/** "puback 7 0x0", in order of arrival. */
function acks(client: FakeClient): string[] {
  return client.take().map((packet) => {
    const id = "packetId" in packet ? ` ${packet.packetId}` : "";
    const code = "reasonCode" in packet ? ` 0x${packet.reasonCode.toString(16)}` : "";
    return `${packet.type}${id}${code}`;
  });
}

test("PUBLISH: acknowledgements leave in the order of the publishes, though inboxes answer in another [MQTT-4.6.0-2]", async () => {
  const world = new SessionWorld({ workers: 2 });
  const stored = await world.connect({ clientId: "stored", properties: KEPT });
  await stored.subscribe("slow", 1);
  await stored.lose();
  const client = await world.connect();
  client.publish({ topic: "slow", qos: 1, packetId: 1 });
  client.publish({ topic: "nobody", qos: 1, packetId: 2 });
  client.publish({ topic: "nobody", qos: 2, packetId: 3 });
  client.publish({ topic: "nobody", qos: 0 });
  for (const worker of world.workers) worker.endCycle();
  assert.deepEqual(acks(client), [], "the first one waits for the inbox");
  await world.settle();
  assert.deepEqual(acks(client), ["puback 1 0x0", "puback 2 0x10", "pubrec 3 0x10"]);
});

test("PUBLISH: a refusal keeps its place among acknowledgements [MQTT-4.6.0-3]", async () => {
  const provider = openProvider({
    authorize: (_identity, action, topic) =>
      action === AuthAction.PUBLISH && topic === "secret" ? "deny" : "allow",
  });
  const world = new SessionWorld({ provider });
  const stored = await world.connect({ clientId: "stored", properties: KEPT });
  await stored.subscribe("slow", 1);
  await stored.lose();
  const client = await world.connect();
  client.publish({ topic: "slow", qos: 2, packetId: 1 });
  client.publish({ topic: "secret", qos: 2, packetId: 2 });
  client.publish({ topic: "secret", qos: 1, packetId: 3 });
  client.publish({
    topic: "a",
    qos: 1,
    packetId: 4,
    payload: Uint8Array.of(0xc0),
    properties: [packets.property.payloadFormat(1)],
  });
  await world.settle();
  assert.deepEqual(acks(client), [
    "pubrec 1 0x0",
    "pubrec 2 0x87",
    "puback 3 0x87",
    "puback 4 0x99",
  ]);
});

test("PUBLISH QoS 2: delivered once, PUBREC repeated until PUBREL [MQTT-4.3.3-10]", async () => {
  const world = new SessionWorld();
  const subscriber = await world.connect({ clientId: "subscriber" });
  await subscriber.subscribe("a", 2);
  const client = await world.connect();
  client.publish({ topic: "a", qos: 2, packetId: 5, payload: "once" });
  client.publish({ topic: "a", qos: 2, packetId: 5, payload: "once", dup: true });
  await world.settle();
  assert.deepEqual(acks(client), ["pubrec 5 0x0", "pubrec 5 0x0"]);
  client.send(packets.pubrel({ packetId: 5 }), packets.pubrel({ packetId: 5 }));
  await world.settle();
  assert.deepEqual(acks(client), ["pubcomp 5 0x0", "pubcomp 5 0x92"]);
  client.publish({ topic: "a", qos: 2, packetId: 5, payload: "twice" });
  assert.deepEqual(await subscriber.acknowledgeAll(), ["once", "twice"]);
});

test("PUBLISH QoS 2: a repeat that overtakes the inboxes is answered once, in its order", async () => {
  const world = new SessionWorld({ workers: 2 });
  const stored = await world.connect({ clientId: "stored", properties: KEPT });
  await stored.subscribe("slow", 2);
  await stored.lose();
  const client = await world.connect();
  client.publish({ topic: "slow", qos: 1, packetId: 1 });
  client.publish({ topic: "slow", qos: 2, packetId: 2 });
  client.publish({ topic: "slow", qos: 2, packetId: 2, dup: true });
  for (const worker of world.workers) worker.endCycle();
  assert.deepEqual(acks(client), [], "PUBREC promises what is not true yet");
  await world.settle();
  assert.deepEqual(acks(client), ["puback 1 0x0", "pubrec 2 0x0"]);
});

test("PUBLISH QoS 2: a stored session whose connection dies at any moment publishes once [MQTT-4.3.3-10]", async () => {
  for (let records = 0; records < 12; records++) {
    const world = new SessionWorld({ workers: 2 });
    const subscriber = await world.connect({ clientId: "subscriber" }, 2);
    await subscriber.subscribe("a", 2);
    const stored = await world.connect({ clientId: "stored", properties: KEPT });
    await stored.subscribe("a", 2);
    await stored.lose();
    const fields = { clientId: "publisher", cleanStart: false, properties: KEPT };
    const first = await world.connect(fields);
    first.publish({ topic: "a", qos: 2, packetId: 9, payload: "once" });
    for (let step = 0; step < records; step++) world.step();
    await first.lose();
    const second = await world.connect(fields);
    second.publish({ topic: "a", qos: 2, packetId: 9, payload: "once", dup: true });
    await world.settle();
    assert.deepEqual(acks(second), ["pubrec 9 0x0"], `after ${records} records`);
    second.send(packets.pubrel({ packetId: 9 }));
    await world.settle();
    assert.deepEqual(acks(second), ["pubcomp 9 0x0"]);
    assert.deepEqual(await subscriber.acknowledgeAll(), ["once"], `after ${records} records`);
    const resumed = await world.connect({ clientId: "stored", cleanStart: false });
    assert.deepEqual(await resumed.acknowledgeAll(), ["once"], `stored, after ${records} records`);
  }
});

test("PUBLISH QoS 2: a repeat on the next connection replaces no retained message that has come since [MQTT-4.3.3-10]", async () => {
  for (const later of ["later", ""]) {
    for (let records = 0; records < 12; records += 3) {
      const world = new SessionWorld({ workers: 2 });
      const fields = { clientId: "publisher", cleanStart: false, properties: KEPT };
      const publish = { topic: "a", qos: 2, packetId: 9, payload: "first", retain: true };
      const first = await world.connect(fields);
      first.publish(publish);
      for (let step = 0; step < records; step++) world.step();
      await first.lose();
      const other = await world.connect({ clientId: "other" });
      other.publish({ topic: "a", qos: 1, packetId: 1, payload: later, retain: true });
      await world.settle();
      const second = await world.connect(fields);
      second.publish({ ...publish, dup: true });
      await world.settle();
      assert.deepEqual(acks(second), ["pubrec 9 0x10"], `after ${records} records`);
      const reader = await world.connect({ clientId: "reader" });
      await reader.subscribe("a", 1);
      const retained = await reader.acknowledgeAll();
      assert.deepEqual(retained, later === "" ? [] : [later], `after ${records} records`);
    }
  }
});

test("PUBLISH QoS 2: of a group with stored members and others one gets it, whenever the connection dies [MQTT-4.3.3-10]", async () => {
  for (let records = 0; records < 12; records++) {
    const world = new SessionWorld({ workers: 2 });
    const transient = await world.connect({ clientId: "transient" }, 2);
    await transient.subscribe("$share/g/a", 2);
    const fields = { clientId: "publisher", cleanStart: false, properties: KEPT };
    const first = await world.connect(fields);
    first.publish({ topic: "a", qos: 2, packetId: 9, payload: "once" });
    for (let step = 0; step < records; step++) world.step();
    await first.lose();
    // The choice would fall on this one now: it has nothing to do.
    const stored = await world.connect({ clientId: "stored", properties: KEPT });
    await stored.subscribe("$share/g/a", 2);
    const second = await world.connect(fields);
    second.publish({ topic: "a", qos: 2, packetId: 9, payload: "once", dup: true });
    await world.settle();
    assert.deepEqual(acks(second), ["pubrec 9 0x0"]);
    const got = [...(await transient.acknowledgeAll()), ...(await stored.acknowledgeAll())];
    assert.deepEqual(got, ["once"], `after ${records} records`);
  }
});

test("PUBLISH QoS 2: refused to a stored MQTT 5 session, its identifier is free again [MQTT-4.3.3-9]", async () => {
  const world = new SessionWorld({ settings: { RetainMaxTopics: 1 } });
  const client = await world.connect({ properties: KEPT });
  const publish = (topic: string) =>
    client.publish({ topic, qos: 2, packetId: 1, retain: true, payload: "p" });
  publish("first");
  await world.settle();
  client.send(packets.pubrel({ packetId: 1 }));
  await world.settle();
  client.take();
  publish("second");
  await world.settle();
  assert.deepEqual(acks(client), ["pubrec 1 0x97"]);
  await client.lose();
  const again = await world.connect({ cleanStart: false, properties: KEPT });
  again.send(packets.pubrel({ packetId: 1 }));
  await world.settle();
  assert.deepEqual(acks(again), ["pubcomp 1 0x92"], "nothing of it was kept");
});

test("PUBLISH: a refused store is told by code when nobody else has the message, else in words [MQTT-3.1.2-29]", async () => {
  const world = new SessionWorld({ settings: { SessionInboxSize: 1 } });
  const stored = await world.connect({ clientId: "stored", properties: KEPT });
  await stored.subscribe("full", 1);
  await stored.lose();
  const publisher = await world.connect();
  const silent = await world.connect({
    clientId: "silent",
    properties: [packets.property.requestProblemInformation(0)],
  });
  const old = await world.connect({ clientId: "old", level: 4 });
  const answers = async (client: FakeClient) => {
    for (const qos of [1, 2]) client.publish({ topic: "full", qos, packetId: qos });
    await world.settle();
    return client.take().map((packet) => {
      assert.ok(packet.type === "puback" || packet.type === "pubrec");
      return [packet.reasonCode, packet.properties.reasonString?.startsWith("not stored") ?? false];
    });
  };
  publisher.publish({ topic: "full", qos: 1, packetId: 9 });
  await world.settle();
  assert.deepEqual(acks(publisher), ["puback 9 0x0"]);
  const isRefused = [0x97, false];
  assert.deepEqual(await answers(publisher), [isRefused, isRefused]);
  const listener = await world.connect({ clientId: "listener" });
  await listener.subscribe("#", 0);
  const isToldInWords = [0, true];
  assert.deepEqual(await answers(publisher), [isToldInWords, isToldInWords]);
  assert.deepEqual(await answers(silent), [
    [0, false],
    [0, false],
  ]);
  assert.deepEqual(await answers(old), [
    [0, false],
    [0, false],
  ]);
  assert.equal(world.count(Counter.DROPPED_QUEUE_FULL), 8, "each is counted");
});

test("PUBLISH QoS 2, MQTT 3.1.1: what cannot be refused is not delivered twice either", async () => {
  const world = new SessionWorld({ settings: { RetainMaxTopics: 1 } });
  const subscriber = await world.connect({ clientId: "subscriber" });
  await subscriber.subscribe("#", 2);
  for (const cleanStart of [true, false]) {
    const client = await world.connect({ level: 4, clientId: `three-${cleanStart}`, cleanStart });
    for (const [index, dup] of [false, false, true].entries()) {
      const packetId = Math.min(2, index + 1);
      client.publish({ topic: `a${packetId}`, qos: 2, packetId, retain: true, payload: "p", dup });
      await world.settle();
    }
    assert.deepEqual(acks(client), ["pubrec 1 0x0", "pubrec 2 0x0", "pubrec 2 0x0"]);
    assert.equal((await subscriber.acknowledgeAll()).length, 2, `clean ${cleanStart}`);
  }
});

test("PUBLISH: with the disk full nothing that has to be stored is acknowledged, and later all of it [MQTT-4.5.0-1]", async () => {
  const world = new SessionWorld();
  const stored = await world.connect({ clientId: "stored", properties: KEPT });
  await stored.subscribe("t/#", 2);
  await stored.subscribe("$share/g/s", 2);
  await stored.lose();
  const cases: readonly packets.PublishFields[] = [1, 2].flatMap((qos) => [
    { topic: "t/a", qos, packetId: qos },
    { topic: "s", qos, packetId: qos },
    { topic: "r", qos, packetId: qos, retain: true, payload: "p" },
  ]);
  const three = (index: number) =>
    world.connect({ level: 4, clientId: `three-${index}`, cleanStart: index % 2 === 0 });
  // New sessions are not stored with the disk full.
  for (const index of cases.keys()) await (await three(index)).lose();
  world.ranges.groups.setDiskFull(true);
  await world.settle();
  for (const [index, fields] of cases.entries()) {
    const ack = fields.qos === 1 ? "puback" : "pubrec";
    const five = await world.connect({ clientId: "five" });
    five.publish(fields);
    await world.settle();
    assert.deepEqual(acks(five), [`${ack} ${fields.packetId} 0x97`], `${fields.topic}`);
    const old = await three(index);
    old.publish(fields);
    await world.settle();
    assert.deepEqual([acks(old), old.isClosed], [[], true], `MQTT 3.1.1 ${fields.topic}`);
  }
  assert.equal(world.count(Counter.DROPPED_DISK_FULL), 2 * cases.length);
  world.ranges.groups.setDiskFull(false);
  await world.settle();
  for (const [index, fields] of cases.entries()) {
    const ack = fields.qos === 1 ? "puback" : "pubrec";
    const code = fields.topic === "r" ? "0x10" : "0x0";
    const five = await world.connect({ clientId: "five" });
    five.publish(fields);
    const old = await three(index);
    old.publish({ ...fields, dup: true });
    await world.settle();
    assert.deepEqual(acks(five), [`${ack} ${fields.packetId} ${code}`]);
    assert.deepEqual(acks(old), [`${ack} ${fields.packetId} 0x0`]);
  }
  const again = await world.connect({ clientId: "stored", cleanStart: false, properties: KEPT });
  assert.equal((await again.acknowledgeAll()).length, 8, "four topics, of two publishers each");
});

test("PUBLISH: exactly Receive Maximum may be in flight, QoS 1 and 2 together [MQTT-3.3.4-7]", async () => {
  const world = new SessionWorld({ workers: 2, settings: { ReceivingMaximum: 4 } });
  const stored = await world.connect({ clientId: "stored", properties: KEPT });
  await stored.subscribe("slow", 2);
  await stored.lose();
  for (const properties of [[], KEPT]) {
    const client = await world.connect({ clientId: "publisher", properties });
    assert.equal(client.connack.properties.receiveMaximum, 4);
    for (const packetId of [1, 2, 3]) client.publish({ topic: "slow", qos: 2, packetId });
    client.publish({ topic: "slow", qos: 1, packetId: 4 });
    assert.equal(client.isClosed, false, "four are allowed");
    await world.settle();
    assert.equal(acks(client).length, 4);
    client.publish({ topic: "slow", qos: 1, packetId: 5 });
    client.publish({ topic: "slow", qos: 2, packetId: 6 });
    await world.settle();
    assert.deepEqual(acks(client).at(-1), "disconnect 0x93", "three wait for PUBREL, and two more");
    assert.equal(client.isClosed, true);
  }
});

test("PUBLISH, MQTT 3.1.1: knows no Receive Maximum", async () => {
  const world = new SessionWorld({ settings: { ReceivingMaximum: 1 } });
  const client = await world.connect({ level: 4 });
  for (let packetId = 1; packetId <= 50; packetId++) {
    client.publish({ topic: "a", qos: 2, packetId });
  }
  await world.settle();
  assert.equal(acks(client).length, 50);
});

test("PUBLISH: topic aliases of the client, replaced, unknown, too high [MQTT-3.3.2-12]", async () => {
  const world = new SessionWorld({ settings: { MaxTopicAlias: 2 } });
  const subscriber = await world.connect({ clientId: "subscriber" });
  await subscriber.subscribe("#");
  const client = await world.connect();
  assert.equal(client.connack.properties.topicAliasMaximum, 2);
  const alias = (topic: string, number: number, payload: string) =>
    client.publish({ topic, payload, properties: [packets.property.topicAlias(number)] });
  alias("one", 1, "1");
  alias("two", 2, "2");
  alias("", 1, "3");
  alias("three", 1, "4");
  alias("", 1, "5");
  await world.settle();
  const topics = subscriber.takePublishes().map((packet) => packet.topic);
  assert.deepEqual(topics, ["one", "two", "one", "three", "three"]);
  alias("four", 3, "6");
  await world.settle();
  assert.deepEqual(acks(client), ["disconnect 0x94"]);
  const fresh = await world.connect();
  fresh.publish({ topic: "", payload: "7", properties: [packets.property.topicAlias(1)] });
  await world.settle();
  assert.deepEqual(acks(fresh), ["disconnect 0x82"], "aliases end with their connection");
  assert.deepEqual(subscriber.takePublishes(), []);
});

test("PUBLISH: beyond what the tenant allows, the connection ends with the code that says so", async () => {
  const table: readonly [object, packets.PublishFields, number][] = [
    [{ MaximumQoS: 1 }, { topic: "a", qos: 2 }, 0x9b],
    [{ RetainEnabled: false }, { topic: "a", retain: true }, 0x9a],
    [{ MaxUserPayloadBytes: 3 }, { topic: "a", payload: "four" }, 0x95],
    [{ MaxTopicLevels: 2 }, { topic: "a/b/c" }, 0x90],
    [{ MaxTopicLevelLength: 2 }, { topic: "abc" }, 0x90],
    [{ MaxTopicLength: 4 }, { topic: "a/b/c" }, 0x90],
    [
      {},
      {
        topic: "a",
        payload: Uint8Array.of(0xff),
        properties: [packets.property.payloadFormat(1)],
      },
      0x99,
    ],
  ];
  for (const [settings, fields, code] of table) {
    const world = new SessionWorld({ settings });
    const client = await world.connect();
    client.publish(fields);
    await world.settle();
    assert.deepEqual(acks(client), [`disconnect 0x${code.toString(16)}`]);
    assert.equal(client.isClosed, true);
  }
});

test("PUBLISH: not allowed, it is dropped, counted, and refused where the version can say so", async () => {
  for (const isLater of [false, true]) {
    const deny = (): Verdict | Promise<Verdict> => (isLater ? Promise.resolve("deny") : "deny");
    const provider = openProvider({
      authorize: (_identity, action) => (action === AuthAction.PUBLISH ? deny() : "allow"),
    });
    const world = new SessionWorld({ provider });
    const subscriber = await world.connect({ clientId: "subscriber" });
    await subscriber.subscribe("#", 2);
    for (const level of [3, 4, 5] as const) {
      const client = await world.connect({ level });
      for (const qos of [0, 1, 2]) client.publish({ topic: "a", qos, packetId: qos + 1 });
      await world.settle();
      const code = level === 5 ? "0x87" : "0x0";
      assert.deepEqual(acks(client), [`puback 2 ${code}`, `pubrec 3 ${code}`]);
      assert.equal(client.isClosed, false);
    }
    assert.deepEqual(subscriber.takePublishes(), []);
    assert.equal(world.count(Counter.DROPPED_NOT_AUTHORIZED), 9);
  }
});

test("PUBLISH: later packets wait for a slow permission, and order is kept", async () => {
  const waiting: ((verdict: Verdict) => void)[] = [];
  const provider = openProvider({
    authorize: (_identity, action, topic) => {
      if (action !== AuthAction.PUBLISH || topic !== "slow") return "allow";
      return new Promise((resolve) => waiting.push(resolve));
    },
  });
  const world = new SessionWorld({ provider });
  const subscriber = await world.connect({ clientId: "subscriber" });
  await subscriber.subscribe("#");
  const client = await world.connect();
  client.publish({ topic: "slow", payload: "1" });
  client.publish({ topic: "fast", payload: "2" });
  client.send(packets.pingreq());
  await world.settle();
  assert.deepEqual(subscriber.takePayloads(), []);
  assert.deepEqual(client.take(), []);
  waiting[0]?.("allow");
  await world.settle();
  assert.deepEqual(subscriber.takePayloads(), ["1", "2"]);
  client.takeOne("pingresp");
});

test("PUBLISH: to $SYS is refused, whatever the rules say", async () => {
  const world = new SessionWorld();
  const subscriber = await world.connect({ clientId: "subscriber" });
  await subscriber.subscribe("$SYS/#");
  const client = await world.connect();
  client.publish({ topic: "$SYS", qos: 1, packetId: 1 });
  client.publish({ topic: "$SYS/broker/version", qos: 1, packetId: 2, retain: true });
  client.publish({ topic: "$SYSTEM", qos: 1, packetId: 3 });
  await world.settle();
  assert.deepEqual(acks(client), ["puback 1 0x87", "puback 2 0x87", "puback 3 0x10"]);
  assert.deepEqual(subscriber.takePublishes(), []);
});
