/**
 * Order per publisher and topic at every QoS, thousands of messages, publishers and subscribers on
 * all workers.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type BrokerProcess, startBroker } from "../helpers/broker-process.ts";
import * as packets from "../helpers/packets.ts";
import { RawClient, textOf } from "../helpers/raw-client.ts";

const PUBLISHERS = 8;
const SUBSCRIBERS = 8;
const MESSAGES = 500;

let broker: BrokerProcess;

before(async () => {
  broker = await startBroker({ workers: 4 });
});
after(async () => {
  await broker.stop();
});

/** Receives everything and checks that each publisher's numbers count up by one per topic. */
async function checkOrder(subscriber: RawClient, total: number): Promise<void> {
  const next = new Map<string, number>();
  for (let count = 0; count < total; count += 1) {
    const message = await subscriber.expect("publish", 10_000);
    const [publisher, sequence] = textOf(message.payload).split(" ");
    const key = `${publisher} on ${message.topic}`;
    const expected = next.get(key) ?? 0;
    assert.equal(Number(sequence), expected, `${key}: ${sequence} instead of ${expected}`);
    next.set(key, expected + 1);
  }
}

/** Publishes `MESSAGES` numbered messages, turn and turn about on two topics, in bursts. */
async function publishAll(publisher: RawClient, index: number, qos: number): Promise<void> {
  for (let number = 0; number < MESSAGES; number += 1) {
    const topic = `order/${qos}/${number % 2}`;
    const payload = `p${index} ${Math.floor(number / 2)}`;
    publisher.send(packets.publish({ topic, qos, packetId: number + 1, payload }));
    if (number % 50 === 49) {
      publisher.send(packets.pingreq());
      for (let isOpen = true; isOpen; ) {
        const packet = await publisher.next(10_000);
        if (packet === null) assert.fail("the publisher was closed");
        isOpen = packet.type !== "pingresp";
      }
    }
  }
}

for (const qos of [0, 1, 2]) {
  test(`order: QoS ${qos}, ${PUBLISHERS} publishers to ${SUBSCRIBERS} subscribers over 4 workers [MQTT-4.6.0-5] [MQTT-4.6.0-6]`, {
    timeout: 30_000,
  }, async () => {
    const target = { port: broker.port };
    const connect = (clientId: string) => RawClient.connect(target, { clientId });
    const subscribers = await Promise.all(
      Array.from({ length: SUBSCRIBERS }, (_none, index) => connect(`s${qos}-${index}`)),
    );
    for (const subscriber of subscribers) await subscriber.subscribe(`order/${qos}/+`, qos);
    const publishers = await Promise.all(
      Array.from({ length: PUBLISHERS }, (_none, index) => connect(`p${qos}-${index}`)),
    );
    for (const publisher of publishers) publisher.autoRelease = true;
    const checks = subscribers.map((subscriber) => checkOrder(subscriber, PUBLISHERS * MESSAGES));
    await Promise.all(publishers.map((publisher, index) => publishAll(publisher, index, qos)));
    await Promise.all(checks);
    for (const client of [...subscribers, ...publishers]) client.destroy();
  });
}

test("order: a persistent session that comes and goes sees every message once and in order [MQTT-4.6.0-5] [MQTT-4.4.0-1]", {
  timeout: 30_000,
}, async () => {
  const target = { port: broker.port };
  const properties = [packets.property.sessionExpiry(60)];
  const session = { clientId: "wanderer", cleanStart: false, properties };
  let subscriber = await resume(session);
  await subscriber.subscribe("wander", 2);
  const publisher = await RawClient.connect(target, { clientId: "steady" });
  const total = 600;
  const sending = (async () => {
    for (let number = 0; number < total; number += 1) {
      await publisher.publish({ topic: "wander", qos: 1, payload: `${number}` });
    }
  })();
  let expected = 0;
  while (expected < total) {
    const message = await subscriber.expect("publish", 10_000);
    const number = Number(textOf(message.payload));
    assert.ok(number <= expected, `${expected} is missing, ${number} came`);
    // A repetition is legal at QoS 1 only when it is marked as one.
    if (number < expected) assert.equal(message.dup, true);
    expected = Math.max(expected, number + 1);
    subscriber.send(packets.puback({ packetId: message.packetId }));
    if (number % 60 === 59 && expected < total) {
      subscriber.destroy();
      subscriber = await resume(session);
      assert.equal(subscriber.connack?.sessionPresent, true);
    }
  }
  await sending;
  subscriber.destroy();
  publisher.destroy();
});

/** Acknowledges nothing by itself: what the test has not seen must come again. */
async function resume(session: packets.ConnectFields): Promise<RawClient> {
  const client = await RawClient.open({ port: broker.port }, 5, "wanderer");
  client.autoAck = false;
  client.send(packets.connect(session));
  client.connack = await client.expect("connack");
  return client;
}
