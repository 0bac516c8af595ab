/**
 * How sessions end: wills, what is stored and how long, shared messages handed on, and nothing left
 * behind.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Counter } from "../../../src/shared/metrics/counter-table.ts";
import { shareLoadWord } from "../../../src/shared/metrics/shared-words.ts";
import { disconnectAll } from "../../../src/workers/session/drain.ts";
import * as packets from "../../helpers/packets.ts";
import { type FakeClient, textOf } from "./fake-client.ts";
import { SessionWorld, type WorldOptions } from "./session-world.ts";

const { property } = packets;
const KEPT = [property.sessionExpiry(3600)];
const WILL = { topic: "will", payload: "gone", qos: 1 };

/** A world with somebody who hears of wills. */
async function watched(options: WorldOptions = {}): Promise<[SessionWorld, FakeClient]> {
  const world = new SessionWorld(options);
  const watcher = await world.connect({ clientId: "watcher", keepAlive: 0 });
  await watcher.subscribe("will", 2);
  return [world, watcher];
}

test("will: published when the connection breaks, is closed by the server, or falls silent [MQTT-3.1.2-8]", async () => {
  const ends: readonly [string, (client: FakeClient, world: SessionWorld) => Promise<void>][] = [
    ["broken", async (client) => await client.lose()],
    ["protocol error", async (client) => client.send(packets.connect())],
    [
      "malformed packet",
      async (client) => client.send(Uint8Array.of(0xf7, 0xff, 0xff, 0xff, 0xff)),
    ],
    ["silent", async (_client, world) => await world.advance(20_000)],
    ["DISCONNECT 0x04", async (client) => client.send(packets.disconnect(4))],
  ];
  for (const [how, end] of ends) {
    for (const properties of [[], KEPT]) {
      const [world, watcher] = await watched();
      const client = await world.connect({ keepAlive: 10, will: WILL, properties });
      await end(client, world);
      await world.settle();
      const [will] = watcher.takePublishes();
      assert.ok(will !== undefined, how);
      assert.deepEqual([textOf(will), will.qos, will.retain], ["gone", 1, false], how);
      assert.equal(world.count(Counter.WILLS_PUBLISHED), 1);
    }
  }
});

test("will: forgotten after DISCONNECT 0x00, in every version [MQTT-3.14.4-3]", async () => {
  const [world, watcher] = await watched();
  for (const level of [3, 4, 5] as const) {
    for (const cleanStart of [true, false]) {
      const properties = cleanStart ? [] : KEPT;
      const client = await world.connect({ level, cleanStart, will: WILL, properties });
      client.send(packets.disconnect());
      await world.settle();
      assert.equal(client.isClosed, true);
    }
  }
  await world.advance(4000);
  assert.deepEqual(watcher.takePublishes(), []);
});

test("will: waits for its delay or the session's end, whichever comes first, unless the client is back [MQTT-3.1.3-9]", async () => {
  const table: readonly [number, number, number][] = [
    [10, 60, 10],
    [60, 10, 10],
    [10, 0, 0],
  ];
  for (const [delay, expiry, due] of table) {
    const [world, watcher] = await watched();
    const fields = {
      cleanStart: false,
      keepAlive: 0,
      properties: [property.sessionExpiry(expiry)],
      will: { ...WILL, properties: [property.willDelay(delay)] },
    };
    const client = await world.connect(fields);
    await client.lose();
    if (due > 0) {
      await world.advance(due * 1000 - 1000);
      assert.deepEqual(watcher.takePublishes(), [], `${delay} ${expiry}`);
      await (await world.connect(fields)).lose();
      await world.advance(due * 1000 - 1000);
      assert.deepEqual(watcher.takePublishes(), [], "the client was back in time");
      await world.advance(2000);
    }
    assert.deepEqual(watcher.takePayloads(), ["gone"], `${delay} ${expiry}`);
    await world.advance(100_000);
    assert.deepEqual(watcher.takePublishes(), [], "once");
  }
});

