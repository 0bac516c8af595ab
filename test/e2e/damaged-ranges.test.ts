/**
 * What a broker does with stored data that is not as it was written: it starts, says what is
 * damaged, serves the rest, and acknowledges nothing that it cannot keep.
 */

import assert from "node:assert/strict";
import { statSync } from "node:fs";
import test, { type TestContext } from "node:test";
import { BrokerProcess } from "../helpers/broker-process.ts";
import { dataFolder, startOver } from "../helpers/data-folder.ts";
import { until } from "../helpers/deadline.ts";
import * as packets from "../helpers/packets.ts";
import { RawClient, textOf } from "../helpers/raw-client.ts";
import { damageRecord, flipRows } from "../helpers/stored-rows.ts";
import { runCli } from "../main/cli/run-cli.ts";

const { property } = packets;
const KEPT = [property.sessionExpiry(3600)];
const DAMAGED = { timeout: 60_000 };
/** Class of a session's head in a key of the inbox service (inbox-key.ts). */
const HEAD = 2;
/** Class of its subscriptions. */
const SESSION = 5;
const ROUTES = 1;
const FIRST_INBOX = 2;
const FIRST_RETAINED = 4;
const NO_MATCHING_SUBSCRIBERS = 0x10;
const IMPLEMENTATION_SPECIFIC_ERROR = 0x83;
const INBOX_ROW = 0x82;

/** It does not get ready. */
async function startDamaged(t: TestContext, folder: string): Promise<BrokerProcess> {
  const broker = new BrokerProcess({ workers: 2, config: { data_dir: folder } });
  t.after(() => broker.kill());
  await broker.waitForLog("listening");
  return broker;
}

async function restart(
  t: TestContext,
  broker: BrokerProcess,
  folder: string,
): Promise<BrokerProcess> {
  await broker.kill();
  return startOver(t, folder, 1);
}

function connect(
  { port }: BrokerProcess,
  clientId: string,
  fields: packets.ConnectFields = {},
): Promise<RawClient> {
  return RawClient.connect({ port }, { clientId, cleanStart: false, properties: KEPT, ...fields });
}

async function readiness(broker: BrokerProcess): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`http://127.0.0.1:${broker.adminPort}/readyz`);
  return { status: response.status, body: await response.json() };
}

/**
 * Twelve sessions `s0`.. that want t/#, each in a shared group of its own besides, so that each of
 * the two inbox ranges has some.
 */
const SESSIONS = Array.from({ length: 12 }, (_, at) => `s${at}`);

async function storeSessions(broker: BrokerProcess): Promise<void> {
  for (const clientId of SESSIONS) {
    const client = await connect(broker, clientId);
    await client.subscribe("t/#", 1);
    await client.subscribe(`$share/group/own/${clientId}`, 1);
    client.destroy();
  }
}

/** Of a broker that has stopped. */
async function folderOfSessions(t: TestContext): Promise<string> {
  const folder = dataFolder(t);
  const broker = await startOver(t, folder);
  await storeSessions(broker);
  await broker.stop();
  return folder;
}

test(
  "damaged state: a flipped bit of a session's head sets its range aside, the rest is served",
  DAMAGED,
  async (t) => {
    const folder = await folderOfSessions(t);
    let isFirst = true;
    const flipped = await flipRows(folder, "sm", (key) => {
      const isHead = isFirst && key[0] === INBOX_ROW && key[5] === HEAD && key.length === 12;
      if (isHead) isFirst = false;
      return isHead;
    });
    assert.equal(flipped, 1);
    const broker = await startOver(t, folder);
    const event = await broker.waitForLog("range_damaged");
    assert.match(String(event["damage"]), /state row [0-9a-f]+: its checksum is wrong/);
    const { status, body } = await readiness(broker);
    assert.equal(status, 200);
    assert.deepEqual(body, {
      status: "degraded",
      workers: { ready: 2, total: 2 },
      damaged_ranges: [2],
      disk_full: false,
    });
    const outcomes: (boolean | null)[] = [];
    for (const clientId of SESSIONS) {
      const client = await RawClient.open({ port: broker.port });
      client.send(packets.connect({ clientId, cleanStart: false, properties: KEPT }));
      const connack = await client.expect("connack");
      outcomes.push(connack.reasonCode === 0 ? connack.sessionPresent : null);
      client.destroy();
    }
    assert.ok(outcomes.includes(true) && outcomes.includes(null), String(outcomes));
    assert.ok(!outcomes.includes(false), "a session in a damaged range is not made anew");

    const url = `http://127.0.0.1:${broker.adminPort}`;
    const reset = await runCli(["ranges", "reset", "2", "--yes", "--url", url]);
    assert.equal(reset.code, 0, reset.stderr);
    const publisher = await RawClient.connect({ port: broker.port }, { clientId: "publisher" });
    for (const [at, clientId] of SESSIONS.entries()) {
      const code = await publisher.publish({ topic: `own/${clientId}`, payload: "x", qos: 1 });
      const isLost = outcomes[at] === null;
      assert.equal(code, isLost ? NO_MATCHING_SUBSCRIBERS : 0, "routes of the lost are gone");
    }
  },
);

