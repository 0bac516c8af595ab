/** A replica's state as metrics, placement and tests read it (raft pitfall 83). */

import { type ConfState, isJoint } from "./conf-state.ts";
import { NO_REPLICA, type ReplicaId } from "./entry.ts";
import { type Progress, ProgressState } from "./progress.ts";
import { lossesTolerated } from "./quorum.ts";
import type { HaltReason, RaftCounters, RaftState } from "./raft-state.ts";
import { Role } from "./ready.ts";

export interface RaftStatus {
  readonly id: ReplicaId;
  readonly role: Role;
  readonly leader: ReplicaId;
  readonly term: number;
  readonly vote: ReplicaId;
  readonly epoch: number;
  readonly firstIndex: number;
  readonly lastIndex: number;
  /** Durable on this replica. */
  readonly stableIndex: number;
  readonly committed: number;
  readonly applied: number;
  readonly uncommittedBytes: number;
  readonly conf: ConfState;
  /** Voters that may be lost, whichever they are. */
  readonly lossesTolerated: number;
  readonly transferTarget: ReplicaId;
  readonly haltReason: HaltReason;
  /** A leader said that this replica is no member since that entry; 0 when none did. To be checked
   * against the directory before anything is deleted (raft pitfall 60). */
  readonly removedAt: number;
  readonly counters: Readonly<RaftCounters>;
  /** Leader only, else empty. */
  readonly members: readonly MemberStatus[];
}

export interface MemberStatus {
  readonly id: ReplicaId;
  readonly isLearner: boolean;
  readonly state: ProgressState;
  readonly match: number;
  readonly next: number;
  readonly isBlocked: boolean;
  readonly isRecentlyActive: boolean;
  readonly pendingSnapshot: number;
  readonly inflightMessages: number;
  readonly inflightBytes: number;
  readonly isWindowFull: boolean;
}

export function statusOf(state: RaftState): RaftStatus {
  const { log, tracker } = state;
  return {
    id: state.id,
    role: state.role,
    leader: state.leader,
    term: state.term,
    vote: state.vote,
    epoch: state.epoch,
    firstIndex: log.firstIndex,
    lastIndex: log.lastIndex,
    stableIndex: log.stableIndex,
    committed: log.committed,
    applied: log.applied,
    uncommittedBytes: state.uncommittedBytes,
    conf: tracker.conf,
    lossesTolerated: lossesTolerated(tracker.conf),
    transferTarget: state.transferTarget,
    haltReason: state.haltReason,
    removedAt: state.removedAt,
    counters: { ...state.counters },
    members: state.role === Role.LEADER ? tracker.members.map(memberStatusOf) : [],
  };
}

export function memberStatusOf(progress: Progress): MemberStatus {
  const { id, isLearner, state, match, next, isBlocked, isRecentlyActive } = progress;
  const { pendingSnapshot, inflights } = progress;
  return {
    id,
    isLearner,
    state,
    match,
    next,
    isBlocked,
    isRecentlyActive,
    pendingSnapshot,
    inflightMessages: inflights.count,
    inflightBytes: inflights.bytes,
    isWindowFull: inflights.isFull,
  };
}

/**
 * Leads, and neither it nor any member has anything left to do. What was only sent may be lost: a
 * voter that misses it campaigns some day, but a learner would wait for ever.
 */
export function isSettled(state: RaftState): boolean {
  const { log, tracker } = state;
  return (
    state.role === Role.LEADER &&
    log.applied === log.lastIndex &&
    log.stableIndex === log.lastIndex &&
    state.transferTarget === NO_REPLICA &&
    !state.reads.hasPending &&
    !isJoint(tracker.conf) &&
    tracker.members.every(
      ({ match, state: progressState, knownCommit, id }) =>
        match === log.lastIndex &&
        progressState === ProgressState.REPLICATE &&
        (id === state.id || knownCommit >= log.committed),
    )
  );
}
