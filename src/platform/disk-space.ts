/**
 * Stops taking in messages before the disk is full. A database that finds no page cannot even
 * delete, and its commits wait; so some space is kept for acknowledgements, deletions and state,
 * and what only adds is refused while less than that is free. Also while a store says that it has
 * found none: quotas do not show in what the file system says is free. Thread: any.
 */

import { statfs } from "node:fs";

const MIB = 1024 * 1024;
/** A second of a fast disk's writing. */
export const DEFAULT_DISK_RESERVE_BYTES = 64 * MIB;
/**
 * Refusing ends at this multiple of the reserve: at once above it, it would begin again at once.
 */
const RELEASE_FACTOR = 2;
/** Below this multiple of the reserve the disk is watched closely. */
const NEAR_FACTOR = 16;
const FAR_POLL_MS = 1000;
const NEAR_POLL_MS = 100;

/** The decision, from what is free. */
export class DiskSpaceGate {
  readonly #reserveBytes: number;
  #isFull = false;

  constructor(reserveBytes: number) {
    this.#reserveBytes = reserveBytes;
  }

  get isFull(): boolean {
    return this.#isFull;
  }

  update(freeBytes: number): void {
    const limit = this.#isFull ? this.#reserveBytes * RELEASE_FACTOR : this.#reserveBytes;
    this.#isFull = freeBytes < limit;
  }

  /** Until the next look: a disk that is far from full cannot be full before. */
  pollMs(freeBytes: number): number {
    return freeBytes < this.#reserveBytes * NEAR_FACTOR ? NEAR_POLL_MS : FAR_POLL_MS;
  }
}

/** Tells how many bytes this process may still write below `path`. */
export type ReadFreeBytes = (
  path: string,
  done: (error: Error | null, freeBytes: number) => void,
) => void;

export interface DiskSpaceOptions {
  readonly path: string;
  readonly reserveBytes?: number;
  /** Called when `isFull` has changed. */
  readonly changed?: (isFull: boolean, freeBytes: number) => void;
  readonly readFreeBytes?: ReadFreeBytes;
}

/** Looks at a file system from time to time, until it is stopped. */
export class DiskSpaceWatch {
  readonly #path: string;
  readonly #gate: DiskSpaceGate;
  readonly #changed: (isFull: boolean, freeBytes: number) => void;
  readonly #readFreeBytes: ReadFreeBytes;
  /** Stores that have found no space. */
  readonly #short = new Set<number>();
  #wasFull = false;
  #freeBytes = Number.POSITIVE_INFINITY;
  #timer: NodeJS.Timeout | null = null;
  #isStopped = false;

  constructor(options: DiskSpaceOptions) {
    this.#path = options.path;
    this.#gate = new DiskSpaceGate(options.reserveBytes ?? DEFAULT_DISK_RESERVE_BYTES);
    this.#changed = options.changed ?? (() => {});
    this.#readFreeBytes = options.readFreeBytes ?? systemFreeBytes;
    this.#look();
  }

  /** Refuse what only adds. False until the first look, which takes less than a millisecond. */
  get isFull(): boolean {
    return this.#gate.isFull || this.#short.size > 0;
  }

  /** As last seen. */
  get freeBytes(): number {
    return this.#freeBytes;
  }

  /** A store tells what it has met. */
  storeSpace(storeId: number, isShort: boolean): void {
    if (isShort) this.#short.add(storeId);
    else this.#short.delete(storeId);
    this.#report();
  }

  stop(): void {
    this.#isStopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #look(): void {
    this.#readFreeBytes(this.#path, (error, freeBytes) => {
      if (this.#isStopped) return;
      // What cannot be known stays as it was; the store itself will meet whatever is wrong.
      if (error === null) this.#seen(freeBytes);
      const delayMs = this.#gate.pollMs(this.#freeBytes);
      this.#timer = setTimeout(() => this.#look(), delayMs).unref();
    });
  }

  #seen(freeBytes: number): void {
    this.#freeBytes = freeBytes;
    this.#gate.update(freeBytes);
    this.#report();
  }

  #report(): void {
    const { isFull } = this;
    if (isFull === this.#wasFull) return;
    this.#wasFull = isFull;
    this.#changed(isFull, this.#freeBytes);
  }
}

function systemFreeBytes(
  path: string,
  done: (error: Error | null, freeBytes: number) => void,
): void {
  // What is free for everybody, not the part that is kept for root.
  statfs(path, (error, stats) => done(error, error === null ? stats.bavail * stats.bsize : 0));
}
