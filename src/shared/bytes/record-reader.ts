/**
 * Reads the payload of a ring record that record-writer.ts wrote. Unlike ByteReader it makes
 * nothing per record, so it serves the per-delivery path.
 *
 * Both ends are threads of this process, so a length that does not fit is a bug of ours: every read
 * asserts it. One reader is reused for all records of a service; `reset` points it at the next one.
 * Strings that repeat (tenants, client identifiers of busy publishers) come out of a small cache
 * without an allocation.
 * Thread: any; not re-entrant.
 */

import { assert } from "../base/assert.ts";

const TWO_POW_32 = 0x1_0000_0000;
const NO_BYTES = new Uint8Array(0);
/** 256 slots of one string each: a few dozen tenants and the busiest publishers of one thread. */
const CACHE_SLOTS = 256;
/** Longer strings rarely repeat; hashing them would cost more than it saves. */
const CACHE_MAX_BYTES = 64;

// A byte order mark is part of the text: MQTT forbids stripping it [MQTT-1.5.4-3].
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
// One thread, never re-entrant: `text` runs to its end before anybody else reads.
const scratch = new Uint8Array(CACHE_MAX_BYTES);

export class RecordReader {
  readonly #cache: string[] = new Array<string>(CACHE_SLOTS).fill("");
  #bytes: Uint8Array = NO_BYTES;
  #position = 0;
  #end = 0;

  reset(bytes: Uint8Array, offset: number, length: number): void {
    assert(offset >= 0 && offset + length <= bytes.length, "record lies inside its memory");
    this.#bytes = bytes;
    this.#position = offset;
    this.#end = offset + length;
  }

  /** Forgets the borrowed memory, so that a reader at rest keeps no ring alive. */
  release(): void {
    assert(this.#position === this.#end, "record read to its end");
    this.#bytes = NO_BYTES;
    this.#position = 0;
    this.#end = 0;
  }

  /** The record's memory, borrowed as long as it; `skip` says where in it things lie. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  get isAtEnd(): boolean {
    return this.#position === this.#end;
  }

  u8(): number {
    return this.#bytes[this.#take(1)]!;
  }

  u16(): number {
    const at = this.#take(2);
    return this.#bytes[at]! | (this.#bytes[at + 1]! << 8);
  }

  u32(): number {
    const at = this.#take(4);
    const bytes = this.#bytes;
    const low = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16);
    return (low | (bytes[at + 3]! << 24)) >>> 0;
  }

  u64(): number {
    const low = this.u32();
    return this.u32() * TWO_POW_32 + low;
  }

  text(): string {
    const length = this.u32();
    if (length === 0) return "";
    const at = this.#take(length);
    if (length <= CACHE_MAX_BYTES) return this.#cachedText(at, length);
    // Copied first: not every TextDecoder takes shared memory.
    return decoder.decode(Uint8Array.prototype.slice.call(this.#bytes, at, at + length));
  }

  /** An owned copy. */
  blob(): Uint8Array {
    return this.raw(this.u32());
  }

  /** An owned copy of the next `length` bytes. */
  raw(length: number): Uint8Array {
    if (length === 0) return NO_BYTES;
    const at = this.#take(length);
    // Not `this.#bytes.slice`: of a Buffer that would be a view, and this must be a copy.
    return Uint8Array.prototype.slice.call(this.#bytes, at, at + length);
  }

  /** Passes over `length` bytes and returns the offset in `bytes` at which they begin. */
  skip(length: number): number {
    return this.#take(length);
  }

  /** An owned copy of everything that has not been read yet. */
  rest(): Uint8Array {
    return this.raw(this.#end - this.#position);
  }

  #cachedText(at: number, length: number): string {
    const bytes = this.#bytes;
    let hash = 0x811c9dc5;
    for (let i = 0; i < length; i++) {
      const byte = bytes[at + i]!;
      scratch[i] = byte;
      hash = Math.imul(hash ^ byte, 0x01000193);
    }
    const slot = (hash ^ (hash >>> 16)) & (CACHE_SLOTS - 1);
    const cached = this.#cache[slot]!;
    // Only ASCII text is cached (below: as many units as bytes), so equal units mean equal bytes.
    if (cached.length === length) {
      let i = 0;
      while (i < length && cached.charCodeAt(i) === bytes[at + i]) i += 1;
      if (i === length) return cached;
    }
    const value = decoder.decode(scratch.subarray(0, length));
    if (value.length === length) this.#cache[slot] = value;
    return value;
  }

  #take(count: number): number {
    const at = this.#position;
    assert(count <= this.#end - at, "record is as long as its fields say");
    this.#position = at + count;
    return at;
  }
}
