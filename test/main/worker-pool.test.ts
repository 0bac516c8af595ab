/** The supervisor with real threads and a fake worker. */

import assert from "node:assert/strict";
import { extname } from "node:path";
import test, { type TestContext } from "node:test";
import { BroadcastChannel } from "node:worker_threads";
import { ExitError } from "../../src/main/exit-code.ts";
import { createRingMesh, type PeerReplacement } from "../../src/main/ring-mesh.ts";
import { WorkerPool } from "../../src/main/worker-pool.ts";
import { Counter, counterRow, counterTableSize } from "../../src/shared/metrics/counter-table.ts";
import {
  sharedWordsSize,
  WORD_CONNECTIONS,
  WORD_LISTENER_CONNECTIONS,
  workerListenerWord,
} from "../../src/shared/metrics/shared-words.ts";
import { createQuotaMemory } from "../../src/shared/quota/quota-ledger.ts";
import type { FakeWorkerCommand, FakeWorkerReport } from "./fake-worker.ts";
import { arrayLog, configFrom, eventually } from "./helpers.ts";

const ENTRY = new URL(`./fake-worker${extname(import.meta.url)}`, import.meta.url);
let poolCount = 0;

function createPool(t: TestContext, workers: number, behaviour = "", listeners = "mqtt://[::1]:7") {
  const node = `${behaviour}-${process.pid}-${++poolCount}`;
  const { config } = configFrom({
    WORKERS: String(workers),
    NODE_NAME: node,
    LISTENERS: listeners,
  });
  const log = arrayLog();
  const replacements: PeerReplacement[] = [];
  const fatal: ExitError[] = [];
  const mesh = createRingMesh(workers, { workerRingBytes: 1024, mainRingBytes: 1024 });
  const mainEndpoint = mesh.endpoint(0);
  const clock = { nowMs: 1000 };
  const counters = new SharedArrayBuffer(counterTableSize(workers));
  const words = new SharedArrayBuffer(sharedWordsSize(workers));
  const pool = new WorkerPool({
    entry: ENTRY,
    config,
    log,
    mesh,
    counters,
    words,
    clockOriginMs: 0,
    quotas: createQuotaMemory(workers),
    onPeerReplaced: (replacement) => replacements.push(replacement),
    storage: () => ({ path: "data", storeCount: workers, log: "lmdb", processNumber: 1 }),
    onFatal: (error) => fatal.push(error),
    onStoreSpace: () => assert.fail("no store is open"),
    nowMs: () => clock.nowMs,
  });
  const channel = new BroadcastChannel(node);
  t.after(async () => {
    await pool.close();
    channel.close();
    for (const bell of mainEndpoint.bells) bell?.close();
    for (const { bell } of replacements) bell.close();
    mesh.close();
  });
  const command = (worker: number, action: FakeWorkerCommand["action"]) => {
    channel.postMessage({ worker, action } satisfies FakeWorkerCommand);
  };
  const report = async (worker: number): Promise<FakeWorkerReport> => {
    const answered = new Promise<FakeWorkerReport>((resolve) => {
      channel.onmessage = (event) => resolve((event as { data: FakeWorkerReport }).data);
    });
    command(worker, "report");
    return await answered;
  };
  return { pool, log, config, counters, words, clock, replacements, fatal, command, report };
}

test("worker pool: starts all workers and logs each listener once", async (t) => {
  const { pool, log } = createPool(t, 3);
  await pool.start();
  assert.deepEqual(pool.counts, { ready: 3, total: 3 });
  assert.deepEqual(pool.boundPorts, { "mqtt-7": 7 });
  const listening = log.entries.filter((entry) => entry.event === "listening");
  assert.equal(listening.length, 1);
  assert.deepEqual(listening[0]?.fields, {
    listener: "mqtt-7",
    protocol: "mqtt",
    host: "::1",
    port: 7,
  });
});

test("worker pool: a free port is taken by worker 1 and shared by the others", async (t) => {
  const { pool, report } = createPool(t, 2, "", "mqtt://[::1]:0,ws://[::1]:0/mqtt");
  await pool.start();
  assert.deepEqual((await report(1)).boundPorts, {});
  assert.deepEqual((await report(2)).boundPorts, { "mqtt-0": 40_000, "ws-0": 40_001 });
});

test("worker pool: a dead worker is logged with its cause and starts again, others stay", async (t) => {
  const { pool, log, command, report, replacements } = createPool(t, 3);
  await pool.start();
  const before = (await report(2)).incarnation;
  command(2, "throw");
  await eventually(() => log.events().includes("worker_died"), "worker 2 dies");
  await eventually(() => pool.counts.ready === 3, "worker 2 is back");

  const death = log.entries.find((entry) => entry.event === "worker_died")!;
  assert.equal(death.level, "error");
  assert.equal(death.fields["worker"], 2);
  assert.match((death.fields["error"] as Error).message, /bang in worker 2/);
  assert.ok((await report(2)).incarnation > before);
  assert.equal(pool.restartsOf(2), 1);
  assert.deepEqual((await report(1)).replacedPeers, [2]);
  assert.deepEqual((await report(3)).replacedPeers, [2]);
  assert.deepEqual(
    replacements.map(({ thread, peer }) => [thread, peer]),
    [[0, 2]],
  );
});

test("worker pool: a worker that ends by itself counts as dead", async (t) => {
  const { pool, log, command } = createPool(t, 1);
  await pool.start();
  command(1, "exit");
  await eventually(() => log.events().includes("worker_died"), "worker 1 ends");
  const death = log.entries.find((entry) => entry.event === "worker_died");
  assert.equal(death?.fields["exit_code"], 7);
  await eventually(() => pool.counts.ready === 1, "worker 1 is back");
});

