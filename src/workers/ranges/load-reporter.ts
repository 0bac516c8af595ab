/**
 * Tells main once a second what each range holds and costs: for listings, and for the decision to
 * split (split-hinter.ts). Thread: worker. Scope: one per worker.
 */

import { RecordWriter } from "../../shared/bytes/record-writer.ts";
import { RecordType } from "../../shared/protocol/ring-message.ts";
import type { RangeId } from "../../shared/range/range-descriptor.ts";
import { writeLoad } from "../../shared/range/range-report.ts";
import type { RingEndpoint } from "../../shared/ring/ring-endpoint.ts";
import type { HostedRange } from "./hosted-range.ts";

const MAIN = 0;
const PERIOD_MS = 1000;
const MICROS = 1000;

export class LoadReporter {
  readonly #endpoint: RingEndpoint;
  readonly #ranges: ReadonlyMap<RangeId, HostedRange>;
  readonly #writer = new RecordWriter();
  #nextMs = 0;

  constructor(endpoint: RingEndpoint, ranges: ReadonlyMap<RangeId, HostedRange>) {
    this.#endpoint = endpoint;
    this.#ranges = ranges;
  }

  flush(nowMs: number): void {
    // Also when the clock was set back.
    if (nowMs < this.#nextMs && nowMs >= this.#nextMs - PERIOD_MS) return;
    this.#nextMs = nowMs + PERIOD_MS;
    if (this.#ranges.size === 0) return;
    const writer = this.#writer;
    for (const range of this.#ranges.values()) {
      writeLoad(writer, {
        id: range.id,
        keys: range.machine.keyCount,
        memoryBytes: range.machine.memoryBytes,
        logEntries: range.logEntries,
        applied: range.applied,
        bytes: range.loadBytes,
        busyMicros: range.busyMs * MICROS,
      });
      range.loadBytes = 0;
      range.busyMs = 0;
    }
    this.#endpoint.enqueue(MAIN, RecordType.RANGE_LOAD, writer.bytes, 0, writer.size);
    writer.clear();
  }
}
