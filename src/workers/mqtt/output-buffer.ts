/**
 * Bytes on their way to one client, gathered during a duty cycle so that they leave in one write.
 *
 * Contract (the implementation may chain chunks): `reserve(size)` makes room for `size` contiguous
 * bytes and returns the offset to write them at in `bytes`; the space counts as written. `bytes`
 * may change with every `reserve`. Idle connections hold no memory: chunks come from a per-worker
 * pool and go back once written. Flow: publish 8/8, between encoder and transport.
 */

import { assert } from "../../shared/base/assert.ts";
import { CHUNK_SIZE_MAX, type ChunkPool } from "./output-pool.ts";

export interface OutputBuffer {
  /** The chunk that the last `reserve` pointed into. */
  readonly bytes: Uint8Array;
  /** Bytes reserved since the last flush. */
  readonly size: number;
  reserve(size: number): number;
}

const NO_BYTES = Buffer.alloc(0);

interface FilledChunk {
  readonly bytes: Buffer;
  readonly size: number;
}

/**
 * A queue of chunks: written at the tail by the encoder, sent from the head by the transport.
 *
 *     full[0]              full[1]  …  bytes
 *     |   | waiting ................ | new ... |      |
 *         headStart                            tailSize
 *
 * `flush` turns new bytes into waiting ones, whether or not the kernel takes them; only waiting
 * bytes are sent. New bytes go behind waiting ones in the same chunk, so that a slow client with a
 * little output per cycle does not hold a chunk per cycle. Up to 64 KiB there is only a tail: it
 * moves to a larger chunk by copying, so that a flush is a single write. Beyond, full chunks are
 * chained. Empty output holds no chunk. Thread: worker.
 */
export class ChunkedOutput<Owner> implements OutputBuffer {
  bytes: Buffer = NO_BYTES;
  size = 0;
  /** Bytes flushed and not yet sent. */
  waitingSize = 0;
  /** Where in `headBytes` the waiting bytes begin. */
  headStart = 0;
  #tailSize = 0;
  /** Up to where `reserve` is simple. 0 after a flush: the next `reserve` has to report "dirty". */
  #tailLimit = 0;
  /**
   * Size of the previous flush: its chunk size probably fits the next one, which saves growing by
   * copying.
   */
  #sizeHint = 0;
  #full: FilledChunk[] | null = null;
  readonly #pool: ChunkPool;
  readonly #markDirty: (owner: Owner) => void;
  readonly #owner: Owner;

  /** `markDirty(owner)` is called on the first `reserve` after a flush. */
  constructor(pool: ChunkPool, markDirty: (owner: Owner) => void, owner: Owner) {
    this.#pool = pool;
    this.#markDirty = markDirty;
    this.#owner = owner;
  }

  reserve(size: number): number {
    const offset = this.#tailSize;
    if (offset + size > this.#tailLimit) return this.#reserveSlowly(size);
    this.#tailSize = offset + size;
    this.size += size;
    return offset;
  }

  /** Where in `bytes` the next reserved byte goes, as long as `startsChunk` is false for it. */
  get end(): number {
    return this.#tailSize;
  }

  /**
   * True: `reserve(size)` will point into another chunk, at its front, and leave the current one as
   * it is.
   */
  startsChunk(size: number): boolean {
    const needed = this.#tailSize + size;
    return this.bytes.length === 0 || (needed > this.bytes.length && needed > CHUNK_SIZE_MAX);
  }

  /**
   * Takes back the last `size` reserved bytes of the chunk; fewer than were reserved since the last
   * flush.
   */
  unreserve(size: number): void {
    assert(size < this.size, "waiting bytes stay");
    this.#tailSize -= size;
    this.size -= size;
  }

  /** Makes new bytes waiting ones. */
  markFlushed(): void {
    this.waitingSize += this.size;
    this.size = 0;
    this.#tailLimit = 0;
  }

  /** The oldest chunk. */
  get headBytes(): Buffer {
    return this.#full === null ? this.bytes : this.#full[0]!.bytes;
  }

  /** Waiting bytes in the oldest chunk: those to send next. 0 when nothing waits. */
  get headWaiting(): number {
    return Math.min(this.#headEnd - this.headStart, this.waitingSize);
  }

  /** The first `size` waiting bytes of the head have been sent; 0 = none. */
  consume(size: number): void {
    if (size === 0) return;
    assert(size <= this.headWaiting, "more bytes sent than waited in the head");
    this.waitingSize -= size;
    this.headStart += size;
    if (this.headStart === this.#headEnd) this.#pool.release(this.#removeHead());
  }

  /**
   * Hands the chunk with the next `headWaiting` bytes, which count as sent, to the caller, who owes
   * the pool its `release`. New bytes behind them move to another chunk. Note `headStart` and
   * `headWaiting` before.
   */
  takeHead(): Buffer {
    const chunk = this.headBytes;
    const waiting = this.headWaiting;
    const newStart = this.headStart + waiting;
    const newSize = this.#headEnd - newStart;
    assert(waiting > 0, "no bytes wait");
    this.waitingSize -= waiting;
    if (newSize === 0) return this.#removeHead();
    const rest = this.#pool.acquire(newSize);
    rest.set(chunk.subarray(newStart, newStart + newSize));
    this.#replaceHead(rest, newSize);
    return chunk;
  }

  /** Forgets everything unsent. */
  discard(): void {
    this.markFlushed();
    while (this.waitingSize > 0) this.consume(this.headWaiting);
  }

  get #headEnd(): number {
    return this.#full === null ? this.#tailSize : this.#full[0]!.size;
  }

  #removeHead(): Buffer {
    this.headStart = 0;
    if (this.#full !== null) {
      const head = this.#full.shift()!;
      if (this.#full.length === 0) this.#full = null;
      return head.bytes;
    }
    const tail = this.bytes;
    this.#sizeHint = this.#tailSize;
    this.bytes = NO_BYTES;
    this.#tailSize = 0;
    this.#tailLimit = 0;
    return tail;
  }

  #replaceHead(bytes: Buffer, size: number): void {
    this.headStart = 0;
    if (this.#full !== null) {
      this.#full[0] = { bytes, size };
      return;
    }
    this.bytes = bytes;
    this.#tailSize = size;
    this.#tailLimit = bytes.length;
  }

  #reserveSlowly(size: number): number {
    if (this.size === 0) this.#markDirty(this.#owner);
    const needed = this.#tailSize + size;
    if (this.bytes.length === 0) {
      this.#startTail(Math.max(size, Math.min(this.#sizeHint, CHUNK_SIZE_MAX)));
    } else if (needed > this.bytes.length) {
      if (needed <= CHUNK_SIZE_MAX) this.#growTail(needed);
      else this.#chainTail(size);
    }
    const offset = this.#tailSize;
    this.#tailSize = offset + size;
    this.#tailLimit = this.bytes.length;
    this.size += size;
    return offset;
  }

  #startTail(size: number): void {
    this.bytes = this.#pool.acquire(size);
    this.#tailSize = 0;
  }

  #growTail(size: number): void {
    const larger = this.#pool.acquire(size);
    larger.set(this.bytes.subarray(0, this.#tailSize));
    this.#pool.release(this.bytes);
    this.bytes = larger;
  }

  #chainTail(size: number): void {
    this.#full ??= [];
    this.#full.push({ bytes: this.bytes, size: this.#tailSize });
    this.#startTail(Math.max(size, CHUNK_SIZE_MAX));
  }
}
