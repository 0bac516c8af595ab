/**
 * The log's durable part as the core reads it. The core owns this interface; the host implements it
 * over whatever keeps the log, and the simulator over a disk that fails.
 *
 * The core only reads. Writes are what `Ready.append` says, and the host's store must obey:
 *   - entries, hard state and snapshot of one append are one atomic write, appends are written in the
 *     order in which they were handed out (raft pitfalls 3, 10). A store that cannot write at once
 *     writes term, vote and epoch first and the commit index last: it may speak of entries of the
 *     same append, and what lies in their place until they are written was never committed (9);
 *   - an append whose first entry is at or below the last index physically removes the tail first
 *     (pitfall 10); a snapshot replaces log, state and configuration in one step (pitfall 12), and
 *     the entries of the same append follow it;
 *   - a failed flush ends the process, it is never repeated (pitfall 11);
 *   - the applied index is stored in the transaction that applied it (pitfall 14).
 *
 * `firstIndex`, `lastIndex` and `term` are always answered (terms come in long runs: keep them in
 * memory, see term-runs.ts). `entries` and `snapshot` may answer NOT_YET: then the store fetches
 * what was asked for, and the host calls `storageReady()` when it is there.
 */

import type { Entry } from "./entry.ts";
import type { Snapshot } from "./snapshot.ts";

/** Being fetched, or being made. */
export const NOT_YET = 1;
/** Replaced by a snapshot. */
export const COMPACTED = 2;

/** `term`: below the first index's predecessor. */
export const TERM_COMPACTED = -1;
/** `term`: above the last index. */
export const TERM_UNKNOWN = -2;

export interface RaftStorage {
  /** Index of the first entry that is there, or would be: the snapshot's plus 1. */
  firstIndex(): number;
  /** Index of the last entry, or of the snapshot when there is none. */
  lastIndex(): number;
  /** For firstIndex()-1 .. lastIndex(), else TERM_COMPACTED or TERM_UNKNOWN. */
  term(index: number): number;
  /**
   * Entries low..high-1 as far as they fit into `maxBytes`, at least one. The caller keeps
   * low <= lastIndex() and high <= lastIndex() + 1.
   */
  entries(
    low: number,
    high: number,
    maxBytes: number,
  ): readonly Entry[] | typeof NOT_YET | typeof COMPACTED;
  /**
   * The newest one that can be sent: its index is at least firstIndex()-1, and it names the member
   * that it is for, so make it at the applied index when it is asked for.
   */
  snapshot(): Snapshot | typeof NOT_YET;
}
