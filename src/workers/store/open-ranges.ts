/**
 * What a store finds when it is opened: every range, checked. A range that fails a check is named
 * and set aside; nothing is repaired and nothing deleted, for another copy, or a person, may still
 * make sense of it (raft pitfalls 11, 14).
 *
 * What is checked: the record's checksum; that no entry is missing (as many keys as numbers,
 * counted by the engine); every entry not yet applied, whole; terms; that nothing was applied
 * that was not committed, and nothing committed that is not there. State is checked row by row when
 * it is read; a row that failed then is noted (damage-notes.ts) and looked at here.
 *
 * Why not every entry: applied ones are only read again for a replica that lags, and are checked
 * when they are read. A million of them takes seconds to check, counting them a tenth of one. Their
 * terms never decrease, so the runs are found by bisection: some twenty entries per change of
 * leader, and no record of terms that could contradict the log.
 */

import type { Entry } from "../../shared/raft/entry.ts";
import type { RangeId } from "../../shared/range/range-descriptor.ts";
import type { DamageNotes } from "./damage-notes.ts";
import { damageOf, readEntry, visitEntries } from "./entry-reader.ts";
import { LogShape } from "./log-shape.ts";
import type { OpenedRange, RangeRecord, TermRun } from "./log-store.ts";
import { decodeRangeRecord, isTombstone, type StoredRange } from "./range-record-codec.ts";
import { openSealedState } from "./state-seal.ts";
import { type StoreEngine, StoreTable } from "./store-engine.ts";
import {
  boundsFrom,
  indexOfKey,
  isPartKey,
  isRecordKey,
  logTail,
  partOfKey,
  RANGE_ID_MAX,
  rangeBounds,
  rangeOfKey,
} from "./store-schema.ts";

export interface OpenedStore {
  readonly ranges: readonly OpenedRange[];
  /** Of the ranges that are not damaged. */
  readonly shapes: ReadonlyMap<RangeId, LogShape>;
  /** Ranges of which entries may be left. */
  readonly forgotten: readonly RangeId[];
}

/** How a check ends that fails: caught by `checkRange` alone, which makes a report of it. */
class Damage extends Error {}

export function openRanges(engine: StoreEngine, notes: DamageNotes): OpenedStore {
  const ranges: OpenedRange[] = [];
  const shapes = new Map<RangeId, LogShape>();
  const forgotten: RangeId[] = [];
  const known = new Set<RangeId>();
  for (const [key, value] of readRecords(engine)) {
    const id = rangeOfKey(key);
    known.add(id);
    if (isRecordKey(key) && isTombstone(value)) {
      forgotten.push(id);
      continue;
    }
    const stored = isRecordKey(key) ? decodeRangeRecord(value) : null;
    if (stored === null || stored.record.descriptor.id !== id) {
      ranges.push(setAside(id, null, "range record: its checksum or its fields are wrong"));
      continue;
    }
    const noted = engine.damage ?? notedDamage(engine, notes, id);
    if (noted !== null) {
      ranges.push(setAside(id, stored.record, noted));
      continue;
    }
    const { range, shape } = checkRange(engine, stored);
    ranges.push(range);
    if (shape !== null) shapes.set(id, shape);
  }
  for (const id of rangesWithEntries(engine)) {
    if (!known.has(id))
      ranges.push(setAside(id, null, "range record: missing, but there is a log"));
  }
  for (const id of notes.ranges) {
    const isListed = ranges.some((range) => range.id === id);
    const isSuspect = notes.get(id)?.failedEntry !== null;
    const how = notes.get(id)?.how ?? "";
    if (!isListed && !isSuspect && !forgotten.includes(id)) ranges.push(setAside(id, null, how));
  }
  ranges.sort((left, right) => left.id - right.id);
  return { ranges, shapes, forgotten: engine.damage === null ? forgotten : [] };
}

/** Null: nothing was noted, or the row is whole again, which memory or a cable may have altered. */
function notedDamage(engine: StoreEngine, notes: DamageNotes, id: RangeId): string | null {
  if (notes.fault !== null) return notes.fault;
  const note = notes.get(id);
  if (note === null || note.failedEntry !== null) return null;
  const stored = note.row === null ? null : engine.get(StoreTable.STATE, note.row);
  if (note.row === null || stored === null) return note.how;
  if (openSealedState(note.row, stored) === null) return note.how;
  notes.delete(id);
  return null;
}

function setAside(id: RangeId, record: RangeRecord | null, damage: string): OpenedRange {
  const lastIndex = record?.compactedIndex ?? 0;
  return { id, record, lastIndex, termRuns: [], installing: null, damage };
}

function readRecords(engine: StoreEngine): [Uint8Array, Uint8Array][] {
  const records: [Uint8Array, Uint8Array][] = [];
  engine.scan(StoreTable.RECORDS, boundsFrom(0), (key, value) => {
    records.push([key, value]);
    return true;
  });
  return records;
}

/** One step per range, however many entries it has. */
function rangesWithEntries(engine: StoreEngine): RangeId[] {
  const ids: RangeId[] = [];
  let from: RangeId = 0;
  for (;;) {
    let found = -1;
    engine.scanKeys(StoreTable.LOG, boundsFrom(from), (key) => {
      found = rangeOfKey(key);
      return false;
    });
    if (found < 0) return ids;
    ids.push(found);
    if (found === RANGE_ID_MAX) return ids;
    from = found + 1;
  }
}

