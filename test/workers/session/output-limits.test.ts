/**
 * Clients that do not read, and limits on how fast a client is read and written: who is slowed,
 * what is dropped.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Counter } from "../../../src/shared/metrics/counter-table.ts";
import * as packets from "../../helpers/packets.ts";
import type { FakeClient } from "./fake-client.ts";
import { SessionWorld } from "./session-world.ts";

const KIB = 1024;
const payload = "x".repeat(KIB);

/** A subscriber of "a" that takes nothing more, and a publisher. */
async function blockedPair(
  world: SessionWorld,
  qos: number,
  fields: packets.ConnectFields = {},
): Promise<[FakeClient, FakeClient]> {
  const subscriber = await world.connect({ clientId: "subscriber", keepAlive: 0, ...fields });
  await subscriber.subscribe("a", qos);
  const publisher = await world.connect({ clientId: "publisher", keepAlive: 0 });
  subscriber.transport.isBlocked = true;
  return [subscriber, publisher];
}

async function publishMany(
  world: SessionWorld,
  publisher: FakeClient,
  count: number,
  qos = 0,
): Promise<void> {
  for (let index = 0; index < count; index++) {
    publisher.publish({ topic: "a", payload, qos, packetId: publisher.nextId() });
    world.run();
  }
  await world.settle();
  publisher.take();
}

test("budget: above the connection's, QoS 0 is dropped and counted, QoS 1 waits, and both go on later", async () => {
  const world = new SessionWorld({ limits: { connectionOutputBytes: 8 * KIB } });
  const [subscriber, publisher] = await blockedPair(world, 1);
  const other = await world.connect({ clientId: "other" });
  await other.subscribe("a", 1);
  await publishMany(world, publisher, 12);
  const dropped = world.count(Counter.DROPPED_SLOW_CONSUMER);
  assert.ok(dropped >= 3 && dropped <= 5, `${dropped} dropped`);
  assert.equal(other.takePublishes().length, 12, "others get everything");
  await publishMany(world, publisher, 5, 1);
  assert.equal(world.count(Counter.DROPPED_SLOW_CONSUMER), dropped, "QoS 1 is not dropped");
  assert.ok(subscriber.transport.bufferedBytes <= 10 * KIB);
  subscriber.transport.drain();
  const arrived = await subscriber.acknowledgeAll();
  assert.equal(arrived.length, 12 - dropped + 5);
});

test("budget: a burst that the kernel takes is never dropped, whatever its size", async () => {
  const world = new SessionWorld({ limits: { connectionOutputBytes: 8 * KIB } });
  const subscriber = await world.connect({ clientId: "subscriber" });
  await subscriber.subscribe("a");
  const publisher = await world.connect({ clientId: "publisher" });
  const burst = Array.from({ length: 100 }, () => packets.publish({ topic: "a", payload }));
  publisher.send(...burst);
  await world.settle();
  assert.equal(subscriber.takePublishes().length, 100);
  assert.equal(world.count(Counter.DROPPED_SLOW_CONSUMER), 0);
});

for (const budget of ["tenantOutputBytes", "processOutputBytes"] as const) {
  test(`budget: ${budget} is shared by the slow, and does not touch who reads`, async () => {
    const world = new SessionWorld({ limits: { [budget]: 8 * KIB } });
    const publisher = await world.connect({ clientId: "publisher", keepAlive: 0 });
    const slow: FakeClient[] = [];
    for (const clientId of ["slow 1", "slow 2", "slow 3"]) {
      const client = await world.connect({ clientId, keepAlive: 0 });
      await client.subscribe("a");
      client.transport.isBlocked = true;
      slow.push(client);
    }
    const quick = await world.connect({ clientId: "quick", keepAlive: 0 });
    await quick.subscribe("a");
    await publishMany(world, publisher, 10);
    const waiting = slow.reduce((sum, client) => sum + client.transport.bufferedBytes, 0);
    assert.ok(waiting > 6 * KIB && waiting < 13 * KIB, `${waiting} bytes wait`);
    assert.equal(quick.takePublishes().length, 10);
    for (const client of slow) await client.lose();
    assert.equal(world.worker(1).context.tenants.get("t").pendingBytes, 0, "given back");
    slow[0] = await world.connect({ clientId: "slow 1", keepAlive: 0 });
    await slow[0].subscribe("a");
    slow[0].transport.isBlocked = true;
    await publishMany(world, publisher, 5);
    slow[0].transport.drain();
    assert.equal(slow[0].takePublishes().length, 5, "there is room again");
  });
}

test("budget: what waited is given back when it has left, and when a closed connection is gone", async () => {
  const world = new SessionWorld();
  const tenant = world.worker(1).context.tenants.get("t");
  const [subscriber, publisher] = await blockedPair(world, 0);
  await publishMany(world, publisher, 3);
  assert.ok(tenant.pendingBytes > 3 * KIB);
  subscriber.transport.drain();
  await world.settle();
  assert.equal(tenant.pendingBytes, 0, "taken by the client, without any further output");
  subscriber.transport.isBlocked = true;
  await publishMany(world, publisher, 3);
  subscriber.transport.staysOpen = true;
  subscriber.send(packets.connect());
  await world.settle();
  await publishMany(world, publisher, 3);
  subscriber.transport.destroy();
  await world.settle();
  assert.equal(tenant.pendingBytes, 0, "its last bytes were counted until the socket closed");
});

