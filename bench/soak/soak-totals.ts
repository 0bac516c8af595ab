/**
 * What a store soak found: adds up what the workers tell, compares what was durable with what is
 * there after a kill, and judges by the gate for log stores.
 */

import type { LogKind } from "../../src/shared/config/config.ts";
import { LatencyRecorder, type Percentiles } from "../load/latency.ts";
import type { SoakOpened, SoakStatus } from "./soak-message.ts";

const MIB = 1024 * 1024;
/** Below this much live data the pages of an empty database weigh too much. */
const RATIO_MIN_BYTES = 8 * MIB;
const RATIO_MAX = 4;
const FLUSH_SHARE_MAX = 0.5;

/** One second, all workers together. */
export interface SoakPoint {
  readonly second: number;
  readonly fileBytes: number;
  readonly liveBytes: number;
}

export interface SoakReport {
  readonly seconds: number;
  readonly appends: number;
  readonly appendsPerSecond: number;
  readonly kills: number;
  readonly snapshots: number;
  readonly commits: Percentiles;
  /** Of the time in which commits were under way. */
  readonly flushShare: number;
  readonly highestRatio: number;
  readonly lastRatio: number;
  readonly slowestOpenMs: number;
  readonly errors: readonly string[];
  readonly points: readonly SoakPoint[];
}

export class SoakTotals {
  readonly #latency = new LatencyRecorder();
  readonly #durable = new Map<number, number>();
  readonly #sizes = new Map<number, { readonly fileBytes: number; readonly liveBytes: number }>();
  readonly #errors: string[] = [];
  readonly #points: SoakPoint[] = [];
  #appends = 0;
  #kills = 0;
  #snapshots = 0;
  #committingMs = 0;
  #flushMs = 0;
  #highestRatio = 0;
  #lastRatio = 0;
  #slowestOpenMs = 0;

  addStatus(status: SoakStatus): void {
    for (const [range, index] of status.durable) this.#durable.set(range, index);
    for (const micros of status.commitMicros) this.#latency.record(micros);
    this.#appends += status.appends;
    this.#snapshots += status.snapshots;
    this.#committingMs += status.committingMs;
    this.#flushMs += status.flushMs;
    const { fileBytes, liveBytes } = status;
    this.#sizes.set(status.worker, { fileBytes, liveBytes });
    if (liveBytes < RATIO_MIN_BYTES) return;
    this.#lastRatio = fileBytes / liveBytes;
    this.#highestRatio = Math.max(this.#highestRatio, this.#lastRatio);
  }

  /** A worker has opened its store again: is everything there? */
  addOpened({ worker, openMs, ranges }: SoakOpened): void {
    this.#slowestOpenMs = Math.max(this.#slowestOpenMs, openMs);
    const found = new Map(ranges.map((range) => [range.id, range]));
    for (const { id, damage } of ranges) {
      if (damage !== null) this.addError(`worker ${worker}, range ${id}: ${damage}`);
    }
    for (const [id, index] of this.#durable) {
      if (Math.floor(id / 100) !== worker) continue;
      const lastIndex = found.get(id)?.lastIndex ?? -1;
      if (lastIndex >= index) continue;
      this.addError(`range ${id}: entry ${index} was durable, the log ends at ${lastIndex}`);
    }
  }

  addError(text: string): void {
    this.#errors.push(text);
  }

  addKill(): void {
    this.#kills += 1;
  }

  addPoint(second: number): void {
    let fileBytes = 0;
    let liveBytes = 0;
    for (const size of this.#sizes.values()) {
      fileBytes += size.fileBytes;
      liveBytes += size.liveBytes;
    }
    this.#points.push({ second, fileBytes, liveBytes });
  }

  report(seconds: number): SoakReport {
    return {
      seconds,
      appends: this.#appends,
      appendsPerSecond: this.#appends / seconds,
      kills: this.#kills,
      snapshots: this.#snapshots,
      commits: this.#latency.histogram().percentiles(),
      flushShare: this.#committingMs === 0 ? 0 : this.#flushMs / this.#committingMs,
      highestRatio: this.#highestRatio,
      lastRatio: this.#lastRatio,
      slowestOpenMs: this.#slowestOpenMs,
      errors: this.#errors,
      points: this.#points,
    };
  }
}

/**
 * Why the gate is not passed; empty: it is. A commit to segments is a write that flushes: the share
 * of that in it says nothing.
 */
export function judgeSoak(report: SoakReport, log: LogKind): string[] {
  const faults = report.errors.length === 0 ? [] : [`${report.errors.length} errors`];
  if (report.highestRatio > RATIO_MAX) {
    faults.push(`the file grew to ${report.highestRatio.toFixed(1)} times its live bytes`);
  }
  if (log === "lmdb" && report.flushShare > FLUSH_SHARE_MAX) {
    faults.push(`flushing took ${(report.flushShare * 100).toFixed(0)} % of the time of commits`);
  }
  return faults;
}
