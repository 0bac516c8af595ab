/**
 * The changes of role. Each sets exactly what the new role starts with; who may change when is
 * decided in the role files.
 *
 *   FOLLOWER -> PRE_CANDIDATE -> CANDIDATE -> LEADER
 *       ^------------'--------------'-----------'    a leader, or a higher term, is heard of
 */

import { assert } from "../base/assert.ts";
import { NO_BYTES } from "../bytes/copy-bytes.ts";
import { encodeConfChange } from "./conf-change-codec.ts";
import { ConfChangeType, Transition } from "./conf-state.ts";
import { type Entry, EntryType, emptyEntry, NO_REPLICA, type ReplicaId } from "./entry.ts";
import type { RaftState } from "./raft-state.ts";
import { Role } from "./ready.ts";
import { appendToOwnLog } from "./replication.ts";

export function becomeFollower(state: RaftState, term: number, leader: ReplicaId): void {
  if (state.role === Role.LEADER) state.counters.stepDowns += 1;
  reset(state, term);
  state.leader = leader;
  state.role = Role.FOLLOWER;
}

/** Asks whether it could win, and changes neither term nor vote for it (raft pitfall 17). */
export function becomePreCandidate(state: RaftState): void {
  assert(state.role !== Role.LEADER, "raft: a leader does not campaign");
  state.tracker.resetVotes();
  // It has lost faith in the leader; if it went on believing, it would refuse others their votes
  // and two such replicas could block each other (raft pitfall 19).
  state.leader = NO_REPLICA;
  state.role = Role.PRE_CANDIDATE;
  state.drawElectionTimeout();
}

export function becomeCandidate(state: RaftState): void {
  assert(state.role !== Role.LEADER, "raft: a leader does not campaign");
  reset(state, state.term + 1);
  state.vote = state.id; // raft pitfall 1: on disk before anybody is asked
  state.role = Role.CANDIDATE;
}

/**
 * Appends the entry that every leader begins with (raft pitfall 32): only an entry of its own term
 * lets it commit those of earlier ones.
 */
export function becomeLeader(state: RaftState): void {
  assert(state.role === Role.CANDIDATE, "raft: only a candidate becomes leader");
  reset(state, state.term);
  state.leader = state.id;
  state.role = Role.LEADER;
  state.counters.electionsWon += 1;
  const self = state.tracker.get(state.id);
  assert(self !== undefined, "raft: a leader is a member when elected");
  self.becomeReplicate();
  self.isRecentlyActive = true;
  // There may be a configuration change anywhere in the uncommitted tail; to wait until all of it
  // is applied is cheaper than to look (raft pitfall 51).
  state.pendingConfIndex = state.log.lastIndex;
  appendToOwnLog(state, [firstEntry(state)]);
}

/** A change of epoch is the first entry of the leader that makes it, else nothing is. */
function firstEntry(state: RaftState): Entry {
  const index = state.log.lastIndex + 1;
  if (index !== state.epochIndex) return emptyEntry(index, state.term);
  state.pendingConfIndex = index;
  const data = encodeConfChange({
    transition: Transition.RESET,
    steps: [{ type: ConfChangeType.ADD_VOTER, replica: state.id }],
    context: NO_BYTES,
  });
  return { index, term: state.term, type: EntryType.CONF_CHANGE, data };
}

function reset(state: RaftState, term: number): void {
  if (state.term !== term) {
    state.term = term;
    state.vote = NO_REPLICA;
  }
  state.leader = NO_REPLICA;
  state.electionElapsed = 0;
  state.heartbeatElapsed = 0;
  state.drawElectionTimeout();
  state.transferTarget = NO_REPLICA;
  state.hasSentTimeoutNow = false;
  state.pendingConfIndex = 0;
  state.uncommittedBytes = 0; // raft pitfall 46
  state.reads.reset();
  state.catchUp.reset();
  state.tracker.resetVotes();
  const { lastIndex } = state.log;
  for (const progress of state.tracker.members) {
    progress.reset(lastIndex);
    // Its own log counts as far as it is on disk (raft pitfall 7).
    if (progress.id === state.id) progress.match = state.log.stableIndex;
  }
}
