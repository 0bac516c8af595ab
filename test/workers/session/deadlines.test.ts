/**
 * Keep alive: who is silent too long, what the server may ask for instead, and who is not waited
 * for.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import * as packets from "../../helpers/packets.ts";
import { SessionWorld } from "./session-world.ts";

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
