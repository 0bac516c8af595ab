/**
 * The records and the state of a store whose log is in segments: kept in LMDB, together with the
 * number of the batch after which they are, in one transaction. LMDB's flushes are waited for only
 * when a segment is to be freed. Thread: worker. Scope: one per store.
 */

import { RecordWriter } from "../../shared/bytes/record-writer.ts";
import { WireReader } from "../../shared/bytes/wire-reader.ts";
import { visitDirectory } from "./batch-directory-codec.ts";
import type { LmdbEngine } from "./lmdb-engine.ts";
import type { FoundBatch, KnownBatches } from "./segment-scan.ts";
import { StoreTable } from "./store-engine.ts";
import { WriteBatch } from "./write-batch.ts";

/** Of the batch after which the state is: u64, little-endian. */
const BATCH_MARK = new Uint8Array([1]);
/** Of the last batch of the log when the store was closed: the same. */
const CLOSED_MARK = new Uint8Array([2]);
/** Written again at once when a store is opened. */
const REPLAY_BYTES = 4 * 1024 * 1024;

export class SegmentState {
  /** In LMDB when the store was opened. */
  readonly known: KnownBatches;
  readonly #lmdb: LmdbEngine;
  readonly #spare: WriteBatch[] = [];
  readonly #mark = new RecordWriter(8);
  /** The last batch with state of each segment. */
  readonly #lastOf = new Map<number, number>();
  /** Found in the segments and not yet in LMDB, with the last batch of it. */
  #replay = new WriteBatch();
  #replayed: number;
  /** In LMDB since the store was opened, and flushed since then. */
  #written = 0;
  #flushed = 0;
  #isFlushing = false;

  constructor(lmdb: LmdbEngine) {
    this.#lmdb = lmdb;
    const readMark = (key: Uint8Array) => {
      const mark = lmdb.get(StoreTable.MARKS, key);
      return mark === null ? 0 : new WireReader(mark).u64();
    };
    this.known = { state: readMark(BATCH_MARK), closed: readMark(CLOSED_MARK) };
    this.#replayed = this.known.state;
  }

  /** While the store is opened: a batch of the log, in order. */
  found({ number, segment, directory, payload }: FoundBatch): void {
    let hasState = false;
    const isNew = number > this.#replayed;
    const part = ({ at, size }: { at: number; size: number }) => payload.subarray(at, at + size);
    visitDirectory(directory, payload.length, {
      entry: () => {},
      removed: () => {},
      put: (table, key, value) => {
        hasState = true;
        if (isNew) this.#replay.put(table, part(key), part(value));
      },
      deleted: (table, key) => {
        hasState = true;
        if (isNew) this.#replay.delete(table, part(key));
      },
    });
    if (!hasState) return;
    this.#lastOf.set(segment, number);
    if (!isNew) return;
    this.#replayed = number;
    if (this.#replay.bytes >= REPLAY_BYTES) this.#replayNow();
  }

  /** All batches were found. */
  endReplay(): void {
    if (this.#replay.count > 0) this.#replayNow();
    this.#replay = new WriteBatch();
  }

  /**
   * Writes what the batch holds beside the log; the segment has it durably. Resolves when it is
   * visible.
   */
  async write(batch: WriteBatch, number: number, segment: number): Promise<void> {
    const rows = this.#spare.pop() ?? new WriteBatch();
    for (let at = 0; at < batch.count; at++) {
      const table = batch.table(at);
      if (table === StoreTable.LOG) continue;
      const value = batch.value(at);
      if (value === null) rows.delete(table, batch.key(at));
      else rows.put(table, batch.key(at), value);
    }
    this.#putMark(rows, BATCH_MARK, number);
    this.#lastOf.set(segment, number);
    await this.#lmdb.commit(rows);
    this.#written = number;
    rows.clear();
    this.#spare.push(rows);
  }

  /** Whether LMDB has flushed all state that is in the segment. */
  isFlushed(segment: number): boolean {
    return (this.#lastOf.get(segment) ?? 0) <= this.#flushed;
  }

  /**
   * Resolves with true when LMDB has flushed what it had got until now; at once, with false, while
   * that is being waited for.
   */
  async flush(): Promise<boolean> {
    // What was written before this life began is flushed with the first that was written in it.
    const written = this.#written;
    if (this.#isFlushing || written === this.#flushed) return false;
    this.#isFlushing = true;
    await this.#lmdb.flushed();
    this.#isFlushing = false;
    this.#flushed = written;
    return true;
  }

  /** The segment is freed. */
  forget(segment: number): void {
    this.#lastOf.delete(segment);
  }

  /** The log is closed, all of it on the disk: a last batch that cannot be read will be damage. */
  async close(lastBatch: number): Promise<void> {
    if (lastBatch === this.known.closed) return;
    const rows = new WriteBatch();
    this.#putMark(rows, CLOSED_MARK, lastBatch);
    await this.#lmdb.commit(rows);
  }

  #replayNow(): void {
    this.#putMark(this.#replay, BATCH_MARK, this.#replayed);
    this.#lmdb.commitNow(this.#replay);
    this.#replay.clear();
  }

  #putMark(rows: WriteBatch, key: Uint8Array, number: number): void {
    this.#mark.clear();
    this.#mark.u64(number);
    rows.put(StoreTable.MARKS, key, this.#mark.bytes);
  }
}