test("will: a take-over publishes it, unless it has a delay and the session goes on", async () => {
  for (const [delay, properties, expected] of [
    [0, [], ["gone"]],
    [0, KEPT, ["gone"]],
    [30, KEPT, []],
  ] as const) {
    const [world, watcher] = await watched();
    const will = { ...WILL, properties: [property.willDelay(delay)] };
    await world.connect({ will, cleanStart: false, properties });
    await world.connect({ cleanStart: false, properties });
    assert.deepEqual(watcher.takePayloads(), expected, `delay ${delay}`);
    await world.advance(60_000);
    assert.deepEqual(watcher.takePayloads(), [], `delay ${delay}`);
  }
});

test("will: carries its properties, in order; its expiry counts from its publication [MQTT-3.1.3-10]", async () => {
  const [world, watcher] = await watched();
  const properties = [
    property.willDelay(5),
    property.messageExpiry(100),
    property.contentType("text"),
    property.user("b", "1"),
    property.user("a", "2"),
  ];
  const client = await world.connect({ will: { ...WILL, properties }, properties: KEPT });
  await client.lose();
  await world.advance(6000);
  const [will] = watcher.takePublishes();
  assert.equal(will?.properties.messageExpiry, 100);
  assert.equal(will?.properties.contentType, "text");
  assert.deepEqual(will?.properties.userProperties, [
    ["b", "1"],
    ["a", "2"],
  ]);
});

for (const suppressed of [true, false]) {
  test(`will: at shutdown, NoLWTWhenServerShuttingDown ${suppressed}`, async () => {
    for (const properties of [[], KEPT]) {
      const [world, watcher] = await watched({
        settings: { NoLWTWhenServerShuttingDown: suppressed },
      });
      const client = await world.connect({ will: WILL, properties });
      world.worker(1).context.isDraining = true;
      client.session.close(0x8b, "the server shuts down");
      await world.settle();
      assert.equal(client.takeOne("disconnect").reasonCode, 0x8b);
      assert.deepEqual(watcher.takePayloads(), suppressed ? [] : ["gone"]);
    }
  });
}

test("will: stored sessions that a full disk kept from it get it when there is space, connected ones once", async () => {
  const world = new SessionWorld({ workers: 2 });
  const kept = { clientId: "kept", properties: [packets.property.sessionExpiry(3600)] };
  const away = await world.connect(kept, 2);
  await away.subscribe("w", 1);
  await away.lose();
  const connected = await world.connect({ clientId: "connected" }, 2);
  await connected.subscribe("w", 1);
  const client = await world.connect({
    clientId: "client",
    properties: [packets.property.sessionExpiry(3600)],
    will: { topic: "w", payload: "will", qos: 1, retain: true },
  });
  world.ranges.groups.setDiskFull(true);
  await world.settle();
  await client.lose();
  await world.settle();
  assert.deepEqual(await connected.acknowledgeAll(), ["will"]);
  await world.advance(60_000);
  world.ranges.groups.setDiskFull(false);
  await world.settle();
  await world.advance(1000);
  assert.deepEqual(await connected.acknowledgeAll(), [], "it has it already");
  const again = await world.connect({ ...kept, cleanStart: false });
  assert.deepEqual(await again.acknowledgeAll(), ["will"]);
  assert.equal(world.count(Counter.RETAINED_MESSAGES), 1);
});

test("drain: every client is told 0x8B and closed, those still opening without a word", async () => {
  const world = new SessionWorld();
  const clients = [];
  for (const level of [3, 4, 5] as const) {
    clients.push(await world.connect({ level, clientId: `client ${level}` }));
  }
  const opening = world.open();
  const { context } = world.worker(1);
  context.isDraining = true;
  const drained = disconnectAll(context, 0x8b, 1);
  await world.settle();
  await drained;
  assert.deepEqual(
    clients.map((client) => client.take().map((packet) => packet.type)),
    [[], [], ["disconnect"]],
  );
  assert.deepEqual(opening.take(), []);
  assert.equal(context.registry.connectionCount, 0);
  assert.equal(world.count(Counter.SESSIONS_CONNECTED), 0);
});

