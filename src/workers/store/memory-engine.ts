/**
 * A table engine in memory: what LMDB does, without a disk. For tests, and for simulations in which
 * the disk fails on command: a MemoryDisk outlives the engines that were opened over it, so a crash
 * is to drop the engine and open another one.
 *
 * A commit changes the tables when `flush` has resolved, not earlier, so reads see durable data
 * only. Thread: any.
 */

import { MemoryTable } from "./memory-table.ts";
import { type KeyBounds, type StoreEngine, StoreTable, type StoreUsage } from "./store-engine.ts";
import { PART_BYTES } from "./store-schema.ts";
import type { WriteBatch } from "./write-batch.ts";

/** One durable change. */
export interface MemoryWrite {
  readonly table: StoreTable;
  readonly key: Uint8Array;
  /** Null: the key is deleted. */
  readonly value: Uint8Array | null;
}

export class MemoryDisk {
  readonly tables = Object.values(StoreTable).map(() => new MemoryTable());

  apply(writes: readonly MemoryWrite[]): void {
    for (const { table, key, value } of writes) this.tables[table]!.set(key, value);
  }
}

/** Resolves when a commit may become durable; rejects when it fails. */
export type Flush = (writes: readonly MemoryWrite[]) => Promise<void>;

export class MemoryEngine implements StoreEngine {
  readonly partBytes = PART_BYTES;
  readonly damage = null;
  readonly #disk: MemoryDisk;
  readonly #flush: Flush;
  #last: Promise<void> = Promise.resolve();

  constructor(disk: MemoryDisk, flush: Flush = () => Promise.resolve()) {
    this.#disk = disk;
    this.#flush = flush;
  }

  commit(batch: WriteBatch): Promise<void> {
    const writes: MemoryWrite[] = [];
    for (let at = 0; at < batch.count; at++) {
      const value = batch.value(at)?.slice() ?? null;
      writes.push({ table: batch.table(at), key: batch.key(at).slice(), value });
    }
    const flushed = this.#flush(writes);
    const done = this.#last.then(() => flushed).then(() => this.#disk.apply(writes));
    // After a failure every later commit fails too; who waits for one of them hears of it there.
    done.catch(() => {});
    this.#last = done;
    return done;
  }

  get(table: StoreTable, key: Uint8Array): Uint8Array | null {
    return this.#disk.tables[table]!.get(key)?.slice() ?? null;
  }

  scan(
    table: StoreTable,
    bounds: KeyBounds,
    visit: (key: Uint8Array, value: Uint8Array) => boolean,
  ): void {
    this.#disk.tables[table]!.visit(bounds, (key, value) => visit(key.slice(), value.slice()));
  }

  scanKeys(table: StoreTable, bounds: KeyBounds, visit: (key: Uint8Array) => boolean): void {
    this.#disk.tables[table]!.visit(bounds, (key) => visit(key.slice()));
  }

  lastKey(table: StoreTable, bounds: KeyBounds): Uint8Array | null {
    return this.#disk.tables[table]!.lastKey(bounds)?.slice() ?? null;
  }

  count(table: StoreTable, bounds: KeyBounds): number {
    let count = 0;
    this.#disk.tables[table]!.visit(bounds, () => {
      count += 1;
      return true;
    });
    return count;
  }

  usage(): StoreUsage {
    const bytes = this.#disk.tables.reduce((sum, table) => sum + table.bytes, 0);
    return { fileBytes: bytes, liveBytes: bytes, flushMs: 0 };
  }

  async close(): Promise<void> {
    await this.#last.catch(() => {});
  }
}
