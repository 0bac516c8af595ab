/**
 * Bytes of the log's segments: files of a fixed size, filled from the front with batches, one per
 * commit. Little-endian; checksums are CRC-32 as in zip.
 *
 *   segment    magic u32 | version u32 | number u64 | firstBatch u64 | stateLag u32
 *              | checksum u32                                                                 = 32
 *              | batch | batch | ... | anything
 *   batch      magic u32 | directoryBytes u32 | payloadBytes u32
 *              | directoryChecksum u32 | payloadChecksum u32 | previous u32
 *              | number u64 | durable u64 | 0 u32 | checksum u32                               = 48
 *              | directory | payload | 0 to 7 bytes, up to a multiple of 8
 *
 * Each header's checksum covers what lies before it. `previous` is the header checksum of the batch
 * before: bytes that an earlier life of the file left behind never continue the chain. `stateLag`
 * is how far before `firstBatch` the last batch with state is, from 1 on: without it, when the
 * segments before are gone, nothing is worth what follows; 0: not told. `durable` is the last batch
 * that was known to be flushed when this one was written: a batch that cannot be read was being
 * written when the machine died, or, if a later one says that it was durable, is damaged.
 *
 * Why two checksums: the directory (batch-directory-codec.ts) says what the payload holds, and its
 * entries are sealed one by one. So a rotten bit in a payload is one entry's damage, not the log's.
 */

import { crc32 } from "node:zlib";
import type { RecordWriter } from "../../shared/bytes/record-writer.ts";
import { WireReader } from "../../shared/bytes/wire-reader.ts";

const VERSION = 1;
/** "RTSG" and "RTSB" in the file's order. */
const SEGMENT_MAGIC = 0x47535452;
const BATCH_MAGIC = 0x42535452;
/** The same as bytes, for searching. */
const BATCH_MAGIC_BYTES = Buffer.from("RTSB", "latin1");
const CHECKSUM_BYTES = 4;

export const SEGMENT_HEADER_BYTES = 32;
export const BATCH_HEADER_BYTES = 48;
const ALIGNMENT = 8;
const LAG_MAX = 2 ** 32 - 1;

export interface SegmentHeader {
  readonly number: number;
  readonly firstBatch: number;
  /** The last batch before it with state; null: not told. */
  readonly stateBatch: number | null;
}

export interface BatchHeader {
  readonly number: number;
  readonly durable: number;
  /** Checksum of the header before, 0 for the first of all. */
  readonly previous: number;
  readonly directoryBytes: number;
  readonly payloadBytes: number;
  readonly directoryChecksum: number;
  readonly payloadChecksum: number;
  /** Of this header. */
  readonly checksum: number;
}

/** What a batch takes in its segment. */
export function batchSize(directoryBytes: number, payloadBytes: number): number {
  const size = BATCH_HEADER_BYTES + directoryBytes + payloadBytes;
  return Math.ceil(size / ALIGNMENT) * ALIGNMENT;
}

/** CRC-32 of several pieces as of one. */
export function checksumOf(pieces: readonly Uint8Array[]): number {
  let checksum = 0;
  for (const piece of pieces) checksum = crc32(piece, checksum);
  return checksum;
}

export function writeSegmentHeader(writer: RecordWriter, header: SegmentHeader): void {
  const start = writer.size;
  writer.u32(SEGMENT_MAGIC);
  writer.u32(VERSION);
  writer.u64(header.number);
  writer.u64(header.firstBatch);
  const lag = header.stateBatch === null ? 0 : header.firstBatch - header.stateBatch;
  writer.u32(lag <= LAG_MAX ? lag : 0);
  writer.u32(crc32(writer.bytes.subarray(start, writer.size)));
}

/** Null unless `bytes` begins with the header of a segment in use. */
export function readSegmentHeader(bytes: Uint8Array): SegmentHeader | null {
  if (!isSealed(bytes, 0, SEGMENT_HEADER_BYTES)) return null;
  const reader = new WireReader(bytes, 0, SEGMENT_HEADER_BYTES);
  const isKnown = reader.u32() === SEGMENT_MAGIC && reader.u32() === VERSION;
  const number = reader.u64();
  const firstBatch = reader.u64();
  const lag = reader.u32();
  const stateBatch = lag === 0 ? null : firstBatch - lag;
  return isKnown && !reader.isMalformed ? { number, firstBatch, stateBatch } : null;
}

/** Returns the header's checksum: the next batch's `previous`. */
export function writeBatchHeader(
  writer: RecordWriter,
  header: Omit<BatchHeader, "checksum">,
): number {
  const start = writer.size;
  writer.u32(BATCH_MAGIC);
  writer.u32(header.directoryBytes);
  writer.u32(header.payloadBytes);
  writer.u32(header.directoryChecksum);
  writer.u32(header.payloadChecksum);
  writer.u32(header.previous);
  writer.u64(header.number);
  writer.u64(header.durable);
  writer.u32(0);
  const checksum = crc32(writer.bytes.subarray(start, writer.size));
  writer.u32(checksum);
  return checksum;
}

/** Null unless there is a batch's header at `at`, and the batch fits into `bytes`. */
export function readBatchHeader(bytes: Uint8Array, at: number): BatchHeader | null {
  if (!isSealed(bytes, at, BATCH_HEADER_BYTES)) return null;
  const reader = new WireReader(bytes, at, at + BATCH_HEADER_BYTES);
  const isBatch = reader.u32() === BATCH_MAGIC;
  const directoryBytes = reader.u32();
  const payloadBytes = reader.u32();
  const directoryChecksum = reader.u32();
  const payloadChecksum = reader.u32();
  const previous = reader.u32();
  const number = reader.u64();
  const durable = reader.u64();
  reader.u32();
  const checksum = reader.u32();
  if (!isBatch || reader.isMalformed) return null;
  if (at + batchSize(directoryBytes, payloadBytes) > bytes.length) return null;
  const checksums = { directoryChecksum, payloadChecksum, previous, checksum };
  return { number, durable, directoryBytes, payloadBytes, ...checksums };
}

/** Somebody has begun to write a batch's header at `at`, whatever became of it. */
export function isBatchBegun(bytes: Uint8Array, at: number): boolean {
  return BATCH_MAGIC_BYTES.equals(bytes.subarray(at, at + BATCH_MAGIC_BYTES.length));
}

/**
 * The highest `durable` that any batch behind `from` claims, in whatever order they lie there; 0
 * when there is none. Batches are looked for, not followed: what lies between may be damaged.
 */
export function claimedDurable(bytes: Uint8Array, from: number): number {
  const searched = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  let highest = 0;
  for (let at = from; ; at += ALIGNMENT) {
    at = searched.indexOf(BATCH_MAGIC_BYTES, at);
    if (at < 0) return highest;
    const header = at % ALIGNMENT === 0 ? readBatchHeader(bytes, at) : null;
    if (header !== null) highest = Math.max(highest, header.durable);
    at -= at % ALIGNMENT;
  }
}

/** Whether bytes[at, at + size) end with the checksum of what lies before it. */
function isSealed(bytes: Uint8Array, at: number, size: number): boolean {
  if (at + size > bytes.length) return false;
  const end = at + size - CHECKSUM_BYTES;
  return crc32(bytes.subarray(at, end)) === new WireReader(bytes, end, end + CHECKSUM_BYTES).u32();
}
