import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { Prng } from "../../../src/shared/base/prng.ts";
import { openLogStore } from "../../../src/workers/store/open-log-store.ts";
import { CrashWorkload, commitNumber } from "./crash-workload.ts";
import type { CrashTask } from "./crash-writer.ts";
import { scratchFolder } from "./store-fixtures.ts";

const CHILD = fileURLToPath(new URL("crash-process.js", import.meta.url));
const THREAD = new URL("crash-thread.js", import.meta.url);
const THREAD_DEATHS = 6;
/** Kills per durability; more by RATATOSK_CRASH_KILLS. */
const KILLS = Number(process.env["RATATOSK_CRASH_KILLS"] ?? 16);
/** Chains of kills that run side by side, each over a folder of its own. */
const CHAINS = 4;
/** From the first commit on: some kills hit the start, most the work. */
const LIFE_MAX_MS = 60;

/** Lets a child work for a moment, kills it, and returns the last commit that it called durable. */
async function workAndDie(task: CrashTask, lifeMs: number): Promise<number> {
  const child = spawn(process.execPath, [CHILD, JSON.stringify(task)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.setEncoding("latin1").on("data", (text: string) => {
    output += text;
  });
  const exited = once(child, "close");
  await Promise.race([once(child.stdout, "data"), exited]);
  setTimeout(() => killHard(child), lifeMs);
  const [, signal] = await exited;
  assert.equal(signal, "SIGKILL", `seed ${task.seed}: the child ended by itself`);
  // A last line without its end was not told.
  const lines = output.split("\n").slice(0, -1).map(Number);
  return lines.length === 0 ? 0 : Math.max(...lines);
}

function killHard(child: ChildProcess): void {
  child.kill("SIGKILL");
}

async function dieOften(task: CrashTask, kills: number): Promise<void> {
  const prng = new Prng(task.seed);
  const workload = new CrashWorkload(task.seed);
  for (let kill = 0; kill < kills; kill++) {
    const durable = await workAndDie(task, prng.below(LIFE_MAX_MS));
    await checkAfterwards(task, workload, durable);
  }
  assert.ok(workload.commits > kills, "work was done between the kills");
}

async function checkAfterwards(task: CrashTask, workload: CrashWorkload, durable: number) {
  const store = openLogStore({ folder: task.folder, log: task.log });
  const end = commitNumber(store);
  assert.ok(end >= durable, `seed ${task.seed}: commit ${durable} was durable, it ends at ${end}`);
  workload.check(store);
  await store.close();
}

function firstSeed(): number {
  return Number(process.env["RATATOSK_CRASH_SEED"] ?? Date.now() % 1_000_000);
}

const VARIANTS = [
  { log: "lmdb", durability: "fsync" },
  { log: "lmdb", durability: "os" },
  { log: "segments", durability: "fsync" },
  { log: "segments", durability: "os" },
] as const;

for (const { log, durability } of VARIANTS) {
  test(`store in ${log}, ${durability}: kill -9 at any moment loses nothing that was acknowledged, and nothing is damaged`, async (t) => {
    const seed = firstSeed();
    const chains = Array.from({ length: CHAINS }, (_, at) => {
      const task = { folder: scratchFolder(t), durability, log, seed: seed + at };
      return dieOften(task, Math.ceil(KILLS / CHAINS));
    });
    await Promise.all(chains);
  });
}

for (const log of ["lmdb", "segments"] as const) {
  test(`store in ${log}: a thread that dies while it writes leaves a store that the next one can open`, async (t) => {
    const folder = scratchFolder(t);
    const task = { folder, durability: "fsync", log, seed: firstSeed() } as const;
    const prng = new Prng(task.seed);
    const workload = new CrashWorkload(task.seed);
    for (let death = 0; death < THREAD_DEATHS; death++) {
      const durable = new Int32Array(new SharedArrayBuffer(4));
      const worker = new Worker(THREAD, { workerData: { task, durable } });
      const target = workload.commits + 1 + prng.below(40);
      while (Atomics.load(durable, 0) < target) await once(worker, "message");
      // Whatever the pool still does for the thread is done when it says that it has ended.
      await worker.terminate();
      await checkAfterwards(task, workload, Atomics.load(durable, 0));
    }
  });
}
