/**
 * How far a replica's log may be compacted now. Entries are kept behind the applied index, so that
 * a member that was away for a moment catches up by the log and not by a snapshot; and a member
 * that is only just behind delays compaction, but not for long (raft pitfall 70). Scope: one per
 * replica. Pure: the host makes the snapshot and drops the entries.
 */

export interface CompactionLimits {
  /** Entries that stay behind the applied index. */
  readonly trailingEntries: number;
  /** Compacts when the log is longer than this, */
  readonly maxEntries: number;
  /** or larger. */
  readonly maxBytes: number;
  /** Ticks for which members that are behind are waited for: an election timeout. */
  readonly patienceTicks: number;
}

export const DEFAULT_COMPACTION: CompactionLimits = {
  trailingEntries: 10_000,
  maxEntries: 20_000,
  maxBytes: 64 * 1024 * 1024,
  patienceTicks: 10,
};

export interface LogExtent {
  readonly firstIndex: number;
  readonly applied: number;
  /** Of all entries that are there. */
  readonly bytes: number;
  /** The lowest match among members that were heard of lately; Infinity when there are none. */
  readonly lowestActiveMatch: number;
}

export class CompactionPlan {
  readonly #limits: CompactionLimits;
  #waitedTicks = 0;

  constructor(limits: CompactionLimits = DEFAULT_COMPACTION) {
    this.#limits = limits;
  }

  /** Once per tick: the index up to which to compact now; 0 for not at all. */
  tick(extent: LogExtent): number {
    const { trailingEntries, maxEntries, maxBytes, patienceTicks } = this.#limits;
    const entries = extent.applied - extent.firstIndex + 1;
    const isTooLarge = extent.bytes > maxBytes;
    if (entries <= 0 || (entries <= maxEntries && !isTooLarge)) {
      this.#waitedTicks = 0;
      return 0;
    }
    // Large entries: half of them go, whatever the number that usually stays.
    const trailing = isTooLarge
      ? Math.min(trailingEntries, Math.ceil(entries / 2))
      : trailingEntries;
    const target = extent.applied - trailing;
    if (target < extent.firstIndex) return 0;
    const reachable = Math.min(target, extent.lowestActiveMatch);
    if (reachable < target && this.#waitedTicks < patienceTicks) {
      this.#waitedTicks += 1;
      return 0;
    }
    this.#waitedTicks = 0;
    return target;
  }
}