test("session expiry: granted within the tenant's limits, and told when it differs", async () => {
  const limits = { MinSessionExpirySeconds: 10, MaxSessionExpirySeconds: 100 };
  const table: readonly [object, number, number | undefined, number][] = [
    [limits, 0, undefined, 0],
    [limits, 5, 10, 10],
    [limits, 50, undefined, 50],
    [limits, 0xffff_ffff, 100, 100],
    [{ ForceTransient: true }, 50, 0, 0],
  ];
  for (const [settings, wanted, told, granted] of table) {
    const world = new SessionWorld({ settings });
    const fields = {
      cleanStart: false,
      keepAlive: 0,
      properties: [property.sessionExpiry(wanted)],
    };
    const client = await world.connect(fields);
    assert.equal(client.connack.properties.sessionExpiry, told, `${wanted}`);
    await client.lose();
    if (granted > 1) await world.advance(granted * 1000 - 1000);
    const back = await world.connect(fields);
    assert.equal(back.connack.sessionPresent, granted > 0, `${wanted} just before its end`);
    await back.lose();
    await world.advance(granted * 1000 + 1000);
    const late = await world.connect(fields);
    assert.equal(late.connack.sessionPresent, false, `${wanted} after its end`);
  }
});

test("session expiry, MQTT 3.x: Clean Session 0 is kept as long as the tenant allows", async () => {
  const world = new SessionWorld({ settings: { MaxSessionExpirySeconds: 100 } });
  for (const level of [3, 4] as const) {
    const fields = { level, clientId: `client ${level}`, cleanStart: false, keepAlive: 0 };
    await (await world.connect(fields)).lose();
    await world.advance(99_000);
    const back = await world.connect(fields);
    if (level === 4) assert.equal(back.connack.sessionPresent, true);
    await back.lose();
    await world.advance(101_000);
    const late = await world.connect(fields);
    assert.equal(late.connack.sessionPresent, false);
  }
});

test("DISCONNECT: a new session expiry replaces the old one, within the tenant's limits", async () => {
  const table: readonly [object, number, number][] = [
    [{}, 0, 0],
    [{}, 20, 20],
    [{ MaxSessionExpirySeconds: 50 }, 0xffff_ffff, 50],
    [{ MinSessionExpirySeconds: 30 }, 20, 30],
  ];
  for (const [settings, wanted, granted] of table) {
    const world = new SessionWorld({ settings });
    const fields = { cleanStart: false, keepAlive: 0, properties: [property.sessionExpiry(40)] };
    for (const [wait, isPresent] of [
      [granted - 1, granted > 0],
      [granted + 1, false],
    ] as const) {
      const client = await world.connect(fields);
      client.send(packets.disconnect(0, [property.sessionExpiry(wanted)]));
      await world.settle();
      if (wait > 0) await world.advance(wait * 1000);
      const back = await world.connect(fields);
      assert.equal(back.connack.sessionPresent, isPresent, `${wanted} after ${wait} s`);
      back.send(packets.disconnect(0, [property.sessionExpiry(0)]));
      await world.settle();
    }
  }
});

test("DISCONNECT: a session that ends with its connection cannot be prolonged; one the server shortened may ask", async () => {
  const prolong = packets.disconnect(0, [property.sessionExpiry(9)]);
  const [world, watcher] = await watched();
  const client = await world.connect({ will: WILL });
  client.send(prolong);
  await world.settle();
  assert.equal(client.takeOne("disconnect").reasonCode, 0x82);
  assert.deepEqual(watcher.takePayloads(), ["gone"], "a protocol error is no normal end");
  const [forced, hears] = await watched({ settings: { ForceTransient: true } });
  const legal = await forced.connect({ will: WILL, properties: KEPT });
  legal.send(prolong);
  await forced.settle();
  assert.deepEqual(legal.take(), []);
  assert.deepEqual(hears.takePayloads(), [], "a normal end");
});

