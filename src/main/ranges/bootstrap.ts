/**
 * Creates the first ranges of a node (bootstrap-plan.ts), once: range 1 is the last of them and
 * says by its presence that all others were there. A start that was interrupted is carried on.
 * Thread: main.
 */

import { bootstrapPlan, FOUNDING_RANGE } from "../../shared/range/bootstrap-plan.ts";
import type { RangeGroups } from "./range-groups.ts";
import type { RangeRequests } from "./range-requests.ts";

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
  if (exists(FOUNDING_RANGE)) return 0;
  const missing = bootstrapPlan(storeCount).filter(({ id }) => !exists(id));
  for (const descriptor of missing) {
    const isCreated = await requests.create(groups.threadOf(descriptor), descriptor);
    if (!isCreated) return null;
  }
  return missing.length;
}
