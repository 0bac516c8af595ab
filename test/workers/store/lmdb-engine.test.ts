import assert from "node:assert/strict";
import test from "node:test";
import { CommitWatchdog } from "../../../src/workers/store/commit-watchdog.ts";
import { LmdbEngine } from "../../../src/workers/store/lmdb-engine.ts";
import { StoreTable } from "../../../src/workers/store/store-engine.ts";
import { boundsFrom } from "../../../src/workers/store/store-schema.ts";
import { WriteBatch } from "../../../src/workers/store/write-batch.ts";
import { patterned, scratchFolder } from "./store-fixtures.ts";

function batchOf(count: number, valueBytes: number): WriteBatch {
  const batch = new WriteBatch();
  for (let at = 0; at < count; at++) {
    batch.put(StoreTable.LOG, patterned(12, at), patterned(valueBytes, at));
  }
  return batch;
}

test("lmdb engine: durability os reports commits before they are flushed, and flushes them", async (t) => {
  const folder = scratchFolder(t);
  const engine = new LmdbEngine({ folder, durability: "os", flushThreads: 3 });
  for (let round = 0; round < 50; round++) {
    await engine.commit(batchOf(round + 1, 500));
    assert.equal(engine.count(StoreTable.LOG, boundsFrom(0)), round + 1);
  }
  await engine.close();
  // Whether it was flushed is seen by the restore that trusts nothing else.
  process.env["LMDB_RESTORE"] = "safe";
  t.after(() => delete process.env["LMDB_RESTORE"]);
  const again = new LmdbEngine({ folder });
  assert.equal(again.count(StoreTable.LOG, boundsFrom(0)), 50);
  await again.close();
});

test("lmdb engine: a scan that is broken off leaves no reader behind that keeps pages", async (t) => {
  const engine = new LmdbEngine({ folder: scratchFolder(t) });
  await engine.commit(batchOf(100, 1000));
  for (let round = 0; round < 300; round++) {
    engine.scan(StoreTable.LOG, boundsFrom(0), () => false);
    engine.scanKeys(StoreTable.LOG, boundsFrom(0), () => false);
    await engine.commit(batchOf(100, 1000));
  }
  const { fileBytes, liveBytes } = engine.usage();
  assert.ok(fileBytes < 6 * liveBytes, `${fileBytes} bytes for ${liveBytes}`);
  await engine.close();
});

test("lmdb engine: closed, it tells what it used last, and is not read any more", async (t) => {
  for (const durability of ["fsync", "os"] as const) {
    const engine = new LmdbEngine({ folder: scratchFolder(t), durability });
    await engine.commit(batchOf(10, 1000));
    const before = engine.usage();
    void engine.commit(batchOf(10, 1000));
    await engine.close();
    assert.ok(engine.usage().flushMs >= before.flushMs);
    assert.equal(engine.usage().fileBytes, before.fileBytes);
    assert.throws(() => engine.get(StoreTable.LOG, patterned(12, 0)), /closed/);
    assert.throws(() => engine.count(StoreTable.LOG, boundsFrom(0)), /closed/);
  }
});

test("commit watchdog: a commit that never ends is given up", async () => {
  const watchdog = new CommitWatchdog(8);
  await assert.rejects(watchdog.watch(new Promise(() => {})), /the disk does not answer/);
  watchdog.stop();
});

test("commit watchdog: a stop of the whole process is not the disk's", async (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  let clockMs = 0;
  t.mock.method(performance, "now", () => clockMs);
  const watchdog = new CommitWatchdog(60_000);
  let end: () => void = () => {};
  const commit = watchdog.watch(new Promise((resolve) => (end = resolve)));
  for (let stops = 0; stops < 4; stops++) {
    clockMs += 3_600_000;
    t.mock.timers.tick(15_000);
  }
  // It had ended long before, but timers come first.
  end();
  await commit;
});

test("commit watchdog: settles as the commit does", async () => {
  const watchdog = new CommitWatchdog(60_000);
  await watchdog.watch(Promise.resolve());
  await assert.rejects(watchdog.watch(Promise.reject(new Error("no"))), /no/);
});
