/**
 * Commands about a range itself, behind a batch header of their kind. Little-endian; stored.
 *
 *   SPLIT    rightId u32 | key: length u16, bytes
 *   SEAL     leftId u32
 *   ABSORB   rightId u32 | rightVersion u32: the boundary version that the right one was sealed with
 *   UNSEAL   nothing
 */

import type { RecordReader } from "../bytes/record-reader.ts";
import type { RecordWriter } from "../bytes/record-writer.ts";
import type { RangeDescriptor, RangeId } from "./range-descriptor.ts";
import { compareKeys, NO_RANGE } from "./range-descriptor.ts";

export interface SplitChange {
  /** The new range's, never given out before. */
  readonly rightId: RangeId;
  /** Its first key. */
  readonly key: Uint8Array;
}

export interface AbsorbChange {
  readonly rightId: RangeId;
  readonly rightVersion: number;
}

export function writeSplit(writer: RecordWriter, { rightId, key }: SplitChange): void {
  writer.u32(rightId);
  writer.u16(key.length);
  writer.raw(key);
}

export function readSplit(reader: RecordReader): SplitChange {
  const rightId = reader.u32();
  return { rightId, key: reader.raw(reader.u16()) };
}

export function writeSeal(writer: RecordWriter, leftId: RangeId): void {
  writer.u32(leftId);
}

export function readSeal(reader: RecordReader): RangeId {
  return reader.u32();
}

export function writeAbsorb(writer: RecordWriter, change: AbsorbChange): void {
  writer.u32(change.rightId);
  writer.u32(change.rightVersion);
}

export function readAbsorb(reader: RecordReader): AbsorbChange {
  const rightId = reader.u32();
  return { rightId, rightVersion: reader.u32() };
}

/** Both halves, or null when the key does not cut the range. */
export function splitDescriptor(
  range: RangeDescriptor,
  { rightId, key }: SplitChange,
): { readonly left: RangeDescriptor; readonly right: RangeDescriptor } | null {
  const isBehindStart = compareKeys(key, range.start) > 0;
  if (!isBehindStart || (range.end !== null && compareKeys(key, range.end) >= 0)) return null;
  const boundaryVersion = range.boundaryVersion + 1;
  return {
    left: { ...range, end: key, boundaryVersion },
    right: { ...range, id: rightId, start: key, boundaryVersion, absorbedId: NO_RANGE },
  };
}

/** Both as one; asserts nothing, the caller knows that they are neighbours on one store. */
export function absorbDescriptor(left: RangeDescriptor, right: RangeDescriptor): RangeDescriptor {
  return {
    ...left,
    end: right.end,
    boundaryVersion: Math.max(left.boundaryVersion, right.boundaryVersion) + 1,
    absorbedId: Math.max(left.absorbedId, right.absorbedId, right.id),
  };
}
