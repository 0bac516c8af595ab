/**
 * Scans under way on one worker. A subscriber to `#` may match a million messages: it asks for a
 * batch at a time, and between two batches the cursor holds its place in the trie and at most a
 * handful of messages.
 *
 * A cursor goes when its scan ends, when its reader cancels or dies, or when nobody has asked for
 * ten minutes: far longer than a connection may stall, so only a lost cancel leaves one behind.
 * Thread: worker. Scope: one per worker.
 */

import { DeadlineHeap, type HeapItem } from "../collections/deadline-heap.ts";
import { messageContentBytes } from "../mqtt/message-codec.ts";
import type { RetainedScan } from "../topic/retained-scan.ts";
import type { RetainedEntry, RetainedTopics } from "./retained-topics.ts";

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
  readonly tenantId: string;
  readonly scan: RetainedScan<RetainedEntry>;
  /** Fetched and not handed out yet. */
  readonly fetched: RetainedEntry[] = [];
  /** Topics of those that are cold: the same entry may stand for many. */
  readonly coldTopics: (Uint8Array | null)[] = [];
  fetchedIndex = 0;
  heapIndex = -1;
  heapDeadlineMs = Number.POSITIVE_INFINITY;

  constructor(reader: ScanReader, tenantId: string, scan: RetainedScan<RetainedEntry>) {
    this.thread = reader.thread;
    this.scanId = reader.scanId;
    this.tenantId = tenantId;
    this.scan = scan;
  }
}

export class RetainCursors {
  readonly #topics: RetainedTopics;
  /** By thread, then the reader's number for the scan. */
  readonly #cursors = new Map<number, Map<number, Cursor>>();
  readonly #deadlines = new DeadlineHeap<Cursor>();

  constructor(topics: RetainedTopics) {
    this.#topics = topics;
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
    const cursor = new Cursor({ thread, scanId }, tenantId, this.#topics.scan(tenantId, filter));
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
        const entry = this.#current(cursor, cursor.fetchedIndex, nowMs);
        cursor.fetchedIndex += 1;
        if (entry === null) continue;
        take(entry);
        count += 1;
        bytes += messageContentBytes(entry.message!);
      }
      if (cursor.scan.isEnded) return true;
      // The reader asks again in a later duty cycle, also when there was nothing yet.
      if (count === maxMessages || bytes >= BATCH_BYTES || walksLeft === 0) return false;
      const wanted = Math.min(FETCH_COUNT, maxMessages - count);
      this.#fetch(cursor, wanted);
      // Fewer: it has looked at its fill of topics.
      walksLeft = cursor.fetched.length < wanted ? 0 : walksLeft - 1;
    }
  }

  #fetch(cursor: Cursor, wanted: number): void {
    const { fetched, coldTopics, scan } = cursor;
    fetched.length = 0;
    coldTopics.length = 0;
    cursor.fetchedIndex = 0;
    scan.next(wanted, fetched);
    for (let index = 0; index < fetched.length; index++) {
      coldTopics.push(fetched[index]!.message === null ? scan.topicOf(index) : null);
    }
  }

  /**
   * What the topic holds now: it may have been replaced, cleared or expired since it was fetched.
   */
  #current(cursor: Cursor, index: number, nowMs: number): RetainedEntry | null {
    const entry = cursor.fetched[index]!;
    const { message } = entry;
    if (message !== null && !entry.isGone) return message.isExpired(nowMs) ? null : entry;
    const topic = message?.topic ?? cursor.coldTopics[index]!;
    return this.#topics.get(cursor.tenantId, topic, nowMs);
  }
}
