/**
 * Builds a record of fixed and variable fields in memory that grows as needed. Little endian, unaligned.
 * For records between threads that are not on the per-delivery path. One writer is reused by its owner: `written()` is
 * borrowed until the next `reset`.
 */

const encoder = new TextEncoder();
const FIRST_SIZE = 1024;

export class ByteWriter {
  #bytes = new Uint8Array(FIRST_SIZE);
  #view = new DataView(this.#bytes.buffer);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  reset(): void {
    this.#size = 0;
  }

  written(): Uint8Array {
    return this.#bytes.subarray(0, this.#size);
  }

  writeUint8(value: number): void {
    this.#view.setUint8(this.#advance(1), value);
  }

  writeUint16(value: number): void {
    this.#view.setUint16(this.#advance(2), value, true);
  }

  writeUint32(value: number): void {
    this.#view.setUint32(this.#advance(4), value, true);
  }

  writeFloat64(value: number): void {
    this.#view.setFloat64(this.#advance(8), value, true);
  }

  /** Overwrites a field written earlier, e.g. a count that was not known yet. */
  patchUint16(offset: number, value: number): void {
    this.#view.setUint16(offset, value, true);
  }

  patchUint32(offset: number, value: number): void {
    this.#view.setUint32(offset, value, true);
  }

  /** Length u16, then UTF-8. At most 65,535 bytes. */
  writeString(text: string): void {
    const lengthOffset = this.#advance(2);
    // A UTF-16 unit becomes at most three bytes of UTF-8.
    const start = this.#advance(text.length * 3);
    const length = encoder.encodeInto(text, this.#bytes.subarray(start)).written;
    this.#size = start + length;
    this.#view.setUint16(lengthOffset, length, true);
  }

  /** Length u32, then the bytes. */
  writeBytes(bytes: Uint8Array): void {
    this.writeUint32(bytes.length);
    this.#bytes.set(bytes, this.#advance(bytes.length));
  }

  #advance(size: number): number {
    const start = this.#size;
    const needed = start + size;
    if (needed > this.#bytes.length) this.#grow(needed);
    this.#size = needed;
    return start;
  }

  #grow(needed: number): void {
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes);
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}
