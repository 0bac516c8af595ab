/** A store on a disk that somebody else fills. */

import assert from "node:assert/strict";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import type { LogKind } from "../../../src/shared/config/config.ts";
import type { LogStore } from "../../../src/workers/store/log-store.ts";
import { openLogStore } from "../../../src/workers/store/open-log-store.ts";
import { until } from "../../helpers/deadline.ts";
import { NO_SMALL_DISKS, SmallDisk } from "../../helpers/small-disk.ts";
import { entry, patterned, recordAt } from "./store-fixtures.ts";

const skip = NO_SMALL_DISKS;
const RANGE = 7;
const LOGS = ["lmdb", "segments"] as const;

interface Guarded {
  readonly disk: SmallDisk;
  readonly folder: string;
  readonly log: LogKind;
  readonly store: LogStore;
  /** What it said about space, in order. */
  readonly heard: boolean[];
}

/** A store that has its ballast. */
async function guarded(t: TestContext, log: LogKind, timeoutMs = 60_000): Promise<Guarded> {
  // lmdb writes its failures there.
  t.mock.method(console, "error", () => {});
  const disk = new SmallDisk(t, 48);
  const folder = join(disk.path, "store");
  const heard: boolean[] = [];
  const space = {
    onShort: (isShort: boolean) => heard.push(isShort),
    onFault: (error: unknown) => assert.fail(String(error)),
  };
  const store = openLogStore({ folder, log, space, commitTimeoutMs: timeoutMs });
  store.putRecord(recordAt(RANGE, {}));
  await store.commit();
  await until(() => heard.length === 1, "the ballast");
  assert.deepEqual(heard, [false]);
  return { disk, folder, log, store, heard };
}

function append(store: LogStore, index: number, bytes: number): Promise<void> {
  store.append(RANGE, [entry(index, 1, patterned(bytes, index))]);
  return store.commit();
}

async function lastIndexIn({ folder, log }: Guarded): Promise<number | undefined> {
  const store = openLogStore({ folder, log });
  const [range] = store.opened;
  assert.equal(range?.damage, null);
  await store.close();
  return range?.lastIndex;
}

for (const log of LOGS) {
  test(`store in ${log}: on a full disk commits go on in the space of the ballast, which is taken back`, {
    skip,
  }, async (t) => {
    const one = await guarded(t, log);
    const { disk, store, heard } = one;
    disk.fill();
    for (let index = 1; index <= 10; index++) {
      await append(store, index, 300_000);
      // Whoever fills the disk takes what is freed.
      disk.fill();
    }
    assert.deepEqual(heard, [false, true]);
    disk.free();
    await until(() => heard.length === 3, "the ballast to be whole again");
    assert.deepEqual(heard, [false, true, false]);
    await store.close();
    assert.equal(await lastIndexIn(one), 10);
  });

  test(`store in ${log}: without ballast and space commits wait, longer than one may take, and are whole`, {
    skip,
  }, async (t) => {
    const one = await guarded(t, log, 1000);
    const { disk, store } = one;
    disk.fill();
    let durable = 0;
    const commits: Promise<void>[] = [];
    const isStuck = async () => {
      const index = commits.length + 1;
      const commit = append(store, index, 700_000).then(() => {
        durable = index;
        disk.fill();
      });
      commits.push(commit);
      const isDone = await Promise.race([commit.then(() => true), later(1500)]);
      return isDone !== true;
    };
    while (!(await isStuck()));
    assert.ok(durable > 3, "the ballast was of use");
    const behind = append(store, commits.length + 1, 10);
    await later(0);
    assert.equal(durable, commits.length - 1);
    disk.free();
    await Promise.all([...commits, behind]);
    await store.close();
    // The last commit has filled it again, and who opens a store without a guard wants space.
    disk.free();
    assert.equal(await lastIndexIn(one), commits.length + 1);
  });

  test(`store in ${log}: closed while a commit waits for space, it leaves what was durable before`, {
    skip,
  }, async (t) => {
    const one = await guarded(t, log);
    const { disk, store } = one;
    disk.fill();
    const durable = await append(store, 1, 100).then(() => 1);
    const stuck = append(store, 2, 9_000_000);
    const ended = stuck.then(
      () => "done",
      (error: Error) => `failed: ${error.message}`,
    );
    assert.equal(await Promise.race([ended, later(1500)]), "later");
    await store.close();
    assert.equal(await Promise.race([ended, later(0)]), "later", "neither done nor failed");
    disk.free();
    assert.equal(await lastIndexIn(one), durable);
  });
}

function later(ms: number): Promise<"later"> {
  return new Promise((resolve) => {
    setTimeout(() => resolve("later"), ms);
  });
}
