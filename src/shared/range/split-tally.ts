/**
 * What of a range lies at or above a key where it is to be cut, summed up while commands go on:
 * stored rows in key order, a page at a time, and what changes meanwhile.
 *
 * ```
 *      at                      cursor                       end
 *       │  counted: a change    │  not read yet: who changes  │
 *       │  adds its difference  │  is counted then, apart     │
 * ```
 *
 * Whoever has changes that the store does not have passes their keys first. So a row is counted as
 * the store has it only if that is what it is. Scope: one per cut.
 */

import { behind, nameOf } from "./key-bytes.ts";
import type { KeyValueReader } from "./key-value.ts";
import { compareKeys } from "./range-descriptor.ts";
import type { Steps } from "./steps.ts";

/** A page is one step: 256 rows are read in about a millisecond. */
const PAGE_ENTRIES = 256;
const PAGE_BYTES = 64 * 1024;

/** Where a key stands that is about to change. */
export const TallyPlace = {
  /** Below the cut. */
  OUTSIDE: 0,
  /** As it was before: the difference counts. */
  COUNTED: 1,
  /** Not yet, but from now on: all of what it becomes counts. */
  NEW: 2,
} as const;
export type TallyPlace = (typeof TallyPlace)[keyof typeof TallyPlace];

export class SplitTally {
  readonly at: Uint8Array;
  /** Null: all rows are read. */
  #cursor: Uint8Array | null;
  /** Changed before they were read. */
  readonly #apart = new Set<string>();

  constructor(at: Uint8Array) {
    this.at = at;
    this.#cursor = at;
  }

  /** Of a key that changes now. */
  place(key: Uint8Array): TallyPlace {
    if (compareKeys(key, this.at) < 0) return TallyPlace.OUTSIDE;
    if (this.#cursor === null || compareKeys(key, this.#cursor) < 0) return TallyPlace.COUNTED;
    const name = nameOf(key);
    if (this.#apart.has(name)) return TallyPlace.COUNTED;
    this.#apart.add(name);
    return TallyPlace.NEW;
  }

  /** Visits each stored row up to `end` that has not changed. Done at once when it was before. */
  *read(
    reader: KeyValueReader,
    end: Uint8Array | null,
    visit: (key: Uint8Array, value: Uint8Array) => void,
  ): Steps<void> {
    while (this.#cursor !== null) {
      const page = reader.scan(this.#cursor, end, PAGE_ENTRIES, PAGE_BYTES);
      for (const { key, value } of page) {
        if (!this.#apart.delete(nameOf(key))) visit(key, value);
      }
      const last = page.at(-1);
      this.#cursor = last === undefined ? null : behind(last.key);
      if (last !== undefined) yield;
    }
    this.#apart.clear();
  }
}
