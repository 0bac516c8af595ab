import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import fc from "fast-check";
import { Prng } from "../../../src/shared/base/prng.ts";
import type { KeyValue } from "../../../src/shared/range/key-value.ts";
import { ServiceId } from "../../../src/shared/range/service-id.ts";
import type { LogStore, RangeRecord } from "../../../src/workers/store/log-store.ts";
import { openMemoryLogStore } from "../../../src/workers/store/open-log-store.ts";
import {
  encodeBlock,
  encodeFooter,
  encodeHeader,
} from "../../../src/workers/store/snapshot-codec.ts";
import { pruneSnapshots, removeUnfinished } from "../../../src/workers/store/snapshot-folder.ts";
import { installSnapshot } from "../../../src/workers/store/snapshot-install.ts";
import { openSnapshot, type SnapshotReader } from "../../../src/workers/store/snapshot-reader.ts";
import { writeSnapshot } from "../../../src/workers/store/snapshot-writer.ts";
import { FaultyDisk } from "./faulty-disk.ts";
import { entries, patterned, recordAt, scratchFolder } from "./store-fixtures.ts";

const SERVICE = ServiceId.INBOX;
const EVERYTHING = { maxEntries: 1_000_000, maxBytes: 1_000_000_000 };

/** Range 7 holds the keys [16, 128) of the service; neighbours lie on both sides. */
function boundedRecord(pointers: Parameters<typeof recordAt>[1]): RangeRecord {
  const record = recordAt(7, pointers);
  const bounds = { start: new Uint8Array([16]), end: new Uint8Array([128]) };
  return { ...record, appliedMs: 1234, descriptor: { ...record.descriptor, ...bounds } };
}

function putRows(store: LogStore, count: number, seed: number): void {
  const prng = new Prng(seed);
  for (let at = 0; at < count; at++) {
    const key = new Uint8Array([16 + prng.below(112), prng.below(256), at >> 8, at & 255]);
    store.state(SERVICE).put(key, patterned(prng.below(200), at));
  }
  store.state(SERVICE).put(new Uint8Array([15, 255]), patterned(3, 1));
  store.state(SERVICE).put(new Uint8Array([128]), patterned(3, 2));
}

function rowsOf(store: LogStore): readonly KeyValue[] {
  return store.scan(SERVICE, new Uint8Array([16]), new Uint8Array([128]), EVERYTHING);
}

async function sampleStore(count: number, seed = 1): Promise<LogStore> {
  const store = openMemoryLogStore();
  store.putRecord(boundedRecord({}));
  store.append(7, [...entries(1, 6), ...entries(7, 9, 3)]);
  store.putRecord(boundedRecord({ commit: 9, applied: 8, compacted: 0, term: 3 }));
  putRows(store, count, seed);
  await store.commit();
  return store;
}

async function openSound(path: string): Promise<SnapshotReader> {
  const opened = await openSnapshot(path);
  if (opened.damage !== null) assert.fail(opened.damage);
  return opened.snapshot;
}

async function readRows(snapshot: SnapshotReader): Promise<KeyValue[]> {
  const rows: KeyValue[] = [];
  for (;;) {
    const block = await snapshot.nextBlock();
    if (block === null) return rows;
    rows.push(...block);
  }
}

async function writeSample(t: TestContext, count: number): Promise<string> {
  const folder = scratchFolder(t);
  const outcome = await writeSnapshot(await sampleStore(count), 7, folder);
  assert.ok(outcome.isWritten);
  return join(folder, outcome.name);
}

test("snapshot: the file holds the range's state, its members and where it stands", async (t) => {
  const folder = scratchFolder(t);
  const store = await sampleStore(5000);
  const outcome = await writeSnapshot(store, 7, folder);
  assert.ok(outcome.isWritten);
  assert.equal(outcome.name, "snap-7-8-3.rts");
  assert.deepEqual(readdirSync(folder), [outcome.name]);
  const snapshot = await openSound(join(folder, outcome.name));
  const { descriptor, conf, appliedMs } = boundedRecord({});
  assert.deepEqual(snapshot.header, { descriptor, index: 8, term: 3, conf, appliedMs });
  const rows = await readRows(snapshot);
  assert.deepEqual(rows, rowsOf(store));
  assert.equal(snapshot.rows, rows.length);
  snapshot.rewind();
  assert.equal((await readRows(snapshot)).length, rows.length);
  await snapshot.close();
});

