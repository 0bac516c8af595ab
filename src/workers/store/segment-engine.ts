/**
 * A table engine whose log is not in a database: every commit is one batch in the segment log
 * (segment-log.ts), and is durable when that is flushed, whatever tables it writes to. Entries stay
 * there; records and state go on to LMDB, which nobody waits to flush: what a crash takes from it
 * is written again from the segments when the store is opened.
 *
 *   commit    batch -> segment -> flushed -> index of entries, visible
 *                                   └ records and state -> LMDB: visible -> reported
 *   open      LMDB as it was after batch n -> state of n+1 ... from the segments
 *
 * Why LMDB gets only what the segments have durably, also with durability "os": otherwise a crash
 * of the machine might leave it ahead of the log. It is behind at most by what it has not flushed.
 *
 * A segment is freed when none of its entries is in a log any more and LMDB has flushed the last
 * state in it. Of a commit that is under way, log and state become visible one after the other,
 * each as a whole. Thread: worker. Scope: one per store.
 */

import { join } from "node:path";
import { assert } from "../../shared/base/assert.ts";
import { RecordWriter } from "../../shared/bytes/record-writer.ts";
import { writeDirectory, writeEntryLine } from "./batch-directory-codec.ts";
import { CommitWatchdog } from "./commit-watchdog.ts";
import { DEFAULT_COMMIT_TIMEOUT_MS, LmdbEngine, type LmdbOptions } from "./lmdb-engine.ts";
import { INDEX_END, type IndexCursor, type IndexRun, LogIndex } from "./log-index.ts";
import { SegmentFolder } from "./segment-folder.ts";
import { SegmentLog } from "./segment-log.ts";
import { SegmentMover } from "./segment-mover.ts";
import { type CutBatch, scanLog } from "./segment-scan.ts";
import { SegmentState } from "./segment-state.ts";
import type { SpaceGuard } from "./space-guard.ts";
import { type KeyBounds, type StoreEngine, StoreTable, type StoreUsage } from "./store-engine.ts";
import { indexOfKey, logKey, rangeOfKey } from "./store-schema.ts";
import type { WriteBatch } from "./write-batch.ts";

/** The folder of segments in the store's folder. */
const SEGMENTS = "log";
/** Read from the disk at once when entries are read in a row. */
const READ_BYTES = 64 * 1024;

/** A piece of a segment that was read: entries are parts of it. */
interface Chunk {
  readonly at: number;
  readonly bytes: Uint8Array;
  /** The last entry that is whole in it. */
  readonly lastIndex: number;
}

export interface SegmentOptions extends LmdbOptions {
  /**
   * While it is opened: the log ends before a batch that cannot be read. It was being written when
   * the machine or the process died; or it was acknowledged, and the disk has spoilt it since.
   */
  readonly onLogCut?: (cut: CutBatch) => void;
}

interface LoggedBatch {
  readonly number: number;
  readonly segment: number;
  readonly hasState: boolean;
}

export class SegmentEngine implements StoreEngine {
  readonly partBytes = Number.POSITIVE_INFINITY;
  readonly damage: string | null;
  readonly #isFsync: boolean;
  readonly #lmdb: LmdbEngine;
  readonly #state: SegmentState;
  readonly #log: SegmentLog;
  readonly #index = new LogIndex();
  readonly #mover = new SegmentMover(this.#index);
  readonly #watchdog: CommitWatchdog;
  readonly #space: SpaceGuard | null;
  readonly #directory = new RecordWriter(64 * 1024);
  readonly #moved = new RecordWriter();
  /** Resolves when the next batch may be written to the log. */
  #turn: Promise<unknown> = Promise.resolve();
  /** Resolves when the last commit is reported; commits are reported in order. */
  #lastReport: Promise<void> = Promise.resolve();
  /** The same, failed or not, or given up. */
  #lastCommit: Promise<void> = Promise.resolve();
  #failure: Error | null = null;
  /** A segment waits for the log to be flushed. */
  #wantsFlush = false;

