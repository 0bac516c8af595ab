/**
 * A leader: heartbeats, the check that a quorum still listens, and what it makes of the answers.
 * Taking proposals is leader-proposals.ts, serving reads is leader-reads.ts.
 */

import { isVoter } from "./conf-state.ts";
import { NO_REPLICA, type ReplicaId } from "./entry.ts";
import { proposeAsLeader } from "./leader-proposals.ts";
import { confirmReads, readAsLeader } from "./leader-reads.ts";
import { MessageType, type RaftMessage } from "./message.ts";
import { type Progress, ProgressState } from "./progress.ts";
import type { RaftState } from "./raft-state.ts";
import {
  broadcastAppend,
  broadcastHeartbeat,
  sendAppend,
  sendPendingAppends,
  sendTimeoutNow,
  tryCommit,
} from "./replication.ts";
import { becomeFollower } from "./transitions.ts";

export function tickLeader(state: RaftState): void {
  const { options } = state;
  state.heartbeatElapsed += 1;
  state.electionElapsed += 1;
  state.catchUp.tick(state.tracker.members, state.log.lastIndex);
  if (state.electionElapsed >= options.electionTicks) {
    state.electionElapsed = 0;
    if (options.checkQuorum && !isQuorumListening(state)) {
      // Not only does it stop to lead: it stops to send heartbeats, which would keep those who
      // still hear it from electing a leader that a majority hears (raft pitfall 28).
      becomeFollower(state, state.term, NO_REPLICA);
      return;
    }
  }
  state.transferElapsed += 1;
  if (state.transferElapsed >= options.electionTicks) {
    // A transfer takes an election timeout at most (raft pitfall 78).
    state.transferTarget = NO_REPLICA;
  }
  if (state.heartbeatElapsed >= options.heartbeatTicks) {
    state.heartbeatElapsed = 0;
    beat(state);
  }
}

/** A heartbeat round to everybody; also what reads wait for. */
export function beat(state: RaftState): void {
  broadcastHeartbeat(state);
  confirmReads(state);
}

/** `message` is of this term, or a request from a member that takes this one for the leader. */
export function stepLeader(state: RaftState, message: RaftMessage): void {
  switch (message.type) {
    case MessageType.PROPOSE:
      proposeAsLeader(state, message.entries);
      return;
    case MessageType.READ_INDEX:
      readAsLeader(state, message.from, message.context);
      return;
    case MessageType.TRANSFER_LEADER:
      startTransfer(state, message.context);
      return;
    default:
      stepAnswer(state, message);
  }
}

function stepAnswer(state: RaftState, message: RaftMessage): void {
  const progress = state.tracker.get(message.from);
  if (progress === undefined) return;
  switch (message.type) {
    case MessageType.APPEND_RESPONSE:
      progress.isRecentlyActive = true;
      if (message.isRejected) takeRejection(state, progress, message);
      else takeAcknowledgement(state, progress, message.index);
      return;
    case MessageType.HEARTBEAT_RESPONSE:
      takeHeartbeatResponse(state, progress, message);
      return;
    default:
      return;
  }
}

/**
 * The host could not send to `progress`'s member: appends in flight are probably lost (pitfall 43).
 */
export function noteUnreachable(progress: Progress): void {
  if (progress.state === ProgressState.REPLICATE) progress.becomeProbe();
}

/** The host's report on a snapshot that it was to deliver. */
export function noteSnapshotOutcome(progress: Progress, isDelivered: boolean): void {
  if (progress.state !== ProgressState.SNAPSHOT) return;
  // Not delivered: probe where the log ended before.
  if (!isDelivered) progress.pendingSnapshot = 0;
  progress.becomeProbe();
  // Delivered: its acknowledgement comes soon. Not delivered: not before the next heartbeat round
  // (raft pitfall 68).
  progress.isPaused = true;
}

export const TransferStatus = {
  STARTED: 0,
  /** The group's leader is somebody else; the wish was passed on, if there is one. */
  PASSED_ON: 1,
  NOT_LEADER: 2,
  /** Not a voter, or this replica itself. */
  BAD_TARGET: 3,
} as const;

