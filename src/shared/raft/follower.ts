/**
 * A follower: takes the leader's log, passes requests on to it, and campaigns when it hears nothing
 * for too long. Learners are followers that never campaign.
 */

import { acceptAppend, acceptHeartbeat, acceptSnapshot } from "./accept.ts";
import { Campaign, tryCampaign } from "./election.ts";
import { NO_REPLICA } from "./entry.ts";
import { MessageType, type RaftMessage } from "./message.ts";
import type { RaftState } from "./raft-state.ts";
import { switchConf } from "./reconfigure.ts";

/** Followers and candidates: one tick nearer to a campaign. */
export function tickElection(state: RaftState): void {
  state.electionElapsed += 1;
  if (!state.isPromotable || state.electionElapsed < state.electionTimeout) return;
  state.electionElapsed = 0;
  tryCampaign(state, Campaign.TIMED_OUT);
}

/** `message` is of this term, or of none. */
export function stepFollower(state: RaftState, message: RaftMessage): void {
  switch (message.type) {
    case MessageType.APPEND:
    case MessageType.HEARTBEAT:
    case MessageType.SNAPSHOT:
      followLeader(state, message);
      return;
    case MessageType.TIMEOUT_NOW:
      tryCampaign(state, Campaign.TRANSFER);
      return;
    case MessageType.READ_INDEX_RESPONSE:
      state.readStates.push({ requestId: message.context, index: message.index });
      return;
    default:
      return;
  }
}

/** Hears its leader: the only traffic, besides granting a vote, that calms it (raft pitfall 25). */
export function followLeader(state: RaftState, message: RaftMessage): void {
  state.electionElapsed = 0;
  state.leader = message.from;
  state.removedAt = 0;
  switch (message.type) {
    case MessageType.APPEND:
      acceptAppend(state, message);
      return;
    case MessageType.HEARTBEAT:
      acceptHeartbeat(state, message);
      return;
    case MessageType.SNAPSHOT:
      if (acceptSnapshot(state, message) && message.snapshot !== null) {
        state.tracker.clear();
        // The configuration is the one at the snapshot's index (raft pitfall 66).
        state.snapshotConfIndex = message.snapshot.index;
        switchConf(state, message.snapshot.conf);
      }
      return;
    default:
      return;
  }
}

/**
 * Sends this replica's own request to the leader; false if it knows none. Requests of others are
 * never passed on: two replicas that take each other for the leader would play ball with them.
 */
export function passToLeader(state: RaftState, request: RaftMessage): boolean {
  if (state.leader === NO_REPLICA) return false;
  request.to = state.leader;
  state.send(request);
  return true;
}
