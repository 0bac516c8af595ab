/**
 * Says which ranges have grown so much that they should be cut in two: by keys and by the memory of
 * their state, at once; by the time that they keep their worker busy, when that lasts. Pure: loads
 * and time in, hints out; who cuts is main's range-splitter.ts.
 *
 * Halves of a range that was just cut are far from every limit but that of time, which only a move
 * to another worker could cure; so nothing is cut again soon. Scope: one per node.
 */

import type { RangeId } from "./range-descriptor.ts";
import type { RangeLoad } from "./range-report.ts";

/** 0 = never for this reason. */
export interface SplitLimits {
  readonly keys: number;
  readonly bytes: number;
  /** Of one core, 0..100. */
  readonly busyPercent: number;
}

export type SplitReason = "keys" | "bytes" | "busy";

export interface SplitHint {
  readonly id: RangeId;
  readonly reason: SplitReason;
}

/** Reports in a row, one per second, that must say "busy". */
const BUSY_REPORTS = 10;
/** After a cut, or when it was not possible: state and load settle meanwhile. */
const PAUSE_MS = 60_000;
const REPORT_MICROS = 1_000_000;

interface Memory {
  busyReports: number;
  pausedUntilMs: number;
}

export class SplitHinter {
  readonly #limits: SplitLimits;
  readonly #memories = new Map<RangeId, Memory>();

  constructor(limits: SplitLimits) {
    this.#limits = limits;
  }

  /** A report came in. Not null: cut this range, and call `tried`. */
  note(load: RangeLoad, nowMs: number): SplitHint | null {
    const memory = this.#memory(load.id);
    const isBusy = this.#isBusy(load);
    memory.busyReports = isBusy ? memory.busyReports + 1 : 0;
    // One key cannot be cut, however large.
    if (nowMs < memory.pausedUntilMs || load.keys < 2) return null;
    const { keys, bytes } = this.#limits;
    if (keys > 0 && load.keys >= keys) return { id: load.id, reason: "keys" };
    if (bytes > 0 && load.memoryBytes >= bytes) return { id: load.id, reason: "bytes" };
    return memory.busyReports >= BUSY_REPORTS ? { id: load.id, reason: "busy" } : null;
  }

  /** The range was cut, or could not be. */
  tried(id: RangeId, nowMs: number): void {
    const memory = this.#memory(id);
    memory.busyReports = 0;
    memory.pausedUntilMs = nowMs + PAUSE_MS;
  }

  /** The range is gone. */
  forget(id: RangeId): void {
    this.#memories.delete(id);
  }

  #isBusy({ busyMicros }: RangeLoad): boolean {
    const { busyPercent } = this.#limits;
    return busyPercent > 0 && busyMicros * 100 >= busyPercent * REPORT_MICROS;
  }

  #memory(id: RangeId): Memory {
    let memory = this.#memories.get(id);
    if (memory === undefined) {
      memory = { busyReports: 0, pausedUntilMs: Number.NEGATIVE_INFINITY };
      this.#memories.set(id, memory);
    }
    return memory;
  }
}
