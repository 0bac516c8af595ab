/**
 * Reads a message that another machine wrote: whatever the bytes are, nothing throws and nothing
 * beyond the end is touched.
 *
 * The first field that does not fit or is not allowed makes the reader malformed; from then on
 * every read answers zero or empty and the position stands still. So a decoder reads its fields in
 * a row and asks once at the end. Loops must run by `isAtEnd` or by a count checked against
 * `remaining`, both of which end them when the reader is malformed. (RecordReader is for threads of
 * one process, where a wrong length is a bug and asserts.)
 *
 * Thread: any. Scope: one per message; cold paths, it allocates what it returns.
 */

import { assert } from "../base/assert.ts";
import { NO_BYTES, ownedCopy } from "./copy-bytes.ts";
import { decodeUtf8, scanUtf8, UTF8_NUL } from "./utf8.ts";

const TWO_POW_32 = 0x1_0000_0000;
/** Above it a u64 is no safe integer. */
const SAFE_HIGH_MAX = 0x1f_ffff;

export class WireReader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #position: number;
  #isMalformed = false;

  /** Borrows bytes[start, end) until the last read. */
  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    assert(start >= 0 && start <= end && end <= bytes.length, "a message lies inside its memory");
    this.#bytes = bytes;
    this.#position = start;
    this.#end = end;
  }

  get isMalformed(): boolean {
    return this.#isMalformed;
  }

  /** True after the last byte, and for a malformed message, of which nothing more will come. */
  get isAtEnd(): boolean {
    return this.#isMalformed || this.#position === this.#end;
  }

  /** Bytes not yet read; 0 for a malformed message. */
  get remaining(): number {
    return this.#isMalformed ? 0 : this.#end - this.#position;
  }

  /** A rule of the format is broken that the reader cannot see. */
  refuse(): void {
    this.#isMalformed = true;
  }

  u8(): number {
    const at = this.#take(1);
    return at < 0 ? 0 : this.#bytes[at]!;
  }

  u16(): number {
    const at = this.#take(2);
    return at < 0 ? 0 : this.#bytes[at]! | (this.#bytes[at + 1]! << 8);
  }

  u32(): number {
    const at = this.#take(4);
    if (at < 0) return 0;
    const bytes = this.#bytes;
    const low = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16);
    return (low | (bytes[at + 3]! << 24)) >>> 0;
  }

  /** Eight bytes that hold a safe integer. */
  u64(): number {
    const low = this.u32();
    const high = this.u32();
    if (high > SAFE_HIGH_MAX) this.refuse();
    return this.#isMalformed ? 0 : high * TWO_POW_32 + low;
  }

  /** An owned copy of the next `size` bytes. */
  raw(size: number): Uint8Array {
    const at = this.#take(size);
    return at < 0 ? NO_BYTES : ownedCopy(this.#bytes, at, at + size);
  }

  /** `size` bytes of well-formed UTF-8 without U+0000. */
  text(size: number): string {
    const at = this.#take(size);
    if (at < 0) return "";
    const flags = scanUtf8(this.#bytes, at, at + size);
    if (flags < 0 || (flags & UTF8_NUL) !== 0) {
      this.refuse();
      return "";
    }
    return decodeUtf8(this.#bytes, at, at + size);
  }

  #take(size: number): number {
    const at = this.#position;
    if (this.#isMalformed || size > this.#end - at) {
      this.#isMalformed = true;
      return -1;
    }
    this.#position = at + size;
    return at;
  }
}
