/**
 * The messages of one inbox that have not been sent, as far as they are in memory.
 *
 * ```
 *   first                                                                        next
 *    │  front, in memory  │  in the store only   │  tail: not, or just being, stored │
 *    └────────────────────┴──────────────────────┴───────────────────────────────────┘
 *                     frontEnd               durableEnd
 * ```
 *
 * Sequence numbers are without gaps, because messages leave in order. What is appended between two
 * collections becomes one value in the store, a chunk, under the number of its first message; a
 * chunk is deleted when its last message has left. A session that sleeps keeps nothing here; one
 * that reads slowly keeps a page. Scope: one per inbox whose queue is not wholly in the store.
 */

import { RecordReader } from "../../bytes/record-reader.ts";
import { RecordWriter } from "../../bytes/record-writer.ts";
import { RingQueue } from "../../collections/ring-queue.ts";
import type { KeyValue, KeyValueReader, KeyValueWriter } from "../../range/key-value.ts";
import type { Steps } from "../../range/steps.ts";
import { type Delivery, StoredMessage } from "./delivery.ts";
import { readDelivery, type SharedSource, writeDelivery } from "./delivery-codec.ts";
import type { Inbox } from "./inbox.ts";
import { chunkKey, sequenceOf } from "./inbox-key.ts";

/** A chunk ends with the message that makes it larger: a few pages of the store. */
const CHUNK_BYTES = 32 * 1024;
/** A page of chunks: what a slow session has in memory, at most twice, of its queue. */
const PAGE_BYTES = 64 * 1024;
const PAGE_CHUNKS = 64;
/** Messages in memory at which what has become durable is let go of, to be read again later. */
const FRONT_MAX = 256;

const unknown = new StoredMessage(null, 0, 0, true);
const NOT_COUNTED: SharedSource = { hold: () => unknown };

interface Chunk {
  readonly first: number;
  readonly end: number;
}

// One thread, never re-entrant: each use runs to its end before anybody else's.
const scratch = new RecordWriter();
const reader = new RecordReader();

/** What a queue needs of its range. */
export interface QueueStore extends SharedSource {
  readonly reader: KeyValueReader;
  /** A delivery leaves the memory and stays in the store. */
  letGo(delivery: Delivery): void;
}

export class WaitingQueue {
  readonly #front = new RingQueue<Delivery>();
  readonly #tail = new RingQueue<Delivery>();
  /** Chunks of `#front`, and those whose last message has left since the last collection. */
  #chunks: Chunk[] = [];
  /** Just being stored. */
  #written: Chunk[] = [];
  #frontEnd: number;
  #durableEnd: number;
  #writtenEnd: number;
  /** Where the next page begins; 0: nothing is known of the chunks, so with the first there is. */
  #scanFrom = 0;

  /** All that waits is in the store. */
  constructor(inbox: Inbox) {
    this.#frontEnd = inbox.firstSequence;
    this.#durableEnd = inbox.nextSequence;
    this.#writtenEnd = inbox.nextSequence;
  }

  /** Messages in memory. */
  get size(): number {
    return this.#front.size + this.#tail.size;
  }

  push(inbox: Inbox, delivery: Delivery): void {
    this.#tail.push(delivery);
    inbox.nextSequence += 1;
  }

