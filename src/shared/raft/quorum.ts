/**
 * Majorities, single and joint: what index a quorum has acknowledged, and how a vote stands.
 *
 * Pure functions over a configuration's voters. In a joint configuration both halves must agree
 * (raft pitfall 30): the committed index is the lower one, a vote is won when both are won and lost
 * when either is. The empty majority agrees to everything, so an empty second half changes nothing.
 */

import type { ConfState } from "./conf-state.ts";
import { type ReplicaId, UNLIMITED } from "./entry.ts";

export const VoteResult = {
  PENDING: 1,
  LOST: 2,
  WON: 3,
} as const;

export type VoteResult = (typeof VoteResult)[keyof typeof VoteResult];

/** The highest number that a voter is known to have reached; 0 when nothing is known. */
export interface ReachedNumbers {
  reachedBy(voter: ReplicaId): number;
}

// Sorted anew in every call and never used across calls; threads have modules of their own.
let scratch = new Float64Array(16);

/** The highest number that more than half of `voters` have reached; UNLIMITED without voters. */
export function majorityReached(voters: readonly ReplicaId[], reached: ReachedNumbers): number {
  const count = voters.length;
  if (count === 0) return UNLIMITED;
  if (scratch.length < count) scratch = new Float64Array(count * 2);
  for (let i = 0; i < count; i++) {
    const value = reached.reachedBy(voters[i]!);
    let at = i;
    while (at > 0 && scratch[at - 1]! > value) {
      scratch[at] = scratch[at - 1]!;
      at--;
    }
    scratch[at] = value;
  }
  // Ascending: the value at this place and all above it make a majority.
  return scratch[count - (Math.floor(count / 2) + 1)]!;
}

/** The highest number that a quorum of the configuration has reached. */
export function quorumReached(conf: ConfState, reached: ReachedNumbers): number {
  return Math.min(majorityReached(conf.voters, reached), majorityReached(conf.outgoing, reached));
}

/**
 * How many voters a group can lose, whichever they are, and still decide: 0 where there are one or
 * two, of which operators should be warned (raft pitfall 56).
 */
export function lossesTolerated({ voters, outgoing }: ConfState): number {
  const smaller = outgoing.length === 0 ? voters : shorter(voters, outgoing);
  return Math.max(0, Math.floor((smaller.length - 1) / 2));
}

function shorter(left: readonly ReplicaId[], right: readonly ReplicaId[]): readonly ReplicaId[] {
  return left.length < right.length ? left : right;
}

/** `votes`: true granted, false refused, absent not yet answered. */
export function majorityVote(
  voters: readonly ReplicaId[],
  votes: ReadonlyMap<ReplicaId, boolean>,
): VoteResult {
  if (voters.length === 0) return VoteResult.WON;
  let granted = 0;
  let missing = 0;
  for (const voter of voters) {
    const vote = votes.get(voter);
    if (vote === undefined) missing++;
    else if (vote) granted++;
  }
  const needed = Math.floor(voters.length / 2) + 1;
  if (granted >= needed) return VoteResult.WON;
  return granted + missing >= needed ? VoteResult.PENDING : VoteResult.LOST;
}

export function quorumVote(conf: ConfState, votes: ReadonlyMap<ReplicaId, boolean>): VoteResult {
  const incoming = majorityVote(conf.voters, votes);
  const outgoing = majorityVote(conf.outgoing, votes);
  if (incoming === outgoing) return incoming;
  if (incoming === VoteResult.LOST || outgoing === VoteResult.LOST) return VoteResult.LOST;
  return VoteResult.PENDING;
}
