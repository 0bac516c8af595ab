/**
 * Payloads of the ring records between main, which runs every group's Raft core, and the worker
 * that stores the range. Little-endian; threads of one process only.
 *
 *   RAFT_APPEND      range u32 | number u32 | hasHardState u8 | hard state: 5 x u64, if there is one
 *                    | count u32 | entries: index u64, term u64, type u8, length u32, data
 *   RAFT_APPENDED    { range u32 | number u32 } ...    this append and all earlier ones are durable
 *   RAFT_APPLY       { range u32 | index u64 } ...     apply up to this entry; it is in the log
 *   RAFT_APPLIED     { range u32 | index u64 | compacted u64 } ...   the log begins behind the latter
 *   READ_LOG         range u32 | low u64 | high u64 | maxBytes u32
 *   READ_LOG_REPLY   range u32 | low u64 | count u32 | entries; none: they are compacted
 *
 * Appends are written straight into claimed ring memory, because their payloads are the bulk of
 * what passes through main; all else is small.
 */

import { copyBytes } from "../bytes/copy-bytes.ts";
import type { RecordReader } from "../bytes/record-reader.ts";
import type { RecordWriter } from "../bytes/record-writer.ts";
import { ENTRY_OVERHEAD_BYTES, type Entry, type EntryType } from "../raft/entry.ts";
import type { HardState } from "../raft/hard-state.ts";
import type { RangeId } from "./range-descriptor.ts";

const TWO_POW_32 = 0x1_0000_0000;
const HARD_STATE_BYTES = 40;

/** One append as it travels. */
export interface AppendRecord {
  readonly range: RangeId;
  /** Counts the appends of a range since main began to run it. */
  readonly number: number;
  readonly hardState: HardState | null;
  readonly entries: readonly Entry[];
}

export function appendRecordBytes(append: AppendRecord): number {
  let bytes = 4 + 4 + 1 + (append.hardState === null ? 0 : HARD_STATE_BYTES) + 4;
  for (const { data } of append.entries) bytes += ENTRY_OVERHEAD_BYTES + data.length;
  return bytes;
}

/** Writes `appendRecordBytes(append)` bytes at bytes[offset ..]. */
export function putAppendRecord(bytes: Uint8Array, offset: number, append: AppendRecord): void {
  const { hardState, entries } = append;
  let at = putU32(bytes, offset, append.range);
  at = putU32(bytes, at, append.number);
  bytes[at] = hardState === null ? 0 : 1;
  at += 1;
  if (hardState !== null) {
    at = putU64(bytes, at, hardState.term);
    at = putU64(bytes, at, hardState.vote);
    at = putU64(bytes, at, hardState.commit);
    at = putU64(bytes, at, hardState.epoch);
    at = putU64(bytes, at, hardState.epochIndex);
  }
  at = putU32(bytes, at, entries.length);
  for (const { index, term, type, data } of entries) {
    at = putU64(bytes, at, index);
    at = putU64(bytes, at, term);
    bytes[at] = type;
    at = putU32(bytes, at + 1, data.length);
    copyBytes(bytes, at, data, 0, data.length);
    at += data.length;
  }
}

/** The entries own their bytes: they outlive the ring record. */
export function readAppendRecord(reader: RecordReader): AppendRecord {
  const range = reader.u32();
  const number = reader.u32();
  const hardState = reader.u8() === 1 ? readHardState(reader) : null;
  return { range, number, hardState, entries: readEntries(reader) };
}

export function writeEntries(writer: RecordWriter, entries: readonly Entry[]): void {
  writer.u32(entries.length);
  for (const { index, term, type, data } of entries) {
    writer.u64(index);
    writer.u64(term);
    writer.u8(type);
    writer.blob(data);
  }
}

export function readEntries(reader: RecordReader): Entry[] {
  const entries: Entry[] = [];
  for (let left = reader.u32(); left > 0; left--) {
    const index = reader.u64();
    const term = reader.u64();
    const type = reader.u8() as EntryType;
    entries.push({ index, term, type, data: reader.blob() });
  }
  return entries;
}

export interface LogRequest {
  readonly range: RangeId;
  readonly low: number;
  readonly high: number;
  readonly maxBytes: number;
}

export function writeLogRequest(writer: RecordWriter, request: LogRequest): void {
  writer.u32(request.range);
  writer.u64(request.low);
  writer.u64(request.high);
  writer.u32(Math.min(request.maxBytes, TWO_POW_32 - 1));
}

export function readLogRequest(reader: RecordReader): LogRequest {
  const range = reader.u32();
  const low = reader.u64();
  const high = reader.u64();
  return { range, low, high, maxBytes: reader.u32() };
}

function readHardState(reader: RecordReader): HardState {
  return {
    term: reader.u64(),
    vote: reader.u64(),
    commit: reader.u64(),
    epoch: reader.u64(),
    epochIndex: reader.u64(),
  };
}

function putU32(bytes: Uint8Array, at: number, value: number): number {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
  return at + 4;
}

function putU64(bytes: Uint8Array, at: number, value: number): number {
  return putU32(bytes, putU32(bytes, at, value % TWO_POW_32), Math.floor(value / TWO_POW_32));
}
