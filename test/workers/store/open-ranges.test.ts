import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { EngineLogStore } from "../../../src/workers/store/engine-log-store.ts";
import type { OpenedRange } from "../../../src/workers/store/log-store.ts";
import { MemoryDisk, MemoryEngine } from "../../../src/workers/store/memory-engine.ts";
import { StoreTable } from "../../../src/workers/store/store-engine.ts";
import { boundsFrom, logKey, partKey, recordKey } from "../../../src/workers/store/store-schema.ts";
import { entries, entry, patterned, recordAt } from "./store-fixtures.ts";

/**
 * Range 7 with entries 21 to 60: 21 to 40 of term 2, 41 to 50 of term 3, the others of term 5;
 * entries 25 and 55 have parts. Committed to 58, applied to 45. Range 8 beside it is sound.
 */
async function sampleDisk(): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  const store = open(disk);
  const pointers = { commit: 58, applied: 45, compacted: 20, term: 5 };
  store.putRecord({ ...recordAt(7, pointers), compactedTerm: 1 });
  store.append(7, [
    ...entries(21, 24, 2),
    entry(25, 2, patterned(60_000, 25)),
    ...entries(26, 40, 2),
    ...entries(41, 50, 3),
    ...entries(51, 54, 5),
    entry(55, 5, patterned(60_000, 55)),
    ...entries(56, 60, 5),
  ]);
  store.putRecord(recordAt(8, { commit: 3 }));
  store.append(8, entries(1, 3));
  await store.commit();
  return disk;
}

function open(disk: MemoryDisk): EngineLogStore {
  return new EngineLogStore(new MemoryEngine(disk));
}

function find(disk: MemoryDisk, id: number): OpenedRange {
  const range = open(disk).opened.find((opened) => opened.id === id);
  assert.ok(range !== undefined);
  return range;
}

/** Damages range 7 and says what is found; range 8 must not care, and nothing may be deleted. */
async function damageFound(
  damage: (disk: MemoryDisk) => void | Promise<void>,
): Promise<string | null> {
  const disk = await sampleDisk();
  await damage(disk);
  const before = contents(disk);
  const found = find(disk, 7);
  const sound = find(disk, 8);
  assert.equal(sound.damage, null);
  assert.equal(sound.lastIndex, 3);
  const store = open(disk);
  await store.commit();
  assert.deepEqual(contents(disk), before);
  if (found.damage !== null) assert.throws(() => store.putRecord(recordAt(7, {})), /damaged/);
  return found.damage;
}

function contents(disk: MemoryDisk): string[] {
  const rows: string[] = [];
  for (const table of disk.tables) {
    table.visit(boundsFrom(0), (key, value) => {
      rows.push(`${Buffer.from(key).toString("hex")} ${value.length}`);
      return true;
    });
  }
  return rows;
}

function flip(disk: MemoryDisk, table: StoreTable, key: Uint8Array, at: number): void {
  const value = disk.tables[table]!.get(key)!.slice();
  value[at] = value[at]! ^ 0x10;
  disk.tables[table]!.set(key.slice(), value);
}

async function change(disk: MemoryDisk, changes: Parameters<typeof recordAt>[1]): Promise<void> {
  const pointers = { commit: 58, applied: 45, compacted: 20, term: 5, ...changes };
  const other = new MemoryDisk();
  const store = open(other);
  store.putRecord({ ...recordAt(7, pointers), compactedTerm: 1 });
  await store.commit();
  disk.tables[StoreTable.RECORDS] = other.tables[StoreTable.RECORDS]!;
}

test("open: a sound range tells its terms, found by bisection and by reading", async () => {
  const range = find(await sampleDisk(), 7);
  assert.equal(range.damage, null);
  assert.equal(range.lastIndex, 60);
  assert.deepEqual(range.termRuns, [
    { firstIndex: 21, term: 2 },
    { firstIndex: 41, term: 3 },
    { firstIndex: 51, term: 5 },
  ]);
});

test("open: term runs are those of the log, wherever the applied index lies", async () => {
  const lengths = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(lengths, fc.double({ min: 0, max: 1, noNaN: true }), async (runs, share) => {
      const disk = new MemoryDisk();
      const store = open(disk);
      const last = runs.reduce((sum, length) => sum + length, 0);
      const applied = Math.round(last * share);
      store.putRecord(recordAt(7, { commit: last, applied, term: 2 * runs.length }));
      let next = 1;
      const expected = runs.map((length, at) => {
        const run = { firstIndex: next, term: 2 * at + 1 };
        store.append(7, entries(next, next + length - 1, run.term));
        next += length;
        return run;
      });
      await store.commit();
      assert.deepEqual(find(disk, 7).termRuns, expected);
    }),
    { numRuns: 100 },
  );
});

test("open: a torn range record is named", async () => {
  const damage = await damageFound((disk) => flip(disk, StoreTable.RECORDS, recordKey(7), 9));
  assert.match(damage ?? "", /range record: its checksum/);
});

