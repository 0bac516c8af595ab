/**
 * Where the entries of one range's log lie in the segments: three numbers each, in one array that
 * is used as a ring, so that a million entries take 12 MB and no object.
 *
 *   index      first ................ last
 *   slot       index modulo capacity: segment, offset in it, size
 *
 * The log has no gap: who puts an entry behind one begins anew there (a snapshot was installed),
 * and what lay before is let go.
 */

import { assert } from "../../shared/base/assert.ts";
import type { SegmentLoads } from "./segment-loads.ts";

const FIELDS = 3;
const CAPACITY_MIN = 16;

export class EntryIndex {
  readonly #loads: SegmentLoads;
  #slots = new Uint32Array(CAPACITY_MIN * FIELDS);
  #capacity = CAPACITY_MIN;
  #first = 1;
  #count = 0;

  constructor(loads: SegmentLoads) {
    this.#loads = loads;
  }

  get count(): number {
    return this.#count;
  }

  /** The oldest entry; above `last` when there is none. */
  get first(): number {
    return this.#first;
  }

  get last(): number {
    return this.#first + this.#count - 1;
  }

  has(index: number): boolean {
    return index >= this.#first && index <= this.last;
  }

  segment(index: number): number {
    return this.#slots[this.#slot(index)]!;
  }

  offset(index: number): number {
    return this.#slots[this.#slot(index) + 1]!;
  }

  size(index: number): number {
    return this.#slots[this.#slot(index) + 2]!;
  }

  /** Behind the last entry, in place of one, or behind a gap. */
  put(index: number, segment: number, offset: number, size: number): void {
    if (this.has(index)) this.#loads.remove(this.segment(index), this.size(index));
    else this.#extend(index);
    const slot = this.#slot(index);
    this.#slots[slot] = segment;
    this.#slots[slot + 1] = offset;
    this.#slots[slot + 2] = size;
    this.#loads.add(segment, size);
  }

  /** Entries from..to as far as they are there: from the beginning of the log, or to its end. */
  remove(from: number, to: number): void {
    const low = Math.max(from, this.#first);
    const high = Math.min(to, this.last);
    if (low > high) return;
    assert(low === this.#first || high === this.last, "a log is cut at one of its ends");
    for (let index = low; index <= high; index++) {
      this.#loads.remove(this.segment(index), this.size(index));
    }
    if (low === this.#first) this.#first = high + 1;
    this.#count -= high - low + 1;
    if (this.#count < this.#capacity / 8) this.#resize(this.#capacity / 4);
  }

  #extend(index: number): void {
    if (index !== this.last + 1) {
      this.remove(this.#first, this.last);
      this.#first = index;
    }
    this.#count += 1;
    if (this.#count > this.#capacity) this.#resize(this.#capacity * 2);
  }

  #resize(wanted: number): void {
    const capacity = Math.max(CAPACITY_MIN, wanted);
    if (capacity === this.#capacity) return;
    const slots = new Uint32Array(capacity * FIELDS);
    const present = Math.min(this.#count, this.#capacity);
    for (let index = this.#first; index < this.#first + present; index++) {
      const from = this.#slot(index);
      const to = (index % capacity) * FIELDS;
      for (let field = 0; field < FIELDS; field++) slots[to + field] = this.#slots[from + field]!;
    }
    this.#slots = slots;
    this.#capacity = capacity;
  }

  #slot(index: number): number {
    return (index % this.#capacity) * FIELDS;
  }
}
