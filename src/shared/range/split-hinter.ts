/**
 * Says which ranges have grown so much that they should be cut in two: by keys and by bytes of
 * state, at once; by the time that they keep their worker or their store busy, when that lasts.
 * Pure: loads and time in, hints out; who cuts is main's range-splitter.ts.
 *
 * Halves of a range that was just cut are far from every limit but those of time: they stay with
 * their worker and store, and only a move to others would relieve these. So nothing is cut again
 * soon, and again later each time that a cut was not possible. Scope: one per node.
 */

import type { RangeId } from "./range-descriptor.ts";
import type { RangeLoad } from "./range-report.ts";

/** 0 = never for this reason. */
export interface SplitLimits {
  readonly keys: number;
  readonly bytes: number;
  /** Of one core, and of the time in which its store writes, 0..100. */
  readonly busyPercent: number;
}

export type SplitReason = "keys" | "bytes" | "busy" | "io";

export interface SplitHint {
  readonly id: RangeId;
  readonly reason: SplitReason;
}

/** Reports in a row, one per second, that must say "busy" or "io". */
const BUSY_REPORTS = 10;
/** After a cut, or when it was not possible: state and load settle meanwhile. */
const PAUSE_MS = 60_000;
/** After many cuts that were not possible: the operator has been told. */
const PAUSE_MAX_MS = 3_600_000;
const REPORT_MICROS = 1_000_000;

interface Memory {
  busyReports: number;
  ioReports: number;
  pauseMs: number;
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
    memory.busyReports = this.#isMuch(load.busyMicros) ? memory.busyReports + 1 : 0;
    memory.ioReports = this.#isMuch(load.ioMicros) ? memory.ioReports + 1 : 0;
    // One key cannot be cut, however large.
    if (nowMs < memory.pausedUntilMs || load.keys < 2) return null;
    const { keys, bytes } = this.#limits;
    if (keys > 0 && load.keys >= keys) return { id: load.id, reason: "keys" };
    if (bytes > 0 && load.stateBytes >= bytes) return { id: load.id, reason: "bytes" };
    if (memory.busyReports >= BUSY_REPORTS) return { id: load.id, reason: "busy" };
    return memory.ioReports >= BUSY_REPORTS ? { id: load.id, reason: "io" } : null;
  }

  /** The range was cut, or could not be. */
  tried(id: RangeId, wasCut: boolean, nowMs: number): void {
    const memory = this.#memory(id);
    memory.busyReports = 0;
    memory.ioReports = 0;
    if (wasCut) memory.pauseMs = PAUSE_MS;
    memory.pausedUntilMs = nowMs + memory.pauseMs;
    if (!wasCut) memory.pauseMs = Math.min(2 * memory.pauseMs, PAUSE_MAX_MS);
  }

  /** The range is gone. */
  forget(id: RangeId): void {
    this.#memories.delete(id);
  }

  #isMuch(micros: number): boolean {
    const { busyPercent } = this.#limits;
    return busyPercent > 0 && micros * 100 >= busyPercent * REPORT_MICROS;
  }

  #memory(id: RangeId): Memory {
    let memory = this.#memories.get(id);
    if (memory === undefined) {
      const pausedUntilMs = Number.NEGATIVE_INFINITY;
      memory = { busyReports: 0, ioReports: 0, pauseMs: PAUSE_MS, pausedUntilMs };
      this.#memories.set(id, memory);
    }
    return memory;
  }
}
