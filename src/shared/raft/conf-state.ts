/**
 * Who belongs to a group, and how that may change. A configuration is joint while `outgoing` is not
 * empty: then every decision needs a majority of `voters` and one of `outgoing` (raft pitfall 30,
 * Raft thesis §4.3).
 *
 * Values are immutable; the arrays are sorted and hold no id twice.
 */

import type { ReplicaId } from "./entry.ts";

export interface ConfState {
  readonly voters: readonly ReplicaId[];
  /** The voters before the change that is under way; empty when there is none. */
  readonly outgoing: readonly ReplicaId[];
  /** Receive the log, do not count. Never in `voters` or `outgoing`. */
  readonly learners: readonly ReplicaId[];
  /** Voters of `outgoing` that become learners when the joint configuration is left. */
  readonly learnersNext: readonly ReplicaId[];
  /** The leader leaves the joint configuration by itself as soon as it is applied. */
  readonly autoLeave: boolean;
}

export const EMPTY_CONF: ConfState = {
  voters: [],
  outgoing: [],
  learners: [],
  learnersNext: [],
  autoLeave: false,
};

export const ConfChangeType = {
  ADD_VOTER: 0,
  REMOVE: 1,
  /** Changes nothing; lets a host attach news about a member to the log. */
  UPDATE: 2,
  ADD_LEARNER: 3,
} as const;

export type ConfChangeType = (typeof ConfChangeType)[keyof typeof ConfChangeType];

/** One member's change. */
export interface ConfChangeStep {
  readonly type: ConfChangeType;
  readonly replica: ReplicaId;
}

export const Transition = {
  /** One step at once; several through a joint configuration that leaves itself. */
  AUTO: 0,
  /** Joint, leaves itself. */
  JOINT_IMPLICIT: 1,
  /** Joint until somebody proposes LEAVE_JOINT. */
  JOINT_EXPLICIT: 2,
  /**
   * Majority-loss recovery: the voters named are the only members from here on. Appended by
   * `resetPeers` alone, never proposed.
   */
  RESET: 3,
} as const;

export type Transition = (typeof Transition)[keyof typeof Transition];

export interface ConfChange {
  readonly transition: Transition;
  readonly steps: readonly ConfChangeStep[];
  /** The host's own bytes, e.g. the new member's node. */
  readonly context: Uint8Array;
}

/** AUTO without steps leaves a joint configuration; its encoding is empty (raft pitfall 32). */
export function leavesJoint(change: ConfChange): boolean {
  return change.transition === Transition.AUTO && change.steps.length === 0;
}

export function entersJoint(change: ConfChange): boolean {
  if (change.transition === Transition.RESET) return false;
  return change.transition !== Transition.AUTO || change.steps.length > 1;
}

export function isJoint(conf: ConfState): boolean {
  return conf.outgoing.length > 0;
}

export function isVoter(conf: ConfState, replica: ReplicaId): boolean {
  return conf.voters.includes(replica) || conf.outgoing.includes(replica);
}

export function isMember(conf: ConfState, replica: ReplicaId): boolean {
  return isVoter(conf, replica) || conf.learners.includes(replica);
}

/** All voters of both halves, sorted. */
export function allVoters(conf: ConfState): readonly ReplicaId[] {
  return isJoint(conf) ? sortedUnion(conf.voters, conf.outgoing) : conf.voters;
}

/** Everybody who receives the log, sorted. */
export function allMembers(conf: ConfState): readonly ReplicaId[] {
  // Those of learnersNext are in outgoing.
  return sortedUnion(allVoters(conf), conf.learners);
}

export function sortedUnion(
  left: readonly ReplicaId[],
  right: readonly ReplicaId[],
): readonly ReplicaId[] {
  return [...new Set([...left, ...right])].sort((a, b) => a - b);
}

export function sameConf(left: ConfState, right: ConfState): boolean {
  return (
    sameIds(left.voters, right.voters) &&
    sameIds(left.outgoing, right.outgoing) &&
    sameIds(left.learners, right.learners) &&
    sameIds(left.learnersNext, right.learnersNext) &&
    left.autoLeave === right.autoLeave
  );
}

function sameIds(left: readonly ReplicaId[], right: readonly ReplicaId[]): boolean {
  return left.length === right.length && left.every((id, index) => id === right[index]);
}
