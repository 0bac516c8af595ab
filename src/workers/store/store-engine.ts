/**
 * What a log store needs of a database: tables of ordered keys, and atomic, durable, ordered
 * commits over all of them. LMDB is one (lmdb-engine.ts), segments with LMDB behind them another
 * (segment-engine.ts), memory a third (memory-engine.ts); what keys and values mean is the business
 * of store-schema.ts and engine-log-store.ts.
 *
 * Reads are synchronous, see every durable commit, and of a commit under way each table's writes
 * whole or not at all. What they return is owned by the caller. Thread: worker.
 */

import type { WriteBatch } from "./write-batch.ts";

/** The numbers are not stored. */
export const StoreTable = {
  RECORDS: 0,
  LOG: 1,
  PARTS: 2,
  STATE: 3,
  /** An engine's own. */
  MARKS: 4,
} as const;
export type StoreTable = (typeof StoreTable)[keyof typeof StoreTable];

/** Commits that may be under way at the same time: one is flushed while the next is written. */
export const COMMITS_MAX = 2;

/** Keys from `start` up to, not including, `end`, compared as unsigned bytes; null: to the end. */
export interface KeyBounds {
  readonly start: Uint8Array;
  readonly end: Uint8Array | null;
}

export interface StoreUsage {
  /** Size of the file. */
  readonly fileBytes: number;
  /** Pages of it that hold something now. */
  readonly liveBytes: number;
  /** Spent waiting for the disk to flush since the store was opened. */
  readonly flushMs: number;
}

export interface StoreEngine {
  /** An entry with more bytes than this, or as many, is handed over in parts of so many. */
  readonly partBytes: number;
  /**
   * Not null: acknowledged data cannot be read, nobody knows of which ranges, and where. Nothing is
   * to be written.
   */
  readonly damage: string | null;
  /**
   * Makes the batch durable, all of it or nothing. Commits become durable in the order of the
   * calls. Borrows the batch until the promise is settled. Rejects when the commit failed, or when
   * nobody knows whether it did; then every later commit rejects too, and none of them is written.
   */
  commit(batch: WriteBatch): Promise<void>;
  get(table: StoreTable, key: Uint8Array): Uint8Array | null;
  /** In order, until `visit` returns false. */
  scan(
    table: StoreTable,
    bounds: KeyBounds,
    visit: (key: Uint8Array, value: Uint8Array) => boolean,
  ): void;
  /** The same without values, which cost more than keys. */
  scanKeys(table: StoreTable, bounds: KeyBounds, visit: (key: Uint8Array) => boolean): void;
  lastKey(table: StoreTable, bounds: KeyBounds): Uint8Array | null;
  count(table: StoreTable, bounds: KeyBounds): number;
  usage(): StoreUsage;
  /** Waits for commits under way. */
  close(): Promise<void>;
}
