/**
 * What a broker does when a store's folder is gone: it says what is missing, serves the rest,
 * acknowledges nothing that it cannot keep, and is whole again when it is told to begin anew.
 */

import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { BrokerProcess } from "../helpers/broker-process.ts";
import { dataFolder, startOver } from "../helpers/data-folder.ts";
import { until } from "../helpers/deadline.ts";
import * as packets from "../helpers/packets.ts";
import { RawClient, textOf } from "../helpers/raw-client.ts";
import { runCli } from "../main/cli/run-cli.ts";

const KEPT = [packets.property.sessionExpiry(3600)];
const MISSING = { timeout: 60_000 };
const IMPLEMENTATION_SPECIFIC_ERROR = 0x83;
const SESSIONS = Array.from({ length: 8 }, (_, at) => `s${at}`);

function connect({ port }: BrokerProcess, clientId: string): Promise<RawClient> {
  return RawClient.connect({ port }, { clientId, cleanStart: false, properties: KEPT });
}

async function readiness(broker: BrokerProcess) {
  const response = await fetch(`http://127.0.0.1:${broker.adminPort}/readyz`);
  const body = (await response.json()) as { status: string; damaged_ranges?: number[] };
  return { code: response.status, status: body.status, damaged: body.damaged_ranges ?? [] };
}

async function reset(broker: BrokerProcess, id: number): Promise<void> {
  const url = `http://127.0.0.1:${broker.adminPort}`;
  const { code, stderr } = await runCli(["ranges", "reset", String(id), "--yes", "--url", url]);
  assert.equal(code, 0, stderr);
}

/** A broker that had stored sessions for t/# when store `gone` went; it need not get ready. */
async function startWithout(t: TestContext, folder: string, gone: number): Promise<BrokerProcess> {
  const before = await startOver(t, folder);
  for (const clientId of SESSIONS) {
    const client = await connect(before, clientId);
    await client.subscribe("t/#", 1);
    client.destroy();
  }
  await before.stop();
  rmSync(join(folder, "store", String(gone)), { recursive: true });
  const broker = new BrokerProcess({ workers: 2, config: { data_dir: folder } });
  t.after(() => broker.kill());
  await broker.waitForLog("listening");
  await until(async () => (await readiness(broker)).status !== "starting", "the start");
  assert.equal(broker.countOf("ranges_created"), 0);
  return broker;
}

/** Publishes to all; those of the sessions that are there get it, and are returned. */
async function served(broker: BrokerProcess, names: readonly string[]): Promise<string[]> {
  const publisher = await RawClient.connect({ port: broker.port }, { clientId: "publisher" });
  assert.equal(await publisher.publish({ topic: "t/1", payload: "all", qos: 1 }), 0);
  const found: string[] = [];
  for (const clientId of names) {
    const client = await connect(broker, clientId);
    if (client.connack?.sessionPresent === true) {
      assert.equal(textOf((await client.expect("publish")).payload), "all");
      found.push(clientId);
    }
    client.destroy();
  }
  return found;
}

test(
  "missing store: with that of the routes nothing is acknowledged until it is made anew",
  MISSING,
  async (t) => {
    const folder = dataFolder(t);
    const broker = await startWithout(t, folder, 1);
    assert.deepEqual(await readiness(broker), {
      code: 503,
      status: "routes_missing",
      damaged: [2, 4, 1],
    });
    assert.equal(broker.countOf("range_damaged"), 3);
    const publisher = await RawClient.connect({ port: broker.port }, { clientId: "publisher" });
    const code = await publisher.publish({ topic: "t/1", payload: "x", qos: 1 });
    assert.equal(code, IMPLEMENTATION_SPECIFIC_ERROR);
    await reset(broker, 2);
    await broker.waitForLog("routes_rebuilt");
    await reset(broker, 4);
    assert.deepEqual(await readiness(broker), { code: 200, status: "serving", damaged: [] });
    const left = await served(broker, SESSIONS);
    assert.ok(left.length > 0 && left.length < SESSIONS.length, left.join());
    await broker.stop();
    const again = await startOver(t, folder);
    assert.equal(again.countOf("range_damaged"), 0);
    assert.deepEqual(await served(again, left), left);
  },
);

test(
  "missing store: one of sessions and retained messages is named, the rest is served",
  MISSING,
  async (t) => {
    const folder = dataFolder(t);
    const broker = await startWithout(t, folder, 2);
    assert.deepEqual(await readiness(broker), { code: 200, status: "degraded", damaged: [3, 5] });
    const outcomes = new Set<boolean | null>();
    for (const clientId of SESSIONS) {
      const client = await RawClient.open({ port: broker.port });
      client.send(packets.connect({ clientId, cleanStart: false, properties: KEPT }));
      const connack = await client.expect("connack");
      outcomes.add(connack.reasonCode === 0 ? connack.sessionPresent : null);
      client.destroy();
    }
    assert.deepEqual(outcomes, new Set([true, null]), "none is made anew in silence");
    for (const id of [3, 5]) await reset(broker, id);
    assert.deepEqual(await readiness(broker), { code: 200, status: "serving", damaged: [] });
    const left = await served(broker, SESSIONS);
    assert.ok(left.length > 0 && left.length < SESSIONS.length, left.join());
  },
);
