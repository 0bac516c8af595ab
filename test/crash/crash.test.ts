import assert from "node:assert/strict";
import test from "node:test";
import { LOG_KINDS } from "../../bench/command-line.ts";
import { removeFolder } from "../helpers/temporary-folder.ts";
import { type CrashOptions, type CrashReport, runCrash } from "./crash-run.ts";

/** Below a minute in all on two cores; much more of it by `npm run test:crash`. */
const BASE: CrashOptions = {
  seed: Number(process.env["RATATOSK_CRASH_SEED"] ?? Date.now() % 1_000_000_000),
  trouble: "kills",
  kills: 4,
  endMs: 60_000,
  workers: 2,
  durability: "fsync",
  log: "segments",
  rate: 600,
  keepsGoing: false,
  folder: null,
  onProgress: () => {},
};
const TIMEOUT = { timeout: 150_000 };

async function passes(options: Partial<CrashOptions>): Promise<CrashReport> {
  const report = await runCrash({ ...BASE, ...options });
  const { text, folder, counts } = report;
  assert.equal(text, "", `seed ${BASE.seed}, see ${folder}\n${text}`);
  // Each of them was put to the test.
  for (const name of ["stored", "delivered", "resumed", "retainedChecks", "rounds"] as const) {
    assert.ok(counts[name] > 0, `seed ${BASE.seed}: ${name} is 0`);
  }
  return report;
}

test(
  "crash: connections that break at any moment lose, repeat and disorder nothing [MQTT-4.4.0-1]",
  TIMEOUT,
  async () => {
    await passes({ trouble: "connections", kills: 5 });
  },
);

test("crash: a process that stands still now and then keeps its promises", TIMEOUT, async () => {
  const { counts } = await passes({ trouble: "freezes", kills: 4 });
  assert.equal(counts.freezes, 4);
});

for (const log of LOG_KINDS) {
  test(
    `crash: kill -9 at any moment loses, repeats and disorders nothing acknowledged, logs in ${log}`,
    TIMEOUT,
    async () => {
      const { counts } = await passes({ trouble: "kills", log });
      assert.ok(counts.kills >= BASE.kills);
      assert.ok(counts.sentAgain > 0, "publishers had something to send again");
    },
  );
}

/** Half a minute for all kinds would be too long: the seed says which one it is this time. */
const DISK_LOG = LOG_KINDS[BASE.seed % LOG_KINDS.length]!;

test(
  `crash: a disk that is late, stalls and fails loses nothing acknowledged, logs in ${DISK_LOG}`,
  TIMEOUT,
  async () => {
    const { counts } = await passes({ trouble: "disk", kills: 4, log: DISK_LOG });
    assert.ok(counts.kills >= 4);
  },
);

test("crash: what a disk loses that says it has written is found out", TIMEOUT, async () => {
  const { findings, folder } = await runCrash({ ...BASE, trouble: "lies", kills: 3 });
  if (folder !== null) removeFolder(folder);
  assert.ok(findings.length > 0, `seed ${BASE.seed}: the checkers overlook lost messages`);
});
