/**
 * Applies log entries to the machines of one node, in the way of a worker: commands behind the
 * fence of their boundary version, cuts and merges in one commit with the state (see
 * workers/ranges/applier.ts and range-changes.ts, whose rules these are).
 *
 * With a store that keeps nothing it is a witness: machines that never forget and never write.
 */

import { RecordReader } from "../../../../src/shared/bytes/record-reader.ts";
import type { Entry } from "../../../../src/shared/raft/entry.ts";
import {
  type BatchHeader,
  BatchKind,
  blankHeader,
  readBatchHeader,
} from "../../../../src/shared/range/command-batch.ts";
import type { KeyValueReader } from "../../../../src/shared/range/key-value.ts";
import {
  absorbDescriptor,
  readAbsorb,
  readSeal,
  readSplit,
  splitDescriptor,
} from "../../../../src/shared/range/range-change.ts";
import {
  compareKeys,
  NO_RANGE,
  type RangeDescriptor,
  type RangeId,
} from "../../../../src/shared/range/range-descriptor.ts";
import type { ServiceId } from "../../../../src/shared/range/service-id.ts";
import { RetainRange } from "../../../../src/shared/retain/retain-range.ts";
import { finish } from "../../../helpers/steps.ts";
import { BoundedReader } from "./bounded-reader.ts";
import { HostedMachine } from "./hosted-machine.ts";
import { MachineKit, type MachineOutputs } from "./machine-kit.ts";
import type { StoredRange } from "./range-image.ts";
import { FOUNDING_INDEX } from "./range-log.ts";

const EMPTY_TABLE: KeyValueReader = { get: () => null, scan: () => [] };

/** What a host needs of its node. */
export interface HostDuties {
  readonly outputs: MachineOutputs;
  readonly hotBytes: number;
  table(service: ServiceId): KeyValueReader;
  /** Is this the life of the node that proposed the batch? */
  isOwn(header: BatchHeader): boolean;
  /** An entry is about to be applied to the range. */
  applying(range: HostedMachine, entry: Entry, header: BatchHeader, nowMs: number): void;
  /** Nothing of the batch was done. */
  moved(range: HostedMachine, entry: Entry, header: BatchHeader): void;
  done(range: HostedMachine, header: BatchHeader): void;
  /**
   * Is the range taken over at this index? What another one's log says may come before or after.
   */
  absorbs(right: RangeId, left: RangeId, index: number): boolean;
  /** Writes the ranges' state and records, forgets `closed`, in one transaction. */
  store(ranges: readonly HostedMachine[], closed: RangeId, durable: () => void): void;
  /** Durably there since a cut. */
  opened(range: HostedMachine): void;
  /** Ahead of the commit that says so. */
  absorbed(left: HostedMachine, right: HostedMachine): void;
}

export class MachineHost {
  readonly ranges = new Map<RangeId, HostedMachine>();
  readonly kit: MachineKit;
  readonly #duties: HostDuties;
  readonly #reader = new RecordReader();
  readonly #header = blankHeader();

