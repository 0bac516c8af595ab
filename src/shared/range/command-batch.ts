/**
 * A batch: everything that one worker proposes to one range in one duty cycle, and the data of one
 * log entry. What lies behind the header is for the range's state machine, or, in the kinds that
 * are about the range itself, what range-change.ts writes. Little-endian; stored, so a new form
 * needs a new version.
 *
 *   0         1      2           10                    14         22          23             31
 *   +---------+------+-----------+---------------------+----------+-----------+--------------+--
 *   | version | kind | nowMs u64 | boundaryVersion u32 | boot u64 | thread u8 | proposal u64 | ..
 *   +---------+------+-----------+---------------------+----------+-----------+--------------+--
 *
 * `boot` names one life of one worker (worker-life.ts); `proposal` grows with every batch that this
 * life proposes to this range.
 */

import { assert } from "../base/assert.ts";
import type { RecordReader } from "../bytes/record-reader.ts";
import type { RecordWriter } from "../bytes/record-writer.ts";

const VERSION = 1;

export const BATCH_HEADER_BYTES = 31;
const BOUNDARY_VERSION_AT = 10;
const PROPOSAL_AT = 23;

export const BatchKind = {
  COMMANDS: 0,
  /** Cut in two at a key. */
  SPLIT: 1,
  /** Apply no more commands: the left-hand neighbour takes over. */
  SEAL: 2,
  /** Take the right-hand neighbour over, which is sealed. */
  ABSORB: 3,
  /** The left-hand neighbour does not take over: go on. */
  UNSEAL: 4,
} as const;
export type BatchKind = (typeof BatchKind)[keyof typeof BatchKind];

export interface BatchHeader {
  kind: BatchKind;
  nowMs: number;
  boundaryVersion: number;
  boot: number;
  thread: number;
  proposal: number;
}

/** For `readBatchHeader` to fill, again and again. */
export function blankHeader(): BatchHeader {
  const numbers = { nowMs: 0, boundaryVersion: 0, boot: 0, thread: 0, proposal: 0 };
  return { kind: BatchKind.COMMANDS, ...numbers };
}

/** Begins a batch; `writer` takes the commands behind it. */
export function writeBatchHeader(writer: RecordWriter, header: BatchHeader): void {
  writer.u8(VERSION);
  writer.u8(header.kind);
  writer.u64(header.nowMs);
  writer.u32(header.boundaryVersion);
  writer.u64(header.boot);
  writer.u8(header.thread);
  writer.u64(header.proposal);
}

/** For a batch that begins at `start` of `writer`: what is known only when it leaves. */
export function patchBatchHeader(
  writer: RecordWriter,
  start: number,
  boundaryVersion: number,
  proposal: number,
): void {
  writer.patchU32(start + BOUNDARY_VERSION_AT, boundaryVersion);
  writer.patchU64(start + PROPOSAL_AT, proposal);
}

/**
 * Fills `header` and leaves `reader` at the commands. False: not a batch that this version knows,
 * and `header` holds nothing.
 */
export function readBatchHeader(reader: RecordReader, header: BatchHeader): boolean {
  if (reader.u8() !== VERSION) return false;
  const kind = reader.u8();
  assert(kind <= BatchKind.UNSEAL, "a batch is of a known kind");
  header.kind = kind as BatchKind;
  header.nowMs = reader.u64();
  header.boundaryVersion = reader.u32();
  header.boot = reader.u64();
  header.thread = reader.u8();
  header.proposal = reader.u64();
  return true;
}
