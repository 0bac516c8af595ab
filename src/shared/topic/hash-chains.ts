/**
 * A hash table over slots: each bucket is a chain of slots through their LINK word, so the table
 * itself costs one word per slot and removing leaves no tombstone. It grows and shrinks by linear
 * hashing: an insertion splits at most one bucket, a removal joins at most two pairs. No operation
 * rehashes everything, so no publish ever waits for that.
 *
 *   buckets   0 ......... split ......... half ......... half + split
 *             already split   not yet      second halves of the split ones
 *
 * A hash picks its bucket by its low bits: those of `2 * half` buckets if that bucket exists, else
 * those of `half`. Source: W. Litwin, "Linear hashing" (1980). Thread: worker.
 */

import { assert } from "../base/assert.ts";
import { LINK, NO_SLOT, PAGE_MASK, PAGE_SHIFT, type SlotPages } from "./slot-pages.ts";

/** 256: one kilobyte of buckets for a table that stays small. A power of two. */
const MIN_BUCKETS = 256;
/** 16,384 buckets, 64 KiB per page. */
const BUCKET_PAGE_SHIFT = 14;
const BUCKET_PAGE_SIZE = 1 << BUCKET_PAGE_SHIFT;
const BUCKET_PAGE_MASK = BUCKET_PAGE_SIZE - 1;

export class HashChains {
  readonly #slots: SlotPages;
  readonly #hashOf: (id: number) => number;
  readonly #pages: Int32Array[] = [new Int32Array(BUCKET_PAGE_SIZE)];
  #bucketCount = MIN_BUCKETS;
  /** Largest power of two <= #bucketCount. */
  #half = MIN_BUCKETS;
  #count = 0;

  /**
   * `hashOf`: hash of a live slot, a signed 32-bit integer whose low bits are as good as its high
   * ones.
   */
  constructor(slots: SlotPages, hashOf: (id: number) => number) {
    this.#slots = slots;
    this.#hashOf = hashOf;
  }

  get count(): number {
    return this.#count;
  }

  get memoryBytes(): number {
    return this.#pages.length * BUCKET_PAGE_SIZE * Int32Array.BYTES_PER_ELEMENT;
  }

  /**
   * First slot of the chain that holds every slot with this hash, or NO_SLOT; the next one is in
   * its LINK word.
   */
  head(hash: number): number {
    return this.#headOf(this.#bucketOf(hash));
  }

  insert(hash: number, id: number): void {
    this.#prepend(this.#bucketOf(hash), id);
    this.#count++;
    // One slot per bucket on average: a hit looks at 1.5 slots, a miss at 1.
    if (this.#count > this.#bucketCount) this.#split();
  }

  /** Takes a slot out of its chain. The slot must be in the table. */
  remove(hash: number, id: number): void {
    const bucket = this.#bucketOf(hash);
    const after = this.#linkOf(id);
    let previous = this.#headOf(bucket);
    if (previous === id) {
      this.#setHead(bucket, after);
    } else {
      for (let next = this.#linkOf(previous); next !== id; next = this.#linkOf(next)) {
        assert(next !== NO_SLOT, "a removed slot is in its chain");
        previous = next;
      }
      this.#setLink(previous, after);
    }
    this.#count--;
    // Shrinks at half the load that makes it grow, so that a steady count neither splits nor joins.
    while (this.#bucketCount > MIN_BUCKETS && this.#bucketCount > 2 * this.#count) this.#join();
  }

  #bucketOf(hash: number): number {
    const bucket = hash & (2 * this.#half - 1);
    return bucket < this.#bucketCount ? bucket : bucket - this.#half;
  }

  /** Adds one bucket and moves into it what belongs there. */
  #split(): void {
    const added = this.#bucketCount;
    const source = added - this.#half;
    if (added >>> BUCKET_PAGE_SHIFT === this.#pages.length) {
      this.#pages.push(new Int32Array(BUCKET_PAGE_SIZE));
    }
    this.#bucketCount++;
    let id = this.#headOf(source);
    this.#setHead(source, NO_SLOT);
    this.#setHead(added, NO_SLOT);
    // Before #half doubles: for these slots both choices of #bucketOf are `source` or `added`.
    while (id !== NO_SLOT) {
      const next = this.#linkOf(id);
      this.#prepend(this.#bucketOf(this.#hashOf(id)), id);
      id = next;
    }
    if (this.#bucketCount === 2 * this.#half) this.#half *= 2;
  }

  /** The reverse: the last bucket's chain goes back to where it was split from. */
  #join(): void {
    if (this.#bucketCount === this.#half) this.#half /= 2;
    const last = this.#bucketCount - 1;
    const target = last - this.#half;
    let id = this.#headOf(last);
    this.#setHead(last, NO_SLOT);
    while (id !== NO_SLOT) {
      const next = this.#linkOf(id);
      this.#prepend(target, id);
      id = next;
    }
    this.#bucketCount--;
    // One page more than needed stays, so that a count swinging around a page's edge allocates
    // nothing.
    const pagesNeeded = (this.#bucketCount >>> BUCKET_PAGE_SHIFT) + 2;
    if (this.#pages.length > pagesNeeded) this.#pages.pop();
  }

  #headOf(bucket: number): number {
    return this.#pages[bucket >>> BUCKET_PAGE_SHIFT]![bucket & BUCKET_PAGE_MASK]!;
  }

  #setHead(bucket: number, id: number): void {
    this.#pages[bucket >>> BUCKET_PAGE_SHIFT]![bucket & BUCKET_PAGE_MASK] = id;
  }

  #linkOf(id: number): number {
    const slots = this.#slots;
    return slots.pages[id >>> PAGE_SHIFT]![(id & PAGE_MASK) * slots.slotWords + LINK]!;
  }

  #setLink(id: number, next: number): void {
    const slots = this.#slots;
    slots.pages[id >>> PAGE_SHIFT]![(id & PAGE_MASK) * slots.slotWords + LINK] = next;
  }

  #prepend(bucket: number, id: number): void {
    this.#setLink(id, this.#headOf(bucket));
    this.#setHead(bucket, id);
  }
}