test("open: a record under another range's key is named", async () => {
  const disk = await sampleDisk();
  const value = disk.tables[StoreTable.RECORDS]!.get(recordKey(8))!;
  disk.tables[StoreTable.RECORDS]!.set(recordKey(7).slice(), value);
  assert.match(find(disk, 7).damage ?? "", /range record/);
});

test("open: a log without a record is damage, not garbage", async () => {
  const damage = await damageFound((disk) => {
    disk.tables[StoreTable.RECORDS]!.set(recordKey(7).slice(), null);
  });
  assert.match(damage ?? "", /range record: missing/);
});

test("open: a missing entry is named by its neighbourhood", async () => {
  const damage = await damageFound((disk) => {
    disk.tables[StoreTable.LOG]!.set(logKey(7, 30).slice(), null);
  });
  assert.match(damage ?? "", /log: 39 entries between 21 and 60/);
});

test("open: a missing first entry is named", async () => {
  const damage = await damageFound((disk) => {
    disk.tables[StoreTable.LOG]!.set(logKey(7, 21).slice(), null);
  });
  assert.match(damage ?? "", /log: 39 entries between 21 and 60/);
});

test("open: every flipped bit of an entry that is not yet applied is found", async () => {
  for (const at of [0, 1, 9, 17, 18, 25, 50]) {
    const damage = await damageFound((disk) => flip(disk, StoreTable.LOG, logKey(7, 52), at));
    assert.match(damage ?? "", /log entry 52: its checksum/);
  }
});

test("open: a missing or altered part of a large entry is found", async () => {
  const missing = await damageFound((disk) => {
    disk.tables[StoreTable.PARTS]!.set(partKey(7, 55, 2).slice(), null);
  });
  assert.match(missing ?? "", /log entry 55: part 2/);
  const lastMissing = await damageFound((disk) => {
    disk.tables[StoreTable.PARTS]!.set(partKey(7, 55, 3).slice(), null);
  });
  assert.match(lastMissing ?? "", /log entry 55: its checksum/);
  const altered = await damageFound((disk) => flip(disk, StoreTable.PARTS, partKey(7, 55, 3), 9));
  assert.match(altered ?? "", /log entry 55: its checksum/);
});

test("open: an applied entry's flipped bit is found when it is read", async () => {
  const disk = await sampleDisk();
  flip(disk, StoreTable.LOG, logKey(7, 24), 20);
  const store = open(disk);
  assert.equal(store.opened[0]?.damage, null);
  assert.equal(store.readEntries(7, 21, 61, 1e9).length, 3);
  assert.throws(() => store.readEntries(7, 24, 61, 1e9), /range 7: log entry 24: its checksum/);
});

test("open: terms that fall, or exceed the replica's, are named", async () => {
  const fallen = await damageFound(async (disk) => {
    const donor = new MemoryDisk();
    const store = open(donor);
    store.putRecord(recordAt(7, { commit: 56, applied: 56, compacted: 56 }));
    store.append(7, entries(57, 57, 4));
    await store.commit();
    disk.tables[StoreTable.LOG]!.set(
      logKey(7, 57).slice(),
      donor.tables[StoreTable.LOG]!.get(logKey(7, 57)),
    );
  });
  assert.match(fallen ?? "", /log entry 57: term 4 behind an entry of term 5/);
});

test("open: pointers that contradict each other or the log are named", async () => {
  const expectations = [
    [{ commit: 61 }, /committed to 61, but it ends at 60/],
    [{ applied: 59 }, /applied to 59, but committed to 58/],
    [{ compacted: 46 }, /compacted to 46, but applied only to 45/],
    [{ term: 4 }, /an entry of term 5, but the replica knew 4/],
  ] as const;
  for (const [changes, expected] of expectations) {
    const disk = await sampleDisk();
    await change(disk, changes);
    assert.match(find(disk, 7).damage ?? "", expected);
  }
});

test("open: whatever keys and values are found, opening does not throw", async () => {
  const disk = await sampleDisk();
  const rows: { table: StoreTable; key: Uint8Array; value: Uint8Array }[] = [];
  for (const table of [StoreTable.RECORDS, StoreTable.LOG, StoreTable.PARTS]) {
    disk.tables[table]!.visit(boundsFrom(0), (key, value) => {
      rows.push({ table, key, value });
      return true;
    });
  }
  const anyRow = fc.integer({ min: 0, max: rows.length - 1 });
  const anyValue = fc.uint8Array({ maxLength: 80 });
  fc.assert(
    fc.property(
      anyRow,
      anyValue,
      fc.boolean(),
      fc.uint8Array({ minLength: 1 }),
      (at, value, isKey, key) => {
        const row = rows[at]!;
        const table = disk.tables[row.table]!;
        // A row's value is replaced, or a row with any key is added.
        const touched = isKey ? key : row.key;
        const before = table.get(touched);
        table.set(touched, value);
        open(disk);
        table.set(touched, before);
      },
    ),
    { numRuns: 500 },
  );
  assert.equal(find(disk, 7).damage, null);
});
