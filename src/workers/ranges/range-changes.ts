/**
 * Changes of ranges themselves: cut in two, sealed for its left-hand neighbour, taken over by it.
 * All on this worker and within one store, so that each is one commit: state, records and applied
 * index together. Nothing behind the change is applied before it is durable, hence nobody has seen
 * what a crash could undo; after a crash the log leads to the same change again. What a machine has
 * to do for it takes as many duty cycles as it needs, in steps.
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
  type AbsorbChange,
  absorbDescriptor,
  readAbsorb,
  readSeal,
  readSplit,
  type SplitChange,
  splitDescriptor,
} from "../../shared/range/range-change.ts";
import {
  compareKeys,
  NO_RANGE,
  type RangeDescriptor,
  type RangeId,
} from "../../shared/range/range-descriptor.ts";
import { type RangeReport, ReportKind } from "../../shared/range/range-report.ts";
import { runSteps, type Steps } from "../../shared/range/steps.ts";
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
  /** Monotonic, with fractions. */
  readonly clockMs: () => number;
  /** Together, so that main never sees a gap between neighbours. */
  readonly report: (reports: readonly RangeReport[]) => void;
  /** Of the service, on this worker. */
  readonly rangesChanged: (range: RangeDescriptor) => void;
  /** The range is gone, with what was in its log and not applied. */
  readonly closed: (range: HostedRange) => void;
  /** Makes sure that a duty cycle follows. */
  readonly wake: () => void;
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

type Halves = NonNullable<ReturnType<typeof splitDescriptor>>;

/** A split or merge under way. */
interface Change {
  readonly range: HostedRange;
  readonly steps: Steps<void>;
}

export class RangeChanges {
  readonly #options: RangeChangesOptions;
  /** In the order in which they began. */
  readonly #underWay: Change[] = [];

  constructor(options: RangeChangesOptions) {
    this.#options = options;
  }

  /** In each duty cycle: goes on with what is under way until `isTimeUp`. */
  flush(isTimeUp: () => boolean): void {
    for (let change = this.#underWay[0]; change !== undefined; change = this.#underWay[0]) {
      const startMs = this.#options.clockMs();
      const ended = runSteps(change.steps, isTimeUp);
      change.range.busyMs += this.#options.clockMs() - startMs;
      if (ended === null) {
        this.#options.wake();
        return;
      }
      this.#underWay.shift();
    }
  }

  /**
   * Applies the change that `reader` holds; what takes long about it `flush` does, and the range
   * waits. False: not now, because of a commit or another range that must come first; nothing has
   * happened.
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

  #split(range: HostedRange, index: number, change: SplitChange): void {
    const halves = splitDescriptor(range.descriptor, change);
    if (halves === null || this.#options.ranges.has(change.rightId)) return;
    this.#begin(range, index, this.#splitSteps(range, index, halves));
  }

  *#splitSteps(range: HostedRange, index: number, halves: Halves): Steps<void> {
    const { turn } = range;
    const reader = new RangeReader(turn.store, halves.right);
    const machine = yield* range.machine.splitOff(halves.right.start, reader);
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

  #absorb(left: HostedRange, index: number, change: AbsorbChange): boolean {
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
    // Nothing of it is collected meanwhile.
    right.isBlocked = true;
    this.#begin(left, index, this.#absorbSteps(left, right, index));
    return true;
  }

  *#absorbSteps(left: HostedRange, right: HostedRange, index: number): Steps<void> {
    yield* left.machine.absorb(right.machine);
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
  }

  /** The entry at `index` counts as applied; nothing behind it is before the change is over. */
  #begin(range: HostedRange, index: number, steps: Steps<void>): void {
    range.applied = index;
    range.isBlocked = true;
    this.#underWay.push({ range, steps });
    this.#options.wake();
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