  constructor(duties: HostDuties) {
    this.#duties = duties;
    this.kit = new MachineKit(duties.outputs, duties.hotBytes, () => this.#retainRanges());
  }

  /** Makes the machine from the store. */
  open(record: StoredRange): HostedMachine {
    const { descriptor } = record;
    const reader = new BoundedReader(this.#duties.table(descriptor.service), descriptor);
    const range = new HostedMachine(reader, this.kit.open(descriptor, reader), record);
    this.ranges.set(range.id, range);
    return range;
  }

  /** Stands for a range of which nothing is here yet. */
  expect(descriptor: RangeDescriptor): HostedMachine {
    const reader = new BoundedReader(EMPTY_TABLE, descriptor);
    const machine = this.kit.open(descriptor, reader);
    return new HostedMachine(reader, machine, { descriptor, applied: 0, appliedMs: 0 });
  }

  /** False: not now; nothing has happened. */
  apply(range: HostedMachine, entry: Entry): boolean {
    if (range.isBlocked) return false;
    if (entry.data.length > 0 && !this.#applyBatch(range, entry)) return false;
    range.applied = entry.index;
    return true;
  }

  #applyBatch(range: HostedMachine, entry: Entry): boolean {
    const reader = this.#reader;
    const header = this.#header;
    reader.reset(entry.data, 0, entry.data.length);
    readBatchHeader(reader, header);
    const { descriptor } = range;
    const isSealed = descriptor.mergingInto !== NO_RANGE && header.kind !== BatchKind.UNSEAL;
    const isOwn = range.isLive && this.#duties.isOwn(header);
    if (header.boundaryVersion !== descriptor.boundaryVersion || isSealed) {
      this.#duties.moved(range, entry, header);
      return true;
    }
    const nowMs = Math.max(header.nowMs, range.appliedMs);
    if (header.kind === BatchKind.COMMANDS) {
      const { boot, thread } = header;
      this.#duties.applying(range, entry, header, nowMs);
      range.appliedMs = nowMs;
      range.machine.apply(reader, { index: entry.index, nowMs, boot, thread, isOwnBoot: isOwn });
    } else if (!this.#change(range, entry.index, header.kind)) {
      return false;
    }
    this.#duties.done(range, header);
    return true;
  }

  #change(range: HostedMachine, index: number, kind: BatchKind): boolean {
    if (range.isCollecting) return false;
    if (kind === BatchKind.SPLIT) this.#split(range, index, readSplit(this.#reader));
    else if (kind === BatchKind.SEAL) this.#rename(range, index, readSeal(this.#reader));
    else if (kind === BatchKind.UNSEAL) this.#rename(range, index, NO_RANGE);
    else return this.#absorb(range, index, readAbsorb(this.#reader));
    return true;
  }

  #split(
    range: HostedMachine,
    index: number,
    change: { readonly rightId: RangeId; readonly key: Uint8Array },
  ): void {
    const halves = splitDescriptor(range.descriptor, change);
    if (halves === null) return;
    const { service } = range.descriptor;
    const reader = new BoundedReader(this.#duties.table(service), halves.right);
    const machine = finish(range.machine.splitOff(halves.right.start, reader));
    const right = new HostedMachine(reader, machine, {
      descriptor: halves.right,
      applied: FOUNDING_INDEX,
      appliedMs: range.appliedMs,
    });
    right.isLive = range.isLive;
    right.isBlocked = true;
    this.ranges.set(right.id, right);
    range.setDescriptor(halves.left);
    this.#commit(range, index, [right], NO_RANGE, () => {
      right.isBlocked = false;
      this.#duties.opened(right);
    });
  }

  #rename(range: HostedMachine, index: number, leftId: RangeId): void {
    const boundaryVersion = range.descriptor.boundaryVersion + 1;
    range.setDescriptor({ ...range.descriptor, boundaryVersion, mergingInto: leftId });
    this.#commit(range, index, [], NO_RANGE, () => {});
  }

  #absorb(
    left: HostedMachine,
    index: number,
    change: { readonly rightId: RangeId; readonly rightVersion: number },
  ): boolean {
    const right = this.ranges.get(change.rightId);
    const version = right?.descriptor.boundaryVersion ?? Number.POSITIVE_INFINITY;
    if (right === undefined || version > change.rightVersion) return true;
    if (!this.#duties.absorbs(right.id, left.id, index)) return true;
    const isSealed = right.descriptor.mergingInto === left.id && version === change.rightVersion;
    if (!isSealed || right.isBlocked || right.isCollecting) return false;
    const { end } = left.descriptor;
    if (end === null || compareKeys(end, right.descriptor.start) !== 0) return true;
    finish(left.machine.absorb(right.machine));
    // Time never goes back, not for those who come from the right either.
    left.appliedMs = Math.max(left.appliedMs, right.appliedMs);
    left.setDescriptor(absorbDescriptor(left.descriptor, right.descriptor));
    this.ranges.delete(right.id);
    this.#duties.absorbed(left, right);
    this.#commit(left, index, [], right.id, () => {});
    return true;
  }

  /** The state after the entry at `index`; the range waits for it. */
  #commit(
    range: HostedMachine,
    index: number,
    others: readonly HostedMachine[],
    closed: RangeId,
    durable: () => void,
  ): void {
    range.applied = index;
    range.isBlocked = true;
    this.#duties.store([range, ...others], closed, () => {
      range.isBlocked = false;
      durable();
    });
  }

  *#retainRanges(): Iterable<RetainRange> {
    for (const { machine } of this.ranges.values()) {
      if (machine instanceof RetainRange) yield machine;
    }
  }
}