test(
  "damaged state: a row that is met while its range is served ends one thread once, not the process",
  DAMAGED,
  async (t) => {
    const folder = dataFolder(t);
    let broker = await startOver(t, folder, 1);
    await storeSessions(broker);
    const retaining = await connect(broker, "retaining", { properties: [] });
    await retaining.publish({ topic: "r/1", payload: "kept", qos: 1, retain: true });
    retaining.destroy();
    await broker.stop();
    // Subscriptions are read when their session attaches.
    const isPart = (key: Buffer) => key[0] === INBOX_ROW && key[5] === SESSION;
    assert.equal(await flipRows(folder, "sm", isPart), 2 * SESSIONS.length);
    broker = await startOver(t, folder, 1);
    assert.equal(broker.countOf("range_damaged"), 0, "nothing of it was read yet");
    const client = await RawClient.open({ port: broker.port });
    client.send(packets.connect({ clientId: "s0", cleanStart: false, properties: KEPT }));
    await client.expectClose();
    await broker.waitForLog("range_damaged");
    await broker.ready();
    const { body } = await readiness(broker);
    assert.deepEqual((body as { damaged_ranges: number[] }).damaged_ranges, [2]);
    assert.equal(broker.countOf("worker_died"), 1);
    broker = await restart(t, broker, folder);
    assert.equal(broker.countOf("worker_died"), 0, "the next start knows");
    assert.equal(broker.countOf("range_damaged"), 1);
  },
);

test(
  "damaged routes: what stored sessions may want is acknowledged to nobody",
  DAMAGED,
  async (t) => {
    const folder = await folderOfSessions(t);
    await damageRecord(folder, ROUTES);
    await damageRecord(folder, FIRST_INBOX);
    let broker = await startDamaged(t, folder);
    const connected = await RawClient.connect({ port: broker.port }, { clientId: "connected" });
    await connected.subscribe("t/#", 1);
    const publisher = await RawClient.connect({ port: broker.port }, { clientId: "publisher" });
    for (const qos of [1, 2] as const) {
      for (const retain of [false, true]) {
        const code = await publisher.publish({ topic: "t/1", payload: "x", qos, retain });
        assert.equal(code, IMPLEMENTATION_SPECIFIC_ERROR);
      }
      const old = await RawClient.connect({ port: broker.port }, { clientId: "old", level: 4 });
      old.send(packets.publish({ level: 4, topic: "t/1", payload: "y", qos, packetId: 1 }));
      assert.equal(await old.next(), null, "closed without an acknowledgement");
    }
    const { status, body } = await readiness(broker);
    assert.equal(status, 503);
    assert.deepEqual((body as { damaged_ranges: number[] }).damaged_ranges, [1, 2]);
    publisher.send(packets.publish({ topic: "t/1", payload: "zero", qos: 0 }));
    assert.equal(textOf((await connected.expect("publish")).payload), "zero");

    const url = `http://127.0.0.1:${broker.adminPort}`;
    for (const [words, expected] of [
      [["reset", "1", "--yes"], /reset 2 first/],
      [["reset", "3", "--yes"], /range 3 is not damaged/],
      [["reset", "2"], /say --yes/],
    ] as const) {
      const { code, stderr } = await runCli(["ranges", ...words, "--url", url]);
      assert.notEqual(code, 0);
      assert.match(stderr, expected);
    }
    const reset = await runCli(["ranges", "reset", "2", "--yes", "--url", url]);
    assert.equal(reset.code, 0, reset.stderr);
    const event = await broker.waitForLog("range_reset");
    assert.ok(statSync(String(event["file"])).size > 0, "what was in it is not lost");
    await broker.waitForLog("routes_rebuilt");
    await broker.ready();
    assert.equal(await publisher.publish({ topic: "t/2", payload: "again", qos: 1 }), 0);
    const kept: string[] = [];
    for (const clientId of SESSIONS) {
      const client = await connect(broker, clientId);
      if (client.connack?.sessionPresent === true) {
        kept.push(clientId);
        assert.equal(textOf((await client.expect("publish")).payload), "again");
      }
      client.destroy();
    }
    assert.ok(kept.length > 0 && kept.length < SESSIONS.length, "those of the other range");
    await broker.stop();
    broker = await startOver(t, folder);
    assert.equal(broker.countOf("range_damaged"), 0);
  },
);