export type TransferStatus = (typeof TransferStatus)[keyof typeof TransferStatus];

/** Hands leadership to `target` as soon as it has the whole log (Raft thesis §3.10). */
export function startTransfer(state: RaftState, target: ReplicaId): TransferStatus {
  const progress = state.tracker.get(target);
  // Raft pitfall 78: only a voter can be elected.
  if (progress === undefined || progress.isLearner || target === state.id) {
    return TransferStatus.BAD_TARGET;
  }
  if (!isVoter(state.tracker.conf, target)) return TransferStatus.BAD_TARGET;
  if (state.transferTarget === target) return TransferStatus.STARTED;
  state.transferTarget = target;
  // A clock of its own: wishes that change their minds must not put off the check of the quorum.
  state.transferElapsed = 0;
  if (progress.match === state.log.lastIndex) sendTimeoutNow(state, target);
  else sendAppend(state, progress, true);
  return TransferStatus.STARTED;
}

/** Was a quorum heard of since the last check? Begins the next period. */
function isQuorumListening(state: RaftState): boolean {
  const isActive = state.tracker.isQuorumActive();
  for (const progress of state.tracker.members) {
    if (progress.id !== state.id) progress.isRecentlyActive = false;
  }
  return isActive;
}

function takeAcknowledgement(state: RaftState, progress: Progress, index: number): void {
  if (index > state.log.lastIndex) {
    // Raft pitfall 40: nothing that this leader sent. Believing it would commit what does not
    // exist.
    state.counters.acksBeyondLog += 1;
    return;
  }
  const isNews = progress.noteAcknowledged(index);
  // A probe of a member that lacks nothing moves nothing, and yet ends the probing.
  if (!isNews && !(progress.match === index && progress.state === ProgressState.PROBE)) return;
  switch (progress.state) {
    case ProgressState.PROBE:
      progress.becomeReplicate();
      break;
    case ProgressState.SNAPSHOT:
      // Whichever snapshot it was: the log can take over from here (raft pitfall 68).
      if (progress.match + 1 >= state.log.firstIndex) {
        progress.becomeProbe();
        progress.becomeReplicate();
      }
      break;
    case ProgressState.REPLICATE:
      progress.inflights.freeUpTo(index);
      break;
  }
  const isSelf = progress.id === state.id;
  if (tryCommit(state)) {
    state.reads.admitEarly(state.log.committed);
    broadcastAppend(state);
  } else if (!isSelf && progress.canAdvanceCommit(state.log.committed)) {
    sendAppend(state, progress, true);
  }
  if (isSelf) return;
  sendPendingAppends(state, progress);
  if (progress.id === state.transferTarget && progress.match === state.log.lastIndex) {
    sendTimeoutNow(state, progress.id);
  }
}

function takeRejection(state: RaftState, progress: Progress, message: RaftMessage): void {
  state.counters.appendsRejected += 1;
  // The member has at most `logTerm` at its hint, so nothing above it with a higher term here can
  // match: one probe per term instead of one per entry (raft pitfall 38).
  const hint =
    message.logTerm > 0 ? state.log.lastPossibleMatch(message.hint, message.logTerm) : message.hint;
  if (!progress.noteRejected(message.index, hint)) return;
  if (progress.state === ProgressState.REPLICATE) progress.becomeProbe();
  sendAppend(state, progress, true);
}

function takeHeartbeatResponse(state: RaftState, progress: Progress, message: RaftMessage): void {
  progress.isRecentlyActive = true;
  progress.isPaused = false;
  progress.knownCommit = message.commit;
  // One append per round, be it empty, gets a stalled window or a probe going again
  // (raft pitfalls 41, 42).
  if (progress.match < state.log.lastIndex || progress.state === ProgressState.PROBE) {
    sendAppend(state, progress, true);
  }
  if (message.context > state.reads.lastRound || message.context <= progress.ackedRound) return;
  progress.ackedRound = message.context;
  confirmReads(state);
}