test("worker pool: what a dead worker counted is taken back, its counters stay", async (t) => {
  const { pool, log, counters, words, command } = createPool(t, 2);
  await pool.start();
  const row = counterRow(counters, 2);
  row[Counter.CONNECTIONS] = 5;
  row[Counter.CONNECTS] = 9;
  const shared = new Int32Array(words);
  shared[WORD_CONNECTIONS] = 12;
  shared[WORD_LISTENER_CONNECTIONS] = 12;
  shared[workerListenerWord(1, 0)] = 7;
  shared[workerListenerWord(2, 0)] = 5;
  command(2, "throw");
  await eventually(() => log.events().includes("worker_restarting"), "worker 2 dies");
  assert.equal(row[Counter.CONNECTIONS], 0);
  assert.equal(row[Counter.CONNECTS], 9);
  assert.equal(shared[WORD_CONNECTIONS], 7);
  assert.equal(shared[WORD_LISTENER_CONNECTIONS], 7);
  assert.equal(shared[workerListenerWord(2, 0)], 0);
});

test("worker pool: two workers that die together both come back with each other's rings", async (t) => {
  const { pool, command, report } = createPool(t, 3);
  await pool.start();
  command(1, "throw");
  command(2, "throw");
  await eventually(() => pool.restartsOf(1) + pool.restartsOf(2) === 2, "both die");
  await eventually(() => pool.counts.ready === 3, "both are back");
  assert.deepEqual([...(await report(3)).replacedPeers].sort(), [1, 2]);
});

test("worker pool: deaths in quick succession end it", async (t) => {
  const { pool, log, fatal, command } = createPool(t, 1);
  await pool.start();
  for (let death = 1; death <= 5; death++) {
    await eventually(() => fatal.length > 0 || pool.counts.ready === 1, `start ${death}`);
    command(1, "throw");
    const deaths = () => log.events().filter((event) => event === "worker_died").length;
    await eventually(() => deaths() === death, `death ${death}`);
  }
  assert.equal(fatal.length, 1);
  assert.equal(fatal[0]?.exitCode, 1);
  assert.match(fatal[0]?.message ?? "", /keep dying/);
});

test("worker pool: a store that fails ends everything, and nothing is restarted", async (t) => {
  const { pool, fatal, command, log } = createPool(t, 2);
  await pool.start();
  command(2, "store-fails");
  await eventually(() => fatal.length > 0, "the failure is told");
  assert.equal(fatal[0]?.exitCode, 1);
  assert.match(fatal[0]?.message ?? "", /store 3 could not be written.*EIO/);
  command(1, "exit");
  await eventually(() => pool.counts.ready === 1, "worker 1 has ended");
  assert.ok(!log.events().includes("worker_restarting"));
});

test("worker pool: a listener that cannot be opened at start ends it with 69 and a remedy", async (t) => {
  const { pool } = createPool(t, 2, "listen-fails");
  await assert.rejects(pool.start(), (error) => {
    assert.ok(error instanceof ExitError);
    assert.equal(error.exitCode, 69);
    assert.match(error.message, /mqtt:\/\/\[::1\]:7 \(listener mqtt-7\).*taken.*another port/);
    return true;
  });
  assert.equal(pool.counts.ready, 0);
});

for (const [behaviour, text] of [
  ["throws-at-start", /worker \d ended while starting: bang/],
  ["exits-at-start", /worker \d ended while starting: exit code 3/],
] as const) {
  test(`worker pool: a worker that ${behaviour.replaceAll("-", " ")} ends it with 1`, async (t) => {
    const { pool, fatal } = createPool(t, 2, behaviour);
    await assert.rejects(pool.start(), (error) => {
      assert.ok(error instanceof ExitError);
      assert.equal(error.exitCode, 1);
      assert.match(error.message, text);
      return true;
    });
    assert.equal(fatal.length, 0);
  });
}

test("worker pool: drain resolves when all have drained, and nothing is restarted", async (t) => {
  const { pool, log } = createPool(t, 2);
  await pool.start();
  assert.deepEqual(await pool.drain(0x8b, 3000), []);
  await eventually(() => pool.counts.ready === 0, "workers end");
  assert.ok(!log.events().includes("worker_died"));
});

test("worker pool: drain names the workers that did not finish in time", async (t) => {
  const { pool } = createPool(t, 2, "never-drains");
  await pool.start();
  assert.deepEqual(await pool.drain(0x8b, 20), [1, 2]);
});

test("worker pool: reload reaches all workers, later starts too", async (t) => {
  const { pool, config, command, report } = createPool(t, 2);
  await pool.start();
  const limits = { ...config.limits, maxConnections: 77 };
  assert.deepEqual(await pool.reload({ ...config, limits }), []);
  assert.equal((await report(1)).maxConnections, 77);
  command(2, "throw");
  await eventually(() => pool.restartsOf(2) === 1 && pool.counts.ready === 2, "worker 2 restarts");
  assert.equal((await report(2)).maxConnections, 77);
});

test("worker pool: reload says which worker could not take it", async (t) => {
  const { pool, config } = createPool(t, 2, "reload-fails");
  await pool.start();
  const errors = await pool.reload(config);
  assert.deepEqual(
    errors.sort((a, b) => a.worker - b.worker),
    [
      { worker: 1, error: "no good" },
      { worker: 2, error: "no good" },
    ],
  );
});
