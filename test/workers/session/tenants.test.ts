/** Two tenants that use the same names for everything: nothing of one reaches the other. */

import assert from "node:assert/strict";
import { test } from "node:test";
import * as packets from "../../helpers/packets.ts";
import type { FakeClient } from "./fake-client.ts";
import { SessionWorld } from "./session-world.ts";

const { property } = packets;
const KEPT = [property.sessionExpiry(3600)];

/** The same client identifier in tenant "a" and in tenant "b". */
async function twins(
  world: SessionWorld,
  fields: packets.ConnectFields = {},
  threads: readonly [number, number] = [1, 1],
): Promise<[FakeClient, FakeClient]> {
  const ofA = await world.connect({ username: "user@a", ...fields }, threads[0]);
  const ofB = await world.connect({ username: "user@b", ...fields }, threads[1]);
  return [ofA, ofB];
}

for (const threads of [
  [1, 1],
  [1, 2],
] as const) {
  const where = threads[0] === threads[1] ? "one worker" : "two workers";

  test(`tenants, ${where}: the same client identifier is two sessions`, async () => {
    const world = new SessionWorld({ workers: 2 });
    const [ofA, ofB] = await twins(world, { cleanStart: false, properties: KEPT }, threads);
    assert.deepEqual([ofA.isClosed, ofB.isClosed], [false, false], "nobody is taken over");
    await ofA.subscribe("only/a", 1);
    await ofA.lose();
    await ofB.lose();
    const [backA, backB] = await twins(world, { cleanStart: false, properties: KEPT }, threads);
    assert.deepEqual([...(backA.session.subscriptions?.values() ?? [])].length, 1);
    assert.deepEqual([...(backB.session.subscriptions?.values() ?? [])].length, 0);
  });

  test(`tenants, ${where}: messages stay with theirs, at every QoS, in queues, and to shared groups`, async () => {
    const world = new SessionWorld({ workers: 2 });
    const [subA, subB] = await twins(world, { clientId: "sub" }, threads);
    const [keptA, keptB] = await twins(world, { clientId: "kept", properties: KEPT }, threads);
    for (const client of [subA, subB, keptA, keptB]) await client.subscribe("#", 2);
    const [groupA, groupB] = await twins(world, { clientId: "group" }, threads);
    for (const client of [groupA, groupB]) await client.subscribe("$share/g/x", 2);
    await keptB.lose();
    const [pubA] = await twins(world, { clientId: "pub" }, threads);
    for (const qos of [0, 1, 2]) {
      pubA.publish({ topic: "x", payload: `${qos}`, qos, packetId: qos + 1 });
      await world.settle();
    }
    const all = ["0", "1", "2"];
    assert.deepEqual(await subA.acknowledgeAll(), all);
    assert.deepEqual(await keptA.acknowledgeAll(), all);
    assert.deepEqual(await groupA.acknowledgeAll(), all);
    assert.deepEqual(await subB.acknowledgeAll(), []);
    assert.deepEqual(await groupB.acknowledgeAll(), []);
    const backB = await world.connect({
      username: "user@b",
      clientId: "kept",
      cleanStart: false,
      properties: KEPT,
    });
    assert.deepEqual(await backB.acknowledgeAll(), []);
  });

  test(`tenants, ${where}: retained messages and wills`, async () => {
    const world = new SessionWorld({ workers: 2 });
    const fields = { clientId: "one", will: { topic: "will", payload: "gone" } };
    const [oneA] = await twins(world, fields, threads);
    oneA.publish({ topic: "r", payload: "of a", retain: true });
    await world.settle();
    const [twoA, twoB] = await twins(world, { clientId: "two" }, threads);
    for (const client of [twoA, twoB]) await client.subscribe("#");
    assert.deepEqual(twoA.takePayloads(), ["of a"]);
    assert.deepEqual(twoB.takePayloads(), []);
    await oneA.lose();
    assert.deepEqual(twoA.takePayloads(), ["gone"]);
    assert.deepEqual(twoB.takePayloads(), []);
  });

  test(`tenants, ${where}: clearing a retained message clears one's own`, async () => {
    const world = new SessionWorld({ workers: 2 });
    const [ofA, ofB] = await twins(world, {}, threads);
    ofA.publish({ topic: "r", payload: "of a", retain: true });
    ofB.publish({ topic: "r", payload: "of b", retain: true });
    await world.settle();
    ofA.publish({ topic: "r", retain: true });
    await world.settle();
    await ofB.subscribe("r");
    assert.deepEqual(ofB.takePayloads(), ["of b"]);
  });
}

test("tenants: settings of one are not those of the other", async () => {
  const world = new SessionWorld({ tenants: { a: { MaximumQoS: 0 }, b: {} } });
  const [ofA, ofB] = await twins(world);
  assert.equal(ofA.connack.properties.maximumQos, 0);
  assert.equal(ofB.connack.properties.maximumQos, undefined);
  for (const client of [ofA, ofB]) client.publish({ topic: "x", qos: 1, packetId: 1 });
  await world.settle();
  assert.equal(ofA.takeOne("disconnect").reasonCode, 0x9b);
  assert.equal(ofB.takeOne("puback").reasonCode, 0x10);
});

test("tenants: one that fills its output budget does not touch the other", async () => {
  const world = new SessionWorld({ limits: { tenantOutputBytes: 4096 } });
  const [slowA, slowB] = await twins(world, { clientId: "slow", keepAlive: 0 });
  const [pubA, pubB] = await twins(world, { clientId: "pub", keepAlive: 0 });
  for (const client of [slowA, slowB]) {
    await client.subscribe("x");
    client.transport.isBlocked = true;
  }
  const payload = "x".repeat(1000);
  for (let index = 0; index < 20; index++) {
    pubA.publish({ topic: "x", payload });
    await world.settle();
  }
  for (let index = 0; index < 3; index++) {
    pubB.publish({ topic: "x", payload });
    await world.settle();
  }
  slowB.transport.drain();
  assert.equal(slowB.takePublishes().length, 3);
  slowA.transport.drain();
  assert.ok(slowA.takePublishes().length < 10);
});
