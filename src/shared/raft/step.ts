/**
 * What happens to a message before its role's file sees it: is it believable, of this epoch, of
 * this term? (Raft thesis §3.3.)
 */

import { stepCandidate } from "./candidate.ts";
import { answerVoteRequest, refuseStalePreVote } from "./election.ts";
import { NO_REPLICA } from "./entry.ts";
import { stepFollower } from "./follower.ts";
import { stepLeader } from "./leader.ts";
import {
  createMessage,
  isFromLeader,
  isPlausible,
  isRequest,
  isResponse,
  MessageType,
  type RaftMessage,
} from "./message.ts";
import { HaltReason, type RaftState } from "./raft-state.ts";
import { Role } from "./ready.ts";
import { becomeFollower } from "./transitions.ts";

/** What became of a message; hosts may count them, and need do nothing else. */
export const StepStatus = {
  HANDLED: 0,
  /** Of an earlier term, or refused for the sake of a leader that is heard of. */
  IGNORED: 1,
  /** An answer of somebody who is no member here. */
  UNKNOWN_PEER: 2,
  /** No correct peer sends this, or not to this replica. */
  IMPLAUSIBLE: 3,
  /** Its sender's group was recovered without it. */
  FENCED: 4,
  HALTED: 5,
} as const;

export type StepStatus = (typeof StepStatus)[keyof typeof StepStatus];

export function stepMessage(state: RaftState, message: RaftMessage): StepStatus {
  if (state.haltReason !== HaltReason.NONE) return StepStatus.HALTED;
  // Replica ids are never given out twice, so this was meant for another (raft pitfall 61).
  if (message.to !== state.id || !isPlausible(message)) {
    state.counters.implausibleMessages += 1;
    return StepStatus.IMPLAUSIBLE;
  }
  if (message.epoch !== state.epoch && !admitEpoch(state, message)) return StepStatus.FENCED;
  const { type, from, term } = message;
  if (type === MessageType.EPOCH_FENCE) return StepStatus.IGNORED;
  if (type === MessageType.NOT_A_MEMBER) {
    state.removedAt = message.index;
    return StepStatus.HANDLED;
  }
  if (isResponse(type) && from !== state.id && state.tracker.get(from) === undefined) {
    return StepStatus.UNKNOWN_PEER;
  }
  if (!isRequest(type)) {
    if (isVoteRequest(type) && !mayConsiderVote(state, message)) return StepStatus.IGNORED;
    if (term < state.term) {
      answerStale(state, message);
      return StepStatus.IGNORED;
    }
    if (term > state.term) {
      if (isResponse(type) && mustKeepTerm(state)) return StepStatus.IGNORED;
      raiseTerm(state, message);
    }
  }
  dispatch(state, message);
  return state.haltReason === HaltReason.NONE ? StepStatus.HANDLED : StepStatus.HALTED;
}

function dispatch(state: RaftState, message: RaftMessage): void {
  if (isVoteRequest(message.type)) {
    answerVoteRequest(state, message);
    return;
  }
  switch (state.role) {
    case Role.FOLLOWER:
      stepFollower(state, message);
      return;
    case Role.PRE_CANDIDATE:
    case Role.CANDIDATE:
      stepCandidate(state, message);
      return;
    case Role.LEADER:
      stepLeader(state, message);
      return;
  }
}

/** A message of another epoch (raft pitfall 81). True if this replica joins that epoch. */
function admitEpoch(state: RaftState, message: RaftMessage): boolean {
  if (message.epoch < state.epoch) {
    if (message.from !== state.id && message.type !== MessageType.EPOCH_FENCE) {
      const fence = createMessage(MessageType.EPOCH_FENCE, message.from);
      fence.term = state.term;
      state.send(fence);
    }
    return false;
  }
  // A replica that has neither log nor vote was made for the new epoch.
  const isPristine = state.term === 0 && state.log.lastIndex === 0 && state.epoch === 0;
  if (!isPristine || message.type === MessageType.EPOCH_FENCE) {
    state.halt(HaltReason.FENCED);
    return false;
  }
  state.epoch = message.epoch;
  return true;
}

/**
 * A replica that hears a leader, or that may have promised a lease before its restart, does not
 * even look at the request, and takes no term from it (raft pitfalls 20, 27). A transfer of
 * leadership is that leader's own wish.
 */
function mayConsiderVote(state: RaftState, request: RaftMessage): boolean {
  if (request.isForced) return true;
  if (state.voteHoldTicks > 0) return false;
  if (request.term <= state.term || !state.isLeaderLeaseHeld) return true;
  if (state.role === Role.LEADER) tellRemoved(state, request);
  return false;
}

/**
 * The term of a late answer must not end a follower's promise to its leader: it would forget that
 * leader, and vote in the higher term while the leader still counts on it (raft pitfall 20).
 */
function mustKeepTerm(state: RaftState): boolean {
  return state.role === Role.FOLLOWER && state.isBoundByLease;
}

/**
 * The leader knows its members; a candidate that is none may not have heard so (raft pitfall 60).
 */
function tellRemoved(state: RaftState, request: RaftMessage): void {
  if (!state.options.notifiesRemoved || state.tracker.get(request.from) !== undefined) return;
  const notice = state.createMessage(MessageType.NOT_A_MEMBER, request.from);
  notice.index = state.log.applied;
  state.send(notice);
}

/** A lower term: only those who could be stuck in it are answered. */
function answerStale(state: RaftState, message: RaftMessage): void {
  const { type, from } = message;
  const { checkQuorum, preVote } = state.options;
  const asksOpenly = state.isPromotable && !checkQuorum && !preVote;
  if (type === MessageType.PRE_VOTE) {
    refuseStalePreVote(state, message);
  } else if (!asksOpenly && (type === MessageType.HEARTBEAT || type === MessageType.APPEND)) {
    // Neither side would raise the other's term by a vote request: it may be ignored, and who is no
    // voter makes none; so this answer does (raft pitfall 21).
    state.send(state.createMessage(MessageType.APPEND_RESPONSE, from));
  }
}

function raiseTerm(state: RaftState, message: RaftMessage): void {
  const { type } = message;
  // Pre-votes speak of a term that nobody has reached yet (raft pitfall 17). A refusal comes with
  // the refuser's own.
  if (type === MessageType.PRE_VOTE) return;
  if (type === MessageType.PRE_VOTE_RESPONSE && !message.isRejected) return;
  const { role, electionElapsed } = state;
  becomeFollower(state, message.term, isFromLeader(type) ? message.from : NO_REPLICA);
  // A higher term alone is no reason for a follower to wait longer; what it is told in that term
  // may be (raft pitfall 25). So a candidate that nobody can elect does not hold up one that can
  // be.
  if (role === Role.FOLLOWER) state.electionElapsed = electionElapsed;
}

function isVoteRequest(type: MessageType): boolean {
  return type === MessageType.VOTE || type === MessageType.PRE_VOTE;
}