test("snapshot: an empty range, and rows larger than a block", async (t) => {
  const folder = scratchFolder(t);
  const store = openMemoryLogStore();
  store.putRecord(boundedRecord({ commit: 5, applied: 5, compacted: 5, term: 2 }));
  await store.commit();
  const empty = await writeSnapshot(store, 7, folder);
  assert.ok(empty.isWritten && empty.name === "snap-7-5-2.rts");
  const emptySnapshot = await openSound(join(folder, empty.name));
  assert.deepEqual(await readRows(emptySnapshot), []);
  await emptySnapshot.close();

  const large = { key: new Uint8Array([50]), value: patterned(3_000_000, 1) };
  const small = { key: new Uint8Array([51]), value: patterned(3, 1) };
  for (const { key, value } of [large, small]) store.state(SERVICE).put(key, value);
  store.putRecord(boundedRecord({ commit: 6, applied: 6, compacted: 6, term: 2 }));
  await store.commit();
  const outcome = await writeSnapshot(store, 7, folder);
  assert.ok(outcome.isWritten);
  const snapshot = await openSound(join(folder, outcome.name));
  assert.deepEqual(await readRows(snapshot), [large, small]);
  await snapshot.close();
});

test("snapshot: a range that moves on while it is written leaves no file", async (t) => {
  const folder = scratchFolder(t);
  const store = await sampleStore(20_000);
  const writing = writeSnapshot(store, 7, folder);
  store.putRecord(boundedRecord({ commit: 9, applied: 9, compacted: 0, term: 3 }));
  await store.commit();
  assert.deepEqual(await writing, { isWritten: false });
  assert.deepEqual(readdirSync(folder), []);
  assert.deepEqual(await writeSnapshot(store, 99, folder), { isWritten: false });
});

test("snapshot: the newest two of a range are kept, and what a crash left is removed", async (t) => {
  const folder = join(scratchFolder(t), "snapshots");
  mkdirSync(folder);
  const others = ["snap-8-1-1.rts", "notes.txt"];
  const names = ["snap-7-9-1.rts", "snap-7-10-1.rts", "snap-7-10-2.rts", "snap-7-2-1.rts"];
  for (const name of [...names, ...others]) writeFileSync(join(folder, name), "");
  writeFileSync(join(folder, "snap-7-11-1.rts.tmp"), "");
  writeFileSync(join(folder, "other.tmp"), "");
  await removeUnfinished(folder);
  await pruneSnapshots(folder, 7, "snap-7-2-1.rts");
  const kept = ["snap-7-10-1.rts", "snap-7-10-2.rts", "snap-7-2-1.rts", "other.tmp", ...others];
  assert.deepEqual(readdirSync(folder).sort(), kept.sort());
});

test("snapshot: every truncation and every flipped byte of a file is found", async (t) => {
  const path = await writeSample(t, 40);
  const whole = readFileSync(path);
  for (let size = 0; size < whole.length; size += 7) {
    writeFileSync(path, whole.subarray(0, size));
    assert.match((await openSnapshot(path)).damage ?? "", /^snapshot: /, `cut to ${size}`);
  }
  for (let at = 0; at < whole.length; at += 5) {
    const altered = Buffer.from(whole);
    altered[at] = altered[at]! ^ (1 << (at % 8));
    writeFileSync(path, altered);
    assert.match((await openSnapshot(path)).damage ?? "", /^snapshot: /, `byte ${at}`);
  }
  writeFileSync(path, Buffer.concat([whole, Buffer.from([0])]));
  assert.match((await openSnapshot(path)).damage ?? "", /footer/);
});

test("snapshot: whole blocks in the wrong place are found by order or hash", async (t) => {
  const path = join(scratchFolder(t), "snap-7-8-3.rts");
  const { descriptor, conf } = boundedRecord({});
  const header = encodeHeader({ descriptor, index: 8, term: 3, conf, appliedMs: 0 });
  const row = (byte: number) => ({ key: new Uint8Array([byte]), value: patterned(5, byte) });
  const [a, b] = [encodeBlock([row(20), row(21)]), encodeBlock([row(30)])];
  const footer = encodeFooter({ blocks: 2, rows: 3, hash: new Uint8Array(32) });
  const cases: [RegExp, Uint8Array[]][] = [
    [/block 1/, [header, b, a, footer]],
    [/block 1/, [header, a, a, footer]],
    [/block 0/, [header, encodeBlock([row(21), row(20)]), footer]],
    [/block 0/, [header, encodeBlock([row(5)]), footer]],
    [/block 1/, [header, a, encodeBlock([row(200)]), footer]],
    [/block 0/, [header, encodeBlock([{ key: new Uint8Array(2000), value: a }]), footer]],
    [/footer/, [header, a, b, footer]],
    [/footer/, [header, a, footer]],
    [/footer is missing/, [header, a, b]],
  ];
  for (const [expected, parts] of cases) {
    writeFileSync(path, Buffer.concat(parts));
    assert.match((await openSnapshot(path)).damage ?? "", expected);
  }
});

