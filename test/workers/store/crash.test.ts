import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { Prng } from "../../../src/shared/base/prng.ts";
import { openLogStore } from "../../../src/workers/store/open-log-store.ts";
import { CrashWorkload, commitNumber } from "./crash-workload.ts";
import { scratchFolder } from "./store-fixtures.ts";

const CHILD = fileURLToPath(new URL("crash-process.js", import.meta.url));
/** Kills per durability; more by RATATOSK_CRASH_KILLS. */
const KILLS = Number(process.env["RATATOSK_CRASH_KILLS"] ?? 16);
/** Chains of kills that run side by side, each over a folder of its own. */
const CHAINS = 4;
/** From the first commit on: some kills hit the start, most the work. */
const LIFE_MAX_MS = 60;

/** Lets a child work for a moment, kills it, and returns the last commit that it called durable. */
async function workAndDie(folder: string, durability: string, seed: number, lifeMs: number) {
  const child = spawn(process.execPath, [CHILD, folder, durability, String(seed)], {
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
  assert.equal(signal, "SIGKILL", `seed ${seed}: the child ended by itself`);
  // A last line without its end was not told.
  const lines = output.split("\n").slice(0, -1).map(Number);
  return lines.length === 0 ? 0 : Math.max(...lines);
}

function killHard(child: ChildProcess): void {
  child.kill("SIGKILL");
}

async function dieOften(folder: string, durability: string, seed: number, kills: number) {
  const prng = new Prng(seed);
  const workload = new CrashWorkload(seed);
  for (let kill = 0; kill < kills; kill++) {
    const durable = await workAndDie(folder, durability, seed, prng.below(LIFE_MAX_MS));
    const store = openLogStore({ folder });
    const text = `seed ${seed}, kill ${kill}: commit ${durable} was durable`;
    assert.ok(commitNumber(store) >= durable, `${text}, the store ends at ${commitNumber(store)}`);
    workload.check(store);
    await store.close();
  }
  assert.ok(workload.commits > kills, "work was done between the kills");
}

for (const durability of ["fsync", "os"]) {
  test(`lmdb store, ${durability}: kill -9 at any moment loses nothing that was acknowledged, and nothing is damaged`, async (t) => {
    const firstSeed = Number(process.env["RATATOSK_CRASH_SEED"] ?? Date.now() % 1_000_000);
    const chains = Array.from({ length: CHAINS }, (_, at) => {
      return dieOften(scratchFolder(t), durability, firstSeed + at, Math.ceil(KILLS / CHAINS));
    });
    await Promise.all(chains);
  });
}
