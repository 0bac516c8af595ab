/**
 * Where every entry of a segment log lies: an EntryIndex per range, kept up to date by the
 * directories of batches, the same way when they are written and when a store is opened.
 *
 * Thread: worker. Scope: one per store.
 */

import type { RangeId } from "../../shared/range/range-descriptor.ts";
import { visitDirectory } from "./batch-directory-codec.ts";
import { EntryIndex } from "./entry-index.ts";
import { SegmentLoads } from "./segment-loads.ts";
import { RANGE_ID_MAX } from "./store-schema.ts";

export interface IndexedBatch {
  readonly segment: number;
  readonly payloadAt: number;
  readonly directory: Uint8Array;
}

/** A place in the logs of all ranges. */
export interface IndexCursor {
  readonly id: RangeId;
  readonly index: number;
}

/** Entries low..high of a range, all of them there. */
export interface IndexRun {
  readonly id: RangeId;
  readonly entries: EntryIndex;
  readonly low: number;
  readonly high: number;
}

export const INDEX_BEGIN: IndexCursor = { id: 0, index: 0 };
/** Behind the last entry of the last range. */
export const INDEX_END: IndexCursor = { id: RANGE_ID_MAX + 1, index: 0 };

const NONE = () => {};

export class LogIndex {
  readonly loads = new SegmentLoads();
  readonly #ranges = new Map<RangeId, EntryIndex>();
  /** Ids of `#ranges`, ascending; null: to be sorted again. */
  #sorted: readonly RangeId[] | null = null;

  /** Null: the range has, or had, no entry. */
  range(id: RangeId): EntryIndex | null {
    return this.#ranges.get(id) ?? null;
  }

  /** The directory is sound, and of a payload that has room for what it tells of. */
  apply({ segment, payloadAt, directory }: IndexedBatch): void {
    visitDirectory(directory, Number.POSITIVE_INFINITY, {
      entry: (id, index, at, size) => this.#make(id).put(index, segment, payloadAt + at, size),
      removed: (id, from, to) => this.#ranges.get(id)?.remove(from, to),
      put: NONE,
      deleted: NONE,
    });
  }

  /** The entries from `start` up to, not including, `end`, range by range. */
  runs(start: IndexCursor, end: IndexCursor): readonly IndexRun[] {
    const runs: IndexRun[] = [];
    for (const id of this.#idsFrom(start.id)) {
      if (id > end.id) break;
      const entries = this.#ranges.get(id)!;
      const low = Math.max(entries.first, id === start.id ? start.index : 0);
      const high = id === end.id ? Math.min(entries.last, end.index - 1) : entries.last;
      if (low <= high) runs.push({ id, entries, low, high });
    }
    return runs;
  }

  #idsFrom(start: RangeId): readonly RangeId[] {
    this.#sorted ??= [...this.#ranges.keys()].sort((left, right) => left - right);
    const from = this.#sorted.findIndex((id) => id >= start);
    return from < 0 ? [] : this.#sorted.slice(from);
  }

  #make(id: RangeId): EntryIndex {
    let entries = this.#ranges.get(id);
    if (entries === undefined) {
      entries = new EntryIndex(this.loads);
      this.#ranges.set(id, entries);
      this.#sorted = null;
    }
    return entries;
  }
}