test(
  "damaged routes: they are asked for again of the ranges that hold the sessions",
  DAMAGED,
  async (t) => {
    const folder = dataFolder(t);
    let broker = await startOver(t, folder);
    await storeSessions(broker);
    const left = await connect(broker, "left");
    await left.subscribe("t/#", 1);
    await left.unsubscribe("t/#");
    left.destroy();
    await broker.stop();
    await damageRecord(folder, ROUTES);
    broker = await startOver(t, folder);
    assert.equal(broker.countOf("routes_rebuilt"), 1);
    const publisher = await RawClient.connect({ port: broker.port }, { clientId: "publisher" });
    assert.equal(await publisher.publish({ topic: "t/1", payload: "all", qos: 1 }), 0);
    await broker.kill();
    broker = await startOver(t, folder);
    assert.deepEqual(
      [broker.countOf("range_damaged"), broker.countOf("routes_rebuilt")],
      [0, 0],
      "it is made anew once",
    );
    for (const clientId of SESSIONS) {
      const client = await connect(broker, clientId);
      assert.equal(textOf((await client.expect("publish")).payload), "all", clientId);
      client.destroy();
    }
    const again = await connect(broker, "left");
    assert.equal(again.connack?.sessionPresent, true);
    await again.expectQuiet();
  },
);

test(
  "damaged retained messages: what is acknowledged is there, the rest is refused",
  DAMAGED,
  async (t) => {
    const folder = dataFolder(t);
    let broker = await startOver(t, folder);
    await broker.stop();
    await damageRecord(folder, FIRST_RETAINED);
    broker = await startOver(t, folder);
    const client = await RawClient.connect({ port: broker.port }, { clientId: "client" });
    const taken: string[] = [];
    for (let number = 0; number < 12; number++) {
      const topic = `r/${number}`;
      const code = await client.publish({ topic, payload: topic, qos: 1, retain: true });
      if (code < 0x80) taken.push(topic);
      else assert.equal(code, IMPLEMENTATION_SPECIFIC_ERROR);
    }
    assert.ok(taken.length > 0 && taken.length < 12, "one of two ranges is set aside");
    await client.subscribe("r/#", 0);
    const found: string[] = [];
    while (found.length < taken.length)
      found.push(textOf((await client.expect("publish")).payload));
    await client.expectQuiet();
    assert.deepEqual(found.sort(), taken.sort());
    const event = await broker.waitForLog("retained_incomplete");
    assert.deepEqual([event["client_id"], event["filter"]], ["client", "r/#"]);
    const incomplete = () => broker.metric("ratatosk_mqtt_retained_incomplete_total");
    assert.equal(await incomplete(), 1);
    await client.subscribe(taken[0]!, 0);
    await client.expectPublish(taken[0]!);
    assert.equal(await incomplete(), 1, "all of it was there");
    const lost = Array.from({ length: 12 }, (_, number) => `r/${number}`).find((topic) => {
      return !taken.includes(topic);
    });
    await client.subscribe(lost!, 0);
    await until(async () => (await incomplete()) === 2, "the topic out of reach to be counted");
  },
);
