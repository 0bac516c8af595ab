/**
 * What a new inbox range must know of the damaged one whose place it takes: which identifiers were
 * used. Routes of the lost sessions are still about, and name incarnations; a new session must
 * never have one of those, or it would get what its predecessor's namesake wanted.
 *
 * Thread: worker. Scope: one per range that is made anew.
 */

import { RecordReader } from "../../bytes/record-reader.ts";
import { RecordWriter } from "../../bytes/record-writer.ts";
import type { KeyValue } from "../../range/key-value.ts";
import { compareKeys, type RangeDescriptor } from "../../range/range-descriptor.ts";
import { countersKey, firstBucket, makeId, numberInKey, numberOf } from "./inbox-key.ts";

const COUNTERS_BYTES = 8;
/**
 * Above the highest number found: those of the log that is lost, and of rows that are deleted, are
 * between. Four billion of 2^41, more than a range gives out between two collections or in the life
 * of its oldest session.
 */
const NUMBERS_LEFT_OUT = 2 ** 32;
/**
 * If nothing of the range was found, so that nobody knows what was used: as many per second since
 * 2020, which no range uses up in its life, and which 2^41 last for until 2088.
 */
const NUMBERS_PER_SECOND = 1024;
const FIRST_MS = 1_577_836_800_000;

export class InboxRenewal {
  readonly #counters: Uint8Array;
  /** Above all that was used if nothing was found. */
  readonly #unknown: number;
  #highest = 0;
  /** The lowest number, of an attempt that ended midway. */
  #earlier = 0;

  constructor({ start }: Pick<RangeDescriptor, "start">, nowMs: number) {
    const seconds = Math.max(0, Math.floor((nowMs - FIRST_MS) / 1000));
    this.#unknown = seconds * NUMBERS_PER_SECOND;
    this.#counters = countersKey(firstBucket(start));
  }

  /** A row of the damaged range; null: its value is damaged. Both are borrowed. */
  see(key: Uint8Array, value: Uint8Array | null): void {
    const isCounters = compareKeys(key, this.#counters) === 0 && value?.length === COUNTERS_BYTES;
    const number = isCounters ? readCounters(value) : numberInKey(key);
    this.#highest = Math.max(this.#highest, number);
  }

  /** What it found may be in a file by now, and not among the rows. */
  startAbove(id: number): void {
    this.#earlier = numberOf(id);
  }

  /** Every identifier of the new range is above. */
  get lowestId(): number {
    return makeId(this.#lastNumber, 0);
  }

  /** The first rows of the new range. */
  rows(): readonly KeyValue[] {
    const writer = new RecordWriter(COUNTERS_BYTES);
    writer.u64(this.#lastNumber);
    return [{ key: this.#counters, value: writer.bytes.slice(0, writer.size) }];
  }

  get #lastNumber(): number {
    if (this.#highest > 0) return Math.max(this.#earlier, this.#highest + NUMBERS_LEFT_OUT);
    return this.#earlier > 0 ? this.#earlier : this.#unknown + NUMBERS_LEFT_OUT;
  }
}

function readCounters(value: Uint8Array): number {
  const reader = new RecordReader();
  reader.reset(value, 0, value.length);
  const number = reader.u64();
  reader.release();
  return number;
}
