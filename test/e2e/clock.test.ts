/** A wall clock that is set by hours, while the broker runs and while it does not. */

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { type BrokerProcess, startBroker } from "../helpers/broker-process.ts";
import { dataFolder } from "../helpers/data-folder.ts";
import { until } from "../helpers/deadline.ts";
import { property } from "../helpers/packets.ts";
import { RawClient } from "../helpers/raw-client.ts";

const HOUR_MS = 3_600_000;
const PRELOAD = fileURLToPath(new URL("../helpers/set-clock.js", import.meta.url));

function setClock(folder: string, hours: number): void {
  writeFileSync(join(folder, "clock"), String(hours * HOUR_MS));
}

async function start(t: TestContext, folder: string): Promise<BrokerProcess> {
  const broker = await startBroker({
    workers: 2,
    nodeArgs: ["--import", PRELOAD],
    env: { CLOCK_FILE: join(folder, "clock") },
    config: { data_dir: join(folder, "data") },
  });
  t.after(() => broker.kill());
  return broker;
}

function connect(broker: BrokerProcess, clientId: string, expirySeconds = 3600) {
  const properties = [property.sessionExpiry(expirySeconds)];
  return RawClient.connect({ port: broker.port }, { clientId, cleanStart: false, properties });
}

/** A message that expires after a minute, for a session without a connection, and retained. */
async function publishExpiring(broker: BrokerProcess, payload: string): Promise<void> {
  const publisher = await RawClient.connect({ port: broker.port }, { clientId: "publisher" });
  const properties = [property.messageExpiry(60)];
  for (const retain of [false, true]) {
    const topic = retain ? "r" : "t";
    const code = await publisher.publish({ topic, payload, qos: 1, retain, properties });
    assert.ok(code < 0x80, `${code}`);
  }
  publisher.destroy();
}

async function expectBoth(broker: BrokerProcess, payload: string): Promise<void> {
  const client = await connect(broker, "stored");
  assert.equal(client.connack?.sessionPresent, true, "the session has not expired");
  await client.expectPublish(payload);
  await client.subscribe("r", 0);
  await client.expectPublish(payload);
  await client.unsubscribe("r");
  client.destroy();
}

for (const hours of [6, -6]) {
  test(`clock: set by ${hours} hours while the broker runs, it ends nothing and keeps nothing for ever`, {
    timeout: 60_000,
  }, async (t) => {
    const folder = dataFolder(t);
    setClock(folder, 0);
    const broker = await start(t, folder);
    const stored = await connect(broker, "stored");
    await stored.subscribe("t", 1);
    stored.destroy();
    const brief = await connect(broker, "brief", 2);
    brief.destroy();
    const alive = await RawClient.connect({ port: broker.port }, { clientId: "a", keepAlive: 60 });
    await publishExpiring(broker, "before");
    setClock(folder, hours);
    const event = await broker.waitForLog("clock_differs");
    assert.equal(Math.round(Number(event["ahead_ms"]) / HOUR_MS), -hours);
    await expectBoth(broker, "before");
    await publishExpiring(broker, "after");
    await expectBoth(broker, "after");
    await alive.subscribe("still/here", 0);
    await until(async () => {
      return (await broker.metric("ratatosk_mqtt_persistent_sessions")) === 1;
    }, "the brief session to end");
    const again = await connect(broker, "brief");
    assert.equal(again.connack?.sessionPresent, false, "two seconds are two seconds");
    again.destroy();
    alive.destroy();
  });
}

test("clock: set back while the broker is down, time goes on from where it was", {
  timeout: 60_000,
}, async (t) => {
  const folder = dataFolder(t);
  setClock(folder, 6);
  let broker = await start(t, folder);
  const stored = await connect(broker, "stored");
  await stored.subscribe("t", 1);
  stored.destroy();
  await publishExpiring(broker, "ahead");
  await broker.stop();
  setClock(folder, 0);
  broker = await start(t, folder);
  const event = await broker.waitForLog("clock_differs");
  assert.equal(Math.round(Number(event["ahead_ms"]) / HOUR_MS), 6);
  await expectBoth(broker, "ahead");
  await publishExpiring(broker, "back");
  await expectBoth(broker, "back");
});
