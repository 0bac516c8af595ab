/**
 * The log store over a table engine: turns records, entries and state into keys and values, gathers
 * them, and commits what was gathered as one batch. See log-store.ts for the contract.
 *
 * Flow: replicated command, after the Raft core on main, before the state machine. Thread: worker.
 * Scope: one per store folder.
 */

import { assert } from "../../shared/base/assert.ts";
import { ownedCopy } from "../../shared/bytes/copy-bytes.ts";
import { writeEntryRecord } from "../../shared/raft/disk-codec.ts";
import { type Entry, entryBytes } from "../../shared/raft/entry.ts";
import type { KeyValue, KeyValueWriter } from "../../shared/range/key-value.ts";
import type { RangeDescriptor, RangeId } from "../../shared/range/range-descriptor.ts";
import type { ServiceId } from "../../shared/range/service-id.ts";
import { type Clearing, clearDamaged, seeState } from "./clear-damaged.ts";
import { type DamageNotes, MemoryDamageNotes } from "./damage-notes.ts";
import { visitEntries } from "./entry-reader.ts";
import { LogShape } from "./log-shape.ts";
import type { LogStore, OpenedRange, RangeRecord } from "./log-store.ts";
import { LogSweeper } from "./log-sweeper.ts";
import { openRanges } from "./open-ranges.ts";
import { decodeRangeRecord, TOMBSTONE, writeRangeRecord } from "./range-record-codec.ts";
import { type PageLimits, rowPage } from "./row-page.ts";
import { openSealedState, StateDamage, writeSealedState } from "./state-seal.ts";
import { COMMITS_MAX, type StoreEngine, StoreTable, type StoreUsage } from "./store-engine.ts";
import {
  logKey,
  partKey,
  recordKey,
  sealedKeyOf,
  stateBounds,
  stateKey,
  UNSEALED_STATE,
} from "./store-schema.ts";
import { WriteBatch } from "./write-batch.ts";

/** Rows of an older format that are brought into today's form in one commit; a megabyte or so. */
const UPGRADE_ROWS = 2000;
const UPGRADE_BYTES = 1024 * 1024;

export class EngineLogStore implements LogStore {
  readonly opened: readonly OpenedRange[];
  readonly #engine: StoreEngine;
  readonly #notes: DamageNotes;
  readonly #folder: string | null;
  readonly #shapes: Map<RangeId, LogShape>;
  readonly #damaged: Set<RangeId>;
  readonly #sweeper: LogSweeper;
  /** Names of snapshot files, by range. */
  readonly #installing = new Map<RangeId, string>();
  readonly #writers = new Map<ServiceId, KeyValueWriter>();
  readonly #spare: WriteBatch[] = [new WriteBatch(), new WriteBatch()];
  #gathering = new WriteBatch();
  #commitsUnderWay = 0;
  #lastCommit: Promise<void> = Promise.resolve();

  /** `folder`: where the rows of ranges go that are made anew; null: none is. */
  constructor(
    engine: StoreEngine,
    notes: DamageNotes = new MemoryDamageNotes(),
    folder: string | null = null,
  ) {
    this.#engine = engine;
    this.#notes = notes;
    this.#folder = folder;
    const { ranges, shapes, forgotten } = openRanges(engine, notes);
    this.opened = ranges;
    this.#shapes = new Map(shapes);
    this.#damaged = new Set(ranges.filter(({ damage }) => damage !== null).map(({ id }) => id));
    this.#sweeper = new LogSweeper(engine, forgotten);
    for (const { id, installing } of ranges) {
      if (installing !== null) this.#installing.set(id, installing);
    }
  }

  get damage(): string | null {
    return this.#engine.damage;
  }

  get gatheredBytes(): number {
    return this.#gathering.bytes;
  }

