/**
 * How a service gives its state machines to the ranges that this worker stores, and finds them
 * again. range-host.ts implements it.
 */

import type { KeyValue, KeyValueReader } from "../../shared/range/key-value.ts";
import type { RangeDescriptor, RangeId } from "../../shared/range/range-descriptor.ts";
import type { RangeStateMachine } from "../../shared/range/range-state-machine.ts";
import type { ServiceId } from "../../shared/range/service-id.ts";

/** What a service registers. */
export interface RangeService {
  /**
   * A machine for `range` with the state that `reader` finds. The log is applied to it from there
   * on, then `goLive` is called. `reader` stays good for the machine's life, also when the range's
   * bounds change.
   */
  open(range: RangeDescriptor, reader: KeyValueReader): RangeStateMachine;
  /** The ranges of the service on this worker, or their bounds, have changed. */
  rangesChanged?(): void;
  /** What the first state of a range must say that takes a damaged one's place; nothing: empty. */
  renew?(range: RangeDescriptor): RangeRenewal;
  /**
   * All routes that the state of this worker's ranges wants are to be asked for; `done` says
   * whether all of them are there.
   */
  tellRoutes?(done: (isWhole: boolean) => void): void;
  /**
   * Routes of sessions in `range` with incarnations below `below` are of sessions that are lost.
   */
  dropRoutes?(range: RangeDescriptor, below: number, done: (areGone: boolean) => void): void;
}

/** Looks at what is left of a damaged range, and says what its successor begins with. */
export interface RangeRenewal {
  /** Of every row; null: its value is damaged. Both are borrowed. */
  see(key: Uint8Array, value: Uint8Array | null): void;
  /**
   * An attempt before this one ended midway, and no identifier below `id` was to be used after it.
   */
  startAbove(id: number): void;
  rows(): readonly KeyValue[];
  /** No identifier below it will be used again. */
  readonly lowestId: number;
}

export interface OwnedRange<Machine extends RangeStateMachine = RangeStateMachine> {
  readonly descriptor: RangeDescriptor;
  /** As `open`, or a machine's `splitOff`, has made it. */
  readonly machine: Machine;
  /** Applied so far is everything that was in the log at start. */
  readonly isLive: boolean;
  /** Of the log: the last entry that is applied, and the last one that is there. */
  readonly applied: number;
  readonly lastIndex: number;
}

export interface RangeHost {
  /** Once per service, before the host starts. */
  register(service: ServiceId, owner: RangeService): void;
  /** The range of this worker that holds `key`; null when another worker, or nobody, has it. */
  owned(service: ServiceId, key: Uint8Array): OwnedRange | null;
  /** The service's ranges on this worker. */
  ownedBy(service: ServiceId): readonly OwnedRange[];
  byId(id: RangeId): OwnedRange | null;
  /**
   * Does `boot` name a life of a worker that still lasts? Who else is named in an attachment is
   * gone, and nobody waits for answers to it.
   */
  isAlive(boot: number, thread: number): boolean;
}
