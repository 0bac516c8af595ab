/**
 * What must be known of a range's log to write to it without reading it: which entries there are,
 * and which of them have several parts. It tells of what was gathered, durable or not.
 *
 *   first .. compacted | compacted+1 .. last
 *   to be trimmed        the log
 */

import { assert } from "../../shared/base/assert.ts";

export class LogShape {
  /** The oldest entry still there; above `last` when there is none. */
  first: number;
  last: number;
  /** As in the newest record. */
  compacted: number;
  /** Parts behind the first one, of entries that have any, by index. */
  readonly parts: Map<number, number>;

  constructor(first: number, last: number, compacted: number, parts: Map<number, number>) {
    this.first = first;
    this.last = last;
    this.compacted = compacted;
    this.parts = parts;
  }

  static empty(compacted: number): LogShape {
    return new LogShape(compacted + 1, compacted, compacted, new Map());
  }

  /** Entries from `index` on were removed. */
  cut(index: number): void {
    this.last = index - 1;
  }

  /** An entry was put behind all others; `extraParts` behind its first part. */
  add(index: number, extraParts: number): void {
    assert(index === this.last + 1 || index === this.compacted + 1, "a log has no gap");
    if (this.first > this.last) this.first = index;
    this.last = index;
    if (extraParts > 0) this.parts.set(index, extraParts);
  }

  /** Of an entry that is being removed: how many parts there are behind its first one. */
  takeParts(index: number): number {
    if (this.parts.size === 0) return 0;
    const count = this.parts.get(index) ?? 0;
    if (count > 0) this.parts.delete(index);
    return count;
  }
}
