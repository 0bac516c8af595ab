/**
 * Writes behind: when a range's state goes to the store, and when its log is cut. Several times a
 * second while there is something to write; sooner when much has gathered; the applied index alone
 * only now and then, because it costs a commit and saves nothing but a little work after a crash.
 *
 * Pure but for the range it is told about. Thread: worker. Scope: one per worker.
 */

import type { HostedRange } from "./hosted-range.ts";

const MIB = 1024 * 1024;

export interface CollectLimits {
  /** Milliseconds between two collections of a range that changes. */
  readonly intervalMs: number;
  /** Bytes of commands applied since the last collection that make the next one due at once. */
  readonly dirtyBytes: number;
  /** Milliseconds for which, and entries up to which, an applied index alone may wait. */
  readonly idleMs: number;
  readonly idleEntries: number;
  /** Log entries removed in one commit: it must not take long. */
  readonly trimEntries: number;
}

export const DEFAULT_COLLECT_LIMITS: CollectLimits = {
  intervalMs: 100,
  dirtyBytes: 4 * MIB,
  idleMs: 1000,
  idleEntries: 4096,
  trimEntries: 1000,
};

export class Collector {
  readonly #limits: CollectLimits;

  constructor(limits: CollectLimits) {
    this.#limits = limits;
  }

  /** Bytes at which a range that is still being collected must stop applying more. */
  get stopBytes(): number {
    return 16 * this.#limits.dirtyBytes;
  }

  isDue(range: HostedRange, nowMs: number): boolean {
    if (range.isCollecting || range.isBlocked) return false;
    const { intervalMs, dirtyBytes, idleMs, idleEntries } = this.#limits;
    // A clock that was set back must not hold a collection up.
    const waitedMs = Math.abs(nowMs - range.lastCollectMs);
    if (range.machine.isDirty) {
      return waitedMs >= intervalMs || range.dirtyBytes >= dirtyBytes || range.wantsCompaction;
    }
    const entries = range.applied - range.record.appliedIndex;
    if (entries === 0) return range.wantsCompaction && range.compacted < range.stored;
    return entries >= idleEntries || waitedMs >= idleMs || range.wantsCompaction;
  }

  /** Gathers the state as it is now, and the record that says so. */
  collect(range: HostedRange, nowMs: number): void {
    const { turn, machine } = range;
    const isDirty = machine.isDirty;
    const index = range.applied;
    if (isDirty) {
      machine.collect(turn.store.state(range.descriptor.service));
      range.isCollecting = true;
    }
    range.dirtyBytes = 0;
    range.lastCollectMs = nowMs;
    const record = range.recordNow();
    // Only what the store has durably makes entries superfluous.
    const compactedIndex = Math.max(record.compactedIndex, range.stored);
    const compactedTerm = range.termAt(compactedIndex);
    range.compactTo(compactedIndex);
    range.putRecord({ ...record, compactedIndex, compactedTerm });
    turn.whenDurable(() => {
      range.stored = index;
      if (!isDirty) return;
      range.isCollecting = false;
      machine.collected();
    });
  }

  /** Removes some of the entries that are compacted; true if any. */
  trim(range: HostedRange): boolean {
    if (range.trimmed >= range.compacted) return false;
    const { trimEntries } = this.#limits;
    range.turn.store.trim(range.id, range.compacted, trimEntries);
    range.trimmed = Math.min(range.compacted, range.trimmed + trimEntries);
    return true;
  }
}
