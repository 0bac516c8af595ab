/**
 * Scans under way in one partition. A subscriber to `#` may match a million messages: it asks for a
 * batch at a time, and between two batches the cursor holds its place in the trie and at most a
 * handful of messages.
 *
 * A cursor goes when its scan ends, when its reader cancels or dies, or when nobody has asked for
 * ten minutes: far longer than a connection may stall, so only a lost cancel leaves one behind.
 * Thread: the owner of the partition. Scope: one per partition.
 */

import { DeadlineHeap, type HeapItem } from "../collections/deadline-heap.ts";
import type { RetainedScan } from "../topic/retained-scan.ts";
import type { RetainedEntry, RetainedStore } from "./retained-store.ts";

const IDLE_MS = 600_000;
/**
 * A batch is full at this much content, or with the message that passes it: with the heads of its
 * packets it still leaves in one write of 64 KiB, unless its messages are large.
 */
const BATCH_BYTES = 56 * 1024;
/** Messages taken from the trie at once; the most that a full batch leaves behind. */
const FETCH_COUNT = 64;
/**
 * Walks per batch: twice what a full one takes, because messages that have expired and wait to be
 * swept do not count.
 */
const WALKS_MAX = 16;

/** Who scans: a worker, and its number for the scan. */
export interface ScanReader {
  readonly thread: number;
  readonly scanId: number;
}

class Cursor implements HeapItem {
  readonly thread: number;
  readonly scanId: number;
  readonly scan: RetainedScan<RetainedEntry>;
  /** Fetched and not handed out yet. */
  fetched: RetainedEntry[] = [];
  fetchedIndex = 0;
  heapIndex = -1;
  heapDeadlineMs = Number.POSITIVE_INFINITY;

  constructor(thread: number, scanId: number, scan: RetainedScan<RetainedEntry>) {
    this.thread = thread;
    this.scanId = scanId;
    this.scan = scan;
  }
}

export class RetainCursors {
  readonly #store: RetainedStore;
  /** By thread, then the reader's number for the scan. */
  readonly #cursors = new Map<number, Map<number, Cursor>>();
  readonly #deadlines = new DeadlineHeap<Cursor>();

  constructor(store: RetainedStore) {
    this.#store = store;
  }

  get size(): number {
    return this.#deadlines.size;
  }

  /** Wall clock; Infinity without cursors. */
  get nextDeadlineMs(): number {
    return this.#deadlines.nextDeadlineMs;
  }

  open(thread: number, scanId: number, tenantId: string, filter: Uint8Array): void {
    this.close(thread, scanId);
    const cursor = new Cursor(thread, scanId, this.#store.scan(tenantId, filter));
    let cursors = this.#cursors.get(thread);
    if (cursors === undefined) {
      cursors = new Map();
      this.#cursors.set(thread, cursors);
    }
    cursors.set(scanId, cursor);
  }

  /**
   * Hands out the next messages, at most `maxMessages`, and returns true when the scan is over. May
   * hand out nothing before the end: the walk is limited per call so that it never holds up the
   * thread. A cursor that is gone has ended.
   */
  next(
    reader: ScanReader,
    maxMessages: number,
    nowMs: number,
    take: (entry: RetainedEntry) => void,
  ): boolean {
    const { thread, scanId } = reader;
    const cursor = this.#cursors.get(thread)?.get(scanId);
    if (cursor === undefined) return true;
    const isEnd = this.#fill(cursor, maxMessages, nowMs, take);
    if (isEnd) this.close(thread, scanId);
    else this.#deadlines.schedule(cursor, nowMs + IDLE_MS);
    return isEnd;
  }

  close(thread: number, scanId: number): void {
    const cursors = this.#cursors.get(thread);
    const cursor = cursors?.get(scanId);
    if (cursors === undefined || cursor === undefined) return;
    cursor.scan.close();
    this.#deadlines.cancel(cursor);
    cursors.delete(scanId);
    if (cursors.size === 0) this.#cursors.delete(thread);
  }

  /** The readers' worker died. */
  peerLost(thread: number): void {
    const cursors = this.#cursors.get(thread);
    if (cursors === undefined) return;
    for (const scanId of [...cursors.keys()]) this.close(thread, scanId);
  }

  /** Frees cursors that nobody has asked for a long time. */
  handleTimeout(nowMs: number): void {
    for (;;) {
      const cursor = this.#deadlines.pollDue(nowMs);
      if (cursor === null) return;
      this.close(cursor.thread, cursor.scanId);
    }
  }

  #fill(
    cursor: Cursor,
    maxMessages: number,
    nowMs: number,
    take: (entry: RetainedEntry) => void,
  ): boolean {
    let count = 0;
    let bytes = 0;
    let walksLeft = WALKS_MAX;
    for (;;) {
      while (cursor.fetchedIndex < cursor.fetched.length) {
        if (count === maxMessages || bytes >= BATCH_BYTES) return false;
        const entry = this.#current(cursor.fetched[cursor.fetchedIndex]!, nowMs);
        cursor.fetchedIndex += 1;
        if (entry === null) continue;
        take(entry);
        count += 1;
        bytes += entry.contentBytes;
      }
      if (cursor.scan.isEnded) return true;
      // The reader asks again in a later duty cycle, also when there was nothing yet.
      if (count === maxMessages || bytes >= BATCH_BYTES || walksLeft === 0) return false;
      cursor.fetched.length = 0;
      cursor.fetchedIndex = 0;
      const wanted = Math.min(FETCH_COUNT, maxMessages - count);
      cursor.scan.next(wanted, cursor.fetched);
      // Fewer: it has looked at its fill of topics.
      walksLeft = cursor.fetched.length < wanted ? 0 : walksLeft - 1;
    }
  }

  /**
   * What the topic holds now: it may have been replaced, cleared or expired since it was fetched.
   */
  #current(entry: RetainedEntry, nowMs: number): RetainedEntry | null {
    const { message } = entry;
    if (entry.isCurrent) return message.isExpired(nowMs) ? null : entry;
    return this.#store.get(message.tenantId, message.topic, nowMs);
  }
}
