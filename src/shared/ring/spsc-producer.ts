/**
 * Writing end of one ring (bytes: ring-layout.ts). Thread: the one producer of the ring.
 *
 *   tryClaim(type, size) -> offset     the caller writes bytes[offset .. offset + size)
 *   commit()                           the record is visible to the consumer
 *   abort()                            the claim never happened
 *
 * Invariant: the length word at `tail` is 0 or negative until a commit turns it positive, and a
 * committed record is not touched again before the consumer's head has passed it. Allocates
 * nothing.
 */

import { assert } from "../base/assert.ts";
import { RING_FULL } from "./ring-endpoint.ts";
import {
  HEAD_WORD,
  maxClaimSize,
  PADDING_TYPE,
  PARKED_WORD,
  RECORD_HEADER_SIZE,
  RECORDS_OFFSET,
  recordSize,
  ringCapacity,
  STARVED_WORD,
  TAIL_WORD,
} from "./ring-layout.ts";

const NO_CLAIM = 0;

export class SpscProducer {
  /** The whole ring; claims are offsets into it. */
  readonly bytes: Uint8Array;
  readonly maxClaimSize: number;
  readonly capacity: number;
  readonly #words: Int32Array;
  readonly #mask: number;
  #tail: number;
  /** The consumer's head as last seen: its line is fetched only when the ring looks full. */
  #cachedHead: number;
  /** Length word that commit will write, or NO_CLAIM. */
  #claimedLength = NO_CLAIM;

  constructor(ring: SharedArrayBuffer) {
    this.capacity = ringCapacity(ring);
    this.maxClaimSize = maxClaimSize(this.capacity);
    this.bytes = new Uint8Array(ring);
    this.#words = new Int32Array(ring);
    this.#mask = this.capacity - 1;
    this.#tail = Atomics.load(this.#words, TAIL_WORD);
    this.#cachedHead = Atomics.load(this.#words, HEAD_WORD);
  }

  get hasClaim(): boolean {
    return this.#claimedLength !== NO_CLAIM;
  }

  /**
   * Reserves `size` bytes of payload for a record; `type` includes the part flags. Returns their
   * offset in `bytes`, or RING_FULL. Asserts 0 <= size <= maxClaimSize and that no claim is open.
   */
  tryClaim(type: number, size: number): number {
    assert(this.#claimedLength === NO_CLAIM, "ring: a claim is open");
    assert(size >= 0 && size <= this.maxClaimSize, "ring: claim size out of range");
    const words = this.#words;
    const taken = recordSize(size);
    const index = this.#tail & this.#mask;
    const toEnd = this.capacity - index;
    const padding = taken <= toEnd ? 0 : toEnd;
    // A header more: commit clears the length word behind the record, which must not be in use.
    if (!this.#hasRoom(padding + taken + RECORD_HEADER_SIZE)) return RING_FULL;
    const start = RECORDS_OFFSET + (padding > 0 ? 0 : index);
    const length = RECORD_HEADER_SIZE + size;
    words[start >> 2] = -length;
    words[(start >> 2) + 1] = type;
    // After the claimed length word: the consumer looks there once it has passed the padding.
    if (padding > 0) this.#commitPadding(index, padding);
    this.#claimedLength = length;
    return start + RECORD_HEADER_SIZE;
  }

  /**
   * Publishes the claimed record: everything written before is visible to whoever reads its length
   * word.
   */
  commit(): void {
    const length = this.#claimedLength;
    assert(length !== NO_CLAIM, "ring: commit without a claim");
    const words = this.#words;
    const word = (RECORDS_OFFSET + (this.#tail & this.#mask)) >> 2;
    const next = (this.#tail + recordSize(length - RECORD_HEADER_SIZE)) | 0;
    words[(RECORDS_OFFSET + (next & this.#mask)) >> 2] = 0;
    // For observers and for a producer that takes over: the consumer goes by length words alone.
    words[TAIL_WORD] = next;
    Atomics.store(words, word, length);
    this.#tail = next;
    this.#claimedLength = NO_CLAIM;
  }

  /**
   * Takes the claim back. Nobody has seen it, so its memory is free at once instead of travelling
   * as padding.
   */
  abort(): void {
    assert(this.#claimedLength !== NO_CLAIM, "ring: abort without a claim");
    this.#words[(RECORDS_OFFSET + (this.#tail & this.#mask)) >> 2] = 0;
    this.#claimedLength = NO_CLAIM;
  }

  /** Writes a word at a payload offset from tryClaim: payloads start at a multiple of 8. */
  writeWord(offset: number, value: number): void {
    this.#words[offset >> 2] = value;
  }

  /**
   * True for one caller per parking: the consumer sleeps and its bell is now ours to ring. Call it
   * after the commits it stands for; the consumer parks first and looks for records second, so one
   * of the two sees the other.
   */
  takeParked(): boolean {
    const words = this.#words;
    return Atomics.load(words, PARKED_WORD) === 1 && Atomics.exchange(words, PARKED_WORD, 0) === 1;
  }

  /**
   * Asks the consumer for a bell when it makes room. Look for room once more after this call, then
   * sleep.
   */
  setStarved(): void {
    Atomics.store(this.#words, STARVED_WORD, 1);
  }

  #commitPadding(index: number, length: number): void {
    const words = this.#words;
    const word = (RECORDS_OFFSET + index) >> 2;
    words[word + 1] = PADDING_TYPE;
    this.#tail = (this.#tail + length) | 0;
    words[TAIL_WORD] = this.#tail;
    Atomics.store(words, word, length);
  }

  #hasRoom(needed: number): boolean {
    if (needed <= this.capacity - ((this.#tail - this.#cachedHead) | 0)) return true;
    this.#cachedHead = Atomics.load(this.#words, HEAD_WORD);
    return needed <= this.capacity - ((this.#tail - this.#cachedHead) | 0);
  }
}
