/**
 * Moves everything that a store has of a damaged range into a file, and then deletes it, a slice
 * per commit: nothing is lost that somebody might still make sense of, and the range can be made
 * anew.
 *
 *   STORE/range-ID.rows (range-ID-1.rows, ...)   one row after the other, little-endian:
 *     table u8 | key size u32 | key | value size u32 | value     tables as in StoreTable
 *
 * Rows are copied as they lie there, good and bad ones. Nothing is deleted before the file is
 * durable. The range is noted first: after a crash in between it is set aside still, and the next
 * attempt moves what is left into a file of its own. Thread: worker.
 */

import { existsSync } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { syncFolder } from "../../platform/durable-file.ts";
import { RecordWriter } from "../../shared/bytes/record-writer.ts";
import { behind } from "../../shared/range/key-bytes.ts";
import type { RangeDescriptor } from "../../shared/range/range-descriptor.ts";
import type { DamageNotes } from "./damage-notes.ts";
import { openSealedState } from "./state-seal.ts";
import { type KeyBounds, type StoreEngine, StoreTable } from "./store-engine.ts";
import { rangeBounds, stateBounds } from "./store-schema.ts";

/** Rows moved in one step, and bytes of them. */
const SLICE_ROWS = 1000;
const SLICE_BYTES = 1024 * 1024;

const ENDED_MIDWAY = "it was being made anew when the process ended";

export interface Clearing {
  readonly range: RangeDescriptor;
  /** Told of every state row, without the service's prefix; null: the value is damaged. */
  readonly onState: (key: Uint8Array, value: Uint8Array | null) => void;
  /** See DamageNote.lowestId: that of an attempt that ended midway, before any row is told of. */
  readonly startAbove: (id: number) => void;
  /** Asked when all rows were told of. */
  readonly lowestId: () => number;
  /** Commits what is gathered. */
  readonly commit: () => Promise<void>;
}

export interface ClearedStore {
  readonly engine: StoreEngine;
  readonly notes: DamageNotes;
  readonly folder: string;
  /** Gathers a deletion. */
  readonly remove: (table: StoreTable, key: Uint8Array) => void;
}

interface Row {
  readonly table: StoreTable;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

interface TableRows {
  readonly table: StoreTable;
  readonly bounds: KeyBounds;
}

/** Resolves with the file's path. Rejects when it cannot be written; then nothing is deleted. */
export async function clearDamaged(store: ClearedStore, clearing: Clearing): Promise<string> {
  const { engine, notes, folder } = store;
  if (engine.damage !== null) throw new Error(`its whole store is damaged: ${engine.damage}`);
  if (notes.fault !== null) throw new Error(`${notes.fault}; remove it and start again`);
  const { range, onState } = clearing;
  const earlier = notes.get(range.id)?.lowestId ?? 0;
  clearing.startAbove(earlier);
  const note = { how: ENDED_MIDWAY, row: null, failedEntry: null };
  notes.put(range.id, { ...note, lowestId: earlier });
  const path = freePath(folder, range.id);
  const file = await open(path, "wx", 0o600);
  try {
    await writeRows(engine, clearing, file, onState);
    await file.sync();
  } catch (error) {
    await file.close();
    await rm(path, { force: true });
    throw error;
  }
  await file.close();
  syncFolder(folder);
  // Before the rows go that say so.
  notes.put(range.id, { ...note, lowestId: clearing.lowestId() });
  for (;;) {
    let count = 0;
    visitSlice(engine, entriesAndState(range), null, ({ table, key }) => {
      store.remove(table, key);
      count += 1;
    });
    if (count === 0) return path;
    await clearing.commit();
  }
}

/** Tells of every state row in the range's bounds, a slice per turn of the event loop. */
export async function seeState(
  engine: StoreEngine,
  { service, start, end }: RangeDescriptor,
  onState: Clearing["onState"],
): Promise<void> {
  const tables = [{ table: StoreTable.STATE, bounds: stateBounds(service, start, end) }];
  for (let last: Row | null = null; ; ) {
    let next: Row | null = null;
    visitSlice(engine, tables, last, (row) => {
      next = row;
      onState(row.key.subarray(1), openSealedState(row.key, row.value));
    });
    if (next === null) return;
    last = next;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function freePath(folder: string, id: number): string {
  let path = join(folder, `range-${id}.rows`);
  for (let copy = 1; existsSync(path); copy++) path = join(folder, `range-${id}-${copy}.rows`);
  return path;
}

async function writeRows(
  engine: StoreEngine,
  { range }: Clearing,
  file: FileHandle,
  onState: Clearing["onState"],
): Promise<void> {
  const writer = new RecordWriter();
  for (let last: Row | null = null; ; ) {
    let next: Row | null = null;
    visitSlice(engine, everything(range), last, (row) => {
      next = row;
      writeRow(writer, row);
      if (row.table === StoreTable.STATE) {
        onState(row.key.subarray(1), openSealedState(row.key, row.value));
      }
    });
    if (next === null) return;
    last = next;
    // Handed over whole: a short write would be cut off silently.
    await file.appendFile(writer.bytes.subarray(0, writer.size));
    writer.clear();
  }
}

function writeRow(writer: RecordWriter, { table, key, value }: Row): void {
  writer.u8(table);
  writer.u32(key.length);
  writer.raw(key);
  writer.u32(value.length);
  writer.raw(value);
}

/** Rows behind `last`, from the beginning if it is null; none when there are no more. */
function visitSlice(
  engine: StoreEngine,
  tables: readonly TableRows[],
  last: Row | null,
  visit: (row: Row) => void,
): void {
  let rows = 0;
  let bytes = 0;
  for (const { table, bounds } of tables) {
    if (last !== null && table < last.table) continue;
    const start = last?.table === table ? behind(last.key) : bounds.start;
    engine.scan(table, { start, end: bounds.end }, (key, value) => {
      visit({ table, key, value });
      rows += 1;
      bytes += value.length;
      return rows < SLICE_ROWS && bytes < SLICE_BYTES;
    });
    if (rows >= SLICE_ROWS || bytes >= SLICE_BYTES) return;
  }
}

/** In the order of the tables' numbers. */
function everything(range: RangeDescriptor): TableRows[] {
  return [{ table: StoreTable.RECORDS, bounds: rangeBounds(range.id) }, ...entriesAndState(range)];
}

/** All but the record, which the new one replaces: a range without one could vanish in a crash. */
function entriesAndState({ id, service, start, end }: RangeDescriptor): TableRows[] {
  return [
    { table: StoreTable.LOG, bounds: rangeBounds(id) },
    { table: StoreTable.PARTS, bounds: rangeBounds(id) },
    { table: StoreTable.STATE, bounds: stateBounds(service, start, end) },
  ];
}
