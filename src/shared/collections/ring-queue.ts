/**
 * First in, first out queue in an array whose length is a power of two, so that a position becomes
 * an index by one AND. `Array#shift` moves every element behind the first; this moves none. Scope:
 * one owner, one thread.
 *
 *   items   [ . . a b c . . . ]      head = 2, tail = 5: positions only grow,
 *                                    index = position & (length - 1)
 *
 * Invariant: slots outside [head, tail) hold `undefined`, so the queue keeps nothing alive that has
 * left it.
 */

import { assert } from "../base/assert.ts";

const FIRST_CAPACITY = 16;
/**
 * An emptied queue gives back a larger array than this: a burst must not be paid for until the
 * process ends.
 */
const KEPT_CAPACITY = 1024;

export class RingQueue<Item> {
  #items: (Item | undefined)[] = new Array(FIRST_CAPACITY).fill(undefined);
  #head = 0;
  #tail = 0;

  get size(): number {
    return this.#tail - this.#head;
  }

  /** Appends at the end. O(1) amortized: doubles the array when it is full. */
  push(item: Item): void {
    if (this.size === this.#items.length) this.#resize(this.#items.length * 2);
    this.#items[this.#tail & (this.#items.length - 1)] = item;
    this.#tail += 1;
  }

  /** Removes and returns the oldest item; `undefined` when empty. */
  shift(): Item | undefined {
    if (this.#head === this.#tail) return undefined;
    const index = this.#head & (this.#items.length - 1);
    const item = this.#items[index];
    this.#items[index] = undefined;
    this.#head += 1;
    if (this.#head === this.#tail) this.#rewind();
    return item;
  }

  /** The oldest item, which stays; `undefined` when empty. */
  peek(): Item | undefined {
    return this.#items[this.#head & (this.#items.length - 1)];
  }

  /** The item `distance` places behind the oldest. Asserts 0 <= distance < size. */
  at(distance: number): Item {
    assert(distance >= 0 && distance < this.size, "ring queue: place beyond the end");
    return this.#items[(this.#head + distance) & (this.#items.length - 1)] as Item;
  }

  clear(): void {
    this.#items = new Array(FIRST_CAPACITY).fill(undefined);
    this.#head = 0;
    this.#tail = 0;
  }

  /**
   * Positions restart at 0 with every emptying, far below 2^31 where the AND would change their
   * sign.
   */
  #rewind(): void {
    if (this.#items.length > KEPT_CAPACITY) this.clear();
    this.#head = 0;
    this.#tail = 0;
  }

  #resize(capacity: number): void {
    const items: (Item | undefined)[] = new Array(capacity).fill(undefined);
    const size = this.size;
    for (let distance = 0; distance < size; distance += 1) items[distance] = this.at(distance);
    this.#items = items;
    this.#head = 0;
    this.#tail = size;
  }
}
