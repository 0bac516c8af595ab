/**
 * A log of which one batch cannot be read: nobody knows what else is lost, so nothing of its store
 * is served until the operator gives it up.
 */

import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { BrokerProcess } from "../helpers/broker-process.ts";
import { dataFolder, startOver } from "../helpers/data-folder.ts";
import { until } from "../helpers/deadline.ts";
import * as packets from "../helpers/packets.ts";
import { RawClient, textOf } from "../helpers/raw-client.ts";
import { runCli } from "../main/cli/run-cli.ts";

const KEPT = [packets.property.sessionExpiry(3600)];
const SESSIONS = Array.from({ length: 8 }, (_, at) => `s${at}`);
/** In the header of the first batch. */
const BATCH_BYTE = 40;

function connect({ port }: BrokerProcess, clientId: string): Promise<RawClient> {
  return RawClient.connect({ port }, { clientId, cleanStart: false, properties: KEPT });
}

async function readiness(broker: BrokerProcess): Promise<unknown> {
  const response = await fetch(`http://127.0.0.1:${broker.adminPort}/readyz`);
  const { status, damaged_ranges: damaged } = (await response.json()) as Record<string, unknown>;
  return { code: response.status, status, damaged: damaged ?? [] };
}

test("damaged log: its store is made anew when told, the sessions of the other are whole", {
  timeout: 60_000,
}, async (t) => {
  const folder = dataFolder(t);
  const before = await startOver(t, folder);
  for (const clientId of SESSIONS) {
    const client = await connect(before, clientId);
    await client.subscribe("t/#", 1);
    client.destroy();
  }
  await before.stop();
  const file = join(folder, "store", "1", "log", "00000001.seg");
  const bytes = readFileSync(file);
  bytes[BATCH_BYTE]! ^= 1;
  writeFileSync(file, bytes);
  const broker = new BrokerProcess({ workers: 2, config: { data_dir: folder } });
  t.after(() => broker.kill());
  await broker.waitForLog("listening");
  const damaged = { code: 503, status: "routes_missing", damaged: [1, 2, 4] };
  await until(
    async () => JSON.stringify(await readiness(broker)) === JSON.stringify(damaged),
    "it",
  );
  const url = `http://127.0.0.1:${broker.adminPort}`;
  const refused = await runCli(["ranges", "reset", "2", "--yes", "--url", url]);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /whole store is damaged .*batch 1.*reset-store 1/);
  const reset = await runCli(["ranges", "reset-store", "1", "--yes", "--url", url]);
  assert.equal(reset.code, 0, reset.stderr);
  await broker.waitForLog("routes_rebuilt");
  assert.deepEqual(await readiness(broker), { code: 200, status: "serving", damaged: [] });
  assert.ok(existsSync(join(folder, "store", "1-damaged", "log", "00000001.seg")));
  const publisher = await RawClient.connect({ port: broker.port }, { clientId: "publisher" });
  assert.equal(await publisher.publish({ topic: "t/1", payload: "all", qos: 1 }), 0);
  const kept: string[] = [];
  for (const clientId of SESSIONS) {
    const client = await connect(broker, clientId);
    if (client.connack?.sessionPresent === true) {
      kept.push(clientId);
      assert.equal(textOf((await client.expect("publish")).payload), "all");
    }
    client.destroy();
  }
  assert.ok(kept.length > 0 && kept.length < SESSIONS.length, kept.join());
  await broker.stop();
  const again = await startOver(t, folder);
  assert.equal(again.countOf("range_damaged"), 0);
});
