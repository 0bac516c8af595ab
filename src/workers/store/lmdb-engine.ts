/**
 * LMDB behind the table engine: one environment per store folder, one transaction and one flush per
 * commit. The only importer of `lmdb`.
 *
 * What this file knows about lmdb 3.5.6, so that nobody else has to:
 *   - a put keeps a pointer to the value, not a copy, until its transaction is written: the batch is
 *     borrowed; keys are copied at once;
 *   - `batch` puts all of its writes into one transaction, whatever is in progress;
 *   - only `flushed` means durable, and it never settles when a commit fails: then `batch`'s own
 *     promise rejects; when a transaction cannot even begin, neither settles: hence the watchdog;
 *   - a batch that finds no space changes nothing, and can be written again as if it had never been;
 *   - the read transaction behind gets and scans is renewed each event turn and after each commit; a
 *     suspended iterator would keep it, and with it every page freed since: scans here run to their
 *     end;
 *   - what `getBinary` and iterators return are copies.
 *
 * Thread: worker. Writing happens on a thread of the libuv pool, one per commit under way.
 */

import { statSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { type Database, open, type RootDatabase, type RootDatabaseOptionsWithPath } from "lmdb";
import { isNoSpace } from "../../platform/no-space.ts";
import { assert } from "../../shared/base/assert.ts";
import { CommitPipeline } from "./commit-pipeline.ts";
import { CommitWatchdog } from "./commit-watchdog.ts";
import { type OldReader, ReaderWatch } from "./reader-watch.ts";
import type { SpaceGuard } from "./space-guard.ts";
import {
  COMMITS_MAX,
  type KeyBounds,
  type StoreEngine,
  StoreTable,
  type StoreUsage,
} from "./store-engine.ts";
import { PART_BYTES } from "./store-schema.ts";
import type { WriteBatch } from "./write-batch.ts";

export interface LmdbOptions {
  /** Made if it is not there. */
  readonly folder: string;
  readonly durability?: Durability;
  /**
   * With durability "os": so many commits may be reported while the disk still flushes the first of
   * them. Each keeps a thread of the libuv pool waiting, and all stores of the process share that:
   * make it at least stores * flushThreads + 4 threads (UV_THREADPOOL_SIZE). Flushing goes on
   * behind all of them together.
   */
  readonly flushThreads?: number;
  /** A commit that takes longer has failed: the disk does not answer. */
  readonly commitTimeoutMs?: number;
  /** Absent: a commit that finds the disk full has failed, instead of waiting for space. */
  readonly space?: SpaceGuard | null;
  /** A read transaction stays open, so the file grows. */
  readonly onOldReader?: (reader: OldReader) => void;
}

/** A commit is done when it is on the disk, or when it survives the process. */
export type Durability = "fsync" | "os";

/**
 * Address space, not memory, and no limit of the file: beyond it lmdb maps again, but keeps the old
 * map too. Far above what a store should hold, far below the 128 TiB that a process can address.
 */
const MAP_BYTES = 64 * 1024 ** 3;
/** Disks and their controllers retry for up to half a minute before they report an error. */
export const DEFAULT_COMMIT_TIMEOUT_MS = 60_000;
/** The pool that Node makes by itself has four threads. */
const DEFAULT_FLUSH_THREADS = 2;

/** Space may come back between a failure and the look for its cause, but not each time. */
const UNEXPLAINED_MAX = 3;

type Table = Database<Uint8Array, Uint8Array>;
type Root = RootDatabase<Uint8Array, Uint8Array>;

const BINARY = { keyEncoding: "binary", encoding: "binary" } as const;
const TABLE_NAMES: Readonly<Record<StoreTable, string>> = {
  [StoreTable.RECORDS]: "hs",
  [StoreTable.LOG]: "log",
  [StoreTable.PARTS]: "parts",
  [StoreTable.STATE]: "sm",
  [StoreTable.MARKS]: "marks",
};
const TABLES = Object.values(StoreTable);

/** What `getStats` returns; lmdb's types do not say. */
interface TreeStats {
  readonly pageSize: number;
  readonly treeBranchPageCount: number;
  readonly treeLeafPageCount: number;
  readonly overflowPages: number;
}

interface EnvironmentStats {
  /** Seconds. */
  readonly timeSync: number;
  /** Number of the last committed transaction. */
  readonly lastTxnId: number;
}

/** `trackMetrics` reads the clock a few times per transaction; lmdb's types do not know it. */
type OpenOptions = RootDatabaseOptionsWithPath & { readonly trackMetrics: true };

export class LmdbEngine implements StoreEngine {
  readonly partBytes = PART_BYTES;
  readonly damage = null;
  readonly #file: string;
  readonly #root: Root;
  readonly #tables: readonly Table[];
  readonly #watchdog: CommitWatchdog;
  readonly #pipeline: CommitPipeline;
  readonly #space: SpaceGuard | null;
  readonly #readers: ReaderWatch;
  /** Resolves when the last commit has ended, well or not. */
  #lastCommit: Promise<void> = Promise.resolve();
  #hasFailed = false;
  /** LMDB does not check: who reads a closed environment reads freed memory. */
  #isClosed = false;
  #lastUsage: StoreUsage = { fileBytes: 0, liveBytes: 0, flushMs: 0 };

  constructor(options: LmdbOptions) {
    this.#file = join(options.folder, "data.mdb");
    const openOptions: OpenOptions = {
      ...BINARY,
      path: options.folder,
      mapSize: MAP_BYTES,
      maxDbs: TABLES.length + 1,
      trackMetrics: true,
      // A batch is a transaction; that of an event turn would only wait for the turn's end.
      eventTurnBatching: false,
    };
    this.#root = open(openOptions);
    this.#tables = TABLES.map((table) => this.#root.openDB(TABLE_NAMES[table], BINARY));
    this.#watchdog = new CommitWatchdog(options.commitTimeoutMs ?? DEFAULT_COMMIT_TIMEOUT_MS);
    this.#space = options.space ?? null;
    this.#space?.onWait(() => this.#watchdog.postpone());
    this.#readers = new ReaderWatch({
      list: () => String(this.#root.readerList()),
      lastCommit: () => (this.#root.getStats() as EnvironmentStats).lastTxnId,
      clockMs: () => performance.now(),
      onOld: (reader) => options.onOldReader?.(reader),
    });
    if (options.onOldReader !== undefined) this.#readers.start();
    const isFlushed = options.durability !== "os";
    this.#pipeline = new CommitPipeline({
      root: this.#root,
      table: this.#root.openDB("visible", BINARY),
      isDoneWhen: isFlushed ? "flushed" : "visible",
      flushesMax: isFlushed ? COMMITS_MAX : (options.flushThreads ?? DEFAULT_FLUSH_THREADS),
    });
  }

  commit(batch: WriteBatch): Promise<void> {
    const begin = () => this.#begin(batch);
    const done = this.#watchdog.watch(this.#pipeline.commit(begin));
    this.#lastCommit = done.catch(() => {
      this.#hasFailed = true;
    });
    return done;
  }

  /**
   * Makes the batch visible before it returns, and durable by and by: for the start, when nobody
   * else waits for this thread.
   */
  commitNow(batch: WriteBatch): void {
    for (let isDone = false; !isDone; ) {
      try {
        this.#root.transactionSync(() => this.#putRows(batch));
        isDone = true;
      } catch (error) {
        const mayBeFull = isNoSpace(error) || isShortWrite(error);
        if (!mayBeFull || this.#space?.makeRoomNow() !== true) throw error;
      }
    }
    this.#root.resetReadTxn();
  }

  /** Resolves when everything that is visible now is flushed; rejects when that has failed. */
  flushed(): Promise<void> {
    return this.#pipeline.flushed();
  }

  get(table: StoreTable, key: Uint8Array): Uint8Array | null {
    const value = this.#table(table).getBinary(key);
    return value === undefined ? null : plain(value);
  }

  scan(
    table: StoreTable,
    bounds: KeyBounds,
    visit: (key: Uint8Array, value: Uint8Array) => boolean,
  ): void {
    for (const { key, value } of this.#table(table).getRange(rangeOptions(bounds))) {
      if (!visit(plain(key), plain(value))) return;
    }
  }

  scanKeys(table: StoreTable, bounds: KeyBounds, visit: (key: Uint8Array) => boolean): void {
    for (const key of this.#table(table).getKeys(rangeOptions(bounds))) {
      if (!visit(plain(key))) return;
    }
  }

  lastKey(table: StoreTable, bounds: KeyBounds): Uint8Array | null {
    // Backwards, lmdb begins below `start` and ends at `end`, both the other way round.
    const { start, end } = bounds;
    const backwards = { ...(end === null ? {} : { start: end }), reverse: true, limit: 2 };
    for (const key of this.#table(table).getKeys(backwards)) {
      if (end !== null && Buffer.compare(key, end) >= 0) continue;
      return Buffer.compare(key, start) >= 0 ? plain(key) : null;
    }
    return null;
  }

  count(table: StoreTable, bounds: KeyBounds): number {
    return this.#table(table).getKeysCount(rangeOptions(bounds));
  }

  usage(): StoreUsage {
    // The last commit is reported when it is durable, which may be a moment after `close`.
    if (this.#isClosed) return this.#lastUsage;
    let liveBytes = 0;
    for (const table of this.#tables) {
      const stats = table.getStats() as TreeStats;
      const pages = stats.treeBranchPageCount + stats.treeLeafPageCount + stats.overflowPages;
      liveBytes += pages * stats.pageSize;
    }
    const { timeSync } = this.#root.getStats() as EnvironmentStats;
    const fileBytes = statSync(this.#file).size;
    this.#lastUsage = { fileBytes, liveBytes, flushMs: timeSync * 1000 };
    return this.#lastUsage;
  }

  async close(): Promise<void> {
    this.#space?.close();
    await (this.#space?.unlessGivenUp(this.#lastCommit) ?? this.#lastCommit);
    // What waits for space changed nothing, and nobody was told that it is done; but lmdb would
    // wait for it. The thread's end closes the environment.
    const isStuck = this.#space?.hasGivenUp === true;
    // After a failure one may never end.
    if (!isStuck && !this.#hasFailed) await this.#pipeline.flushed().catch(noResult);
    this.#watchdog.stop();
    this.#readers.stop();
    this.#isClosed = true;
    if (!isStuck) await this.#root.close();
  }

  #table(table: StoreTable): Table {
    assert(!this.#isClosed, "a closed store is not read");
    return this.#tables[table]!;
  }

  /** Resolves when the batch is flushed; one that finds no space is written again. */
  async #begin(batch: WriteBatch): Promise<void> {
    let unexplained = 0;
    for (let tries = 0; ; tries++) {
      const flushed = this.#write(batch);
      const number = this.#pipeline.lastNumber;
      const failed = await flushed.then(noResult, (error: unknown) => ({ error }));
      if (failed === undefined) return;
      const { error } = failed;
      // What others have seen cannot be repeated: later commits may be built on it.
      if (this.#space === null || this.#pipeline.isVisible(number)) throw error;
      if (isShortWrite(error)) {
        if (await this.#space.hasRoom(batch.bytes)) unexplained += 1;
        // There was room each time: the disk is broken, not full.
        if (unexplained === UNEXPLAINED_MAX) throw error;
      } else if (!isNoSpace(error)) {
        throw error;
      }
      await this.#space.makeRoom(tries);
    }
  }

  #write(batch: WriteBatch): Promise<void> {
    const committed = this.#root.batch(() => this.#put(batch));
    // Asked for at once, `flushed` is this batch's; later it might be a later one's.
    const flushed = new Promise((resolve, reject) => this.#root.flushed.then(resolve, reject));
    return Promise.all([committed, flushed]).then(noResult, rethrowCause);
  }

  #put(batch: WriteBatch): void {
    this.#putRows(batch);
    this.#pipeline.putNumber();
  }

  #putRows(batch: WriteBatch): void {
    for (let at = 0; at < batch.count; at++) {
      const table = this.#tables[batch.table(at)]!;
      const value = batch.value(at);
      // Their promises are the batch's own.
      if (value === null) void table.remove(batch.key(at));
      else void table.put(batch.key(at), value);
    }
  }
}

function noResult(): void {}

/** LMDB's name for a write of which only a part fitted on the disk, and that of a broken disk. */
function isShortWrite(error: unknown): boolean {
  return (error as { readonly code?: unknown }).code === constants.errno.EIO;
}

/** lmdb says only "Commit failed" and hides the reason behind another promise. */
async function rethrowCause(error: unknown): Promise<never> {
  const hidden = (error as { readonly commitError?: Promise<never> }).commitError;
  if (hidden === undefined) throw error;
  return await hidden;
}

function rangeOptions({ start, end }: KeyBounds): { start: Uint8Array; end?: Uint8Array } {
  return end === null ? { start } : { start, end };
}

/** lmdb's copies are Buffers, some with properties of their own; the same bytes without them. */
function plain(copy: Uint8Array): Uint8Array {
  return new Uint8Array(copy.buffer, copy.byteOffset, copy.byteLength);
}
