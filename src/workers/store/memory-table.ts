/**
 * An ordered map from bytes to bytes: rows in sorted blocks, so that an insertion moves some
 * hundred pointers, not all of them. Thread: any.
 */

import { compareKeys } from "../../shared/range/range-descriptor.ts";
import type { KeyBounds } from "./store-engine.ts";

/** Searching wants few blocks, inserting small ones; both are cheap up to some 100,000 rows. */
const BLOCK_ROWS = 512;

interface Row {
  readonly key: Uint8Array;
  value: Uint8Array;
}

export class MemoryTable {
  /** Never an empty block, but for the only one. */
  #blocks: Row[][] = [[]];
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  get(key: Uint8Array): Uint8Array | null {
    const row = this.#blocks[this.#blockOf(key)]!;
    const found = row[lowerBound(row, key)];
    return found !== undefined && compareKeys(found.key, key) === 0 ? found.value : null;
  }

  /** Null deletes. Keeps both arrays. */
  set(key: Uint8Array, value: Uint8Array | null): void {
    const at = this.#blockOf(key);
    const block = this.#blocks[at]!;
    const position = lowerBound(block, key);
    const found = block[position];
    const exists = found !== undefined && compareKeys(found.key, key) === 0;
    if (exists) this.#bytes -= key.length + found.value.length;
    if (value !== null) this.#bytes += key.length + value.length;
    if (exists && value !== null) found.value = value;
    else if (exists) this.#remove(at, position);
    else if (value !== null) this.#insert(at, position, { key, value });
  }

  /** In order, until `visit` returns false. What it is given is the table's own. */
  visit(bounds: KeyBounds, visit: (key: Uint8Array, value: Uint8Array) => boolean): void {
    let at = this.#blockOf(bounds.start);
    let position = lowerBound(this.#blocks[at]!, bounds.start);
    for (; at < this.#blocks.length; at++, position = 0) {
      const block = this.#blocks[at]!;
      for (; position < block.length; position++) {
        const { key, value } = block[position]!;
        if (bounds.end !== null && compareKeys(key, bounds.end) >= 0) return;
        if (!visit(key, value)) return;
      }
    }
  }

  lastKey(bounds: KeyBounds): Uint8Array | null {
    const { start, end } = bounds;
    let at = end === null ? this.#blocks.length - 1 : this.#blockOf(end);
    let position = end === null ? this.#blocks[at]!.length : lowerBound(this.#blocks[at]!, end);
    if (position === 0 && at > 0) {
      at -= 1;
      position = this.#blocks[at]!.length;
    }
    const key = this.#blocks[at]![position - 1]?.key;
    return key !== undefined && compareKeys(key, start) >= 0 ? key : null;
  }

  /** The last block that begins at or before `key`, else the first. */
  #blockOf(key: Uint8Array): number {
    let low = 0;
    let high = this.#blocks.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (compareKeys(this.#blocks[middle]![0]!.key, key) <= 0) low = middle;
      else high = middle;
    }
    return low;
  }

  #insert(at: number, position: number, row: Row): void {
    const block = this.#blocks[at]!;
    block.splice(position, 0, row);
    if (block.length < BLOCK_ROWS) return;
    // Appending is the log's way: the full block stays full.
    const isAppend = position === block.length - 1;
    const upper = block.splice(isAppend ? block.length - 1 : BLOCK_ROWS / 2);
    this.#blocks.splice(at + 1, 0, upper);
  }

  #remove(at: number, position: number): void {
    const block = this.#blocks[at]!;
    block.splice(position, 1);
    if (block.length === 0 && this.#blocks.length > 1) this.#blocks.splice(at, 1);
  }
}

/** Position of the first row whose key is not below `key`. */
function lowerBound(rows: readonly Row[], key: Uint8Array): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareKeys(rows[middle]!.key, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
