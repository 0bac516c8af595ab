/**
 * Changes of ranges themselves: cut in two, sealed for its left-hand neighbour, taken over by it.
 * All on this worker and within one store, so that each is one commit: state, records and applied
 * index together. Nothing behind the change is applied before it is durable, hence nobody has seen
 * what a crash could undo; after a crash the log leads to the same change again.
 *
 *   split    left |------ SPLIT(key, id) ------   right: begins behind a compacted index
 *   merge    right |-- SEAL(left) --              from there on it applies no commands
 *            left  |--------- ABSORB(right) ---   waits for the seal, then right is forgotten
 *
 * Thread: worker. Scope: one per worker.
 */

import { assert } from "../../shared/base/assert.ts";
import type { RecordReader } from "../../shared/bytes/record-reader.ts";
import type { HardState } from "../../shared/raft/hard-state.ts";
import { BatchKind } from "../../shared/range/command-batch.ts";
import {
  absorbDescriptor,
  readAbsorb,
  readSeal,
  readSplit,
  splitDescriptor,
} from "../../shared/range/range-change.ts";
import {
  compareKeys,
  NO_RANGE,
  type RangeDescriptor,
  type RangeId,
} from "../../shared/range/range-descriptor.ts";
import { type RangeReport, ReportKind } from "../../shared/range/range-report.ts";
import type { RangeRecord } from "../store/log-store.ts";
import type { Collector } from "./collector.ts";
import { HostedRange } from "./hosted-range.ts";
import { openedReport } from "./opened-report.ts";
import { RangeReader } from "./range-reader.ts";

/** What a log begins behind that was never written: everybody has it, so it needs no entry. */
const FOUNDING_INDEX = 1;
const FOUNDING_TERM = 1;
const FOUNDING_STATE: HardState = {
  term: FOUNDING_TERM,
  vote: 0,
  commit: FOUNDING_INDEX,
  epoch: 0,
  epochIndex: 0,
};

export interface RangeChangesOptions {
  readonly ranges: Map<RangeId, HostedRange>;
  readonly collector: Collector;
  readonly nowMs: () => number;
  /** Together, so that main never sees a gap between neighbours. */
  readonly report: (reports: readonly RangeReport[]) => void;
  /** Of the service, on this worker. */
  readonly rangesChanged: (range: RangeDescriptor) => void;
  /** The range is gone, with what was in its log and not applied. */
  readonly closed: (range: HostedRange) => void;
}

/** The record of a range that has no entries yet. */
export function foundingRecord(
  descriptor: RangeDescriptor,
  origin: Pick<RangeRecord, "replicaId" | "conf" | "appliedMs">,
): RangeRecord {
  return {
    descriptor,
    replicaId: origin.replicaId,
    hardState: FOUNDING_STATE,
    conf: origin.conf,
    compactedIndex: FOUNDING_INDEX,
    compactedTerm: FOUNDING_TERM,
    appliedIndex: FOUNDING_INDEX,
    appliedMs: origin.appliedMs,
  };
}

export class RangeChanges {
  readonly #options: RangeChangesOptions;

  constructor(options: RangeChangesOptions) {
    this.#options = options;
  }

  /**
   * Applies the change that `reader` holds, to its end. False: not now, because of a commit or
   * another range that must come first; nothing has happened.
   */
  apply(range: HostedRange, index: number, kind: BatchKind, reader: RecordReader): boolean {
    // A machine is not taken apart while a commit holds what it has written.
    if (range.isCollecting) return false;
    switch (kind) {
      case BatchKind.SPLIT:
        this.#split(range, index, readSplit(reader));
        return true;
      case BatchKind.SEAL:
        this.#rename(range, index, readSeal(reader));
        return true;
      case BatchKind.UNSEAL:
        this.#rename(range, index, NO_RANGE);
        return true;
      case BatchKind.ABSORB:
        return this.#absorb(range, index, readAbsorb(reader));
      case BatchKind.COMMANDS:
        assert(false, "commands are the machine's");
    }
  }

  #split(
    range: HostedRange,
    index: number,
    change: { readonly rightId: RangeId; readonly key: Uint8Array },
  ): void {
    const halves = splitDescriptor(range.descriptor, change);
    if (halves === null || this.#options.ranges.has(change.rightId)) return;
    const { turn } = range;
    const reader = new RangeReader(turn.store, halves.right);
    const machine = range.machine.splitOff(halves.right.start, reader);
    const record = foundingRecord(halves.right, {
      replicaId: range.record.replicaId,
      conf: range.conf,
      appliedMs: range.appliedMs,
    });
    const log = { lastIndex: record.appliedIndex, termRuns: [] };
    const right = new HostedRange({ turn, reader, machine }, record, log, this.#options.nowMs());
    right.isLive = range.isLive;
    this.#options.ranges.set(right.id, right);
    range.setDescriptor(halves.left);
    this.#commit(range, index, () => {
      right.isBlocked = false;
      return [{ kind: ReportKind.CHANGED, descriptor: range.descriptor }, openedReport(right)];
    });
    right.isBlocked = true;
    this.#options.collector.collect(right, this.#options.nowMs());
  }

  /** Sealed for `leftId`, or open again. Either way commands routed so far have to be again. */
  #rename(range: HostedRange, index: number, leftId: RangeId): void {
    const boundaryVersion = range.descriptor.boundaryVersion + 1;
    range.setDescriptor({ ...range.descriptor, boundaryVersion, mergingInto: leftId });
    this.#commit(range, index, () => [{ kind: ReportKind.CHANGED, descriptor: range.descriptor }]);
  }

  #absorb(
    left: HostedRange,
    index: number,
    change: { readonly rightId: RangeId; readonly rightVersion: number },
  ): boolean {
    const right = this.#options.ranges.get(change.rightId);
    // It is open again since, or was never found: then there is nothing to take over.
    const version = right?.descriptor.boundaryVersion ?? Number.POSITIVE_INFINITY;
    if (right === undefined || version > change.rightVersion) return true;
    const isSealed = right.descriptor.mergingInto === left.id && version === change.rightVersion;
    if (!isSealed || right.isBlocked || right.isCollecting) return false;
    assert(right.turn === left.turn, "neighbours that merge share a store");
    const { end } = left.descriptor;
    // Cut meanwhile: another range is the neighbour now.
    if (end === null || compareKeys(end, right.descriptor.start) !== 0) return true;
    left.machine.absorb(right.machine);
    // Time never goes back, not for what comes from the right either.
    left.appliedMs = Math.max(left.appliedMs, right.appliedMs);
    left.setDescriptor(absorbDescriptor(left.descriptor, right.descriptor));
    this.#options.ranges.delete(right.id);
    this.#options.closed(right);
    left.turn.store.forget(right.id);
    this.#commit(left, index, () => [
      { kind: ReportKind.CHANGED, descriptor: left.descriptor },
      { kind: ReportKind.CLOSED, id: right.id },
    ]);
    return true;
  }

  /** One commit with the state after the entry at `index`; the range waits for it. */
  #commit(range: HostedRange, index: number, reports: () => readonly RangeReport[]): void {
    range.applied = index;
    range.isBlocked = true;
    this.#options.collector.collect(range, this.#options.nowMs());
    this.#options.rangesChanged(range.descriptor);
    range.turn.whenDurable(() => {
      range.isBlocked = false;
      this.#options.report(reports());
    });
  }
}
