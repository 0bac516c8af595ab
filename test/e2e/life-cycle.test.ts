/** The life of the process: drain on SIGTERM, the second signal, health answers, metrics, $SYS. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type BrokerProcess, startBroker } from "../helpers/broker-process.ts";
import { until, withDeadline } from "../helpers/deadline.ts";
import * as packets from "../helpers/packets.ts";
import { RawClient, textOf } from "../helpers/raw-client.ts";

const SERVER_SHUTTING_DOWN = 0x8b;
const EXIT_BY_SIGTERM = 128 + 15;

test("drain: SIGTERM tells MQTT 5 clients 0x8B, closes the others, exits 0 [MQTT-3.14.4-1]", async () => {
  const broker = await startBroker({ workers: 2 });
  const target = { port: broker.port };
  const modern = await Promise.all(
    Array.from({ length: 10 }, (_none, index) =>
      RawClient.connect(target, { clientId: `m${index}` }),
    ),
  );
  const old = await RawClient.connect(target, { clientId: "old", level: 4 });
  const silent = await RawClient.open(target);
  const exit = broker.stop("SIGTERM");
  for (const client of modern) await client.expectDisconnect(SERVER_SHUTTING_DOWN);
  await old.expectClose();
  await silent.expectClose();
  assert.equal(await exit, 0);
});

test("drain: SIGINT does the same", async () => {
  const broker = await startBroker({ workers: 1 });
  const client = await RawClient.connect({ port: broker.port });
  const exit = broker.stop("SIGINT");
  await client.expectDisconnect(SERVER_SHUTTING_DOWN);
  assert.equal(await exit, 0);
});

test("drain: deliveries already accepted are flushed before the close [MQTT-4.5.0-1]", async () => {
  const broker = await startBroker({ workers: 2 });
  const target = { port: broker.port };
  const subscriber = await RawClient.connect(target, { clientId: "s" });
  await subscriber.subscribe("last/words", 1);
  const publisher = await RawClient.connect(target, { clientId: "p" });
  const payload = "x".repeat(10_000);
  for (let number = 0; number < 50; number += 1) {
    await publisher.publish({ topic: "last/words", qos: 1, payload });
  }
  const exit = broker.stop("SIGTERM");
  for (let number = 0; number < 50; number += 1) await subscriber.expectPublish(payload);
  await subscriber.expectDisconnect(SERVER_SHUTTING_DOWN);
  assert.equal(await exit, 0);
});

test("drain: a client that takes nothing does not hold the process beyond its limit", async () => {
  const broker = await startBroker({ workers: 1, config: { shutdown: { timeout_ms: 500 } } });
  const target = { port: broker.port };
  const stuck = await RawClient.connect(target, { clientId: "stuck" });
  await stuck.subscribe("bulk", 1);
  stuck.pause();
  const publisher = await RawClient.connect(target, { clientId: "p" });
  for (let number = 0; number < 100; number += 1) {
    await publisher.publish({ topic: "bulk", qos: 1, payload: "x".repeat(100_000) });
  }
  assert.equal(await broker.stop("SIGTERM"), 0);
  stuck.destroy();
});

test("drain: a second signal ends at once", async () => {
  const slow = { shutdown: { timeout_ms: 60_000, disconnects_per_second: 1 } };
  const broker = await startBroker({ workers: 1, config: slow });
  const target = { port: broker.port };
  for (let index = 0; index < 30; index += 1) {
    await RawClient.connect(target, { clientId: `c${index}` });
  }
  broker.signal("SIGTERM");
  await broker.waitForLog("draining");
  broker.signal("SIGTERM");
  const { code, signal } = await withDeadline(broker.exited, "the end after the second signal");
  assert.ok(signal === "SIGTERM" || code === EXIT_BY_SIGTERM, `code ${code}, signal ${signal}`);
});

test("drain: /readyz says no and new connections are refused", async () => {
  const slow = { shutdown: { timeout_ms: 3_000, disconnects_per_second: 1 } };
  const broker = await startBroker({ workers: 1, config: slow });
  const target = { port: broker.port };
  for (let index = 0; index < 10; index += 1) {
    await RawClient.connect(target, { clientId: `c${index}` });
  }
  const exit = broker.stop("SIGTERM");
  await broker.waitForLog("draining");
  const response = await fetch(`http://127.0.0.1:${broker.adminPort}/readyz`);
  assert.equal(response.status, 503);
  await until(
    () =>
      RawClient.open(target).then(
        () => false,
        () => true,
      ),
    "connections to be refused",
  );
  assert.equal(await exit, 0);
});

let broker: BrokerProcess;

before(async () => {
  broker = await startBroker({ workers: 2, config: { sys_interval_seconds: 1 } });
});
after(async () => {
  await broker.stop();
});

test("health: /livez and /readyz answer 200, unknown paths 404", async () => {
  for (const [path, status] of [
    ["/livez", 200],
    ["/readyz", 200],
    ["/nothing", 404],
  ] as const) {
    const response = await fetch(`http://127.0.0.1:${broker.adminPort}${path}`);
    await response.arrayBuffer();
    assert.equal(response.status, status, path);
  }
});

test("metrics: the text is well-formed and counts what happened", async () => {
  const names = ["connects_total", "publish_received_total", "publish_sent_total"] as const;
  const read = () => Promise.all(names.map((name) => broker.metric(`ratatosk_mqtt_${name}`)));
  const start = await read();
  const client = await RawClient.connect({ port: broker.port }, { clientId: "counted" });
  await client.subscribe("counted", 1);
  for (let number = 0; number < 25; number += 1) {
    client.send(packets.publish({ topic: "counted" }));
    await client.expect("publish");
  }
  assert.ok((await broker.metric("ratatosk_mqtt_subscriptions")) >= 1);
  const end = await read();
  const grown = end.map((value, index) => value - (start[index] ?? 0));
  assert.deepEqual([grown[0], grown[1], (grown[2] ?? 0) >= 25], [1, 25, true]);
  client.destroy();
  for (const gauge of ["connections", "subscriptions"]) {
    const name = `ratatosk_mqtt_${gauge}`;
    await until(async () => (await broker.metric(name)) === 0, `no ${gauge}`);
  }
});

/** What MQTT Explorer's statistics panel reads. */
const SYS_TOPICS = [
  "$SYS/broker/version",
  "$SYS/broker/uptime",
  "$SYS/broker/clients/connected",
  "$SYS/broker/clients/total",
  "$SYS/broker/clients/maximum",
  "$SYS/broker/messages/received",
  "$SYS/broker/messages/sent",
  "$SYS/broker/messages/stored",
  "$SYS/broker/subscriptions/count",
  "$SYS/broker/retained messages/count",
  "$SYS/broker/bytes/received",
  "$SYS/broker/bytes/sent",
  "$SYS/broker/load/messages/received/1min",
  "$SYS/broker/load/messages/sent/1min",
];

test("$SYS: mosquitto's topics are published and renewed [MQTT-4.7.2-1]", {
  timeout: 15_000,
}, async () => {
  const client = await RawClient.connect({ port: broker.port }, { clientId: "explorer" });
  await client.subscribe([{ filter: "$SYS/#" }, { filter: "#" }]);
  const values = new Map<string, string>();
  const counts = new Map<string, number>();
  const isRenewed = () => (counts.get("$SYS/broker/uptime") ?? 0) >= 3;
  while (!isRenewed() || SYS_TOPICS.some((topic) => !values.has(topic))) {
    const missing = SYS_TOPICS.filter((topic) => !values.has(topic)).join(", ");
    const message = await client.expect("publish", 5_000).catch(() => {
      assert.fail(`not published: ${missing}`);
    });
    values.set(message.topic, textOf(message.payload));
    counts.set(message.topic, (counts.get(message.topic) ?? 0) + 1);
  }
  assert.match(values.get("$SYS/broker/uptime") ?? "", /^\d+ seconds$/);
  assert.equal(values.get("$SYS/broker/clients/connected"), "1");
  client.destroy();
});
