/**
 * Campaigns and votes (Raft thesis §3.4, §9.6), common to all roles.
 */

import { allVoters } from "./conf-state.ts";
import { EntryType, NO_REPLICA } from "./entry.ts";
import { MessageType, type RaftMessage } from "./message.ts";
import type { RaftState } from "./raft-state.ts";
import { Role } from "./ready.ts";
import { COMPACTED, NOT_YET } from "./storage.ts";
import { becomeCandidate, becomePreCandidate } from "./transitions.ts";

export const Campaign = {
  /** Asks first, if the group does so. */
  TIMED_OUT: 0,
  /** The pre-vote is won. */
  PRE_VOTE_WON: 1,
  /** The leader wants it: no pre-vote, and promises to that leader do not bind (pitfall 78). */
  TRANSFER: 2,
} as const;

export type Campaign = (typeof Campaign)[keyof typeof Campaign];

/** Campaigns if this replica may. True if it did. */
export function tryCampaign(state: RaftState, campaign: Campaign): boolean {
  if (state.role === Role.LEADER || !state.isPromotable) return false;
  if (hasUnappliedConfChange(state)) return false;
  state.counters.electionsStarted += 1;
  startCampaign(state, campaign);
  return true;
}

export function startCampaign(state: RaftState, campaign: Campaign): void {
  const isPreVote = campaign === Campaign.TIMED_OUT && state.options.preVote;
  if (isPreVote) becomePreCandidate(state);
  else becomeCandidate(state);
  // A pre-vote asks about the term that the candidate would have.
  const term = isPreVote ? state.term + 1 : state.term;
  const type = isPreVote ? MessageType.PRE_VOTE : MessageType.VOTE;
  for (const id of allVoters(state.tracker.conf)) {
    if (id === state.id) {
      // The own vote counts when it is on disk (raft pitfall 1).
      const vote = state.createMessage(responseTo(type), state.id);
      vote.term = term;
      state.send(vote);
      continue;
    }
    const request = state.createMessage(type, id);
    request.term = term;
    request.index = state.log.lastIndex;
    request.logTerm = state.log.lastTerm;
    request.isForced = campaign === Campaign.TRANSFER;
    state.send(request);
  }
}

/**
 * Answers PRE_VOTE and VOTE. Learners answer too: the asker may know a newer configuration in which
 * this replica is a voter (raft pitfall 23); and so does it answer askers that its own
 * configuration does not name (pitfall 29).
 */
export function answerVoteRequest(state: RaftState, request: RaftMessage): void {
  const isPreVote = request.type === MessageType.PRE_VOTE;
  // Raft pitfall 22.
  const canVote =
    state.vote === request.from ||
    (state.vote === NO_REPLICA && state.leader === NO_REPLICA) ||
    (isPreVote && request.term > state.term);
  const isGranted = canVote && state.log.isUpToDate(request.index, request.logTerm);
  const response = state.createMessage(responseTo(request.type), request.from);
  response.isRejected = !isGranted;
  // A grant names the asked term, or the pre-candidate, being in a lower one, would not know what
  // it was granted; a refusal names the own term, so that a stale asker catches up (raft pitfall
  // 17).
  if (isGranted) response.term = request.term;
  else tellCommit(state, response);
  state.send(response);
  if (isGranted && !isPreVote) {
    // Only a real vote is a reason to wait longer (raft pitfall 25).
    state.electionElapsed = 0;
    state.vote = request.from;
  }
}

/**
 * A refused candidate may lack nothing but the news that its entries are committed, among them the
 * change after which it would not need the refuser. A leader that its own last change has removed
 * can stop, or crash, before it spreads that news; without this nobody could ever lead again (raft
 * pitfall 59).
 */
function tellCommit(state: RaftState, refusal: RaftMessage): void {
  refusal.commit = state.log.committed;
  refusal.logTerm = Math.max(state.log.term(state.log.committed), 0);
}

/**
 * Takes the news from a refusal; whoever committed the entry, committed all before it. True if this
 * replica has to apply a configuration change now, before it may campaign.
 */
export function learnCommit(state: RaftState, refusal: RaftMessage): boolean {
  const { log } = state;
  if (refusal.commit <= log.committed) return false;
  if (!log.matches(refusal.commit, refusal.logTerm)) return false;
  log.commitTo(refusal.commit);
  return hasUnappliedConfChange(state);
}

/** A pre-vote request of a lower term: the asker must learn of this one (raft pitfall 21). */
export function refuseStalePreVote(state: RaftState, request: RaftMessage): void {
  const response = state.createMessage(MessageType.PRE_VOTE_RESPONSE, request.from);
  response.isRejected = true;
  state.send(response);
}

/**
 * Is some committed configuration change not applied yet? Then this replica does not know who its
 * electors are (raft pitfall 24). Entries that storage cannot show yet may be one.
 */
export function hasUnappliedConfChange(state: RaftState): boolean {
  const { log } = state;
  let next = log.applied + 1;
  while (next <= log.committed) {
    const page = log.committedFrom(next, state.options.maxApplyingBytes);
    if (page === NOT_YET || page === COMPACTED) return true;
    for (const entry of page) {
      // Those before the epoch no longer change anything.
      if (entry.type === EntryType.CONF_CHANGE && entry.index >= state.epochIndex) return true;
    }
    next += page.length;
  }
  return false;
}

function responseTo(type: MessageType): MessageType {
  return type === MessageType.PRE_VOTE ? MessageType.PRE_VOTE_RESPONSE : MessageType.VOTE_RESPONSE;
}
