/**
 * Exact deadlines for items that mostly keep theirs: session ends, delayed wills, expiry of
 * retained messages.
 *
 * A binary heap whose items know their place, so that one can be moved or removed in O(log n). The
 * wheel (deadline-wheel.ts) is for deadlines that move with every packet; here a deadline moves
 * once per attach or detach, and the earliest one must be known so that the thread can sleep until
 * then.
 * Thread: any. Scope: one per store.
 */

import { assert } from "../base/assert.ts";

/** What an item carries for its heap; -1 = not in it. */
export interface HeapItem {
  heapIndex: number;
  heapDeadlineMs: number;
}

export class DeadlineHeap<T extends HeapItem> {
  readonly #items: T[] = [];

  get size(): number {
    return this.#items.length;
  }

  /** Infinity when empty. */
  get nextDeadlineMs(): number {
    return this.#items[0]?.heapDeadlineMs ?? Number.POSITIVE_INFINITY;
  }

  /** Adds or moves `item`; Infinity takes it out. */
  schedule(item: T, deadlineMs: number): void {
    if (deadlineMs === Number.POSITIVE_INFINITY) {
      this.cancel(item);
      return;
    }
    item.heapDeadlineMs = deadlineMs;
    if (item.heapIndex < 0) {
      item.heapIndex = this.#items.length;
      this.#items.push(item);
    }
    this.#siftDown(this.#siftUp(item.heapIndex));
  }

  cancel(item: T): void {
    const index = item.heapIndex;
    if (index < 0) return;
    assert(this.#items[index] === item, "an item stands where it says");
    item.heapIndex = -1;
    item.heapDeadlineMs = Number.POSITIVE_INFINITY;
    const last = this.#items.pop()!;
    if (last === item) return;
    this.#place(last, index);
    this.#siftDown(this.#siftUp(index));
  }

  /** Takes out one item that is due at `nowMs`, earliest first; null when there is none. */
  pollDue(nowMs: number): T | null {
    const first = this.#items[0];
    if (first === undefined || first.heapDeadlineMs > nowMs) return null;
    this.cancel(first);
    return first;
  }

  #place(item: T, index: number): void {
    this.#items[index] = item;
    item.heapIndex = index;
  }

  #siftUp(start: number): number {
    let index = start;
    const item = this.#items[index]!;
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = this.#items[parentIndex]!;
      if (parent.heapDeadlineMs <= item.heapDeadlineMs) break;
      this.#place(parent, index);
      index = parentIndex;
    }
    this.#place(item, index);
    return index;
  }

  #siftDown(start: number): void {
    let index = start;
    const item = this.#items[index]!;
    for (;;) {
      let childIndex = 2 * index + 1;
      if (childIndex >= this.#items.length) break;
      const right = this.#items[childIndex + 1];
      const left = this.#items[childIndex]!;
      if (right !== undefined && right.heapDeadlineMs < left.heapDeadlineMs) childIndex += 1;
      const child = this.#items[childIndex]!;
      if (child.heapDeadlineMs >= item.heapDeadlineMs) break;
      this.#place(child, index);
      index = childIndex;
    }
    this.#place(item, index);
  }
}
