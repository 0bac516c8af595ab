/** A range's part of its service's stored state; the bounds move with cuts and merges. */

import type { KeyValue, KeyValueReader } from "../../../../src/shared/range/key-value.ts";
import {
  clipToRange,
  type RangeDescriptor,
} from "../../../../src/shared/range/range-descriptor.ts";

export class BoundedReader implements KeyValueReader {
  bounds: Pick<RangeDescriptor, "start" | "end">;
  readonly #table: KeyValueReader;

  constructor(table: KeyValueReader, bounds: Pick<RangeDescriptor, "start" | "end">) {
    this.#table = table;
    this.bounds = bounds;
  }

  get(key: Uint8Array): Uint8Array | null {
    return this.#table.get(key);
  }

  scan(
    start: Uint8Array,
    end: Uint8Array | null,
    maxEntries: number,
    maxBytes: number,
  ): readonly KeyValue[] {
    const [from, to] = clipToRange(this.bounds, start, end);
    return this.#table.scan(from, to, maxEntries, maxBytes);
  }
}
