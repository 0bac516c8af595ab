/**
 * Creates the first ranges of a node (bootstrap-plan.ts), once: that all of them were there is
 * noted with the data folder. A start that was interrupted is carried on. Later, what is not there
 * is missing: a store's folder may be gone, and its ranges made anew in silence would mean that
 * sessions and messages are lost in silence. Thread: main.
 */

import { bootstrapPlan, FOUNDING_RANGE } from "../../shared/range/bootstrap-plan.ts";
import { isPastFirstStart } from "../../shared/range/missing-ranges.ts";
import type { RangeGroups } from "./range-groups.ts";
import type { RangeRequests } from "./range-requests.ts";

/** Whether the ranges of a first start were all there at some time. `isNoted`: it was noted. */
export function wasBootstrapped(
  groups: RangeGroups,
  storeCount: number,
  isNoted: boolean,
): boolean {
  const ids = new Set([...groups.groups.keys(), ...groups.damaged.keys()]);
  // Folders of earlier versions have no note.
  return isNoted || ids.has(FOUNDING_RANGE) || isPastFirstStart(ids, storeCount);
}

/**
 * Call when all workers have reported; resolves with how many ranges were created, or null when a
 * worker died over it: then call again once it has reported.
 */
export async function bootstrapRanges(
  groups: RangeGroups,
  requests: RangeRequests,
  storeCount: number,
): Promise<number | null> {
  const exists = (id: number) => groups.groups.has(id) || groups.damaged.has(id);
  const missing = bootstrapPlan(storeCount).filter(({ id }) => !exists(id));
  for (const descriptor of missing) {
    const isCreated = await requests.create(groups.threadOf(descriptor), descriptor);
    if (!isCreated) return null;
  }
  return missing.length;
}
