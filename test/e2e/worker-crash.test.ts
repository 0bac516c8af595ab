/** A worker that dies takes its own connections with it, and nothing else. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type BrokerProcess, startBroker } from "../helpers/broker-process.ts";
import { until } from "../helpers/deadline.ts";
import * as packets from "../helpers/packets.ts";
import { RawClient } from "../helpers/raw-client.ts";

const CLIENTS = 24;
const WORKERS = 3;
const PRELOAD = new URL("../helpers/crash-on-demand.js", import.meta.url).href;

const directory = mkdtempSync(join(tmpdir(), "ratatosk-crash-"));
const crashFile = join(directory, "crash");
let broker: BrokerProcess;

before(async () => {
  broker = await startBroker({
    workers: WORKERS,
    nodeArgs: ["--import", PRELOAD],
    env: { RATATOSK_TEST_CRASH_FILE: crashFile },
  });
});
after(async () => {
  await broker.stop();
  rmSync(directory, { recursive: true });
});

/** Makes one worker throw; resolves when it is logged as dead and its replacement serves. */
async function crashOneWorker(): Promise<void> {
  const from = broker.logs.length;
  const readyCount = broker.countOf("worker_ready");
  writeFileSync(crashFile, "");
  await broker.waitForLog("worker_died", from);
  const logged = JSON.stringify(broker.logs.slice(from));
  assert.match(logged, /crash on demand/, "the log names the cause");
  await until(() => broker.countOf("worker_ready") > readyCount, "the worker's return", 10_000);
}

async function connectMany(prefix: string, fields: packets.ConnectFields = {}) {
  const target = { port: broker.port };
  return Promise.all(
    Array.from({ length: CLIENTS }, (_none, index) =>
      RawClient.connect(target, { clientId: `${prefix}${index}`, ...fields }),
    ),
  );
}

test("crash: clients of other workers stay, those of the dead one are dropped", {
  timeout: 30_000,
}, async () => {
  const clients = await connectMany("c");
  for (const client of clients) await client.subscribe("news", 1);
  await crashOneWorker();
  await until(() => clients.some((client) => client.isClosed), "connections to drop");
  const survivors = clients.filter((client) => !client.isClosed);
  assert.ok(survivors.length > 0, "clients of the other workers stay connected");
  const publisher = await RawClient.connect({ port: broker.port }, { clientId: "reporter" });
  await publisher.publish({ topic: "news", qos: 1, payload: "after the crash" });
  for (const survivor of survivors) await survivor.expectPublish("after the crash");
  for (const client of [...survivors, publisher]) client.destroy();
});

test("crash: clients of every worker, the new one included, reach each other again [MQTT-3.8.4-1]", {
  timeout: 30_000,
}, async () => {
  const clients = await connectMany("n");
  for (const client of clients) await client.subscribe("fresh", 1);
  for (const publisher of clients) {
    publisher.send(packets.publish({ topic: "fresh", payload: publisher.clientId }));
    for (const client of clients) await client.expectPublish(publisher.clientId);
  }
  for (const client of clients) client.destroy();
});

test("crash: a new worker knows the subscriptions that were there before it [MQTT-3.8.4-1]", {
  timeout: 30_000,
}, async () => {
  const watchers = await connectMany("w");
  for (const watcher of watchers) await watcher.subscribe("old/subscription", 1);
  await crashOneWorker();
  await until(() => watchers.some((watcher) => watcher.isClosed), "connections to drop");
  const survivors = watchers.filter((watcher) => !watcher.isClosed);
  const publishers = await connectMany("p");
  for (const publisher of publishers) {
    publisher.send(packets.publish({ topic: "old/subscription", payload: publisher.clientId }));
    for (const survivor of survivors) await survivor.expectPublish(publisher.clientId);
  }
  for (const client of [...survivors, ...publishers]) client.destroy();
});

test("crash: client identifiers of the dead worker can connect again at once [MQTT-3.1.4-3]", {
  timeout: 30_000,
}, async () => {
  const first = await connectMany("again");
  await crashOneWorker();
  await until(() => first.some((client) => client.isClosed), "connections to drop");
  const second = await connectMany("again");
  for (const client of second) await client.expectQuiet();
  for (const client of second) client.destroy();
});

test("crash: counters of the dead worker do not stay behind", { timeout: 30_000 }, async () => {
  const connections = () => broker.metric("ratatosk_mqtt_connections");
  await until(async () => (await connections()) === 0, "no connections to be counted");
  const sessions = () => broker.metric("ratatosk_mqtt_sessions_connected");
  await until(async () => (await sessions()) === 0, "no sessions to be counted");
});
