/** The whole control plane in this process, with fake workers. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import test, { type TestContext } from "node:test";
import { Broker } from "../../src/main/broker.ts";
import { loadConfig } from "../../src/main/config/load-config.ts";
import { arrayLog, sources } from "./helpers.ts";

const ENTRY = new URL(`./fake-worker${extname(import.meta.url)}`, import.meta.url);
const BASE = "workers: 2\nadmin: {port: 0}\nlisteners: [{id: a, host: '::1', port: 0}]\n";

function createBroker(t: TestContext, yaml = "", behaviour = "serves") {
  const cwd = mkdtempSync(join(tmpdir(), "ratatosk-broker-"));
  t.after(() => rmSync(cwd, { recursive: true, force: true }));
  const write = (text: string) => {
    writeFileSync(join(cwd, "ratatosk.yaml"), `${BASE}node_name: ${behaviour}${cwd}\n${text}`);
  };
  write(yaml);
  const from = sources({ file: "ratatosk.yaml", cwd });
  const log = arrayLog();
  const broker = new Broker({
    loaded: loadConfig(from),
    reloadConfig: () => loadConfig(from),
    log,
    onFatal: (error) => assert.fail(error),
    workerEntry: ENTRY,
  });
  t.after(() => broker.close());
  const last = (event: string) =>
    log.entries.filter((entry) => entry.event === event).at(-1)?.fields;
  const ready = async () => (await fetch(`http://127.0.0.1:${broker.adminPort}/readyz`)).status;
  return { broker, log, write, last, ready };
}

test("broker: serves after start, and reports ports", async (t) => {
  const { broker, ready, last } = createBroker(t);
  await broker.start();
  assert.equal(await ready(), 200);
  assert.deepEqual(broker.boundPorts, { a: 40_000 });
  assert.equal(last("admin_listening")?.["port"], broker.adminPort);
});

test("broker: is not ready any more while it drains", async (t) => {
  const { broker, ready } = createBroker(t);
  await broker.start();
  const drained = broker.drain();
  assert.equal(await ready(), 503);
  assert.equal(await drained, true);
});

test("broker: a drain that takes too long says which workers are late", async (t) => {
  const { broker, last } = createBroker(t, "shutdown: {timeout_ms: 20}\n", "never-drains");
  await broker.start();
  assert.equal(await broker.drain(), false);
  assert.deepEqual(last("drain_timeout")?.["workers"], [1, 2]);
});

test("broker: reload takes what can change and names what needs a restart", async (t) => {
  const { broker, write, last } = createBroker(t);
  await broker.start();
  write("limits: {max_connections: 9}\ndata_dir: elsewhere\n");
  await broker.reload();
  assert.deepEqual(last("reloaded"), {
    changed: ["limits.max_connections"],
    needs_restart: ["data_dir"],
  });
  // Taken into use is over; waiting for a restart is not.
  await broker.reload();
  assert.deepEqual(last("reloaded"), { changed: [], needs_restart: ["data_dir"] });
});

test("broker: reload with a wrong file changes nothing and names all mistakes", async (t) => {
  const { broker, write, last, log, ready } = createBroker(t);
  await broker.start();
  write("limits: {max_connections: -1}\nlog: {levle: x}\n");
  await broker.reload();
  const problems = last("reload_failed")?.["problems"] as string[];
  assert.equal(problems.length, 2);
  assert.match(problems.join("\n"), /ratatosk\.yaml:5: limits\.max_connections: -1/);
  assert.ok(!log.events().includes("reloaded"));
  assert.equal(await ready(), 200);
});

test("broker: reload that workers cannot take is an error with their words", async (t) => {
  const { broker, last } = createBroker(t, "", "reload-fails");
  await broker.start();
  await broker.reload();
  const workers = last("reload_failed")?.["workers"] as { worker: number; error: string }[];
  assert.deepEqual(new Set(workers.map(({ error }) => error)), new Set(["no good"]));
});

test("broker: without admin server nothing listens for it", async (t) => {
  const { broker, log } = createBroker(t, "", "serves");
  const off = createBroker(t, "").broker;
  assert.equal(off.adminPort, -1);
  await broker.start();
  assert.ok(broker.adminPort > 0 && log.events().includes("admin_listening"));
});
