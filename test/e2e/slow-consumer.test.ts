/** A subscriber that stops reading harms nobody but itself. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type BrokerProcess, startBroker } from "../helpers/broker-process.ts";
import { until } from "../helpers/deadline.ts";
import * as packets from "../helpers/packets.ts";
import { RawClient } from "../helpers/raw-client.ts";

const PAYLOAD = "x".repeat(20_000);
/** Together far more than the kernel's socket buffers hold. */
const MESSAGES = 1_500;

let broker: BrokerProcess;

before(async () => {
  broker = await startBroker({
    workers: 2,
    config: { limits: { connection_output_bytes: 262_144, stalled_timeout_ms: 1_000 } },
  });
});
after(async () => {
  await broker.stop();
});

test("slow consumer: others receive everything, it loses QoS 0 messages and is closed", {
  timeout: 30_000,
}, async () => {
  const target = { port: broker.port };
  const frozen = await RawClient.connect(target, { clientId: "frozen" });
  await frozen.subscribe("bulk", 0);
  const healthy = await Promise.all(
    [0, 1, 2, 3].map((index) => RawClient.connect(target, { clientId: `healthy-${index}` })),
  );
  for (const client of healthy) await client.subscribe("bulk", 1);
  frozen.pause();
  const publisher = await RawClient.connect(target, { clientId: "source" });
  const receiving = healthy.map(async (client) => {
    for (let number = 0; number < MESSAGES; number += 1) await client.expectPublish(PAYLOAD);
  });
  for (let number = 0; number < MESSAGES; number += 1) {
    await publisher.publish({ topic: "bulk", qos: 1, payload: PAYLOAD });
  }
  await Promise.all(receiving);
  const dropped = () => broker.metric("ratatosk_mqtt_dropped_total", { reason: "slow_consumer" });
  assert.ok((await dropped()) > 0, "QoS 0 messages for the frozen one were dropped");
  const closed = async () => (await broker.metric("ratatosk_mqtt_stalled_closed_total")) >= 1;
  await until(closed, "the frozen client to be closed", 8_000);
  frozen.destroy();
  for (const client of [...healthy, publisher]) client.destroy();
});

test("slow consumer: QoS 1 messages wait in its session, not in memory of the socket [MQTT-4.5.0-1]", {
  timeout: 30_000,
}, async () => {
  const target = { port: broker.port };
  const slow = await RawClient.connect(target, { clientId: "slow" });
  await slow.subscribe("waiting", 1);
  slow.pause();
  const publisher = await RawClient.connect(target, { clientId: "source-2" });
  const total = 300;
  for (let number = 0; number < total; number += 1) {
    await publisher.publish({ topic: "waiting", qos: 1, payload: `${number} ${PAYLOAD}` });
  }
  slow.resume();
  for (let number = 0; number < total; number += 1)
    await slow.expectPublish(`${number} ${PAYLOAD}`);
  slow.destroy();
  publisher.destroy();
});

test("slow consumer: a publisher that outruns everybody is slowed down, not cut off [MQTT-4.3.2-4]", {
  timeout: 30_000,
}, async () => {
  const target = { port: broker.port };
  const subscriber = await RawClient.connect(target, { clientId: "reader" });
  await subscriber.subscribe("flood", 1);
  const publisher = await RawClient.connect(target, { clientId: "flooder" });
  const window = publisher.connack?.properties.receiveMaximum ?? 1;
  const total = 2_000;
  const receiving = (async () => {
    for (let number = 0; number < total; number += 1) {
      await subscriber.expectPublish(`${number} ${"y".repeat(5_000)}`, 10_000);
    }
  })();
  let acknowledged = 0;
  for (let number = 0; number < total; number += 1) {
    const payload = `${number} ${"y".repeat(5_000)}`;
    publisher.send(
      packets.publish({ topic: "flood", qos: 1, packetId: (number % 60_000) + 1, payload }),
    );
    while (number - acknowledged >= window - 1) {
      await publisher.expect("puback", 10_000);
      acknowledged += 1;
    }
  }
  await receiving;
  subscriber.destroy();
  publisher.destroy();
});
