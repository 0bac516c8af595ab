import assert from "node:assert/strict";
import { cpSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { Prng } from "../../../src/shared/base/prng.ts";
import { EngineLogStore } from "../../../src/workers/store/engine-log-store.ts";
import { SegmentEngine } from "../../../src/workers/store/segment-engine.ts";
import { CrashWorkload } from "./crash-workload.ts";
import { entries, entry, patterned, recordAt, scratchFolder } from "./store-fixtures.ts";

const MIB = 1024 * 1024;
const PAGE = 4096;

function open(folder: string, durability: "fsync" | "os" = "fsync"): EngineLogStore {
  return new EngineLogStore(new SegmentEngine({ folder, durability }), undefined, folder);
}

/** Contents of the log's files, by name. */
function segmentsIn(folder: string): Map<string, Buffer> {
  const log = join(folder, "log");
  return new Map(readdirSync(log).map((name) => [name, readFileSync(join(log, name))]));
}

function logBytes(folder: string): number {
  return [...segmentsIn(folder).values()].reduce((sum, { length }) => sum + length, 0);
}

/** Commits entries of a mebibyte, and trims all but the last. */
async function churn(store: EngineLogStore, id: number, from: number, count: number) {
  for (let index = from; index < from + count; index++) {
    store.append(id, [entry(index, 1, patterned(MIB, index))]);
    const before = index - 1;
    store.putRecord(recordAt(id, { commit: before, applied: before, compacted: before }));
    store.trim(id, before, 10);
    await store.commit();
  }
}

test("segment engine: what LMDB lost of the state is written again from the segments", async (t) => {
  const folder = scratchFolder(t);
  const old = join(scratchFolder(t), "data.mdb");
  const workload = new CrashWorkload(4711);
  const life = async (commits: number) => {
    const store = open(folder);
    for (let left = commits; left > 0; left--) {
      workload.step(store);
      await store.commit();
    }
    await store.close();
  };
  await life(5);
  cpSync(join(folder, "data.mdb"), old);
  await life(20);
  cpSync(old, join(folder, "data.mdb"));
  rmSync(join(folder, "lock.mdb"), { force: true });
  const again = open(folder);
  const found = new CrashWorkload(4711);
  found.check(again);
  assert.equal(found.commits, 25);
  await again.close();
});

test("segment engine: any pages of the last commit may be lost with the machine, and any of LMDB's later transactions", async (t) => {
  const seed = Date.now() % 1_000_000;
  const prng = new Prng(seed);
  for (const durability of ["fsync", "os"] as const) {
    const folder = scratchFolder(t);
    const image = scratchFolder(t);
    const workload = new CrashWorkload(seed);
    const first = open(folder, durability);
    workload.step(first);
    await first.commit();
    await first.close();
    cpSync(folder, image, { recursive: true });
    const store = open(folder, durability);
    let before = segmentsIn(folder);
    for (let commit = 2; commit <= 12; commit++) {
      workload.step(store);
      await store.commit();
      const after = segmentsIn(folder);
      for (const [name, bytes] of after) {
        const mixed = Buffer.from(bytes);
        for (let page = 0; page < mixed.length; page += PAGE) {
          if (prng.below(2) === 0) before.get(name)?.copy(mixed, page, page, page + PAGE);
        }
        writeFileSync(join(image, "log", name), mixed);
      }
      await checkImage(scratchFolder(t), image, { seed, atLeast: commit - 1 });
      before = after;
    }
    await store.close();
  }
});

async function checkImage(
  folder: string,
  image: string,
  { seed, atLeast }: { readonly seed: number; readonly atLeast: number },
): Promise<void> {
  cpSync(image, folder, { recursive: true });
  const found = new CrashWorkload(seed);
  // A second time, behind what the first one went on to write.
  for (let life = 0; life < 2; life++) {
    const store = open(folder);
    found.check(store);
    assert.ok(found.commits >= atLeast + life, `seed ${seed}: commit ${atLeast} was durable`);
    found.step(store);
    await store.commit();
    await store.close();
  }
  rmSync(folder, { recursive: true });
}

test("segment engine: segments are freed and used again while the log is trimmed", async (t) => {
  const folder = scratchFolder(t);
  const store = open(folder);
  store.putRecord(recordAt(7, {}));
  await store.commit();
  assert.equal(logBytes(folder), MIB, "a store that is hardly used is small");
  await churn(store, 7, 1, 150);
  await store.close();
  const names = [...segmentsIn(folder).keys()].sort();
  assert.ok(logBytes(folder) <= 64 * MIB, `${logBytes(folder) / MIB} MiB are left`);
  assert.ok(Number.parseInt(names[0]!, 10) > 5);
  const again = open(folder);
  assert.equal(again.opened[0]?.damage, null);
  assert.equal(again.opened[0]?.lastIndex, 150);
  assert.deepEqual(again.readEntries(7, 150, 151, 1)[0]?.data, patterned(MIB, 150));
  await again.close();
});

test("segment engine: a range that is seldom written to does not keep the log", async (t) => {
  const folder = scratchFolder(t);
  const store = open(folder);
  const kept = [...entries(1, 3), entry(4, 1, patterned(20_000, 4))];
  store.putRecord(recordAt(7, { commit: 4 }));
  store.append(7, kept);
  store.putRecord(recordAt(8, {}));
  await store.commit();
  await churn(store, 8, 1, 150);
  assert.deepEqual(store.readEntries(7, 1, 5, MIB), kept);
  await store.close();
  assert.ok(logBytes(folder) <= 96 * MIB, `${logBytes(folder) / MIB} MiB are left`);
  const again = open(folder);
  assert.equal(again.opened[0]?.damage, null);
  assert.deepEqual(again.readEntries(7, 1, 5, MIB), kept);
  await again.close();
});

test("segment engine: a damaged log sets every range aside, and nothing is changed", async (t) => {
  const folder = scratchFolder(t);
  const store = open(folder);
  for (const id of [7, 8]) {
    store.putRecord(recordAt(id, {}));
    store.append(id, entries(1, 20));
    await store.commit();
  }
  store.append(8, entries(21, 22));
  await store.commit();
  await store.close();
  const file = join(folder, "log", "00000001.seg");
  const bytes = readFileSync(file);
  // In the header of the first batch.
  bytes[40]! ^= 1;
  writeFileSync(file, bytes);
  for (let round = 0; round < 2; round++) {
    const damaged = open(folder);
    const found = damaged.opened.map(({ id, damage, record }) => [id, damage, record !== null]);
    const expected = "segment 1: batch 1 at 32 cannot be read";
    assert.deepEqual(found, [
      [7, expected, true],
      [8, expected, true],
    ]);
    assert.throws(() => damaged.putRecord(recordAt(7, {})), /damaged range/);
    assert.throws(() => damaged.putRecord(recordAt(9, {})), /damaged store/);
    const clearing = {
      range: recordAt(7, {}).descriptor,
      onState: () => {},
      commit: () => damaged.commit(),
      startAbove: () => {},
      lowestId: () => 0,
    };
    await assert.rejects(damaged.clearDamaged(clearing), /its whole store is damaged: segment 1/);
    await damaged.commit();
    await damaged.close();
    assert.deepEqual(readFileSync(file), bytes);
  }
});

test("segment engine: a database that is older than the oldest segment, or gone, is damage", async (t) => {
  const folder = scratchFolder(t);
  const old = join(scratchFolder(t), "data.mdb");
  let store = open(folder);
  store.putRecord(recordAt(7, {}));
  await store.commit();
  await store.close();
  cpSync(join(folder, "data.mdb"), old);
  store = open(folder);
  await churn(store, 7, 1, 60);
  await store.close();
  assert.ok(!segmentsIn(folder).has("00000001.seg"), "it is freed");
  rmSync(join(folder, "lock.mdb"), { force: true });
  cpSync(old, join(folder, "data.mdb"));
  const behind = open(folder);
  assert.match(
    behind.opened[0]?.damage ?? "",
    /^segment \d+: the state after batch \d+ is missing/,
  );
  await behind.close();
  for (const name of ["data.mdb", "lock.mdb"]) rmSync(join(folder, name), { force: true });
  const without = new SegmentEngine({ folder });
  assert.match(without.damage ?? "", /is missing, the database has that after 0$/);
  await without.close();
});

test("segment engine: a last batch that cannot be read is cut and told of, after a clean end it is damage", async (t) => {
  const folder = scratchFolder(t);
  const image = scratchFolder(t);
  const store = open(folder);
  store.putRecord(recordAt(7, {}));
  await store.commit();
  store.append(7, [entry(1, 1, patterned(500, 1))]);
  await store.commit();
  cpSync(folder, image, { recursive: true });
  await store.close();
  for (const [name, isClosed] of [
    [image, false],
    [folder, true],
  ] as const) {
    const file = join(name, "log", "00000001.seg");
    const bytes = readFileSync(file);
    const at = bytes.lastIndexOf("RTSB");
    bytes[at + 20]! ^= 1;
    writeFileSync(file, bytes);
    const cuts: unknown[] = [];
    const again = new SegmentEngine({ folder: name, onLogCut: (cut) => cuts.push(cut) });
    assert.equal(again.damage, isClosed ? `segment 1: batch 2 at ${at} cannot be read` : null);
    assert.deepEqual(cuts, isClosed ? [] : [{ batch: 2, segment: 1, at }]);
    await again.close();
  }
});

test("segment engine: a rotten bit in an entry is that range's damage, and found", async (t) => {
  const folder = scratchFolder(t);
  const store = open(folder);
  for (const id of [7, 8]) {
    store.putRecord(recordAt(id, { commit: 3 }));
    store.append(id, [...entries(1, 2), entry(3, 1, patterned(5000, id))]);
    await store.commit();
  }
  store.append(8, entries(4, 4));
  await store.commit();
  await store.close();
  const file = join(folder, "log", "00000001.seg");
  const bytes = readFileSync(file);
  const at = bytes.indexOf(patterned(5000, 7));
  bytes[at + 1000]! ^= 1;
  writeFileSync(file, bytes);
  const again = open(folder);
  assert.deepEqual(
    again.opened.map(({ id, damage }) => [id, damage]),
    [
      [7, "log entry 3: its checksum or its fields are wrong"],
      [8, null],
    ],
  );
  await again.close();
});

test("segment engine: a log whose end is missing is damage, not an older log", async (t) => {
  const folder = scratchFolder(t);
  const store = open(folder);
  store.putRecord(recordAt(7, {}));
  await store.commit();
  await store.close();
  renameSync(join(folder, "log"), join(folder, "elsewhere"));
  const again = open(folder);
  assert.equal(again.opened[0]?.damage, "the log is missing");
  await again.close();
});

test("segment engine: when no segment can be made, the commit fails, and every later one", async (t) => {
  const folder = scratchFolder(t);
  const store = open(folder);
  store.putRecord(recordAt(7, {}));
  store.append(7, entries(1, 3));
  await store.commit();
  renameSync(join(folder, "log"), join(folder, "elsewhere"));
  store.append(7, [entry(4, 1, patterned(2 * MIB, 4))]);
  const failed = store.commit();
  store.append(7, entries(5, 6));
  const behind = store.commit();
  await assert.rejects(failed, /ENOENT/);
  await assert.rejects(behind, /ENOENT/);
  await store.close();
  renameSync(join(folder, "elsewhere"), join(folder, "log"));
  const again = open(folder);
  assert.equal(again.opened[0]?.damage, null);
  assert.equal(again.opened[0]?.lastIndex, 3);
  await again.close();
});
