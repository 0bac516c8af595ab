/**
 * The log entries of a range that a thread holds in memory: a run without gaps, from which the
 * oldest are let go of once they are applied. Main keeps what it has proposed until then, the
 * range's worker what it has appended, so that neither asks the disk for what is fresh. Thread:
 * any. Scope: one per range.
 */

import { assert } from "../base/assert.ts";
import { countWithin, type Entry, NO_ENTRIES } from "../raft/entry.ts";

/** Slots of released entries that may stay before the array is cut: cutting moves what is left. */
const CUT_AT = 64;

export class EntryWindow {
  #entries: (Entry | null)[] = [];
  /** Position in `#entries` of the first that is still here. */
  #head = 0;
  #firstIndex = 0;

  get isEmpty(): boolean {
    return this.#head === this.#entries.length;
  }

  /** Index of the first entry; meaningless when empty. */
  get firstIndex(): number {
    return this.#firstIndex;
  }

  get lastIndex(): number {
    return this.#firstIndex + this.#entries.length - this.#head - 1;
  }

  /** Entries at or above the first one's index are replaced. */
  append(entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    if (this.isEmpty || first.index < this.#firstIndex) {
      this.#entries = [];
      this.#head = 0;
      this.#firstIndex = first.index;
    }
    const kept = this.#head + first.index - this.#firstIndex;
    assert(kept <= this.#entries.length, "entry window: no gap");
    this.#entries.length = kept;
    for (const entry of entries) this.#entries.push(entry);
  }

  /** Null when it is not here. */
  get(index: number): Entry | null {
    if (this.isEmpty || index < this.#firstIndex) return null;
    return this.#entries[this.#head + index - this.#firstIndex] ?? null;
  }

  /** Entries low..high-1 as far as they are here and fit into `maxBytes`; none if `low` is not. */
  slice(low: number, high: number, maxBytes: number): readonly Entry[] {
    if (this.get(low) === null) return NO_ENTRIES;
    const at = this.#head + low - this.#firstIndex;
    const found = this.#entries.slice(at, at + high - low) as Entry[];
    return found.slice(0, countWithin(found, maxBytes));
  }

  /** Lets go of the entries up to and with `index`. */
  releaseTo(index: number): void {
    while (!this.isEmpty && this.#firstIndex <= index) {
      this.#entries[this.#head] = null;
      this.#head += 1;
      this.#firstIndex += 1;
    }
    if (this.#head < CUT_AT && !this.isEmpty) return;
    this.#entries = this.#entries.slice(this.#head);
    this.#head = 0;
  }
}
