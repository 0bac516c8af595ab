/** A state row that is not as it was written, and rows that an older version has written. */

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { ServiceId } from "../../../src/shared/range/service-id.ts";
import { FileDamageNotes, MemoryDamageNotes } from "../../../src/workers/store/damage-notes.ts";
import { EngineLogStore } from "../../../src/workers/store/engine-log-store.ts";
import { MemoryDisk, MemoryEngine } from "../../../src/workers/store/memory-engine.ts";
import { StateDamage } from "../../../src/workers/store/state-seal.ts";
import { StoreTable } from "../../../src/workers/store/store-engine.ts";
import { stateKey } from "../../../src/workers/store/store-schema.ts";
import { patterned, recordAt, scratchFolder } from "./store-fixtures.ts";

const KEY = Uint8Array.of(5, 6);
const VALUE = patterned(40, 1);
const NO_KEY = new Uint8Array(0);
const EVERYTHING = { maxEntries: 1_000_000, maxBytes: 1_000_000_000 };

async function sampleDisk(notes = new MemoryDamageNotes()) {
  const disk = new MemoryDisk();
  const store = new EngineLogStore(new MemoryEngine(disk), notes);
  store.putRecord(recordAt(7, {}));
  store.state(ServiceId.INBOX).put(KEY, VALUE);
  await store.commit();
  return { disk, store, notes };
}

function flipRow(disk: MemoryDisk): void {
  const key = stateKey(ServiceId.INBOX, KEY);
  const rotten = disk.tables[StoreTable.STATE]!.get(key)!.slice();
  rotten[3]! ^= 4;
  disk.tables[StoreTable.STATE]!.set(key, rotten);
}

function damageOf(read: () => unknown): StateDamage {
  try {
    read();
  } catch (error) {
    assert.ok(error instanceof StateDamage);
    return error;
  }
  assert.fail("the damage was not seen");
}

test("state: a flipped bit of a row is seen by every read of it, and names the row", async () => {
  const { disk, store } = await sampleDisk();
  assert.deepEqual(store.get(ServiceId.INBOX, KEY), VALUE);
  flipRow(disk);
  const damage = damageOf(() => store.get(ServiceId.INBOX, KEY));
  assert.match(damage.message, /state row 820506: its checksum is wrong/);
  damageOf(() => store.scan(ServiceId.INBOX, NO_KEY, null, EVERYTHING));
});

test("state: a range with a noted row is set aside, until the row is whole again", async () => {
  const { disk, store, notes } = await sampleDisk();
  flipRow(disk);
  store.noteDamage(
    7,
    damageOf(() => store.get(ServiceId.INBOX, KEY)),
  );
  const open = () => new EngineLogStore(new MemoryEngine(disk), notes).opened[0]?.damage ?? null;
  assert.match(open() ?? "", /state row/);
  flipRow(disk);
  assert.equal(open(), null);
  assert.equal(notes.get(7), null);
});

test("state: rows of format 1 get their checksum, a slice at a time, and never twice", async () => {
  const disk = new MemoryDisk();
  const count = 5000;
  for (let row = 0; row < count; row++) {
    const key = Uint8Array.of(ServiceId.RETAIN, row >> 8, row);
    disk.tables[StoreTable.STATE]!.set(key, patterned(10, row));
  }
  let commitsLeft = 2;
  const failing = new MemoryEngine(disk, () => {
    commitsLeft -= 1;
    return commitsLeft >= 0 ? Promise.resolve() : Promise.reject(new Error("power failed"));
  });
  await assert.rejects(new EngineLogStore(failing).upgrade(), /power failed/);
  const store = new EngineLogStore(new MemoryEngine(disk));
  await store.upgrade();
  await store.upgrade();
  const rows = store.scan(ServiceId.RETAIN, NO_KEY, null, EVERYTHING);
  assert.equal(rows.length, count);
  for (const [row, { key, value }] of rows.entries()) {
    assert.deepEqual(key, Uint8Array.of(row >> 8, row));
    assert.deepEqual(value, patterned(10, row));
  }
});

test("damage notes: they are there again after a crash, and a range's goes with it", (t) => {
  const folder = scratchFolder(t);
  const notes = new FileDamageNotes(folder);
  notes.put(3, { how: "row", row: KEY, failedEntry: null, lowestId: 0 });
  notes.put(4, { how: "made anew", row: null, failedEntry: 12, lowestId: 2 ** 40 });
  notes.delete(5);
  const again = new FileDamageNotes(folder);
  assert.equal(again.fault, null);
  const row = { how: "row", row: KEY, failedEntry: null, lowestId: 0 };
  assert.deepEqual(again.get(3), row);
  const anew = { how: "made anew", row: null, failedEntry: 12, lowestId: 2 ** 40 };
  assert.deepEqual(again.get(4), anew);
  again.delete(3);
  assert.equal(new FileDamageNotes(folder).get(3), null);
  assert.match(readFileSync(join(folder, "damaged.json"), "utf8"), /made anew/);
  writeFileSync(join(folder, "damaged.json"), '{"5": {"how": "older", "row": null}}');
  const older = { how: "older", row: null, failedEntry: null, lowestId: 0 };
  assert.deepEqual(new FileDamageNotes(folder).get(5), older);
});

test("damage notes: where they cannot be read every range of the store is set aside", async (t) => {
  const { disk } = await sampleDisk();
  for (const text of ["{", "[]7", "7", '{"7": {"how": 1, "row": null}}', '{"7": null}']) {
    const folder = scratchFolder(t);
    writeFileSync(join(folder, "damaged.json"), text);
    const store = new EngineLogStore(new MemoryEngine(disk), new FileDamageNotes(folder));
    assert.match(store.opened[0]?.damage ?? "", /no list of damaged ranges/, text);
  }
});
