/**
 * The directory of a batch in the segment log: what was written, and where in the payload its bytes
 * lie. Little-endian, one after the other, in the order of the writes.
 *
 *   entry     1 u8 | range u32 | index u64 | at u32 | size u32              a log entry is there
 *   removed   2 u8 | range u32 | from u64 | to u64                          entries from..to are not
 *   put       3 u8 | table u8 | keyAt u32 | keySize u16 | valueAt u32 | valueSize u32
 *   deleted   4 u8 | table u8 | keyAt u32 | keySize u16
 *
 * The payload is the memory of a WriteBatch as it is, so that nothing is copied once more.
 */

import { assert } from "../../shared/base/assert.ts";
import type { RecordWriter } from "../../shared/bytes/record-writer.ts";
import { WireReader } from "../../shared/bytes/wire-reader.ts";
import type { RangeId } from "../../shared/range/range-descriptor.ts";
import { StoreTable } from "./store-engine.ts";
import { indexOfKey, rangeOfKey } from "./store-schema.ts";
import type { WriteBatch } from "./write-batch.ts";

const WriteKind = { ENTRY: 1, REMOVED: 2, PUT: 3, DELETED: 4 } as const;

/** A piece of the payload. */
export interface PayloadPart {
  readonly at: number;
  readonly size: number;
}

export interface DirectoryVisitor {
  entry(id: RangeId, index: number, at: number, size: number): void;
  /** Entries from..to, both included; some of them may never have been there. */
  removed(id: RangeId, from: number, to: number): void;
  put(table: StoreTable, key: PayloadPart, value: PayloadPart): void;
  deleted(table: StoreTable, key: PayloadPart): void;
}

export function writeEntryLine(
  writer: RecordWriter,
  id: RangeId,
  index: number,
  part: PayloadPart,
): void {
  writer.u8(WriteKind.ENTRY);
  writer.u32(id);
  writer.u64(index);
  writer.u32(part.at);
  writer.u32(part.size);
}

/**
 * Writes the directory of all of the batch's writes; returns whether any of them is to another
 * table than the log.
 */
export function writeDirectory(writer: RecordWriter, batch: WriteBatch): boolean {
  let hasState = false;
  for (let at = 0; at < batch.count; at++) {
    const table = batch.table(at);
    assert(table !== StoreTable.PARTS, "segments hold entries of any size in one part");
    if (table === StoreTable.LOG) {
      at = writeLogLine(writer, batch, at);
    } else {
      hasState = true;
      writeStateLine(writer, batch, at);
    }
  }
  return hasState;
}

/**
 * One line, for one entry or for a run of removed ones; returns the last write that it tells of.
 */
function writeLogLine(writer: RecordWriter, batch: WriteBatch, first: number): number {
  const key = batch.key(first);
  const id = rangeOfKey(key);
  const index = indexOfKey(key);
  if (!batch.isDelete(first)) {
    writeEntryLine(writer, id, index, { at: batch.valueAt(first), size: batch.valueSize(first) });
    return first;
  }
  let last = first;
  while (last + 1 < batch.count && isDeleteOf(batch, last + 1, id, index + last + 1 - first)) {
    last += 1;
  }
  writer.u8(WriteKind.REMOVED);
  writer.u32(id);
  writer.u64(index);
  writer.u64(index + last - first);
  return last;
}

function isDeleteOf(batch: WriteBatch, at: number, id: RangeId, index: number): boolean {
  if (batch.table(at) !== StoreTable.LOG || !batch.isDelete(at)) return false;
  const key = batch.key(at);
  return rangeOfKey(key) === id && indexOfKey(key) === index;
}

function writeStateLine(writer: RecordWriter, batch: WriteBatch, at: number): void {
  const isDelete = batch.isDelete(at);
  writer.u8(isDelete ? WriteKind.DELETED : WriteKind.PUT);
  writer.u8(batch.table(at));
  writer.u32(batch.keyAt(at));
  writer.u16(batch.keySize(at));
  if (isDelete) return;
  writer.u32(batch.valueAt(at));
  writer.u32(batch.valueSize(at));
}

/**
 * Tells of all writes in order. False: these are not the bytes of a directory of a payload of
 * `payloadBytes`, and what was told until then means nothing.
 */
export function visitDirectory(
  directory: Uint8Array,
  payloadBytes: number,
  visitor: DirectoryVisitor,
): boolean {
  const reader = new WireReader(directory);
  const part = (at: number, size: number): PayloadPart => {
    if (at + size > payloadBytes) reader.refuse();
    return { at, size };
  };
  while (!reader.isAtEnd) visitLine(reader, part, visitor);
  return !reader.isMalformed;
}

function visitLine(
  reader: WireReader,
  part: (at: number, size: number) => PayloadPart,
  visitor: DirectoryVisitor,
): void {
  const kind = reader.u8();
  if (kind === WriteKind.ENTRY) {
    const id = reader.u32();
    const index = reader.u64();
    const { at, size } = part(reader.u32(), reader.u32());
    if (!reader.isMalformed) visitor.entry(id, index, at, size);
  } else if (kind === WriteKind.REMOVED) {
    const id = reader.u32();
    const from = reader.u64();
    const to = reader.u64();
    if (to < from) reader.refuse();
    if (!reader.isMalformed) visitor.removed(id, from, to);
  } else {
    visitStateLine(reader, kind, part, visitor);
  }
}

function visitStateLine(
  reader: WireReader,
  kind: number,
  part: (at: number, size: number) => PayloadPart,
  visitor: DirectoryVisitor,
): void {
  const table = reader.u8();
  const isKnown = kind === WriteKind.PUT || kind === WriteKind.DELETED;
  if (!isKnown || (table !== StoreTable.RECORDS && table !== StoreTable.STATE)) reader.refuse();
  const key = part(reader.u32(), reader.u16());
  if (kind === WriteKind.DELETED) {
    if (!reader.isMalformed) visitor.deleted(table as StoreTable, key);
    return;
  }
  const value = part(reader.u32(), reader.u32());
  if (!reader.isMalformed) visitor.put(table as StoreTable, key, value);
}
