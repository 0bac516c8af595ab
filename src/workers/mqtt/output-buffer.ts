/**
 * Bytes on their way to one client, gathered during a duty cycle so that they leave in one write.
 *
 * Contract (the implementation may chain chunks): `reserve(size)` makes room for `size` contiguous bytes and returns
 * the offset to write them at in `bytes`; the space counts as written. `bytes` may change with every `reserve`.
 * Idle connections hold no memory: chunks come from a per-worker pool and go back once written.
 * Flow: publish 8/8, between encoder and transport.
 */

import { assert } from "../../shared/base/assert.ts";
import { CHUNK_SIZE_MAX, type ChunkPool } from "./output-pool.ts";

export interface OutputBuffer {
  /** The chunk that the last `reserve` pointed into. */
  readonly bytes: Uint8Array;
  /** Bytes reserved and not yet flushed. A transport that waits for the kernel leaves them here. */
  readonly size: number;
  reserve(size: number): number;
}

const NO_BYTES = Buffer.alloc(0);

interface FilledChunk {
  readonly bytes: Buffer;
  readonly size: number;
}

/**
 * A queue of chunks: written at the tail by the encoder, taken from the head by the transport.
 *
 *     full[0]  full[1]  …  bytes[0 .. tailSize)     size = the sum of all
 *       head                    tail
 *
 * Up to 64 KiB there is only a tail: it moves to a larger chunk by copying, so that a flush is a single write.
 * Beyond, full chunks are chained. While empty it holds no chunk, and `bytes` has length 0: therefore the first
 * `reserve` after a flush takes the slow path, the only place that reports "dirty". Thread: worker.
 */
export class ChunkedOutput<Owner> implements OutputBuffer {
  bytes: Buffer = NO_BYTES;
  size = 0;
  #tailSize = 0;
  /** Size of the previous flush: its chunk size probably fits the next one, which saves growing by copying. */
  #sizeHint = 0;
  #full: FilledChunk[] | null = null;
  readonly #pool: ChunkPool;
  readonly #markDirty: (owner: Owner) => void;
  readonly #owner: Owner;

  /** `markDirty(owner)` is called on the first `reserve` after the output was empty. */
  constructor(pool: ChunkPool, markDirty: (owner: Owner) => void, owner: Owner) {
    this.#pool = pool;
    this.#markDirty = markDirty;
    this.#owner = owner;
  }

  reserve(size: number): number {
    const offset = this.#tailSize;
    if (offset + size > this.bytes.length) return this.#reserveInNewChunk(size);
    this.#tailSize = offset + size;
    this.size += size;
    return offset;
  }

  /** Bytes of the oldest chunk; 0 when empty. */
  get headSize(): number {
    return this.#full === null ? this.#tailSize : this.#full[0]!.size;
  }

  /** The oldest chunk: its first `headSize` bytes are to be sent next. */
  get headBytes(): Buffer {
    return this.#full === null ? this.bytes : this.#full[0]!.bytes;
  }

  /** Removes the head, which has been sent, and gives its chunk back. */
  dropHead(): void {
    this.#pool.release(this.takeHead());
  }

  /** Removes the head and hands its chunk to the caller, who owes the pool its `release`. */
  takeHead(): Buffer {
    assert(this.size > 0, "empty output has no head");
    if (this.#full === null) return this.#takeTail();
    const head = this.#full.shift()!;
    if (this.#full.length === 0) this.#full = null;
    this.size -= head.size;
    return head.bytes;
  }

  /** Forgets everything unsent. */
  discard(): void {
    while (this.size > 0) this.dropHead();
  }

  #takeTail(): Buffer {
    const tail = this.bytes;
    this.#sizeHint = this.#tailSize;
    this.bytes = NO_BYTES;
    this.#tailSize = 0;
    this.size = 0;
    return tail;
  }

  #reserveInNewChunk(size: number): number {
    if (this.size === 0) {
      this.bytes = this.#pool.acquire(Math.max(size, Math.min(this.#sizeHint, CHUNK_SIZE_MAX)));
      this.#tailSize = size;
      this.size = size;
      this.#markDirty(this.#owner);
      return 0;
    }
    const needed = this.#tailSize + size;
    if (needed <= CHUNK_SIZE_MAX) return this.#grow(needed, size);
    this.#full ??= [];
    this.#full.push({ bytes: this.bytes, size: this.#tailSize });
    this.bytes = this.#pool.acquire(Math.max(size, CHUNK_SIZE_MAX));
    this.#tailSize = size;
    this.size += size;
    return 0;
  }

  #grow(needed: number, size: number): number {
    const larger = this.#pool.acquire(needed);
    const offset = this.#tailSize;
    larger.set(this.bytes.subarray(0, offset));
    this.#pool.release(this.bytes);
    this.bytes = larger;
    this.#tailSize = needed;
    this.size += size;
    return offset;
  }
}
