/**
 * One range on one node: its machine and its place in the log.
 *
 *   stored   the state on disk is that after it          (in the range's record)
 *   applied  the machine's state, in memory
 */

import type { RangeDescriptor, RangeId } from "../../../../src/shared/range/range-descriptor.ts";
import type { RangeStateMachine } from "../../../../src/shared/range/range-state-machine.ts";
import type { BoundedReader } from "./bounded-reader.ts";
import type { StoredRange } from "./range-image.ts";

export class HostedMachine {
  readonly id: RangeId;
  readonly reader: BoundedReader;
  readonly machine: RangeStateMachine;
  descriptor: RangeDescriptor;
  applied: number;
  appliedMs: number;
  /** Of the applied entries, as far as the last collection went. */
  collected: number;
  /** It serves clients. */
  isLive = false;
  /** Between the machine's `collect` and `collected`. */
  isCollecting = false;
  /** Waits for a commit before it applies more. */
  isBlocked = false;

  constructor(reader: BoundedReader, machine: RangeStateMachine, record: StoredRange) {
    this.id = record.descriptor.id;
    this.reader = reader;
    this.machine = machine;
    this.descriptor = record.descriptor;
    this.applied = record.applied;
    this.appliedMs = record.appliedMs;
    this.collected = record.applied;
  }

  get record(): StoredRange {
    const { descriptor, applied, appliedMs } = this;
    return { descriptor, applied, appliedMs };
  }

  setDescriptor(descriptor: RangeDescriptor): void {
    this.descriptor = descriptor;
    this.reader.bounds = descriptor;
  }
}
