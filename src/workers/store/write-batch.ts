/**
 * The writes of one commit, in order: keys and values lie one after the other in memory that is
 * used again for a later commit, so that gathering copies each byte once and makes no object per
 * write.
 *
 *   bytes    | key | value | key | key | value ...
 *   fields   table, key offset, key size, value offset, value size (-1: delete) of each write
 *
 * Whoever makes the writes durable borrows the batch until they are. Thread: worker.
 */

import { assert } from "../../shared/base/assert.ts";
import { RecordWriter } from "../../shared/bytes/record-writer.ts";
import type { StoreTable } from "./store-engine.ts";

/** A busy duty cycle: 4,000 entries of 256 bytes. What a larger one needs is given back. */
const INITIAL_BYTES = 1024 * 1024;
const FIELDS = 5;
const DELETE = -1;

export class WriteBatch {
  readonly #writer = new RecordWriter(INITIAL_BYTES);
  readonly #fields: number[] = [];
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Bytes of keys and values. */
  get bytes(): number {
    return this.#writer.size;
  }

  clear(): void {
    this.#writer.clear();
    this.#count = 0;
  }

  put(table: StoreTable, key: Uint8Array, value: Uint8Array): void {
    const keyAt = this.#copy(key);
    this.#push(table, keyAt, key.length);
    this.#setValue(this.#copy(value), value.length);
  }

  delete(table: StoreTable, key: Uint8Array): void {
    this.#push(table, this.#copy(key), key.length);
  }

  /**
   * Bytes that become values of writes by `putWritten`: for what is encoded here rather than
   * elsewhere and copied. Write behind what is there, nothing else.
   */
  get writer(): RecordWriter {
    return this.#writer;
  }

  /** A write whose value is what was written to `writer` at `valueAt`. */
  putWritten(table: StoreTable, key: Uint8Array, valueAt: number, valueSize: number): void {
    assert(valueAt + valueSize <= this.#writer.size, "a written value lies inside the batch");
    const keyAt = this.#copy(key);
    this.#push(table, keyAt, key.length);
    this.#setValue(valueAt, valueSize);
  }

  table(at: number): StoreTable {
    return this.#fields[at * FIELDS] as StoreTable;
  }

  /** Borrowed. */
  key(at: number): Uint8Array {
    const from = this.keyAt(at);
    return this.#writer.bytes.subarray(from, from + this.keySize(at));
  }

  /** Borrowed; null: the key is deleted. */
  value(at: number): Uint8Array | null {
    if (this.isDelete(at)) return null;
    const from = this.valueAt(at);
    return this.#writer.bytes.subarray(from, from + this.valueSize(at));
  }

  isDelete(at: number): boolean {
    return this.#fields[at * FIELDS + 4] === DELETE;
  }

  // Where in the memory of all writes one's key and value lie.

  keyAt(at: number): number {
    return this.#fields[at * FIELDS + 1]!;
  }

  keySize(at: number): number {
    return this.#fields[at * FIELDS + 2]!;
  }

  valueAt(at: number): number {
    return this.#fields[at * FIELDS + 3]!;
  }

  /** Not of a delete. */
  valueSize(at: number): number {
    return this.#fields[at * FIELDS + 4]!;
  }

  /** Keys and values of all writes; borrowed. */
  get memory(): Uint8Array {
    return this.#writer.bytes.subarray(0, this.#writer.size);
  }

  #copy(bytes: Uint8Array): number {
    const at = this.#writer.size;
    this.#writer.raw(bytes);
    return at;
  }

  #push(table: StoreTable, keyAt: number, keySize: number): void {
    const at = this.#count * FIELDS;
    this.#fields[at] = table;
    this.#fields[at + 1] = keyAt;
    this.#fields[at + 2] = keySize;
    this.#fields[at + 3] = 0;
    this.#fields[at + 4] = DELETE;
    this.#count += 1;
  }

  #setValue(valueAt: number, valueSize: number): void {
    const at = (this.#count - 1) * FIELDS;
    this.#fields[at + 3] = valueAt;
    this.#fields[at + 4] = valueSize;
  }
}
