/**
 * What a node lacks of the ranges that it once had: keys are cut into stores for good
 * (bootstrap-plan.ts), so every key of a service that no range holds belonged to a range of a known
 * store, which is gone: its folder, a part of its database, a disk that is not there.
 *
 * What it is called, and where it began and ended, nobody can say for certain. A gap at the
 * beginning of a store's share was, or began with, the range that the node was born with: that one
 * is never merged into another. A gap elsewhere gets an id that nobody has. Thread: main.
 */

import { bootstrapPlan } from "./bootstrap-plan.ts";
import { compareKeys, type RangeDescriptor, type RangeId } from "./range-descriptor.ts";
import { gapsBetween, type KeyGap } from "./range-gaps.ts";

/** A range that is there, in whatever state. */
export interface PresentRange {
  readonly id: RangeId;
  readonly storeId: number;
  /** Null: its record cannot be read; it may be what fills a gap in its store. */
  readonly descriptor: RangeDescriptor | null;
}

/** `present`: all ranges of the node. `newId` gives ids that were never used. */
export function missingRanges(
  present: readonly PresentRange[],
  storeCount: number,
  newId: () => RangeId,
): RangeDescriptor[] {
  const ids = new Set(present.map(({ id }) => id));
  const known = present.map(({ descriptor }) => descriptor).filter((range) => range !== null);
  const unclearStores = new Set(
    present.filter(({ descriptor }) => descriptor === null).map(({ storeId }) => storeId),
  );
  const missing: RangeDescriptor[] = [];
  for (const share of bootstrapPlan(storeCount)) {
    for (const gap of gapsIn(share, gapsBetween(share.service, known))) {
      const isFirst = compareKeys(gap.start, share.start) === 0;
      if (isFirst && !ids.has(share.id)) missing.push({ ...share, ...gap });
      else if (!unclearStores.has(share.storeId)) missing.push({ ...share, ...gap, id: newId() });
    }
  }
  return missing;
}

/**
 * Whether ranges that are there show that a node was complete once: a first start makes them in the
 * order of the plan, so one that was interrupted leaves a beginning of it.
 */
export function isPastFirstStart(ids: ReadonlySet<RangeId>, storeCount: number): boolean {
  const plan = bootstrapPlan(storeCount);
  const made = plan.findIndex(({ id }) => !ids.has(id));
  return made < 0 || ids.size > made;
}

/** The parts of the gaps that lie in the share. */
function gapsIn(share: RangeDescriptor, gaps: readonly KeyGap[]): KeyGap[] {
  const parts: KeyGap[] = [];
  for (const gap of gaps) {
    const start = compareKeys(gap.start, share.start) < 0 ? share.start : gap.start;
    const end = earlier(gap.end, share.end);
    if (end === null || compareKeys(start, end) < 0) parts.push({ start, end });
  }
  return parts;
}

/** Null: to the end. */
function earlier(left: Uint8Array | null, right: Uint8Array | null): Uint8Array | null {
  if (left === null || right === null) return left ?? right;
  return compareKeys(left, right) < 0 ? left : right;
}
