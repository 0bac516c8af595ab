/**
 * Makes the place for a range that takes a damaged one's: its rows are moved into a file, and what
 * its service must not forget of it (identifiers that were used) is kept with the note of damage.
 * Nobody serves the range meanwhile. Thread: worker.
 */

import type { RangeDescriptor } from "../../shared/range/range-descriptor.ts";
import type { RangeRenewal } from "./range-host-api.ts";
import type { StoreTurn } from "./store-turn.ts";

/** Resolves with the file's path when everything is durable. */
export async function resetRange(
  turn: StoreTurn,
  range: RangeDescriptor,
  renewal: RangeRenewal | null,
  wake: () => void,
): Promise<string> {
  const commit = () => {
    return new Promise<void>((resolve) => {
      turn.whenDurable(resolve);
      wake();
    });
  };
  return await turn.store.clearDamaged({
    range,
    onState: (key, value) => renewal?.see(key, value),
    commit,
    startAbove: (id) => renewal?.startAbove(id),
    lowestId: () => renewal?.lowestId ?? 0,
  });
}
