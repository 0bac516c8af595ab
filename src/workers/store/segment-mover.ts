/**
 * Frees old segments that a few entries still hold: writes those entries again, some with each
 * commit, so that a range which is seldom written to, or a replica that lags, does not keep the
 * whole log. It begins when the log takes more than four times what is in it: then a byte moved
 * frees three.
 *
 * Thread: worker. Scope: one per store.
 */

import type { RangeId } from "../../shared/range/range-descriptor.ts";
import { INDEX_BEGIN, INDEX_END, type IndexCursor, type LogIndex } from "./log-index.ts";

const MIB = 1024 * 1024;
/** Below that it is not worth it. */
const LOG_MIN_BYTES = 48 * MIB;
const LOG_BYTES_PER_LIVE = 4;
/** Of one commit. */
const MOVED_MAX_BYTES = 256 * 1024;
/** Looked at for one commit. */
const VISITS_MAX = 4096;

export interface EntryPlace {
  readonly id: RangeId;
  readonly index: number;
  readonly offset: number;
  readonly size: number;
}

export class SegmentMover {
  readonly #index: LogIndex;
  /** Whose entries are being moved. */
  #segment = 0;
  /** Where the walk over all entries goes on. */
  #from: IndexCursor = INDEX_BEGIN;

  constructor(index: LogIndex) {
    this.#index = index;
  }

  /** Entries of the oldest segment that the next commit shall write again; mostly none. */
  next(oldestSealed: number, logBytes: number): readonly EntryPlace[] {
    const { loads } = this.#index;
    const isWorthIt = logBytes > Math.max(LOG_MIN_BYTES, LOG_BYTES_PER_LIVE * loads.bytes);
    if (!isWorthIt || oldestSealed === 0 || loads.entriesIn(oldestSealed) === 0) return [];
    if (this.#segment !== oldestSealed) {
      this.#segment = oldestSealed;
      this.#from = INDEX_BEGIN;
    }
    return this.#collect();
  }

  #collect(): readonly EntryPlace[] {
    const places: EntryPlace[] = [];
    let bytes = 0;
    let visits = 0;
    for (const { id, entries, low, high } of this.#index.runs(this.#from, INDEX_END)) {
      for (let index = low; index <= high; index++, visits++) {
        if (visits === VISITS_MAX || bytes >= MOVED_MAX_BYTES) {
          this.#from = { id, index };
          return places;
        }
        if (entries.segment(index) !== this.#segment) continue;
        const size = entries.size(index);
        places.push({ id, index, offset: entries.offset(index), size });
        bytes += size;
      }
    }
    this.#from = INDEX_BEGIN;
    return places;
  }
}
