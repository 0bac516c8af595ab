/**
 * Removes the logs of forgotten ranges, a slice with each commit, so that no commit has to carry a
 * million deletions. What is left at a crash is found by its tombstone and swept after the start.
 */

import type { RangeId } from "../../shared/range/range-descriptor.ts";
import { type StoreEngine, StoreTable } from "./store-engine.ts";
import { rangeBounds, recordKey } from "./store-schema.ts";
import type { WriteBatch } from "./write-batch.ts";

/** Keys per commit: about as many as a busy duty cycle writes. */
const SLICE_KEYS = 1000;

export class LogSweeper {
  readonly #engine: StoreEngine;
  readonly #ranges: Set<RangeId>;
  #waiting: RangeId[] = [];

  constructor(engine: StoreEngine, forgotten: readonly RangeId[]) {
    this.#engine = engine;
    this.#ranges = new Set(forgotten);
  }

  has(id: RangeId): boolean {
    return this.#ranges.has(id) || this.#waiting.includes(id);
  }

  /** Its tombstone was gathered. */
  add(id: RangeId): void {
    this.#waiting.push(id);
  }

  /** The ranges whose tombstones are in the batch being handed over. */
  takeWaiting(): readonly RangeId[] {
    const ids = this.#waiting;
    this.#waiting = [];
    return ids;
  }

  /**
   * Their tombstones are durable, and with them everything that was ever written to their logs:
   * only now an empty scan means that nothing is left.
   */
  begin(ids: readonly RangeId[]): void {
    for (const id of ids) this.#ranges.add(id);
  }

  /** Adds a slice's deletions to the batch. */
  sweep(batch: WriteBatch): void {
    for (const id of this.#ranges) {
      this.#sweepRange(id, batch);
      return;
    }
  }

  #sweepRange(id: RangeId, batch: WriteBatch): void {
    let count = 0;
    for (const table of [StoreTable.LOG, StoreTable.PARTS]) {
      this.#engine.scanKeys(table, rangeBounds(id), (key) => {
        batch.delete(table, key);
        count += 1;
        return count < SLICE_KEYS;
      });
      if (count >= SLICE_KEYS) return;
    }
    if (count > 0) return;
    batch.delete(StoreTable.RECORDS, recordKey(id));
    this.#ranges.delete(id);
  }
}
