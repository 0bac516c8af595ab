/**
 * The retained messages of one partition: at most one per topic, with expiry, caps and gauges.
 *
 * Time is an argument. Thread: the owner of the partition. Scope: one per partition.
 */

import { DeadlineHeap, type HeapItem } from "../collections/deadline-heap.ts";
import { Counter } from "../metrics/counter-table.ts";
import type { Message } from "../mqtt/message.ts";
import { messageContentBytes, recordOfMessage } from "../mqtt/message-codec.ts";
import type { RetainedScan } from "../topic/retained-scan.ts";
import type { RetainedTrie } from "../topic/retained-trie.ts";
import { type RetainLimits, RetainStatus } from "./retain-types.ts";
import type { RetainUsage } from "./retain-usage.ts";

/** Expired messages are taken out together once per second: message expiry counts in seconds. */
const SWEEP_STEP_MS = 1000;

/** Expired messages that one call takes out, at about a microsecond each. */
const SWEEP_COUNT = 10_000;

export class RetainedEntry implements HeapItem {
  readonly message: Message;
  /** The message as it stands in ring records: scans copy it as it is. */
  readonly record: Uint8Array;
  readonly contentBytes: number;
  /** False once the topic holds another message, or none. */
  isCurrent = true;
  heapIndex = -1;
  heapDeadlineMs = Number.POSITIVE_INFINITY;

  constructor(message: Message, record: Uint8Array) {
    this.message = message;
    this.record = record;
    this.contentBytes = messageContentBytes(message);
  }
}

export class RetainedStore {
  readonly #trie: RetainedTrie<RetainedEntry>;
  readonly #deadlines = new DeadlineHeap<RetainedEntry>();
  readonly #usage: RetainUsage;
  readonly #counters: Float64Array;

  constructor(trie: RetainedTrie<RetainedEntry>, usage: RetainUsage, counters: Float64Array) {
    this.#trie = trie;
    this.#usage = usage;
    this.#counters = counters;
    // Gauges of this thread; a predecessor's messages went with it.
    counters[Counter.RETAINED_MESSAGES] = 0;
    counters[Counter.RETAINED_BYTES] = 0;
  }

  get size(): number {
    return this.#trie.size;
  }

  /** Wall clock; Infinity when nothing expires. */
  get nextDeadlineMs(): number {
    return Math.ceil(this.#deadlines.nextDeadlineMs / SWEEP_STEP_MS) * SWEEP_STEP_MS;
  }

  /**
   * Stores or replaces the topic's message [MQTT-3.3.1-5]; an empty payload clears it
   * [MQTT-3.3.1-6]. `record`: the same message as a record; one in which its bytes lie costs no
   * further memory.
   */
  store(
    message: Message,
    limits: RetainLimits,
    nowMs: number,
    record: Uint8Array = recordOfMessage(message),
  ): RetainStatus {
    const { tenantId, topic } = message;
    // [MQTT-3.3.1-7] An expired message replaces as well, but there is nothing to keep of it.
    if (message.payload.length === 0 || message.isExpired(nowMs)) {
      this.#delete(tenantId, topic);
      return RetainStatus.OK;
    }
    const entry = new RetainedEntry(message, record);
    const previous = this.#trie.get(tenantId, topic);
    const topics = previous === null ? 1 : 0;
    const bytes = entry.contentBytes - (previous === null ? 0 : previous.contentBytes);
    const isAllowed = isBrokers(message) || this.#usage.allows(tenantId, topics, bytes, limits);
    if (!isAllowed) return RetainStatus.QUOTA;
    this.#trie.set(tenantId, topic, entry);
    if (previous !== null) this.#forget(previous);
    if (message.expirySeconds >= 0) {
      this.#deadlines.schedule(entry, message.receivedAtMs + message.expirySeconds * 1000);
    }
    this.#count(message, topics, bytes);
    return RetainStatus.OK;
  }

  /** What the topic holds; null when that is nothing or has expired. */
  get(tenantId: string, topic: Uint8Array, nowMs: number): RetainedEntry | null {
    const entry = this.#trie.get(tenantId, topic);
    return entry === null || entry.message.isExpired(nowMs) ? null : entry;
  }

  /**
   * A walk over what `filter` matches, expired messages included; must be closed unless it runs to
   * its end.
   */
  scan(tenantId: string, filter: Uint8Array): RetainedScan<RetainedEntry> {
    return this.#trie.scan(tenantId, filter);
  }

  /** Removes what has expired [MQTT-3.3.2-5], so much at a time that nobody has to wait for it. */
  handleTimeout(nowMs: number): void {
    for (let left = SWEEP_COUNT; left > 0; left--) {
      const entry = this.#deadlines.pollDue(nowMs);
      if (entry === null) return;
      this.#delete(entry.message.tenantId, entry.message.topic);
    }
  }

  #delete(tenantId: string, topic: Uint8Array): void {
    const entry = this.#trie.delete(tenantId, topic);
    if (entry === null) return;
    this.#forget(entry);
    this.#count(entry.message, -1, -entry.contentBytes);
  }

  #forget(entry: RetainedEntry): void {
    entry.isCurrent = false;
    this.#deadlines.cancel(entry);
  }

  #count(message: Message, topics: number, bytes: number): void {
    if (!isBrokers(message)) this.#usage.add(message.tenantId, topics, bytes);
    this.#counters[Counter.RETAINED_MESSAGES]! += topics;
    this.#counters[Counter.RETAINED_BYTES]! += bytes;
  }
}

/**
 * The broker's own statistics are no part of what the tenant may retain, nor of what it is told it
 * does.
 */
function isBrokers(message: Message): boolean {
  return message.publisherId === "";
}