test("stalled: a client that takes nothing is closed in time, with 0x97 behind what waits", async () => {
  const world = new SessionWorld({ limits: { stalledTimeoutMs: 20_000 } });
  const [subscriber, publisher] = await blockedPair(world, 0);
  await publishMany(world, publisher, 2);
  await world.advance(19_000);
  assert.equal(subscriber.isClosed, false);
  await world.advance(2000);
  assert.equal(subscriber.isClosed, true);
  assert.equal(world.count(Counter.STALLED_CLOSED), 1);
  const last = subscriber.take().at(-1);
  assert.equal(last?.type === "disconnect" && last.reasonCode, 0x97);
});

test("stalled: a client that takes a little now and then is slow, not stalled", async () => {
  const world = new SessionWorld({ limits: { stalledTimeoutMs: 20_000 } });
  const [subscriber, publisher] = await blockedPair(world, 0);
  await publishMany(world, publisher, 6);
  for (let minute = 0; minute < 5; minute++) {
    await world.advance(15_000);
    subscriber.transport.drain(1);
  }
  assert.equal(subscriber.isClosed, false);
  assert.ok(subscriber.transport.bufferedBytes > 0);
  await world.advance(41_000);
  assert.equal(subscriber.isClosed, true);
});

test("MsgPubPerSec: the reader is slowed down, nothing is dropped, and a new rate reaches it", async () => {
  const world = new SessionWorld({ settings: { MsgPubPerSec: 5 } });
  const subscriber = await world.connect({ clientId: "subscriber", keepAlive: 0 });
  await subscriber.subscribe("a");
  const publisher = await world.connect({ clientId: "publisher", keepAlive: 5 });
  for (let index = 0; index < 40; index++) publisher.publish({ topic: "a", payload: `${index}` });
  await world.settle();
  assert.equal(subscriber.takePublishes().length, 6, "a second's worth, and the one in debt");
  assert.equal(publisher.transport.isReading, false);
  await world.advance(2000);
  const count = subscriber.takePublishes().length;
  assert.ok(count >= 9 && count <= 11, `${count} in two seconds`);
  world.reloadSettings({ MsgPubPerSec: 0 });
  await world.advance(1000);
  assert.equal(subscriber.takePublishes().length, 40 - 6 - count);
  assert.equal(publisher.transport.isReading, true);
  assert.equal(publisher.isClosed, false);
});

test("InBoundBandWidth: bytes above the rate are read later, and the silence is not the client's", async () => {
  const world = new SessionWorld({ settings: { InBoundBandWidth: 1000, MinKeepAliveSeconds: 1 } });
  const subscriber = await world.connect({ clientId: "subscriber", keepAlive: 0 });
  await subscriber.subscribe("a");
  const publisher = await world.connect({ clientId: "publisher", keepAlive: 2 });
  publisher.publish({ topic: "a", payload: "x".repeat(20_000) });
  publisher.publish({ topic: "a", payload: "2" });
  publisher.send(packets.pingreq());
  await world.advance(15_000);
  assert.equal(publisher.isClosed, false, "keep alive cannot run out while nobody reads");
  assert.equal(subscriber.takePublishes().length, 1);
  await world.advance(5000);
  assert.deepEqual(subscriber.takePayloads(), ["2"]);
  publisher.takeOne("pingresp");
  await world.advance(5000);
  assert.equal(publisher.isClosed, true, "and then counts again");
});

test("OutBoundBandWidth: output is held back, whole and in order, and a new limit reaches it", async () => {
  const world = new SessionWorld({ settings: { OutBoundBandWidth: 2000 } });
  const subscriber = await world.connect({ clientId: "subscriber", keepAlive: 0 });
  await subscriber.subscribe("a");
  const publisher = await world.connect({ clientId: "publisher", keepAlive: 0 });
  await publishMany(world, publisher, 10);
  const first = subscriber.takePublishes().length;
  assert.ok(first <= 3, `${first} at once`);
  await world.advance(2000);
  const second = subscriber.takePublishes().length;
  world.reloadSettings({ OutBoundBandWidth: 0 });
  await world.advance(10_000);
  assert.equal(first + second + subscriber.takePublishes().length, 10);
  await publishMany(world, publisher, 10);
  assert.equal(subscriber.takePublishes().length, 10);
});

test("congested rings: publishers are not read until the rings have drained; others are", async () => {
  const world = new SessionWorld();
  const publisher = await world.connect({ clientId: "publisher" });
  const other = await world.connect({ clientId: "other" });
  const worker = world.worker(1);
  worker.isCongested = true;
  publisher.publish({ topic: "a", qos: 1, packetId: 1 });
  publisher.publish({ topic: "a", qos: 1, packetId: 2 });
  other.send(packets.pingreq());
  await world.settle();
  publisher.takeOne("puback");
  other.takeOne("pingresp");
  assert.equal(publisher.transport.isReading, false);
  worker.relieve();
  await world.settle();
  assert.equal(publisher.takeOne("puback").packetId, 2);
  assert.equal(publisher.transport.isReading, true);
});
