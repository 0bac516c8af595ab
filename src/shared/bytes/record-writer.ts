/**
 * Writes the payload of a ring record: little-endian integers, strings and byte strings one after
 * the other into memory that grows by doubling.
 *
 * Why beside ByteWriter: batches of a whole duty cycle and the per-delivery path, so integers are
 * written by hand and ASCII text in one pass. Why not straight into the claimed ring memory: most
 * records of the services are batches whose size is unknown until the duty cycle ends, and one copy
 * of a small record costs less than computing its size first.
 * Counterpart: record-reader.ts. Thread: any; one writer per purpose, reused.
 */

import { assert } from "../base/assert.ts";

/**
 * Memory above this size is given back by `clear`: one large message must not stay allocated for
 * ever.
 */
const KEEP_BYTES = 256 * 1024;
const TWO_POW_32 = 0x1_0000_0000;

const encoder = new TextEncoder();

export class RecordWriter {
  readonly #initialBytes: number;
  #bytes: Uint8Array;
  #size = 0;

  constructor(initialBytes = 512) {
    this.#initialBytes = initialBytes;
    this.#bytes = new Uint8Array(initialBytes);
  }

  /** Everything written so far is bytes[0, size); the array changes when it grows. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  get size(): number {
    return this.#size;
  }

  clear(): void {
    this.#size = 0;
    if (this.#bytes.length > Math.max(KEEP_BYTES, this.#initialBytes)) {
      this.#bytes = new Uint8Array(this.#initialBytes);
    }
  }

  u8(value: number): void {
    const at = this.#reserve(1);
    this.#bytes[at] = value;
  }

  u16(value: number): void {
    const at = this.#reserve(2);
    this.#bytes[at] = value;
    this.#bytes[at + 1] = value >>> 8;
  }

  u32(value: number): void {
    const at = this.#reserve(4);
    this.#putU32(at, value);
  }

  /** A non-negative safe integer in eight bytes: epochs, wall-clock milliseconds. */
  u64(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, "u64 takes non-negative safe integers");
    const at = this.#reserve(8);
    this.#putU32(at, value % TWO_POW_32);
    this.#putU32(at + 4, Math.floor(value / TWO_POW_32));
  }

  /**
   * Appends `count` bytes for the caller to write, and returns where in `bytes` they begin. `bytes`
   * must be asked for afterwards: it may be another array.
   */
  claim(count: number): number {
    return this.#reserve(count);
  }

  /** Overwrites a byte written earlier. */
  patchU8(at: number, value: number): void {
    assert(at >= 0 && at < this.#size, "patch inside what was written");
    this.#bytes[at] = value;
  }

  /** Overwrites four bytes written earlier, e.g. a count that is known only at the end. */
  patchU32(at: number, value: number): void {
    assert(at >= 0 && at + 4 <= this.#size, "patch inside what was written");
    this.#putU32(at, value);
  }

  /** Overwrites eight bytes written earlier. */
  patchU64(at: number, value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, "u64 takes non-negative safe integers");
    this.patchU32(at, value % TWO_POW_32);
    this.patchU32(at + 4, Math.floor(value / TWO_POW_32));
  }

  /**
   * Length (u32), then UTF-8. One pass while the text is ASCII, which client identifiers and
   * filters mostly are.
   */
  text(value: string): void {
    const length = value.length;
    const at = this.#reserve(4 + length);
    const bytes = this.#bytes;
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i);
      if (code > 0x7f) {
        this.#size = at;
        this.blob(encoder.encode(value));
        return;
      }
      bytes[at + 4 + i] = code;
    }
    this.#putU32(at, length);
  }

  /** Length (u32), then the bytes. */
  blob(value: Uint8Array): void {
    const at = this.#reserve(4 + value.length);
    this.#putU32(at, value.length);
    this.#bytes.set(value, at + 4);
  }

  /** The bytes alone. */
  raw(value: Uint8Array): void {
    const at = this.#reserve(value.length);
    this.#bytes.set(value, at);
  }

  #putU32(at: number, value: number): void {
    const bytes = this.#bytes;
    bytes[at] = value;
    bytes[at + 1] = value >>> 8;
    bytes[at + 2] = value >>> 16;
    bytes[at + 3] = value >>> 24;
  }

  #reserve(count: number): number {
    const at = this.#size;
    const end = at + count;
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(end, this.#bytes.length * 2));
      grown.set(this.#bytes.subarray(0, at));
      this.#bytes = grown;
    }
    this.#size = end;
    return at;
  }
}
