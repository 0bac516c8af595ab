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
  /** Since the last report, by store: its commits, overlapping ones each. */
  readonly #commitMs = new Map<number, number>();

  constructor(endpoint: RingEndpoint, ranges: ReadonlyMap<RangeId, HostedRange>) {
    this.#endpoint = endpoint;
    this.#ranges = ranges;
  }

  /** A store has written. */
  committed(storeId: number, ms: number): void {
    this.#commitMs.set(storeId, (this.#commitMs.get(storeId) ?? 0) + ms);
  }

  flush(nowMs: number): void {
    // Also when the clock was set back.
    if (nowMs < this.#nextMs && nowMs >= this.#nextMs - PERIOD_MS) return;
    this.#nextMs = nowMs + PERIOD_MS;
    if (this.#ranges.size === 0) return;
    const writer = this.#writer;
    const storeBytes = this.#storeBytes();
    for (const range of this.#ranges.values()) {
      writeLoad(writer, {
        id: range.id,
        keys: range.machine.keyCount,
        stateBytes: range.machine.stateBytes,
        logEntries: range.logEntries,
        applied: range.applied,
        busyMicros: range.busyMs * MICROS,
        ioMicros: this.#ioMs(range, storeBytes) * MICROS,
      });
      range.loadBytes = 0;
      range.busyMs = 0;
    }
    this.#commitMs.clear();
    this.#endpoint.enqueue(MAIN, RecordType.RANGE_LOAD, writer.bytes, 0, writer.size);
    writer.clear();
  }

  /** Bytes of commands since the last report, by store. */
  #storeBytes(): ReadonlyMap<number, number> {
    const bytes = new Map<number, number>();
    for (const { descriptor, loadBytes } of this.#ranges.values()) {
      bytes.set(descriptor.storeId, (bytes.get(descriptor.storeId) ?? 0) + loadBytes);
    }
    return bytes;
  }

  /** Two commits may be under way at a time, so it is all of a period at most. */
  #ioMs({ descriptor, loadBytes }: HostedRange, storeBytes: ReadonlyMap<number, number>): number {
    const { storeId } = descriptor;
    const total = storeBytes.get(storeId) ?? 0;
    if (total === 0) return 0;
    const writtenMs = Math.min(this.#commitMs.get(storeId) ?? 0, PERIOD_MS);
    return (writtenMs * loadBytes) / total;
  }
}