test("shared group: a member that leaves hands on QoS 1 and what waited, never a QoS 2 message begun [MQTT-4.8.2-5]", async () => {
  for (const properties of [[], [property.sessionExpiry(5)]]) {
    const world = new SessionWorld({ workers: 2 });
    const receiveMaximum = property.receiveMaximum(2);
    const leaving = await world.connect({
      clientId: "leaving",
      properties: [...properties, receiveMaximum],
    });
    await leaving.subscribe("$share/g/a", 2);
    const publisher = await world.connect({ clientId: "publisher", keepAlive: 0 }, 2);
    for (const [payload, qos] of [
      ["one", 1],
      ["two", 2],
      ["three", 1],
      ["four", 2],
    ] as const) {
      publisher.publish({ topic: "a", payload, qos, packetId: publisher.nextId() });
      await world.settle();
    }
    assert.deepEqual(leaving.takePayloads(), ["one", "two"]);
    const staying = await world.connect({ clientId: "staying", keepAlive: 0 }, 2);
    await staying.subscribe("$share/g/a", 2);
    await leaving.lose();
    await world.advance(10_000);
    assert.deepEqual(await staying.acknowledgeAll(), ["one", "three", "four"]);
  }
});

test("shared group: who is gone is not picked, what was on its way goes to others, and nothing counts as in flight", async () => {
  const world = new SessionWorld({ workers: 2 });
  const publisher = await world.connect({ clientId: "publisher", keepAlive: 0 });
  const members = [];
  for (const clientId of ["one", "two", "three"]) {
    const member = await world.connect({ clientId, keepAlive: 0 }, 2);
    for (const filter of ["$share/g/a", "$share/h/a"]) await member.subscribe(filter, 2);
    members.push(member);
  }
  const [staying, ...leaving] = members;
  for (let number = 0; number < 9; number++) {
    publisher.publish({ topic: "a", payload: `${number}`, qos: 2, packetId: publisher.nextId() });
    if (number !== 4) continue;
    // Their records are in the ring.
    for (const { transport } of leaving) transport.destroy();
    await Promise.resolve();
    await world.settle();
  }
  await world.settle();
  const payloads = (await staying!.acknowledgeAll()).map(Number);
  const expected = Array.from({ length: 9 }, (_, number) => [number, number]).flat();
  assert.deepEqual(
    payloads.sort((left, right) => left - right),
    expected,
  );
  for (const slot of [0, 1]) assert.equal(world.words[shareLoadWord(2, slot)], 0);
});

test("end: a client that comes and goes leaves nothing behind", async () => {
  const world = new SessionWorld({ workers: 2 });
  for (let round = 0; round < 3; round++) {
    for (const thread of [1, 2]) {
      const client = await world.connect({ keepAlive: 0, will: WILL }, thread);
      await client.subscribe("a/+", 1);
      await client.subscribe("$share/g/a/#", 2);
      client.publish({ topic: "a/b", qos: 2, packetId: 9 });
      await world.settle();
      await client.lose();
    }
  }
  for (const worker of world.workers) {
    assert.equal(worker.context.registry.connectionCount, 0);
    assert.equal(worker.context.deadlines.size, 0);
    assert.equal(worker.index.filterCount, 0);
    const { clientsConnected, subscriptions, sharedSubscriptions } =
      worker.context.tenants.get("t").counters;
    assert.deepEqual([clientsConnected, subscriptions, sharedSubscriptions], [0, 0, 0]);
  }
  for (const gauge of [
    Counter.SESSIONS_CONNECTED,
    Counter.SUBSCRIPTIONS,
    Counter.SHARED_SUBSCRIPTIONS,
    Counter.PERSISTENT_SESSIONS,
    Counter.INBOX_MESSAGES,
  ]) {
    assert.equal(world.count(gauge), 0, `gauge ${gauge}`);
  }
});
