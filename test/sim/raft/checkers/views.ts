/**
 * What the invariants look at: a replica's memory and its disk. The checkers know the core and the
 * host by these alone.
 */

import type { ConfState } from "../../../../src/shared/raft/conf-state.ts";

export interface ReplicaView {
  readonly replica: number;
  /** Differs between the processes of one replica. */
  readonly process: number;
  readonly isLeader: boolean;
  readonly term: number;
  readonly vote: number;
  readonly commitIndex: number;
  readonly lastIndex: number;
  readonly conf: ConfState;
  /** 0 when the log does not reach there, or no longer does. */
  termAt(index: number): number;
  /** What a leader believes the member to have; 0 of a stranger. */
  matchOf(replica: number): number;
}

export interface DiskView {
  /** The term of the hard state. */
  readonly hardTerm: number;
  /** Everything up to here is in the snapshot, and need not be in the log. */
  readonly snapshotIndex: number;
  /** 0 when the log does not reach there, or no longer does. */
  entryTerm(index: number): number;
}

/** Whether the disk has the entry of that term, or a snapshot that covers it. */
export function isOnDisk(disk: DiskView, index: number, term: number): boolean {
  return index <= disk.snapshotIndex || disk.entryTerm(index) === term;
}