test("snapshot: arbitrary bytes never throw and are never taken for a snapshot", async (t) => {
  const path = await writeSample(t, 10);
  const whole = readFileSync(path);
  const splice = fc.record({
    at: fc.nat(whole.length),
    removed: fc.nat(40),
    added: fc.uint8Array({ maxLength: 40 }),
  });
  await fc.assert(
    fc.asyncProperty(splice, fc.boolean(), async ({ at, removed, added }, isAlone) => {
      const bytes = isAlone
        ? Buffer.from(added)
        : Buffer.concat([whole.subarray(0, at), added, whole.subarray(at + removed)]);
      writeFileSync(path, bytes);
      const opened = await openSnapshot(path);
      if (opened.damage === null) {
        await opened.snapshot.close();
        assert.ok(bytes.equals(whole));
      }
    }),
    { numRuns: 400 },
  );
});

/** Installs a snapshot of `count` rows over another state, with a crash after `commits` commits. */
async function installWithCrash(t: TestContext, commits: number): Promise<boolean> {
  const path = await writeSample(t, 3000);
  const source = await sampleStore(3000);
  const disk = new FaultyDisk();
  let store = disk.open();
  store.putRecord(boundedRecord({}));
  store.append(7, entries(1, 12));
  putRows(store, 2500, 99);
  await store.commit();
  const neighbours = () =>
    [15, 128].map((byte) => store.scan(SERVICE, new Uint8Array([byte]), null, EVERYTHING)[0]);
  const beside = neighbours();

  const snapshot = await openSound(path);
  let done = 0;
  const crashed = new Error("crash");
  const run = (limit: number) => {
    const record = store.opened[0]?.record ?? boundedRecord({});
    const commit = async () => {
      if (done === limit) throw crashed;
      done += 1;
      await store.commit();
    };
    const name = "snap-7-8-3.rts";
    return installSnapshot({
      store,
      snapshot,
      name,
      current: () => record,
      keepsLog: false,
      commit,
    });
  };
  const hasCrashed = await run(commits).then(
    () => false,
    (error: unknown) => {
      assert.equal(error, crashed);
      return true;
    },
  );
  if (hasCrashed) {
    disk.crash();
    store = disk.open();
    const isInstalling = store.opened[0]?.installing;
    assert.equal(isInstalling, commits === 0 ? null : "snap-7-8-3.rts");
    await run(Number.MAX_SAFE_INTEGER);
  }
  assert.deepEqual(rowsOf(store), rowsOf(source));
  assert.deepEqual(neighbours(), beside);
  await store.close();
  const [range] = disk.open().opened;
  assert.equal(range?.damage, null);
  assert.equal(range?.installing, null);
  assert.equal(range?.lastIndex, 8);
  assert.equal(range?.record?.appliedIndex, 8);
  assert.equal(range?.record?.compactedTerm, 3);
  assert.deepEqual(range?.record?.hardState, {
    term: 3,
    vote: 0,
    commit: 8,
    epoch: 0,
    epochIndex: 0,
  });
  await snapshot.close();
  return hasCrashed;
}

test("snapshot: installing replaces the state; a crash after any commit resumes from the file", async (t) => {
  let commits = 0;
  while (await installWithCrash(t, commits)) commits += 1;
  assert.ok(commits > 4);
});

test("snapshot: a record put while a snapshot is installed keeps the note", async () => {
  const disk = new FaultyDisk();
  const store = disk.open();
  store.beginInstall(boundedRecord({}), "snap-7-8-3.rts");
  await store.commit();
  store.putRecord(boundedRecord({ term: 4 }));
  await store.commit();
  const [range] = disk.open().opened;
  assert.equal(range?.installing, "snap-7-8-3.rts");
  assert.equal(range?.record?.hardState.term, 4);
  assert.equal(store.readRecord(7)?.hardState.term, 4);
  assert.equal(store.readRecord(8), null);
});