  /** The oldest message; read from the store if need be. Null when none waits. */
  peek(inbox: Inbox, store: QueueStore): Delivery | null {
    while (this.#front.size === 0 && this.#frontEnd < this.#durableEnd)
      this.#readPage(inbox, store);
    return this.#front.peek() ?? this.#tail.peek() ?? null;
  }

  /** Takes out the message that `peek` has returned. */
  shift(inbox: Inbox): void {
    if (this.#front.size > 0) this.#front.shift();
    else this.#tail.shift();
    inbox.firstSequence += 1;
  }

  /**
   * Gives all messages new numbers behind the present ones, without those that `keeps` refuses, so
   * that they are stored anew and the chunks go. Reads the whole queue.
   */
  rewrite(inbox: Inbox, store: QueueStore, keeps: (delivery: Delivery) => boolean): void {
    const kept: Delivery[] = [];
    for (;;) {
      const delivery = this.peek(inbox, store);
      if (delivery === null) break;
      this.shift(inbox);
      if (keeps(delivery)) kept.push(delivery);
    }
    for (const delivery of kept) this.push(inbox, delivery);
  }

  /** Deletes the chunks that are empty, and writes the new ones. */
  collect(inbox: Inbox, writer: KeyValueWriter): void {
    const { id, firstSequence, nextSequence } = inbox;
    let empty = 0;
    for (const { first, end } of this.#chunks) {
      if (end > firstSequence) break;
      writer.delete(chunkKey(id, first));
      empty += 1;
    }
    if (empty > 0) this.#chunks = this.#chunks.slice(empty);
    let first = Math.max(this.#writtenEnd, firstSequence);
    // Nothing of what lies before is in the store.
    if (this.#frontEnd === this.#durableEnd && this.#front.size === 0) {
      this.#frontEnd = first;
      this.#durableEnd = first;
    }
    while (first < nextSequence) first = this.#writeChunk(inbox, writer, first);
    this.#writtenEnd = nextSequence;
  }

  /**
   * What the last `collect` wrote can be read. A session that is attached keeps some of it at hand.
   */
  collected(inbox: Inbox, store: QueueStore): void {
    const written = this.#written;
    this.#written = [];
    const isWhole = this.#frontEnd >= this.#durableEnd;
    let keeps = inbox.isAttached && isWhole;
    this.#durableEnd = this.#writtenEnd;
    for (const chunk of written) {
      keeps = keeps && this.#front.size < FRONT_MAX;
      const isEmpty = chunk.end <= inbox.firstSequence;
      if (keeps || isEmpty) this.#chunks.push(chunk);
      while (inbox.nextSequence - this.#tail.size < chunk.end && this.#tail.size > 0) {
        const delivery = this.#tail.shift()!;
        if (keeps) this.#front.push(delivery);
        else store.letGo(delivery);
      }
      if (keeps) this.#frontEnd = chunk.end;
    }
    if (isWhole) this.#scanFrom = this.#frontEnd;
    if (!inbox.isAttached) this.#forgetFront(inbox, store);
  }

  /** Everything leaves the memory; all of it is in the store. */
  letGo(store: QueueStore): void {
    for (let delivery = this.#front.shift(); delivery; delivery = this.#front.shift()) {
      store.letGo(delivery);
    }
    for (let delivery = this.#tail.shift(); delivery; delivery = this.#tail.shift()) {
      store.letGo(delivery);
    }
  }

  /** Those in memory, oldest first. */
  forEach(visit: (delivery: Delivery) => void): void {
    for (let i = 0; i < this.#front.size; i++) visit(this.#front.at(i));
    for (let i = 0; i < this.#tail.size; i++) visit(this.#tail.at(i));
  }

  /**
   * Tells `source` of the shared messages that only the store has deliveries of, a page a step.
   * Cold.
   */
  *countUnread(inbox: Inbox, store: QueueStore, source: SharedSource): Steps<void> {
    const unread = Math.max(this.#frontEnd, inbox.firstSequence);
    let scanFrom = this.#scanFrom;
    for (;;) {
      const start = chunkKey(inbox.id, scanFrom);
      const end = chunkKey(inbox.id, this.#durableEnd);
      const page = store.reader.scan(start, end, PAGE_CHUNKS, PAGE_BYTES);
      scanFrom = forEachChunk(page, scanFrom, (first, count) => {
        for (let i = 0; i < count; i++) {
          readDelivery(reader, first + i < unread ? NOT_COUNTED : source);
        }
      });
      if (page.length === 0) return;
      yield;
    }
  }

  #forgetFront(inbox: Inbox, store: QueueStore): void {
    for (let delivery = this.#front.shift(); delivery; delivery = this.#front.shift()) {
      store.letGo(delivery);
    }
    // Those that are empty have yet to be deleted.
    this.#chunks = this.#chunks.filter(({ end }) => end <= inbox.firstSequence);
    this.#frontEnd = Math.min(inbox.firstSequence, this.#durableEnd);
    this.#scanFrom = 0;
  }

  #writeChunk(inbox: Inbox, writer: KeyValueWriter, first: number): number {
    const tailFirst = inbox.nextSequence - this.#tail.size;
    scratch.clear();
    scratch.u32(0);
    let end = first;
    while (end < inbox.nextSequence && scratch.size < CHUNK_BYTES) {
      writeDelivery(scratch, this.#tail.at(end - tailFirst));
      end += 1;
    }
    scratch.patchU32(0, end - first);
    writer.put(chunkKey(inbox.id, first), scratch.bytes.subarray(0, scratch.size));
    this.#written.push({ first, end });
    return end;
  }

  #readPage(inbox: Inbox, store: QueueStore): void {
    const start = chunkKey(inbox.id, this.#scanFrom);
    const end = chunkKey(inbox.id, this.#durableEnd);
    const page = store.reader.scan(start, end, PAGE_CHUNKS, PAGE_BYTES);
    this.#frontEnd = forEachChunk(page, this.#frontEnd, (first, count) => {
      for (let i = 0; i < count; i++) {
        // Of one that has left its message may be gone, too: nobody must take it for stored.
        if (first + i < inbox.firstSequence) readDelivery(reader, NOT_COUNTED);
        else this.#front.push(readDelivery(reader, store));
      }
      this.#chunks.push({ first, end: first + count });
    });
    if (page.length === 0) this.#frontEnd = this.#durableEnd;
    this.#scanFrom = this.#frontEnd;
  }
}

/**
 * `visit` reads the deliveries of one chunk, `first` and those behind it, from `reader`. Returns
 * the sequence number behind the last chunk; `from` when there is none.
 */
function forEachChunk(
  page: readonly KeyValue[],
  from: number,
  visit: (first: number, count: number) => void,
): number {
  let end = from;
  for (const { key, value } of page) {
    const first = sequenceOf(key);
    reader.reset(value, 0, value.length);
    const count = reader.u32();
    visit(first, count);
    reader.release();
    end = first + count;
  }
  return end;
}
