/**
 * Keep alive: who is silent too long, what the server may ask for instead, and who is not waited
 * for.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import * as packets from "../../helpers/packets.ts";
import { openProvider, SessionWorld } from "./session-world.ts";

test("keep alive: silence over one and a half intervals ends the connection with 0x8D [MQTT-3.1.2-22]", async () => {
  const world = new SessionWorld();
  const client = await world.connect({ keepAlive: 10 });
  await world.advance(10_000);
  client.send(packets.pingreq());
  await world.advance(14_000);
  client.takeOne("pingresp");
  await world.advance(2000);
  assert.equal(client.takeOne("disconnect").reasonCode, 0x8d);
  assert.equal(client.isClosed, true);
});

test("keep alive: any packet counts, also a part of one", async () => {
  const world = new SessionWorld();
  const client = await world.connect({ keepAlive: 10 });
  const publish = packets.publish({ topic: "a", payload: "xxxxxxxx" });
  for (const byte of publish) {
    await world.advance(8000);
    client.send(Uint8Array.of(byte));
  }
  assert.equal(client.isClosed, false);
});

test("keep alive: 0 is off, in every version", async () => {
  const world = new SessionWorld();
  for (const level of [3, 4, 5] as const) {
    const client = await world.connect({ level, clientId: `client-${level}`, keepAlive: 0 });
    await world.advance(200_000);
    assert.equal(client.isClosed, false);
  }
});

test("MinKeepAliveSeconds: MQTT 5 clients are told, others are given the time anyway [MQTT-3.2.2-22]", async () => {
  const world = new SessionWorld({ settings: { MinKeepAliveSeconds: 20 } });
  const five = await world.connect({ clientId: "five", keepAlive: 2 });
  assert.equal(five.connack.properties.serverKeepAlive, 20);
  const three = await world.connect({ level: 4, clientId: "three", keepAlive: 2 });
  const enough = await world.connect({ clientId: "enough", keepAlive: 30 });
  assert.equal(enough.connack.properties.serverKeepAlive, undefined);
  await world.advance(28_000);
  assert.deepEqual([five.isClosed, three.isClosed], [false, false]);
  await world.advance(4000);
  assert.deepEqual([five.isClosed, three.isClosed, enough.isClosed], [true, true, false]);
});

test("keep alive: while the worker is held up nobody is silent, whatever waits in the sockets", async () => {
  const world = new SessionWorld();
  const client = await world.connect({ keepAlive: 10 });
  await world.advance(9000);
  world.holdUp(3_600_000);
  assert.equal(client.isClosed, false);
  client.send(packets.pingreq());
  await world.settle();
  client.takeOne("pingresp");
  await world.advance(14_000);
  assert.equal(client.isClosed, false);
  await world.advance(2000);
  assert.equal(client.isClosed, true);
});

test("connect timeout: a CONNECT that came while the worker was held up is answered", async () => {
  const world = new SessionWorld();
  const client = world.open();
  await world.advance(5000);
  world.holdUp(60_000);
  client.send(packets.connect({ level: 5, clientId: "late" }));
  await world.settle();
  client.takeConnack();
  assert.equal(client.connack.reasonCode, 0);
});

test("connect timeout: who says nothing is closed without a word", async () => {
  const world = new SessionWorld();
  const client = world.open();
  await world.advance(10_500);
  assert.equal(client.isClosed, true);
  assert.deepEqual(client.take(), []);
  assert.ok(world.log.entries.some(({ event }) => event === "connect_timeout"));
});

test("connect timeout: a CONNECT that waits for the server is refused with 0x88, and the log says what for", async () => {
  const never = new Promise<never>(() => {});
  const world = new SessionWorld({ provider: openProvider({ authenticate: () => never }) });
  const client = world.open();
  client.send(packets.connect({ level: 5, clientId: "waits" }));
  await world.advance(10_500);
  assert.equal(client.takeOne("connack").reasonCode, 0x88);
  assert.equal(client.isClosed, true);
  const told = world.log.entries.find(({ event }) => event === "connect_unanswered");
  assert.equal(told?.fields["client_id"], "waits");
  assert.equal(told?.fields["waits_for"], "authentication");
});
