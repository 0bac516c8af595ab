/**
 * A candidate, and a pre-candidate that first asks whether it would win. Both end in one of three
 * ways: a quorum says yes, a quorum says no, or a leader of the term is heard of.
 */

import { Campaign, learnCommit, startCampaign } from "./election.ts";
import { NO_REPLICA } from "./entry.ts";
import { followLeader } from "./follower.ts";
import { MessageType, type RaftMessage } from "./message.ts";
import { VoteResult } from "./quorum.ts";
import type { RaftState } from "./raft-state.ts";
import { Role } from "./ready.ts";
import { broadcastAppend } from "./replication.ts";
import { becomeFollower, becomeLeader } from "./transitions.ts";

/** `message` is of this term, or a granted pre-vote of the next. */
export function stepCandidate(state: RaftState, message: RaftMessage): void {
  switch (message.type) {
    case MessageType.APPEND:
    case MessageType.HEARTBEAT:
    case MessageType.SNAPSHOT:
      becomeFollower(state, message.term, message.from);
      followLeader(state, message);
      return;
    case MessageType.VOTE_RESPONSE:
      if (state.role === Role.CANDIDATE) takeVote(state, message);
      return;
    case MessageType.PRE_VOTE_RESPONSE:
      if (state.role === Role.PRE_CANDIDATE) takeVote(state, message);
      return;
    default:
      return;
  }
}

/** The caller has matched role and type (raft pitfall 18). */
function takeVote(state: RaftState, message: RaftMessage): void {
  // A grant for a campaign of another term is not one for this (raft pitfall 18).
  const askedTerm = state.role === Role.PRE_CANDIDATE ? state.term + 1 : state.term;
  if (!message.isRejected && message.term !== askedTerm) return;
  if (message.isRejected && learnCommit(state, message)) {
    becomeFollower(state, state.term, NO_REPLICA);
    return;
  }
  state.tracker.recordVote(message.from, !message.isRejected);
  switch (state.tracker.voteResult()) {
    case VoteResult.WON:
      // Never without the own vote, which is not durable yet: if it led now and then crashed, it
      // could be elected a second time in this same term and fill the same indexes with other
      // entries (raft pitfall 1). Requests for votes wait for the same write, so that hardly
      // happens.
      if (!state.tracker.hasVoteOf(state.id)) return;
      if (state.role === Role.PRE_CANDIDATE) {
        startCampaign(state, Campaign.PRE_VOTE_WON);
      } else {
        becomeLeader(state);
        broadcastAppend(state);
      }
      return;
    case VoteResult.LOST:
      becomeFollower(state, state.term, NO_REPLICA);
      return;
    case VoteResult.PENDING:
      return;
  }
}
