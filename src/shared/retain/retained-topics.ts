/**
 * The retained messages of one worker, of all its ranges: topics in a trie, and the messages
 * themselves in memory as far as a budget goes. The others are cold: the trie knows the topic, the
 * store has the message. So a million retained topics start and stay cheap, and a scan needs memory
 * for one batch.
 *
 * Ranges (retain-range.ts) decide and store; this class holds, finds, and counts what is held in
 * memory. A message may go cold only once the store has it.
 * Thread: the owner of the ranges. Scope: one per worker.
 */

import { NO_BYTES } from "../bytes/copy-bytes.ts";
import { DeadlineHeap, type HeapItem } from "../collections/deadline-heap.ts";
import { RingQueue } from "../collections/ring-queue.ts";
import { Counter } from "../metrics/counter-table.ts";
import type { Message } from "../mqtt/message.ts";
import { messageContentBytes, messageFootprint, messageInRecord } from "../mqtt/message-codec.ts";
import type { RetainedScan } from "../topic/retained-scan.ts";
import type { RetainedTrie } from "../topic/retained-trie.ts";

/** Expired messages are taken out together once per second: message expiry counts in seconds. */
const SWEEP_STEP_MS = 1000;

/** A topic whose message expires. */
export class ExpiringTopic implements HeapItem {
  readonly tenantId: string;
  readonly topic: Uint8Array;
  readonly expiresAtMs: number;
  heapIndex = -1;
  heapDeadlineMs = Number.POSITIVE_INFINITY;

  constructor(tenantId: string, topic: Uint8Array, expiresAtMs: number) {
    this.tenantId = tenantId;
    this.topic = topic;
    this.expiresAtMs = expiresAtMs;
  }
}

/** What is held of one topic. */
export class RetainedEntry {
  /** Null: cold. */
  readonly message: Message | null;
  /**
   * The message as it stands in ring records and in the store, copied from one to the other as it
   * is; `message` is views of it. Empty: cold.
   */
  readonly record: Uint8Array;
  /** Of a topic that does not fit into a key; else 0. */
  readonly keyNumber: number;
  /** Null: it never expires. */
  readonly expiring: ExpiringTopic | null;
  /** The store has it: it may be let go of. */
  isStored = false;
  /** Replaced, cleared or gone cold. */
  isGone = false;

  constructor(
    message: Message | null,
    record: Uint8Array,
    keyNumber: number,
    expiring: ExpiringTopic | null,
  ) {
    this.message = message;
    this.record = record;
    this.keyNumber = keyNumber;
    this.expiring = expiring;
  }
}

/** Stands for every message that only the store has, under its topic, and that never expires. */
const COLD: RetainedEntry = new RetainedEntry(null, NO_BYTES, 0, null);

/** Gone entries that the queue of hot ones may hold beyond as many as there are live ones. */
const GONE_SLACK = 1024;

/**
 * Reads the record of a message that only the store has; null when it is not there. `keyNumber` as
 * it was put.
 */
export type ColdReader = (
  tenantId: string,
  topic: Uint8Array,
  keyNumber: number,
) => Uint8Array | null;

/** What a topic whose message is in the store only may hold. */
export interface ColdTopic {
  readonly contentBytes: number;
  readonly expiresAt: number;
  readonly keyNumber: number;
}

export interface RetainedTopicsOptions {
  readonly trie: RetainedTrie<RetainedEntry>;
  /** This thread's row of the counter table. */
  readonly counters: Float64Array;
  /** Bytes of messages that may stay in memory although the store has them. */
  readonly hotBytes: number;
  readonly readCold: ColdReader;
}

export class RetainedTopics {
  readonly #trie: RetainedTrie<RetainedEntry>;
  readonly #counters: Float64Array;
  readonly #readCold: ColdReader;
  readonly #hotBytesMax: number;
  /** Of stored entries in memory. */
  #hotBytes = 0;
  #hotCount = 0;
  /** Stored entries, oldest first; also some that are gone. */
  readonly #hot = new RingQueue<RetainedEntry>();
  readonly #deadlines = new DeadlineHeap<ExpiringTopic>();

  constructor(options: RetainedTopicsOptions) {
    this.#trie = options.trie;
    this.#counters = options.counters;
    this.#readCold = options.readCold;
    this.#hotBytesMax = options.hotBytes;
    // Gauges of this thread; a predecessor's went with it.
    options.counters[Counter.RETAINED_MESSAGES] = 0;
    options.counters[Counter.RETAINED_BYTES] = 0;
  }

  get size(): number {
    return this.#trie.size;
  }

  get memoryBytes(): number {
    return this.#trie.memoryBytes + this.#hotBytes;
  }