  constructor(options: SegmentOptions) {
    const { folder, durability, space = null } = options;
    this.#space = space;
    this.#isFsync = durability !== "os";
    this.#lmdb = new LmdbEngine({ ...options, durability: "os" });
    this.#state = new SegmentState(this.#lmdb);
    this.#watchdog = new CommitWatchdog(options.commitTimeoutMs ?? DEFAULT_COMMIT_TIMEOUT_MS);
    space?.onWait(() => this.#watchdog.postpone());
    const files = new SegmentFolder(join(folder, SEGMENTS));
    const sources = files.list().map((number) => ({ number, read: () => files.readNow(number) }));
    const end = scanLog(sources, this.#state.known, (batch) => {
      this.#index.apply(batch);
      this.#state.found(batch);
    });
    this.#state.endReplay();
    this.damage = end.damage;
    if (end.cut !== null) options.onLogCut?.(end.cut);
    this.#log = new SegmentLog(files, end, this.#isFsync, space);
  }

  commit(batch: WriteBatch): Promise<void> {
    assert(this.damage === null, "nothing is written to a damaged log");
    const logged = this.#turn.then(() => this.#write(batch));
    this.#turn = logged;
    const before = this.#lastReport;
    const reported = logged.then(async ({ number, segment, hasState }) => {
      if (hasState) await this.#state.write(batch, number, segment);
      await before;
    });
    this.#lastReport = reported;
    const done = this.#watchdog.watch(reported);
    this.#lastCommit = done.catch((error: Error) => {
      this.#failure ??= error;
    });
    // Who waits for the commit hears of it there.
    logged.catch(() => {});
    reported.catch(() => {});
    return done;
  }

  get(table: StoreTable, key: Uint8Array): Uint8Array | null {
    if (table !== StoreTable.LOG) return this.#lmdb.get(table, key);
    const index = indexOfKey(key);
    const entries = this.#index.range(rangeOfKey(key));
    if (!entries?.has(index)) return null;
    const bytes = new Uint8Array(entries.size(index));
    this.#log.readNow(entries.segment(index), entries.offset(index), bytes);
    return bytes;
  }

  scan(
    table: StoreTable,
    bounds: KeyBounds,
    visit: (key: Uint8Array, value: Uint8Array) => boolean,
  ): void {
    if (table !== StoreTable.LOG) {
      this.#lmdb.scan(table, bounds, visit);
      return;
    }
    for (const run of this.#runs(bounds)) if (!this.#scanRun(run, visit)) return;
  }

  scanKeys(table: StoreTable, bounds: KeyBounds, visit: (key: Uint8Array) => boolean): void {
    if (table !== StoreTable.LOG) {
      this.#lmdb.scanKeys(table, bounds, visit);
      return;
    }
    for (const { id, low, high } of this.#runs(bounds)) {
      for (let index = low; index <= high; index++) {
        if (!visit(logKey(id, index).slice())) return;
      }
    }
  }

  lastKey(table: StoreTable, bounds: KeyBounds): Uint8Array | null {
    if (table !== StoreTable.LOG) return this.#lmdb.lastKey(table, bounds);
    const last = this.#runs(bounds).at(-1);
    return last === undefined ? null : logKey(last.id, last.high).slice();
  }

  count(table: StoreTable, bounds: KeyBounds): number {
    if (table !== StoreTable.LOG) return this.#lmdb.count(table, bounds);
    return this.#runs(bounds).reduce((sum, { low, high }) => sum + high - low + 1, 0);
  }

  usage(): StoreUsage {
    const { fileBytes, liveBytes } = this.#lmdb.usage();
    return {
      fileBytes: fileBytes + this.#log.bytes,
      liveBytes: liveBytes + this.#index.loads.bytes,
      flushMs: this.#log.flushMs,
    };
  }

  async close(): Promise<void> {
    this.#space?.close();
    await (this.#space?.unlessGivenUp(this.#lastCommit) ?? this.#lastCommit);
    this.#watchdog.stop();
    // After a failure something of it may never end.
    const isStuck = this.#space?.hasGivenUp === true;
    if (!isStuck && this.#failure === null) await this.#closeLog();
    await this.#lmdb.close();
  }

  async #closeLog(): Promise<void> {
    // Without the note the next start knows less, no more than that.
    const noted = this.#noteClosed().catch(() => {});
    await (this.#space?.unlessGivenUp(noted) ?? noted);
    await this.#log.close();
  }

  async #noteClosed(): Promise<void> {
    if (this.damage !== null || this.#log.lastBatch === 0) return;
    // A commit that waits for space would keep the database from being closed.
    if (this.#space?.isShort === true) return;
    if (!this.#log.isFlushed) await this.#log.flush();
    await this.#state.close(this.#log.lastBatch);
  }

  async #write(batch: WriteBatch): Promise<LoggedBatch> {
    if (this.#failure !== null) throw this.#failure;
    this.#directory.clear();
    this.#moved.clear();
    this.#moveEntries(batch.memory.length);
    const hasState = writeDirectory(this.#directory, batch);
    const directory = written(this.#directory);
    const payload = [batch.memory, written(this.#moved)];
    const { number, segment, payloadAt } = await this.#log.append({ directory, payload, hasState });
    if (!this.#log.isFlushed && (hasState || this.#wantsFlush)) await this.#log.flush();
    this.#wantsFlush = false;
    this.#index.apply({ segment, payloadAt, directory });
    this.#freeSegments();
    return { number, segment, hasState };
  }

  /** Entries that hold an old segment are written again, behind the first `payloadAt` bytes. */
  #moveEntries(payloadAt: number): void {
    const { oldestSealed, usedBytes } = this.#log;
    for (const { id, index, offset, size } of this.#mover.next(oldestSealed, usedBytes)) {
      const at = this.#moved.claim(size);
      this.#log.readNow(oldestSealed, offset, this.#moved.bytes.subarray(at, at + size));
      writeEntryLine(this.#directory, id, index, { at: payloadAt + at, size });
    }
  }

  #freeSegments(): void {
    for (;;) {
      const oldest = this.#log.oldestSealed;
      if (oldest === 0 || this.#index.loads.entriesIn(oldest) > 0) return;
      if (!this.#state.isFlushed(oldest)) {
        void this.#flushState();
        return;
      }
      // What removed the last entry from it must not be lost when the segment is not there.
      if (!this.#log.isFlushed) {
        this.#wantsFlush = true;
        return;
      }
      this.#log.freeOldest();
      this.#state.forget(oldest);
    }
  }

  async #flushState(): Promise<void> {
    try {
      if (await this.#state.flush()) this.#freeSegments();
    } catch (error) {
      this.#failure ??= error as Error;
    }
  }

  #runs({ start, end }: KeyBounds): readonly IndexRun[] {
    return this.#index.runs(cursorOf(start), end === null ? INDEX_END : cursorOf(end));
  }

  /** False: `visit` has had enough. */
  #scanRun(run: IndexRun, visit: (key: Uint8Array, value: Uint8Array) => boolean): boolean {
    const { id, entries, low, high } = run;
    let chunk: Chunk | null = null;
    for (let index = low; index <= high; index++) {
      if (chunk === null || index > chunk.lastIndex) chunk = this.#readChunk(run, index);
      const at = entries.offset(index) - chunk.at;
      const value = chunk.bytes.subarray(at, at + entries.size(index));
      if (!visit(logKey(id, index).slice(), value)) return false;
    }
    return true;
  }

  /** Reads entry `first`, and in one go what follows it closely. */
  #readChunk({ entries, high }: IndexRun, first: number): Chunk {
    const segment = entries.segment(first);
    const at = entries.offset(first);
    let lastIndex = first;
    let end = at + entries.size(first);
    for (let index = first + 1; index <= high && entries.segment(index) === segment; index++) {
      const nextEnd = entries.offset(index) + entries.size(index);
      if (nextEnd < end || nextEnd - at > READ_BYTES) break;
      lastIndex = index;
      end = nextEnd;
    }
    const bytes = new Uint8Array(end - at);
    this.#log.readNow(segment, at, bytes);
    return { at, bytes, lastIndex };
  }
}

function written(writer: RecordWriter): Uint8Array {
  return writer.bytes.subarray(0, writer.size);
}

function cursorOf(key: Uint8Array): IndexCursor {
  return { id: rangeOfKey(key), index: indexOfKey(key) };
}
