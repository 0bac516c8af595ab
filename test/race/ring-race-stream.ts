/**
 * The records of one direction, computable on both ends: from the same seed sender and receiver
 * derive the size and every byte of record number n, so the receiver checks sequence and content
 * without being told anything.
 */

/** A record begins with its sequence number. */
export const SEQUENCE_SIZE = 4;

/** Marsaglia's xorshift: period 2^32 - 1, any state but 0. */
export function nextRandom(state: number): number {
  let next = state;
  next ^= next << 13;
  next ^= next >>> 17;
  next ^= next << 5;
  return next;
}

export class RaceStream {
  /** Of the current record; -1 before the first `advance`. */
  sequence = -1;
  size = 0;
  readonly #largestSize: number;
  #state: number;

  /** `seed` is not 0. Sizes go up to `largestSize`, small ones by far the most frequent. */
  constructor(seed: number, largestSize: number) {
    this.#state = nextRandom(nextRandom(seed * 0x9e3779b1));
    this.#largestSize = largestSize;
  }

  advance(): void {
    this.sequence += 1;
    this.#state = nextRandom(this.#state);
    const kind = this.#state & 0xffff;
    const draw = this.#state >>> 16;
    if (kind < 2) this.size = SEQUENCE_SIZE + ((draw * 31) % this.#largestSize);
    else if (kind < 0x400) this.size = SEQUENCE_SIZE + (draw % 1000);
    else this.size = SEQUENCE_SIZE + (draw % 40);
  }

  write(bytes: Uint8Array, offset: number): void {
    const { sequence, size } = this;
    const salt = this.#state;
    for (let index = 0; index < SEQUENCE_SIZE; index += 1) {
      bytes[offset + index] = sequence >>> (8 * index);
    }
    for (let index = SEQUENCE_SIZE; index < size; index += 1) bytes[offset + index] = salt + index;
  }

  /** Throws unless the bytes are exactly the current record. */
  check(bytes: Uint8Array, offset: number, length: number): void {
    const { sequence, size } = this;
    if (length !== size) throw new Error(`record ${sequence}: ${length} bytes instead of ${size}`);
    const salt = this.#state;
    let difference = 0;
    for (let index = 0; index < SEQUENCE_SIZE; index += 1) {
      difference |= bytes[offset + index]! ^ ((sequence >>> (8 * index)) & 0xff);
    }
    if (difference !== 0) throw new Error(`record ${sequence}: another sequence number`);
    for (let index = SEQUENCE_SIZE; index < size; index += 1) {
      difference |= bytes[offset + index]! ^ ((salt + index) & 0xff);
    }
    if (difference !== 0) throw new Error(`record ${sequence}: other content`);
  }
}
