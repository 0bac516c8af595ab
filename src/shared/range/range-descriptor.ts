/**
 * A range: an ordered slice [start, end) of one service's key space, with a Raft group, a log and a
 * state machine of its own.
 */

import type { ServiceId } from "./service-id.ts";

/** Positive, never given out twice on a node. */
export type RangeId = number;

/** Stands for "no range". */
export const NO_RANGE: RangeId = 0;

export interface RangeDescriptor {
  readonly id: RangeId;
  readonly service: ServiceId;
  /** First key; empty = from the beginning. */
  readonly start: Uint8Array;
  /** First key beyond it; null = to the end. */
  readonly end: Uint8Array | null;
  /**
   * Grows with every split and merge. A command that was routed by another one is refused with
   * RangeMoved, and its proposer looks the range up again.
   */
  readonly boundaryVersion: number;
  /** Which store of this node holds it: 1..stores. */
  readonly storeId: number;
  /**
   * Not NO_RANGE: sealed, it applies no more commands, because its left-hand neighbour, this one,
   * is about to take it over.
   */
  readonly mergingInto: RangeId;
  /** The highest id among the ranges that it took over, so that none of them is given out again. */
  readonly absorbedId: RangeId;
}

/** Negative, 0, positive as `left` sorts before, with or behind `right`: by bytes, then length. */
export function compareKeys(left: Uint8Array, right: Uint8Array): number {
  const common = Math.min(left.length, right.length);
  for (let i = 0; i < common; i++) {
    const difference = left[i]! - right[i]!;
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

/** Some key may be in both. */
export function doOverlap(left: RangeDescriptor, right: RangeDescriptor): boolean {
  if (left.service !== right.service) return false;
  const isLeftOver = left.end !== null && compareKeys(left.end, right.start) <= 0;
  const isRightOver = right.end !== null && compareKeys(right.end, left.start) <= 0;
  return !isLeftOver && !isRightOver;
}

/** Does `key`, of the range's service, lie within its bounds? */
export function holdsKey(range: RangeDescriptor, key: Uint8Array): boolean {
  if (compareKeys(key, range.start) < 0) return false;
  return range.end === null || compareKeys(key, range.end) < 0;
}

/** The part of [start, end) within a range's bounds; null as an end stands for none. */
export function clipToRange(
  bounds: Pick<RangeDescriptor, "start" | "end">,
  start: Uint8Array,
  end: Uint8Array | null,
): [Uint8Array, Uint8Array | null] {
  const from = compareKeys(start, bounds.start) < 0 ? bounds.start : start;
  const isLower = end !== null && (bounds.end === null || compareKeys(end, bounds.end) < 0);
  return [from, isLower ? end : bounds.end];
}
