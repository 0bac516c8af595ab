/**
 * Reading end of one ring (bytes: ring-layout.ts). Thread: the one consumer of the ring.
 *
 * Invariant: memory from `head` on belongs to the records being read; the producer may reuse it
 * only after the new head is stored. Only our own producer writes here, so an impossible length is
 * a bug and asserts. Allocates nothing.
 */

import { assert } from "../base/assert.ts";
import {
  HEAD_WORD,
  PADDING_TYPE,
  PARKED_WORD,
  RECORD_HEADER_SIZE,
  RECORDS_OFFSET,
  recordSize,
  ringCapacity,
  STARVED_WORD,
} from "./ring-layout.ts";

/**
 * `type` with its part flags; `offset` and `length` of the payload in the consumer's `bytes`, until
 * it returns.
 */
export type RecordSink = (type: number, offset: number, length: number) => void;

export class SpscConsumer {
  /** The whole ring. */
  readonly bytes: Uint8Array;
  readonly #words: Int32Array;
  readonly #capacity: number;
  readonly #mask: number;
  #head: number;
  /** Room was made since takeStarved was last asked. */
  #hasReleased = false;

  constructor(ring: SharedArrayBuffer) {
    this.#capacity = ringCapacity(ring);
    this.bytes = new Uint8Array(ring);
    this.#words = new Int32Array(ring);
    this.#mask = this.#capacity - 1;
    this.#head = Atomics.load(this.#words, HEAD_WORD);
  }

  /** True when a committed record waits (or padding: drain takes it away). */
  get hasRecord(): boolean {
    return Atomics.load(this.#words, this.#wordAt(this.#head)) > 0;
  }

  /**
   * Hands up to `limit` committed records to `sink`, in order; returns how many. Not re-entrant.
   */
  drain(limit: number, sink: RecordSink): number {
    const words = this.#words;
    const capacity = this.#capacity;
    let head = this.#head;
    let count = 0;
    while (count < limit) {
      const index = head & this.#mask;
      const word = (RECORDS_OFFSET + index) >> 2;
      const length = Atomics.load(words, word);
      if (length <= 0) break;
      const isPossible = length >= RECORD_HEADER_SIZE && length <= capacity - index;
      assert(isPossible, "ring: record length impossible");
      const payloadLength = length - RECORD_HEADER_SIZE;
      const taken = recordSize(payloadLength);
      const type = words[word + 1]!;
      if (type !== PADDING_TYPE) {
        sink(type, RECORDS_OFFSET + index + RECORD_HEADER_SIZE, payloadLength);
        count += 1;
      }
      head = (head + taken) | 0;
      // A quarter at a time: a large message flows on while its first parts are copied out.
      if (((head - this.#head) | 0) >= capacity >> 2) this.#release(head);
    }
    if (head !== this.#head) this.#release(head);
    return count;
  }

  /** Reads a word at a payload offset: payloads start at a multiple of 8. */
  readWord(offset: number): number {
    return this.#words[offset >> 2]!;
  }

  /** Says "asleep" to the producer. Look at `hasRecord` once more after this call, then sleep. */
  park(): void {
    Atomics.store(this.#words, PARKED_WORD, 1);
  }

  unpark(): void {
    Atomics.store(this.#words, PARKED_WORD, 0);
  }

  /**
   * True when the producer sleeps for want of room and there is some since the last call: its bell
   * is due.
   */
  takeStarved(): boolean {
    if (!this.#hasReleased) return false;
    this.#hasReleased = false;
    const words = this.#words;
    if (Atomics.load(words, STARVED_WORD) === 0) return false;
    Atomics.store(words, STARVED_WORD, 0);
    return true;
  }

  #release(head: number): void {
    this.#head = head;
    this.#hasReleased = true;
    Atomics.store(this.#words, HEAD_WORD, head);
  }

  #wordAt(position: number): number {
    return (RECORDS_OFFSET + (position & this.#mask)) >> 2;
  }
}
