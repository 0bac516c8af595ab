/** The keys of a service that none of some ranges holds. Thread: any. */

import { compareKeys, type RangeDescriptor } from "./range-descriptor.ts";
import type { ServiceId } from "./service-id.ts";

export interface KeyGap {
  readonly start: Uint8Array;
  /** Null: to the end. */
  readonly end: Uint8Array | null;
}

/** In order of keys. `ranges` may be of any services; those of one do not overlap. */
export function gapsBetween(service: ServiceId, ranges: readonly RangeDescriptor[]): KeyGap[] {
  const gaps: KeyGap[] = [];
  let reached: Uint8Array | null = new Uint8Array(0);
  const ofService = ranges.filter((range) => range.service === service);
  ofService.sort((left, right) => compareKeys(left.start, right.start));
  for (const { start, end } of ofService) {
    if (reached !== null && compareKeys(reached, start) < 0)
      gaps.push({ start: reached, end: start });
    reached = end;
  }
  if (reached !== null) gaps.push({ start: reached, end: null });
  return gaps;
}
