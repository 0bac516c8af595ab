/** What the processes and threads of a store soak tell each other. */

import type { LogKind } from "../../src/shared/config/config.ts";

export interface SoakTask {
  /** Data folder; worker w writes DATA/store/w. */
  readonly folder: string;
  readonly durability: "fsync" | "os";
  readonly log: LogKind;
  readonly workers: number;
  /** Of all workers together. */
  readonly appendsPerSecond: number;
}

export interface WorkerTask extends SoakTask {
  readonly worker: number;
}

/** Of one worker, since the last one. */
export interface SoakStatus {
  readonly worker: number;
  /** Highest durable index of each range, by range id. */
  readonly durable: readonly (readonly [number, number])[];
  readonly appends: number;
  /** Microseconds each. */
  readonly commitMicros: readonly number[];
  /** Time in which a commit was under way, and the part of it in which the disk was flushing. */
  readonly committingMs: number;
  readonly flushMs: number;
  readonly snapshots: number;
  readonly fileBytes: number;
  readonly liveBytes: number;
}

/** What a worker found when it opened its store. */
export interface SoakOpened {
  readonly worker: number;
  readonly openMs: number;
  readonly ranges: readonly {
    readonly id: number;
    readonly lastIndex: number;
    readonly damage: string | null;
  }[];
}

export type SoakMessage =
  | { readonly kind: "opened"; readonly opened: SoakOpened }
  | { readonly kind: "status"; readonly status: SoakStatus };
