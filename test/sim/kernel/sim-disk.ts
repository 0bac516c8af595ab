/**
 * A disk that loses what was not flushed. Operations queue up; a flush takes what waits, all of it
 * (group commit) or at most so many, lasts a random time, and only then do its operations count as
 * durable.
 *
 *   submit:   [op op op]   queued
 *   flush:    [op op]      under way; what is submitted meanwhile waits for the next one
 *   crash:    a random prefix of both survives, the operation behind it perhaps in part ("torn")
 *
 * An operation has parts, which reach the disk in order; one with a single part is atomic. What was
 * acknowledged survives every crash; what was not may survive or not.
 */

import type { SimLoop } from "./sim-loop.ts";
import type { SimRandom } from "./sim-random.ts";

export interface DiskOperation {
  /** At least 1. */
  readonly partCount: number;
}

export interface DiskProfile {
  readonly minimumUs: number;
  readonly maximumUs: number;
  /** Operations that one flush takes, at most. */
  readonly flushLimit: number;
  /** Probability that a crash leaves the operation behind the surviving prefix in part. */
  readonly tornWrite: number;
}

/** What lies on the disk. */
export interface DiskImage<Op extends DiskOperation> {
  /** Writes the first `partCount` parts of the operation. */
  write(operation: Op, partCount: number): void;
}

export class SimDisk<Op extends DiskOperation> {
  readonly #loop: SimLoop;
  readonly #random: SimRandom;
  readonly #image: DiskImage<Op>;
  readonly #node: number;
  readonly #flushedKind: number;
  profile: DiskProfile;
  #queued: Op[] = [];
  #flushing: Op[] = [];

  constructor(
    loop: SimLoop,
    random: SimRandom,
    options: {
      image: DiskImage<Op>;
      node: number;
      flushedKind: number;
      profile: DiskProfile;
    },
  ) {
    this.#loop = loop;
    this.#random = random;
    this.#image = options.image;
    this.#node = options.node;
    this.#flushedKind = options.flushedKind;
    this.profile = options.profile;
  }

  get pendingCount(): number {
    return this.#queued.length + this.#flushing.length;
  }

  /** Answered by an event of `flushedKind`, upon which `completeFlush` is to be called. */
  submit(operation: Op): void {
    this.#queued.push(operation);
    if (this.#flushing.length === 0) this.#beginFlush();
  }

  /** The operations that are durable now, in order. Begins the next flush if any wait. */
  completeFlush(): readonly Op[] {
    const done = this.#flushing;
    for (const operation of done) this.#image.write(operation, operation.partCount);
    this.#flushing = [];
    if (this.#queued.length > 0) this.#beginFlush();
    return done;
  }

  /** Power is cut. */
  crash(): void {
    const pending = [...this.#flushing, ...this.#queued];
    this.#flushing = [];
    this.#queued = [];
    const survivorCount = this.#random.below(pending.length + 1);
    const isTorn = this.#random.chance(this.profile.tornWrite);
    for (const operation of pending.slice(0, survivorCount)) {
      this.#image.write(operation, operation.partCount);
    }
    const torn = pending[survivorCount];
    if (isTorn && torn !== undefined && torn.partCount > 1) {
      this.#image.write(torn, this.#random.between(1, torn.partCount - 1));
    }
  }

  #beginFlush(): void {
    const { minimumUs, maximumUs, flushLimit } = this.profile;
    this.#flushing = this.#queued.slice(0, flushLimit);
    this.#queued = this.#queued.slice(flushLimit);
    const lasts = this.#random.between(minimumUs, maximumUs);
    this.#loop.after(lasts, this.#flushedKind, this.#node);
  }
}
