/**
 * What a replica must remember across a restart beside its log. Written in one atomic step with the
 * entries of the same Ready (raft pitfalls 3, 10): a term may never be on disk later than an entry
 * of it.
 */

import { NO_REPLICA, type ReplicaId } from "./entry.ts";

export interface HardState {
  readonly term: number;
  /** Who got this replica's vote in `term`. */
  readonly vote: ReplicaId;
  /** Needs no flush of its own (raft pitfall 9). */
  readonly commit: number;
  /** Grows by each recovery from a lost majority; fences those who were not there (pitfall 81). */
  readonly epoch: number;
  /** The entry with which `epoch` began; configuration changes before it no longer count. */
  readonly epochIndex: number;
}

export const INITIAL_HARD_STATE: HardState = {
  term: 0,
  vote: NO_REPLICA,
  commit: 0,
  epoch: 0,
  epochIndex: 0,
};

export function sameHardState(left: HardState, right: HardState): boolean {
  return left.commit === right.commit && sameVote(left, right);
}

/** All but the commit index: what a flush is owed for. */
export function sameVote(left: HardState, right: HardState): boolean {
  return (
    left.term === right.term &&
    left.vote === right.vote &&
    left.epoch === right.epoch &&
    left.epochIndex === right.epochIndex
  );
}
