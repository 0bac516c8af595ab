/**
 * Reads what ByteWriter wrote. The writer is one of our own threads: a record that is too short is a bug, so reading
 * past the end asserts.
 */

import { assert } from "../base/assert.ts";

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #end: number;
  #position: number;

  /** Borrows bytes[offset, offset + length). */
  constructor(bytes: Uint8Array, offset: number, length: number) {
    assert(offset >= 0 && offset + length <= bytes.length, "record lies inside its buffer");
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#position = offset;
    this.#end = offset + length;
  }

  get remaining(): number {
    return this.#end - this.#position;
  }

  readUint8(): number {
    return this.#view.getUint8(this.#advance(1));
  }

  readUint16(): number {
    return this.#view.getUint16(this.#advance(2), true);
  }

  readUint32(): number {
    return this.#view.getUint32(this.#advance(4), true);
  }

  readFloat64(): number {
    return this.#view.getFloat64(this.#advance(8), true);
  }

  readString(): string {
    const length = this.readUint16();
    if (length === 0) return "";
    const start = this.#advance(length);
    // TextDecoder refuses shared memory, so text in a ring is copied out first.
    return decoder.decode(this.#bytes.slice(start, start + length));
  }

  /** Owned copy. */
  readBytes(): Uint8Array {
    const length = this.readUint32();
    const start = this.#advance(length);
    return this.#bytes.slice(start, start + length);
  }

  #advance(size: number): number {
    const start = this.#position;
    assert(start + size <= this.#end, "record is whole");
    this.#position = start + size;
    return start;
  }
}
