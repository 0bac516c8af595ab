/**
 * A range's log as its Raft core reads it, on main: positions and terms in memory, entries from
 * their append until they are applied. Older ones are the worker's, and fetched when they are asked
 * for. Scope: one per range. Thread: main.
 */

import { countWithin, type Entry } from "../../shared/raft/entry.ts";
import type { Snapshot } from "../../shared/raft/snapshot.ts";
import { COMPACTED, NOT_YET, type RaftStorage } from "../../shared/raft/storage.ts";
import type { TermRuns } from "../../shared/raft/term-runs.ts";
import { EntryWindow } from "../../shared/range/entry-window.ts";
import type { OpenedReport } from "../../shared/range/range-report.ts";
import { restoreTerms } from "../../shared/range/restore-terms.ts";

/** Asks the worker for entries low..high-1; what comes is given to `fetched`. */
export type FetchEntries = (low: number, high: number, maxBytes: number) => void;

export class GroupStorage implements RaftStorage {
  readonly #terms: TermRuns;
  readonly #fetch: FetchEntries;
  /** Appended, durable and not applied yet. */
  readonly #fresh = new EntryWindow();
  /** The last block that was fetched. */
  #fetched: readonly Entry[] = [];
  #isFetching = false;
  #isCompacted = false;

  constructor(opened: OpenedReport, fetch: FetchEntries) {
    this.#terms = restoreTerms(opened, opened);
    this.#fetch = fetch;
  }

  firstIndex(): number {
    return this.#terms.snapshotIndex + 1;
  }

  lastIndex(): number {
    return this.#terms.lastIndex;
  }

  term(index: number): number {
    return this.#terms.term(index);
  }

  entries(
    low: number,
    high: number,
    maxBytes: number,
  ): readonly Entry[] | typeof NOT_YET | typeof COMPACTED {
    if (low < this.firstIndex()) return COMPACTED;
    const fresh = this.#fresh.slice(low, high, maxBytes);
    if (fresh.length > 0) return fresh;
    const at = low - (this.#fetched[0]?.index ?? 0);
    if (at >= 0 && at < this.#fetched.length) {
      const found = this.#fetched.slice(at, at + high - low);
      return found.slice(0, countWithin(found, maxBytes));
    }
    if (this.#isCompacted) {
      this.#isCompacted = false;
      return COMPACTED;
    }
    if (!this.#isFetching) {
      this.#isFetching = true;
      this.#fetch(low, high, maxBytes);
    }
    return NOT_YET;
  }

  /** A group of one has nobody to send a snapshot to; the question remains unanswered. */
  snapshot(): Snapshot | typeof NOT_YET {
    return NOT_YET;
  }

  /** The worker has written these; they replace what was at their indexes and behind. */
  append(entries: readonly Entry[]): void {
    this.#terms.append(entries);
    this.#fresh.append(entries);
  }

  /** What the worker found; nothing: it has removed them meanwhile. */
  fetched(entries: readonly Entry[]): void {
    this.#isFetching = false;
    this.#isCompacted = entries.length === 0;
    this.#fetched = entries;
  }

  /** They are applied: nobody here needs them any more. */
  applied(index: number): void {
    this.#fresh.releaseTo(index);
    if ((this.#fetched[this.#fetched.length - 1]?.index ?? 0) <= index) this.#fetched = [];
  }

  compactTo(index: number): void {
    if (index > this.#terms.snapshotIndex) this.#terms.compactTo(index);
  }
}
