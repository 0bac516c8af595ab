/**
 * Writes a crash workload into a store until it is killed, two commits at a time, and tells of each
 * durable one on stdout. Run by crash.test.ts.
 */

import { writeSync } from "node:fs";
import { openLogStore } from "../../../src/workers/store/open-log-store.ts";
import { CrashWorkload } from "./crash-workload.ts";

const STDOUT = 1;

const [, , folder = "", durability = "fsync", seed = "0"] = process.argv;
const store = openLogStore({ folder, durability: durability === "os" ? "os" : "fsync" });
const workload = new CrashWorkload(Number(seed));
workload.check(store);

async function write(): Promise<never> {
  for (;;) {
    workload.step(store);
    const number = workload.commits;
    await store.commit();
    writeSync(STDOUT, `${number}\n`);
  }
}

await Promise.all([write(), write()]);
