/**
 * The part of the log that storage does not have for certain: entries and at most one snapshot from
 * the moment they are accepted until their write is acknowledged.
 *
 *   storage ... offset-1 | offset ... inProgress-1 | inProgress ... end-1
 *                        | handed out, being written | not handed out yet
 *
 * `offset` may lie below the end of storage: then the next write replaces storage's tail.
 * Invariant: offset <= inProgress <= offset + entries.length.
 */

import { assert } from "../base/assert.ts";
import { type Entry, NO_ENTRIES } from "./entry.ts";
import type { Snapshot } from "./snapshot.ts";
import { TERM_UNKNOWN } from "./storage.ts";

export class UnstableLog {
  #entries: Entry[] = [];
  #offset: number;
  #inProgress: number;
  #snapshot: Snapshot | null = null;
  #isSnapshotInProgress = false;

  /** `offset`: the index after storage's last. */
  constructor(offset: number) {
    this.#offset = offset;
    this.#inProgress = offset;
  }

  get offset(): number {
    return this.#offset;
  }

  /** Handed out or not; null when storage has the newest. */
  get snapshot(): Snapshot | null {
    return this.#snapshot;
  }

  get hasEntries(): boolean {
    return this.#entries.length > 0;
  }

  /** Index of the last entry or of the snapshot; 0 when there is neither. */
  get lastIndex(): number {
    if (this.#entries.length > 0) return this.#offset + this.#entries.length - 1;
    return this.#snapshot?.index ?? 0;
  }

  /** TERM_UNKNOWN when the index is not here. */
  term(index: number): number {
    if (index < this.#offset) {
      return this.#snapshot?.index === index ? this.#snapshot.term : TERM_UNKNOWN;
    }
    return this.#entries[index - this.#offset]?.term ?? TERM_UNKNOWN;
  }

  get hasNextEntries(): boolean {
    return this.#inProgress - this.#offset < this.#entries.length;
  }

  /** Entries that were not handed out yet. */
  nextEntries(): readonly Entry[] {
    if (!this.hasNextEntries) return NO_ENTRIES;
    return this.#entries.slice(this.#inProgress - this.#offset);
  }

  /** The snapshot, if it was not handed out yet. */
  nextSnapshot(): Snapshot | null {
    return this.#isSnapshotInProgress ? null : this.#snapshot;
  }

  /** Everything is handed out now. */
  acceptInProgress(): void {
    this.#inProgress = this.#offset + this.#entries.length;
    this.#isSnapshotInProgress = this.#snapshot !== null;
  }

  /**
   * Storage has everything up to here. Believed only if the entry is still the one that was written
   * (raft pitfall 6); the caller has checked that the term has not changed since.
   */
  stableTo(index: number, term: number): void {
    if (index < this.#offset || this.term(index) !== term) return;
    const count = index + 1 - this.#offset;
    this.#entries = this.#entries.slice(count);
    this.#offset = index + 1;
    this.#inProgress = Math.max(this.#inProgress, this.#offset);
  }

  /** Storage has the snapshot with this index. */
  stableSnapshotTo(index: number): void {
    if (this.#snapshot?.index !== index) return;
    this.#snapshot = null;
    this.#isSnapshotInProgress = false;
  }

  /** The snapshot replaces the whole log. */
  restore(snapshot: Snapshot): void {
    this.#entries = [];
    this.#offset = snapshot.index + 1;
    this.#inProgress = this.#offset;
    this.#snapshot = snapshot;
    this.#isSnapshotInProgress = false;
  }

  /** Appends `entries`, after dropping what lies at or above their first index. */
  truncateAndAppend(entries: readonly Entry[]): void {
    const first = entries[0]!.index;
    if (first <= this.#offset) {
      this.#entries = [...entries];
      this.#offset = first;
      this.#inProgress = first;
      return;
    }
    const kept = first - this.#offset;
    assert(kept <= this.#entries.length, "unstable log: entries leave no gap");
    if (kept < this.#entries.length) this.#entries = this.#entries.slice(0, kept);
    for (const entry of entries) this.#entries.push(entry);
    this.#inProgress = Math.min(this.#inProgress, first);
  }

  /** Entries low..high-1, all of which must be here. */
  slice(low: number, high: number): readonly Entry[] {
    assert(low >= this.#offset && low <= high, "unstable log: slice begins inside");
    assert(high <= this.#offset + this.#entries.length, "unstable log: slice ends inside");
    return this.#entries.slice(low - this.#offset, high - this.#offset);
  }
}
