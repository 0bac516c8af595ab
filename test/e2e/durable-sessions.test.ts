/**
 * Stored sessions of a process that is killed: their queues, exchanges, subscriptions and wills are
 * there again, and what is published before they return finds them.
 */

import assert from "node:assert/strict";
import test from "node:test";
import type { BrokerProcess } from "../helpers/broker-process.ts";
import { dataFolder, startOver } from "../helpers/data-folder.ts";
import * as packets from "../helpers/packets.ts";
import { RawClient, textOf } from "../helpers/raw-client.ts";

const { property } = packets;
const KEPT = [property.sessionExpiry(3600)];
const KILLED = { timeout: 60_000 };

/** A stored session; resumed unless it is the first time. */
function resume(
  { port }: BrokerProcess,
  clientId: string,
  fields: packets.ConnectFields = {},
): Promise<RawClient> {
  const stored = { clientId, cleanStart: false, properties: KEPT };
  return RawClient.connect({ port }, { ...stored, ...fields });
}

async function publishAll(
  broker: BrokerProcess,
  topic: string,
  payloads: readonly string[],
): Promise<void> {
  const publisher = await RawClient.connect({ port: broker.port }, { clientId: "publisher" });
  for (const payload of payloads) await publisher.publish({ topic, payload, qos: 1 });
  publisher.destroy();
}

async function payloadsOf(client: RawClient, count: number): Promise<string[]> {
  const payloads: string[] = [];
  while (payloads.length < count) payloads.push(textOf((await client.expect("publish")).payload));
  await client.expectQuiet();
  return payloads;
}

test(
  "stored sessions: queues survive kill -9, and publishes find their routes before they return",
  KILLED,
  async (t) => {
    const folder = dataFolder(t);
    let broker = await startOver(t, folder);
    for (const [clientId, filter] of [
      ["alone", "work/+"],
      ["member", "$share/g/work/+"],
      ["left", "work/+"],
    ] as const) {
      const client = await resume(broker, clientId);
      await client.subscribe(filter, 1);
      if (clientId === "left") await client.unsubscribe(filter);
      client.destroy();
    }
    await publishAll(broker, "work/a", ["1", "2", "3"]);
    await broker.kill();
    broker = await startOver(t, folder, 3);
    await publishAll(broker, "work/b", ["4", "5"]);
    for (const clientId of ["alone", "member"]) {
      const client = await resume(broker, clientId);
      assert.equal(client.connack?.sessionPresent, true);
      assert.deepEqual(await payloadsOf(client, 5), ["1", "2", "3", "4", "5"]);
      client.destroy();
    }
    const left = await resume(broker, "left");
    assert.deepEqual(await payloadsOf(left, 0), []);
    const ended = await resume(broker, "alone", { cleanStart: true, properties: [] });
    assert.equal(ended.connack?.sessionPresent, false);
    ended.destroy();
    await broker.kill();
    broker = await startOver(t, folder);
    const again = await resume(broker, "alone");
    assert.equal(again.connack?.sessionPresent, false, "what was ended stays ended");
  },
);

test(
  "stored sessions: exchanges go on after kill -9 under their identifiers [MQTT-4.4.0-1]",
  KILLED,
  async (t) => {
    const folder = dataFolder(t);
    let broker = await startOver(t, folder);
    let client = await resume(broker, "client");
    client.autoAck = false;
    await client.subscribe("a", 2);
    const publisher = await RawClient.connect({ port: broker.port }, { clientId: "publisher" });
    for (const qos of [1, 2, 2]) await publisher.publish({ topic: "a", payload: `${qos}`, qos });
    const [once, received, sent] = [
      await client.expect("publish"),
      await client.expect("publish"),
      await client.expect("publish"),
    ];
    client.send(packets.pubrec({ packetId: received.packetId }));
    assert.equal((await client.expect("pubrel")).packetId, received.packetId);
    await broker.kill();
    broker = await startOver(t, folder);
    client = await RawClient.open({ port: broker.port });
    // From the first packet on.
    client.autoAck = false;
    client.send(packets.connect({ clientId: "client", cleanStart: false, properties: KEPT }));
    await client.expect("connack");
    const repeated = [
      await client.expect("pubrel"),
      await client.expect("publish"),
      await client.expect("publish"),
    ];
    assert.deepEqual(
      repeated.map(({ packetId }) => packetId),
      [received, once, sent].map(({ packetId }) => packetId),
    );
    assert.ok(repeated.every((packet) => packet.type === "pubrel" || packet.dup));
    client.send(packets.puback({ packetId: once.packetId }));
    client.send(packets.pubcomp({ packetId: received.packetId }));
    client.send(packets.pubrec({ packetId: sent.packetId }));
    assert.equal((await client.expect("pubrel")).packetId, sent.packetId);
    client.send(packets.pubcomp({ packetId: sent.packetId }));
    await client.expectQuiet();
    client.destroy();
    client = await resume(broker, "client");
    await client.expectQuiet();
  },
);

test(
  "stored sessions: a QoS 2 publish sent again after kill -9 is delivered once [MQTT-4.3.3-10]",
  KILLED,
  async (t) => {
    const folder = dataFolder(t);
    let broker = await startOver(t, folder);
    const subscriber = await resume(broker, "subscriber");
    await subscriber.subscribe("a", 2);
    subscriber.destroy();
    let publisher = await resume(broker, "publisher");
    const publish = (packetId: number, dup: boolean) => {
      const fields = { topic: "a", payload: `${packetId}`, qos: 2, packetId, dup };
      publisher.send(packets.publish(fields));
    };
    for (const packetId of [1, 2, 3]) publish(packetId, false);
    for (const packetId of [1, 2, 3]) {
      assert.equal((await publisher.expect("pubrec")).packetId, packetId);
    }
    publisher.send(packets.pubrel({ packetId: 1 }));
    await publisher.expect("pubcomp");
    await broker.kill();
    broker = await startOver(t, folder);
    publisher = await resume(broker, "publisher");
    for (const packetId of [2, 3]) {
      publish(packetId, true);
      assert.equal((await publisher.expect("pubrec")).packetId, packetId);
    }
    publish(1, false);
    await publisher.expect("pubrec");
    const back = await resume(broker, "subscriber");
    assert.deepEqual(await payloadsOf(back, 4), ["1", "2", "3", "1"]);
  },
);

test(
  "stored sessions: the will of a session that kill -9 has cut off is published [MQTT-3.1.2-8]",
  KILLED,
  async (t) => {
    const folder = dataFolder(t);
    let broker = await startOver(t, folder);
    const heir = await resume(broker, "heir");
    await heir.subscribe("wills", 1);
    heir.destroy();
    const will = {
      topic: "wills",
      payload: "cut off",
      qos: 1,
      properties: [property.willDelay(1)],
    };
    await resume(broker, "testator", { will });
    await broker.kill();
    broker = await startOver(t, folder);
    const back = await resume(broker, "heir");
    await back.expectPublish("cut off", 20_000);
  },
);
