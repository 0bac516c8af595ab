/**
 * Keys of a store's tables. Big-endian, so that byte order is number order.
 *
 *   records   range u32                          range record, or TOMBSTONE (range-record-codec.ts)
 *   log       range u32 | index u64              entry record (raft/disk-codec.ts), its first part
 *   parts     range u32 | index u64 | part u16   its second part (1), third (2), ...
 *   state     service u8 + 0x80 | key            the service's own, sealed (state-seal.ts)
 *             service u8 | key                   the same as format 1 had it, without a checksum
 *
 * State keys carry no range: a split moves boundaries, not bytes.
 *
 * Why parts: a value above 2 KB takes a run of neighbouring pages, and a store in which large
 * values come and go has no long runs free; it would grow instead. Parts of 16 KiB need four
 * neighbours. Why in a table of their own: then the log table holds one key per entry, and counting
 * keys proves that no entry is missing.
 *
 * The keys returned are one scratch per form, good until the next call: all users copy at once.
 */

import { assert } from "../../shared/base/assert.ts";
import type { RangeId } from "../../shared/range/range-descriptor.ts";
import type { ServiceId } from "../../shared/range/service-id.ts";
import type { KeyBounds } from "./store-engine.ts";

const TWO_POW_32 = 0x1_0000_0000;
const PAGE_BYTES = 4096;
const PAGE_HEADER_BYTES = 16;
/** Fills four neighbouring pages to the last byte. */
export const PART_BYTES = 4 * PAGE_BYTES - PAGE_HEADER_BYTES;
/** Parts behind the first one; a gigabyte. */
const PARTS_MAX = 0xffff;

const RECORD_KEY_BYTES = 4;
const LOG_KEY_BYTES = 12;
const PART_KEY_BYTES = 14;
/** What a database may compare: LMDB's limit with 4 KiB pages is 1,978. */
export const STATE_KEY_MAX_BYTES = 1900;

// Filled before each use, copied from right after it; synchronous, one per thread.
const recordScratch = new DataView(new ArrayBuffer(RECORD_KEY_BYTES));
const logScratch = new DataView(new ArrayBuffer(LOG_KEY_BYTES));
const partScratch = new DataView(new ArrayBuffer(PART_KEY_BYTES));
const recordScratchBytes = bytesOf(recordScratch);
const logScratchBytes = bytesOf(logScratch);
const partScratchBytes = bytesOf(partScratch);

export function recordKey(id: RangeId): Uint8Array {
  recordScratch.setUint32(0, id);
  return recordScratchBytes;
}

export function logKey(id: RangeId, index: number): Uint8Array {
  writeLogKey(logScratch, id, index);
  return logScratchBytes;
}

export function partKey(id: RangeId, index: number, part: number): Uint8Array {
  assert(part > 0 && part <= PARTS_MAX, "an entry has at most 65,536 parts");
  writeLogKey(partScratch, id, index);
  partScratch.setUint16(LOG_KEY_BYTES, part);
  return partScratchBytes;
}

/** Marks the rows that have a checksum. */
const SEALED = 0x80;

/** Owned. */
export function stateKey(service: ServiceId, key: Uint8Array): Uint8Array {
  assert(key.length <= STATE_KEY_MAX_BYTES, "a state key has at most 1,900 bytes");
  const prefixed = new Uint8Array(1 + key.length);
  prefixed[0] = SEALED | service;
  prefixed.set(key, 1);
  return prefixed;
}

export function stateBounds(
  service: ServiceId,
  start: Uint8Array,
  end: Uint8Array | null,
): KeyBounds {
  const last = end === null ? new Uint8Array([(SEALED | service) + 1]) : stateKey(service, end);
  return { start: stateKey(service, start), end: last };
}

/** The state rows of format 1, of every service. */
export const UNSEALED_STATE: KeyBounds = {
  start: new Uint8Array(1),
  end: new Uint8Array([SEALED]),
};

/** The key that a row of format 1 has today; owned. */
export function sealedKeyOf(unsealed: Uint8Array): Uint8Array {
  const key = unsealed.slice();
  key[0]! |= SEALED;
  return key;
}

/** Log keys of the entries low..high-1; owned. */
export function logBounds(id: RangeId, low: number, high: number): KeyBounds {
  return { start: logKey(id, low).slice(), end: logKey(id, high).slice() };
}

/** Log keys of entry `low` and everything behind it. */
export function logTail(id: RangeId, low: number): KeyBounds {
  return { start: logKey(id, low).slice(), end: nextRange(id) };
}

/** Part keys of the entries low..high-1. */
export function partBounds(id: RangeId, low: number, high: number): KeyBounds {
  // A shorter key sorts before all that it begins: a log key bounds the part keys of its entry.
  return logBounds(id, low, high);
}

/** Log or part keys of the whole range. */
export function rangeBounds(id: RangeId): KeyBounds {
  return { start: recordKey(id).slice(), end: nextRange(id) };
}

/** The highest number that fits into the keys. */
export const RANGE_ID_MAX: RangeId = TWO_POW_32 - 1;

/** All keys from the range's on: for walking from range to range. */
export function boundsFrom(id: RangeId): KeyBounds {
  return { start: recordKey(id).slice(), end: null };
}

// Of keys as found, which may be anything: what is missing counts as zero.

export function rangeOfKey(key: Uint8Array): RangeId {
  return u32At(key, 0);
}

export function indexOfKey(key: Uint8Array): number {
  return u32At(key, 4) * TWO_POW_32 + u32At(key, 8);
}

export function partOfKey(key: Uint8Array): number {
  return u32At(key, LOG_KEY_BYTES - 2) % 0x1_0000;
}

export function isRecordKey(key: Uint8Array): boolean {
  return key.length === RECORD_KEY_BYTES;
}

export function isLogKey(key: Uint8Array): boolean {
  return key.length === LOG_KEY_BYTES;
}

export function isPartKey(key: Uint8Array): boolean {
  return key.length === PART_KEY_BYTES;
}

function writeLogKey(target: DataView, id: RangeId, index: number): void {
  target.setUint32(0, id);
  target.setUint32(4, Math.floor(index / TWO_POW_32));
  target.setUint32(8, index % TWO_POW_32);
}

/** Null: there is none. */
function nextRange(id: RangeId): Uint8Array | null {
  return id === RANGE_ID_MAX ? null : recordKey(id + 1).slice();
}

function bytesOf(view: DataView): Uint8Array {
  return new Uint8Array(view.buffer);
}

function u32At(key: Uint8Array, at: number): number {
  const high = ((key[at] ?? 0) << 24) | ((key[at + 1] ?? 0) << 16);
  return (high | ((key[at + 2] ?? 0) << 8) | (key[at + 3] ?? 0)) >>> 0;
}
