/**
 * A broker whose disk somebody else fills to the last byte: what is not stored is not acknowledged,
 * what was acknowledged is there, and everything goes on when there is space, with and without a
 * restart on the full disk.
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { type BrokerProcess, startBroker } from "../helpers/broker-process.ts";
import { until } from "../helpers/deadline.ts";
import * as packets from "../helpers/packets.ts";
import { RawClient, textOf } from "../helpers/raw-client.ts";
import { NO_SMALL_DISKS, SmallDisk } from "../helpers/small-disk.ts";

const skip = NO_SMALL_DISKS;
const { property } = packets;
const KEPT = { cleanStart: false, properties: [property.sessionExpiry(3600)] };
const MIB = 1024 * 1024;
const QUOTA_EXCEEDED = 0x97;

function start(t: TestContext, disk: SmallDisk, log: string): Promise<BrokerProcess> {
  const config = {
    data_dir: join(disk.path, "data"),
    storage: { log, disk_reserve_bytes: 8 * MIB },
  };
  return startBroker({ workers: 2, config }).then((broker) => {
    t.after(() => broker.kill());
    return broker;
  });
}

/** The answer to one publish: its reason code, or that the connection was closed without one. */
async function answerTo(
  broker: BrokerProcess,
  level: packets.Level,
  fields: packets.PublishFields,
): Promise<number | "closed"> {
  const clientId = `publisher-${level}`;
  const client = await RawClient.connect({ port: broker.port }, { level, clientId });
  client.send(packets.publish({ level, packetId: 1, payload: "p", ...fields }));
  const packet = await client.next();
  client.destroy();
  if (packet === null || packet.type === "disconnect") return "closed";
  assert.ok(packet.type === "puback" || packet.type === "pubrec", packet.type);
  return packet.reasonCode;
}

/** What has to be stored, by each way in, is refused as its version can say it. */
async function expectRefusals(broker: BrokerProcess): Promise<void> {
  for (const qos of [1, 2]) {
    for (const fields of [
      { topic: "stored", qos },
      { topic: "group", qos },
      { topic: "retained", qos, retain: true },
    ]) {
      const what = JSON.stringify(fields);
      assert.equal(await answerTo(broker, 5, fields), QUOTA_EXCEEDED, what);
      assert.equal(await answerTo(broker, 4, fields), "closed", what);
    }
  }
  for (const level of [4, 5] as const) {
    const client = await RawClient.open({ port: broker.port }, level);
    client.send(packets.connect({ ...KEPT, level, clientId: "new" }));
    const { reasonCode } = await client.expect("connack");
    assert.equal(reasonCode, level === 5 ? QUOTA_EXCEEDED : 3);
    client.destroy();
  }
}

/** QoS 0, and QoS 1 between clients that are connected, need no disk. */
async function expectLive(broker: BrokerProcess): Promise<void> {
  const client = await RawClient.connect({ port: broker.port }, { clientId: "live" });
  await client.subscribe("live", 1);
  client.send(packets.publish({ topic: "live", payload: "zero" }));
  await client.expectPublish("zero");
  const publisher = await RawClient.connect({ port: broker.port }, { clientId: "live-publisher" });
  await publisher.publish({ topic: "live", payload: "one", qos: 1 });
  await client.expectPublish("one");
  client.destroy();
  publisher.destroy();
}

async function fillDisk(broker: BrokerProcess, disk: SmallDisk): Promise<void> {
  const seen = broker.logs.length;
  disk.fill();
  await broker.waitForLog("disk_full", seen);
  await until(async () => {
    return (await answerTo(broker, 5, { topic: "stored", qos: 1 })) === QUOTA_EXCEEDED;
  }, "every worker to know");
}

async function readiness(broker: BrokerProcess) {
  const response = await fetch(`http://127.0.0.1:${broker.adminPort}/readyz`);
  const body = (await response.json()) as { status: string; disk_full?: boolean };
  return { status: response.status, said: body.status, isDiskFull: body.disk_full };
}

function resume(broker: BrokerProcess, fields: packets.ConnectFields = {}): Promise<RawClient> {
  return RawClient.connect({ port: broker.port }, { ...KEPT, clientId: "stored", ...fields });
}

for (const log of ["lmdb", "segments"]) {
  test(`full disk, log in ${log}: nothing is acknowledged that is not stored, and space is all it takes`, {
    skip,
    timeout: 90_000,
  }, async (t) => {
    const disk = new SmallDisk(t, 96);
    let broker = await start(t, disk, log);
    let stored = await resume(broker);
    await stored.subscribe("stored", 2);
    await stored.subscribe("$share/g/group", 2);
    await stored.subscribe("will/#", 1);
    const will = { topic: "will/w", payload: "will", qos: 1, retain: true };
    const dying = await resume(broker, { clientId: "dying", will });
    stored.destroy();
    assert.equal(await answerTo(broker, 5, { topic: "stored", qos: 1, payload: "before" }), 0);

    await fillDisk(broker, disk);
    assert.deepEqual(await readiness(broker), { status: 200, said: "degraded", isDiskFull: true });
    await expectRefusals(broker);
    await expectLive(broker);
    assert.ok((await broker.metric("ratatosk_mqtt_dropped_total", { reason: "disk_full" })) >= 12);
    dying.destroy();
    await until(
      async () => (await broker.metric("ratatosk_mqtt_wills_published_total")) > 0,
      "will",
    );
    stored = await resume(broker);
    assert.equal(stored.connack?.sessionPresent, true);
    await stored.expectPublish("before");
    // Its acknowledgement is stored too.
    await until(async () => (await broker.metric("ratatosk_mqtt_inbox_messages")) === 0, "PUBACK");
    stored.destroy();

    await broker.kill();
    broker = await start(t, disk, log);
    await broker.waitForLog("disk_full");
    await expectRefusals(broker);
    await expectLive(broker);

    const seen = broker.logs.length;
    disk.free();
    await broker.waitForLog("disk_has_space", seen);
    await until(async () => {
      return (await answerTo(broker, 5, { topic: "stored", qos: 1, payload: "after" })) === 0;
    }, "every worker to know");
    const ready = { status: 200, said: "serving", isDiskFull: undefined };
    assert.deepEqual(await readiness(broker), ready);
    stored = await resume(broker);
    const arrived = [await stored.expect("publish"), await stored.expect("publish")];
    assert.deepEqual(arrived.map(({ payload }) => textOf(payload)).sort(), ["after", "will"]);
    await stored.expectQuiet();
    await stored.subscribe("+/w", 1);
    const retained = await stored.expectPublish("will");
    assert.ok(retained.retain);
    stored.destroy();
    assert.equal(await broker.stop(), 0);
  });
}