  putRecord(record: RangeRecord): void {
    const { id } = record.descriptor;
    assert(!this.#damaged.has(id), "a damaged range is not written to");
    assert(this.#engine.damage === null, "nothing is written to a damaged store");
    assert(!this.#sweeper.has(id), "a range id is never used again");
    const shape = this.#shapes.get(id);
    if (shape === undefined) this.#shapes.set(id, LogShape.empty(record.compactedIndex));
    else shape.compacted = record.compactedIndex;
    const batch = this.#gathering;
    const at = batch.writer.size;
    writeRangeRecord(batch.writer, { record, installing: this.#installing.get(id) ?? null });
    batch.putWritten(StoreTable.RECORDS, recordKey(id), at, batch.writer.size - at);
  }

  append(id: RangeId, entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    const shape = this.#shapeOf(id);
    assert(first.index > shape.compacted, "what was compacted is not appended again");
    this.truncate(id, first.index);
    for (const entry of entries) this.#put(id, shape, entry);
  }

  truncate(id: RangeId, fromIndex: number): void {
    const shape = this.#shapeOf(id);
    if (fromIndex > shape.last) return;
    for (let index = fromIndex; index <= shape.last; index++) this.#delete(id, shape, index);
    shape.cut(fromIndex);
  }

  trim(id: RangeId, throughIndex: number, maxEntries: number): void {
    const shape = this.#shapeOf(id);
    assert(throughIndex <= shape.compacted, "the record says first what is trimmed");
    const end = Math.min(throughIndex, shape.last, shape.first + maxEntries - 1);
    for (let index = shape.first; index <= end; index++) this.#delete(id, shape, index);
    if (end >= shape.first) shape.first = end + 1;
  }

  state(service: ServiceId): KeyValueWriter {
    let writer = this.#writers.get(service);
    if (writer === undefined) {
      writer = {
        put: (key, value) => this.#putState(stateKey(service, key), value),
        delete: (key) => this.#gathering.delete(StoreTable.STATE, stateKey(service, key)),
      };
      this.#writers.set(service, writer);
    }
    return writer;
  }

  forget(id: RangeId): void {
    assert(!this.#damaged.has(id), "nothing of a damaged range is deleted");
    this.#shapes.delete(id);
    this.#gathering.put(StoreTable.RECORDS, recordKey(id), TOMBSTONE);
    this.#sweeper.add(id);
  }

  beginInstall(record: RangeRecord, snapshotName: string): void {
    this.#installing.set(record.descriptor.id, snapshotName);
    this.putRecord(record);
  }

  endInstall(record: RangeRecord): void {
    this.#installing.delete(record.descriptor.id);
    this.putRecord(record);
  }

  commit(): Promise<void> {
    assert(this.#commitsUnderWay < COMMITS_MAX, "at most two commits at a time");
    const batch = this.#gathering;
    this.#sweeper.sweep(batch);
    // Not at once: what earlier calls have handed over must be durable when this one says so.
    if (batch.count === 0) return this.#lastCommit;
    this.#gathering = this.#spare.pop()!;
    this.#commitsUnderWay += 1;
    this.#lastCommit = this.#write(batch);
    return this.#lastCommit;
  }

  async #write(batch: WriteBatch): Promise<void> {
    // After a failure nothing goes on: the batch stays borrowed, the count stays up.
    const forgotten = this.#sweeper.takeWaiting();
    await this.#engine.commit(batch);
    this.#sweeper.begin(forgotten);
    batch.clear();
    this.#spare.push(batch);
    this.#commitsUnderWay -= 1;
  }

  readEntries(id: RangeId, low: number, high: number, maxBytes: number): readonly Entry[] {
    const entries: Entry[] = [];
    let bytes = 0;
    const damage = visitEntries(this.#engine, id, { low, high }, (entry) => {
      if (entry.index !== low + entries.length) return false;
      bytes += entryBytes(entry);
      if (bytes > maxBytes && entries.length > 0) return false;
      entries.push(entry);
      return true;
    });
    if (damage !== null && entries.length === 0) throw new Error(`range ${id}: ${damage}`);
    return entries;
  }

  readRecord(id: RangeId): RangeRecord | null {
    const bytes = this.#engine.get(StoreTable.RECORDS, recordKey(id));
    return bytes === null ? null : (decodeRangeRecord(bytes)?.record ?? null);
  }

  get(service: ServiceId, key: Uint8Array): Uint8Array | null {
    const fullKey = stateKey(service, key);
    const stored = this.#engine.get(StoreTable.STATE, fullKey);
    return stored === null ? null : openState(fullKey, stored);
  }

  scan(
    service: ServiceId,
    start: Uint8Array,
    end: Uint8Array | null,
    limits: PageLimits,
  ): readonly KeyValue[] {
    const bounds = stateBounds(service, start, end);
    return rowPage(
      limits,
      (visit) => this.#engine.scan(StoreTable.STATE, bounds, visit),
      (key, value) => ({ key: ownedCopy(key, 1, key.length), value: openState(key, value) }),
    );
  }

  noteDamage(id: RangeId, { message, key }: StateDamage): void {
    this.#damaged.add(id);
    this.#notes.put(id, { how: message, row: key, failedEntry: null, lowestId: 0 });
  }

  noteFailure(id: RangeId, entry: number, how: string): void {
    const isAgain = this.#notes.get(id)?.failedEntry === entry;
    const failedEntry = isAgain ? null : entry;
    this.#notes.put(id, { how, row: null, failedEntry, lowestId: 0 });
  }

  setAside(id: RangeId): void {
    this.#damaged.add(id);
  }

  async clearDamaged(clearing: Clearing): Promise<string> {
    const { id } = clearing.range;
    const isServed = this.#shapes.has(id) && !this.#damaged.has(id);
    assert(!isServed && !this.#sweeper.has(id), "only what is set aside, or missing, is cleared");
    const folder = this.#folder;
    if (folder === null) throw new Error("a store without a folder has no place for its rows");
    const remove = (table: StoreTable, key: Uint8Array) => this.#gathering.delete(table, key);
    const store = { engine: this.#engine, notes: this.#notes, folder, remove };
    const path = await clearDamaged(store, clearing);
    this.#damaged.delete(id);
    this.#shapes.delete(id);
    return path;
  }

  seeState(range: RangeDescriptor, onState: Clearing["onState"]): Promise<void> {
    return seeState(this.#engine, range, onState);
  }

  noteRenewal(id: RangeId): void {
    const how = "it was made anew with its store, and has not got its routes yet";
    this.#notes.put(id, { how, row: null, failedEntry: null, lowestId: 0 });
  }

  forgetDamage(id: RangeId): void {
    this.#notes.delete(id);
  }

  async upgrade(): Promise<void> {
    for (;;) {
      const rows = unsealedRows(this.#engine);
      if (rows.length === 0) return;
      for (const { key, value } of rows) {
        this.#putState(sealedKeyOf(key), value);
        this.#gathering.delete(StoreTable.STATE, key);
      }
      await this.commit();
    }
  }

  usage(): StoreUsage {
    return this.#engine.usage();
  }

  close(): Promise<void> {
    return this.#engine.close();
  }

  #shapeOf(id: RangeId): LogShape {
    const shape = this.#shapes.get(id);
    assert(shape !== undefined, "a range has a record before it has a log");
    return shape;
  }

  #putState(key: Uint8Array, value: Uint8Array): void {
    const batch = this.#gathering;
    const at = batch.writer.size;
    writeSealedState(batch.writer, key, value);
    batch.putWritten(StoreTable.STATE, key, at, batch.writer.size - at);
  }

  #put(id: RangeId, shape: LogShape, entry: Entry): void {
    const batch = this.#gathering;
    const { index } = entry;
    const at = batch.writer.size;
    writeEntryRecord(batch.writer, entry);
    const size = batch.writer.size - at;
    const { partBytes } = this.#engine;
    const firstSize = Math.min(size, partBytes);
    batch.putWritten(StoreTable.LOG, logKey(id, index), at, firstSize);
    let part = 0;
    for (let from = partBytes; from < size; from += partBytes) {
      part += 1;
      const partSize = Math.min(partBytes, size - from);
      batch.putWritten(StoreTable.PARTS, partKey(id, index, part), at + from, partSize);
    }
    shape.add(index, part);
  }

  #delete(id: RangeId, shape: LogShape, index: number): void {
    const batch = this.#gathering;
    batch.delete(StoreTable.LOG, logKey(id, index));
    for (let part = shape.takeParts(index); part > 0; part--) {
      batch.delete(StoreTable.PARTS, partKey(id, index, part));
    }
  }
}

function openState(key: Uint8Array, stored: Uint8Array): Uint8Array {
  const value = openSealedState(key, stored);
  if (value === null) throw new StateDamage(key);
  return value;
}

/** The first ones, as stored. */
function unsealedRows(engine: StoreEngine): KeyValue[] {
  const rows: KeyValue[] = [];
  let bytes = 0;
  engine.scan(StoreTable.STATE, UNSEALED_STATE, (key, value) => {
    rows.push({ key, value });
    bytes += value.length;
    return rows.length < UPGRADE_ROWS && bytes < UPGRADE_BYTES;
  });
  return rows;
}
