/**
 * Chunks of memory for output on its way to clients, in five sizes, shared by all connections of a
 * worker.
 *
 * A connection holds a chunk only from its first byte of a duty cycle until the kernel (or the TLS
 * layer) took it, so ten thousand idle connections hold nothing. Chunks of one size are cut from a
 * 64 KiB slab: an ArrayBuffer of its own per kilobyte would cost a third of that again. A larger
 * request gets a chunk of exactly its size that is not kept. Thread: worker. Scope: one per worker.
 */

import { assert } from "../../shared/base/assert.ts";

/**
 * Smallest first; most are four times their predecessor, so that growing by copying copies at most
 * half too much.
 */
export const CHUNK_SIZES = [1024, 4096, 16_384, 32_768, 65_536] as const;

/** The largest chunk that is kept, and the size of a slab. */
export const CHUNK_SIZE_MAX = 65_536;

/**
 * Free bytes kept per size: 1024 connections that each flush 16 KiB in one duty cycle find their
 * chunks again.
 */
const FREE_BYTES_MAX = 1024 * 16_384;

/**
 * Free chunks of one size. A count beside the array instead of `pop`: an array that shrinks and
 * grows with every duty cycle gets new memory every time.
 */
class FreeChunks {
  readonly #chunks: Buffer[] = [];
  readonly #chunkSize: number;
  readonly #countMax: number;
  #count = 0;

  constructor(chunkSize: number) {
    this.#chunkSize = chunkSize;
    this.#countMax = FREE_BYTES_MAX / chunkSize;
  }

  get bytes(): number {
    return this.#count * this.#chunkSize;
  }

  take(): Buffer {
    if (this.#count === 0) this.#cutSlab();
    this.#count -= 1;
    return this.#chunks[this.#count]!;
  }

  put(chunk: Buffer): void {
    if (this.#count === this.#countMax) return;
    this.#chunks[this.#count] = chunk;
    this.#count += 1;
  }

  #cutSlab(): void {
    const slab = Buffer.allocUnsafeSlow(CHUNK_SIZE_MAX);
    for (let start = 0; start < CHUNK_SIZE_MAX; start += this.#chunkSize) {
      this.put(slab.subarray(start, start + this.#chunkSize));
    }
  }
}

export class ChunkPool {
  readonly #free: readonly FreeChunks[] = CHUNK_SIZES.map((size) => new FreeChunks(size));
  #outstanding = 0;

  /** Chunks handed out and not yet given back; 0 when every connection is idle. */
  get outstandingCount(): number {
    return this.#outstanding;
  }

  /** Bytes that wait for their next use. */
  get freeBytes(): number {
    return this.#free.reduce((sum, chunks) => sum + chunks.bytes, 0);
  }

  /**
   * A chunk of at least `size` bytes with undefined content; the caller owns it until `release`.
   */
  acquire(size: number): Buffer {
    assert(size > 0, "a chunk holds at least one byte");
    this.#outstanding += 1;
    if (size > CHUNK_SIZE_MAX) return Buffer.allocUnsafeSlow(size);
    return this.#free[smallestFit(size)]!.take();
  }

  /** Takes a chunk back; nobody may touch it afterwards. */
  release(chunk: Buffer): void {
    this.#outstanding -= 1;
    assert(this.#outstanding >= 0, "a chunk was released twice");
    const size = chunk.length;
    if (size > CHUNK_SIZE_MAX) return;
    this.#free[smallestFit(size)]!.put(chunk);
  }
}

function smallestFit(size: number): number {
  if (size <= 1024) return 0;
  if (size <= 4096) return 1;
  if (size <= 16_384) return 2;
  return size <= 32_768 ? 3 : 4;
}