  /** Wall clock; Infinity when nothing expires. */
  get nextDeadlineMs(): number {
    return Math.ceil(this.#deadlines.nextDeadlineMs / SWEEP_STEP_MS) * SWEEP_STEP_MS;
  }

  /** What is held of a topic: in memory or cold, or null. */
  find(tenantId: string, topic: Uint8Array): RetainedEntry | null {
    return this.#trie.get(tenantId, topic);
  }

  /**
   * The topic's message, read from the store if need be, expired or not; null when there is none.
   */
  read(tenantId: string, topic: Uint8Array): Message | null {
    return this.#warm(tenantId, topic)?.message ?? null;
  }

  /** The topic with its message, in memory or read; null when there is none or it has expired. */
  get(tenantId: string, topic: Uint8Array, nowMs: number): RetainedEntry | null {
    const entry = this.#warm(tenantId, topic);
    return entry === null || entry.message!.isExpired(nowMs) ? null : entry;
  }

  /**
   * Holds the message of `record` in place of what was there, which was counted with
   * `replacedBytes`. In place: a scan under way meets a topic that is replaced.
   */
  put(record: Uint8Array, keyNumber: number, replacedBytes: number): RetainedEntry {
    const message = messageInRecord(record);
    const { tenantId, topic } = message;
    const previous = this.#trie.get(tenantId, topic);
    if (previous !== null) this.#forget(previous);
    const expiring = this.#expect(tenantId, topic, expiresAtMs(message));
    const entry = new RetainedEntry(message, record, keyNumber, expiring);
    this.#trie.set(tenantId, topic, entry);
    this.#count(previous === null ? 1 : 0, messageContentBytes(message) - replacedBytes);
    return entry;
  }

  /** A message that the store has and nobody needs yet. `topic` is borrowed. */
  putCold(tenantId: string, topic: Uint8Array, cold: ColdTopic): void {
    const { contentBytes, expiresAt, keyNumber } = cold;
    const isLasting = expiresAt === Number.POSITIVE_INFINITY;
    const expiring = isLasting ? null : this.#expect(tenantId, topic.slice(), expiresAt);
    this.#trie.set(tenantId, topic, coldEntry(keyNumber, expiring));
    this.#count(1, contentBytes);
  }

  /** Takes the topic out; `contentBytes` as it was counted. */
  remove(tenantId: string, topic: Uint8Array, contentBytes: number): void {
    const entry = this.#trie.delete(tenantId, topic);
    if (entry === null) return;
    this.#forget(entry);
    this.#count(-1, -contentBytes);
  }

  /** The store has `entry`: from now on it may go cold. */
  noteStored(entry: RetainedEntry): void {
    if (entry.isGone || entry.isStored) return;
    entry.isStored = true;
    this.#hotBytes += messageFootprint(entry.message!);
    this.#hotCount += 1;
    this.#hot.push(entry);
    this.#cool();
  }

  /**
   * A walk over what `filter` matches, expired messages included; must be closed unless it runs to
   * its end.
   */
  scan(tenantId: string, filter: Uint8Array): RetainedScan<RetainedEntry> {
    return this.#trie.scan(tenantId, filter);
  }

  /**
   * A topic whose time is over, earliest first; null when there is none. It may have changed since.
   */
  pollExpired(nowMs: number): ExpiringTopic | null {
    return this.#deadlines.pollDue(nowMs);
  }

  /** It could not be removed now: asks again at `atMs`. */
  expectAgain(topic: ExpiringTopic, atMs: number): void {
    this.#deadlines.schedule(topic, atMs);
  }

  /** What is read from the store is not kept: it is for this call alone. */
  #warm(tenantId: string, topic: Uint8Array): RetainedEntry | null {
    const entry = this.#trie.get(tenantId, topic);
    if (entry === null || entry.message !== null) return entry;
    const { keyNumber } = entry;
    const record = this.#readCold(tenantId, topic, keyNumber);
    if (record === null) return null;
    return new RetainedEntry(messageInRecord(record), record, keyNumber, null);
  }

  #expect(tenantId: string, topic: Uint8Array, expiresAt: number): ExpiringTopic | null {
    if (expiresAt === Number.POSITIVE_INFINITY) return null;
    const expiring = new ExpiringTopic(tenantId, topic, expiresAt);
    this.#deadlines.schedule(expiring, expiresAt);
    return expiring;
  }

  #forget(entry: RetainedEntry): void {
    if (entry.expiring !== null) this.#deadlines.cancel(entry.expiring);
    if (entry.message !== null) this.#letGo(entry, entry.message);
  }

  #letGo(entry: RetainedEntry, message: Message): void {
    entry.isGone = true;
    if (!entry.isStored) return;
    this.#hotBytes -= messageFootprint(message);
    this.#hotCount -= 1;
  }

  #cool(): void {
    while (this.#hotBytes > this.#hotBytesMax) {
      const entry = this.#hot.shift();
      if (entry === undefined) return;
      if (entry.isGone) continue;
      const message = entry.message!;
      this.#letGo(entry, message);
      const cold = coldEntry(entry.keyNumber, entry.expiring);
      this.#trie.set(message.tenantId, message.topic, cold);
    }
    if (this.#hot.size <= 2 * this.#hotCount + GONE_SLACK) return;
    // Topics that are replaced often leave many behind.
    for (let left = this.#hot.size; left > 0; left--) {
      const entry = this.#hot.shift()!;
      if (!entry.isGone) this.#hot.push(entry);
    }
  }

  #count(topics: number, bytes: number): void {
    this.#counters[Counter.RETAINED_MESSAGES]! += topics;
    this.#counters[Counter.RETAINED_BYTES]! += bytes;
  }
}

function coldEntry(keyNumber: number, expiring: ExpiringTopic | null): RetainedEntry {
  if (keyNumber === 0 && expiring === null) return COLD;
  return new RetainedEntry(null, NO_BYTES, keyNumber, expiring);
}

/** Infinity: never. */
export function expiresAtMs(message: Message): number {
  if (message.expirySeconds < 0) return Number.POSITIVE_INFINITY;
  return message.receivedAtMs + message.expirySeconds * 1000;
}
