/** A worker that dies takes its own connections with it, and nothing else. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type BrokerProcess, startBroker } from "../helpers/broker-process.ts";
import { until } from "../helpers/deadline.ts";
import * as packets from "../helpers/packets.ts";
import { RawClient } from "../helpers/raw-client.ts";

/** Publishing here crashes the worker that receives it, when RATATOSK_TEST_HOOKS=1. */
const CRASH_TOPIC = "$test/crash";
const CLIENTS = 24;

let broker: BrokerProcess;

before(async () => {
  broker = await startBroker({ workers: 3, env: { RATATOSK_TEST_HOOKS: "1" } });
});
after(async () => {
  await broker.stop();
});

test("crash: the others serve on, the dead worker is logged and replaced [MQTT-3.1.2-8]", {
  timeout: 30_000,
}, async () => {
  const target = { port: broker.port };
  const clients = await Promise.all(
    Array.from({ length: CLIENTS }, (_none, index) =>
      RawClient.connect(target, {
        clientId: `c${index}`,
        will: { topic: "wills", payload: `c${index}` },
      }),
    ),
  );
  for (const client of clients) await client.subscribe("news", 1);
  const culprit = clients[0];
  assert.ok(culprit);
  culprit.send(packets.publish({ topic: CRASH_TOPIC, payload: "x" }));
  await culprit.closed;
  await broker.waitForLog("worker_died");
  const readyBefore = broker.countOf("worker_ready");
  await until(
    () => broker.countOf("worker_ready") >= 4 || readyBefore >= 4,
    "the worker's return",
    10_000,
  );
  await until(() => clients.filter((client) => client.isClosed).length > 0, "connections to drop");
  const survivors = clients.filter((client) => !client.isClosed);
  assert.ok(survivors.length > 0, "clients of the other workers stay connected");
  for (const survivor of survivors) await survivor.expectQuiet();
  const publisher = await RawClient.connect(target, { clientId: "reporter" });
  await publisher.publish({ topic: "news", qos: 1, payload: "after the crash" });
  for (const survivor of survivors) await survivor.expectPublish("after the crash");
  for (const client of [...survivors, publisher]) client.destroy();
});

test("crash: clients of every worker, the new one included, reach each other again [MQTT-3.8.4-1]", {
  timeout: 30_000,
}, async () => {
  const target = { port: broker.port };
  const clients = await Promise.all(
    Array.from({ length: CLIENTS }, (_none, index) =>
      RawClient.connect(target, { clientId: `n${index}` }),
    ),
  );
  for (const client of clients) await client.subscribe("fresh", 1);
  for (const publisher of clients) {
    publisher.send(packets.publish({ topic: "fresh", payload: publisher.clientId }));
    for (const client of clients) await client.expectPublish(publisher.clientId);
  }
  for (const client of clients) client.destroy();
});

test("crash: without the test hook the topic is an ordinary one", async () => {
  const plain = await startBroker({ workers: 1 });
  const client = await RawClient.connect({ port: plain.port });
  client.send(packets.publish({ topic: CRASH_TOPIC }));
  await client.expectQuiet();
  client.destroy();
  assert.equal(await plain.stop(), 0);
});