function checkRange(
  engine: StoreEngine,
  { record, installing }: StoredRange,
): { readonly range: OpenedRange; readonly shape: LogShape | null } {
  const { id } = record.descriptor;
  try {
    const shape = readShape(engine, record);
    checkPointers(record, shape.last);
    const termRuns = readTermRuns(engine, record, shape.last);
    checkTerms(record, termRuns);
    const lastIndex = shape.last;
    return { range: { id, record, lastIndex, termRuns, installing, damage: null }, shape };
  } catch (error) {
    if (!(error instanceof Damage)) throw error;
    return { range: setAside(id, record, error.message), shape: null };
  }
}

function readShape(engine: StoreEngine, record: RangeRecord): LogShape {
  const { id } = record.descriptor;
  const compacted = record.compactedIndex;
  const lastKey = engine.lastKey(StoreTable.LOG, rangeBounds(id));
  if (lastKey === null) return LogShape.empty(compacted);
  // Entries at and below the compacted index may be left, all or some: trimming takes its time.
  const first = firstIndex(engine, id);
  const last = Math.max(indexOfKey(lastKey), compacted);
  const count = engine.count(StoreTable.LOG, logTail(id, compacted + 1));
  if (count !== last - compacted) {
    throw new Damage(`log: ${count} entries between ${compacted + 1} and ${last}`);
  }
  return new LogShape(first, last, compacted, readParts(engine, id, last));
}

function firstIndex(engine: StoreEngine, id: RangeId): number {
  let first = 0;
  engine.scanKeys(StoreTable.LOG, rangeBounds(id), (key) => {
    first = indexOfKey(key);
    return false;
  });
  return first;
}

function readParts(engine: StoreEngine, id: RangeId, last: number): Map<number, number> {
  const parts = new Map<number, number>();
  let damage: string | null = null;
  engine.scanKeys(StoreTable.PARTS, rangeBounds(id), (key) => {
    const index = indexOfKey(key);
    const expected = (parts.get(index) ?? 0) + 1;
    if (!isPartKey(key) || partOfKey(key) !== expected || index > last) {
      damage = `log entry ${index}: part ${expected} is missing or belongs to no entry`;
      return false;
    }
    parts.set(index, expected);
    return true;
  });
  if (damage !== null) throw new Damage(damage);
  return parts;
}

function checkPointers(record: RangeRecord, last: number): void {
  const { compactedIndex, appliedIndex, hardState } = record;
  if (compactedIndex > appliedIndex) {
    throw new Damage(`log: compacted to ${compactedIndex}, but applied only to ${appliedIndex}`);
  }
  if (appliedIndex > hardState.commit) {
    throw new Damage(`log: applied to ${appliedIndex}, but committed to ${hardState.commit}`);
  }
  if (hardState.commit > last) {
    throw new Damage(`log: committed to ${hardState.commit}, but it ends at ${last}`);
  }
}

function readTermRuns(engine: StoreEngine, record: RangeRecord, last: number): TermRun[] {
  const { id } = record.descriptor;
  const runs: TermRun[] = [];
  const note = (entry: Entry) => {
    const run = runs[runs.length - 1];
    if (run?.term !== entry.term) runs.push({ firstIndex: entry.index, term: entry.term });
  };
  const applied = Math.min(record.appliedIndex, last);
  if (applied > record.compactedIndex) {
    bisectTerms((index) => mustRead(engine, id, index), record.compactedIndex + 1, applied, note);
  }
  const damage = visitEntries(engine, id, { low: applied + 1, high: last + 1 }, (entry) => {
    note(entry);
    return true;
  });
  if (damage !== null) throw new Damage(damage);
  return runs;
}

function mustRead(engine: StoreEngine, id: RangeId, index: number): Entry {
  const entry = readEntry(engine, id, index);
  if (entry === null) throw new Damage(damageOf(index));
  return entry;
}

/** Notes the first entry of each run within low..high, in order. */
function bisectTerms(
  read: (index: number) => Entry,
  low: number,
  high: number,
  note: (entry: Entry) => void,
): void {
  const lastTerm = read(high).term;
  for (let entry = read(low); ; ) {
    note(entry);
    if (entry.term === lastTerm) return;
    // The run's last entry is at or behind `same`, and before `other`.
    let same = entry.index;
    let other = high;
    while (other - same > 1) {
      const middle = Math.floor((same + other) / 2);
      if (read(middle).term === entry.term) same = middle;
      else other = middle;
    }
    entry = read(other);
  }
}

function checkTerms(record: RangeRecord, runs: readonly TermRun[]): void {
  let before = record.compactedTerm;
  for (const { firstIndex: index, term } of runs) {
    if (term < before) {
      throw new Damage(`log entry ${index}: term ${term} behind an entry of term ${before}`);
    }
    before = term;
  }
  if (before > record.hardState.term) {
    throw new Damage(
      `log: an entry of term ${before}, but the replica knew ${record.hardState.term}`,
    );
  }
}
