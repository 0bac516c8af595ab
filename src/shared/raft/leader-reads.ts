/**
 * A leader serves reads: by asking a quorum whether it still leads (read-index.ts), or, if the
 * group has leases, by the clock.
 */

import type { ReplicaId } from "./entry.ts";
import { MessageType } from "./message.ts";
import type { RaftState } from "./raft-state.ts";
import { Role } from "./ready.ts";

export const ReadStatus = {
  /** The answer comes as a ReadState. */
  QUEUED: 0,
  /** Sent to the leader. If the answer does not come, ask again under a new number. */
  FORWARDED: 1,
  NO_LEADER: 2,
  /** Too many reads wait; come again. */
  BUSY: 3,
  HALTED: 4,
} as const;

export type ReadStatus = (typeof ReadStatus)[keyof typeof ReadStatus];

/** Takes a read; `from` gets the answer. */
export function readAsLeader(state: RaftState, from: ReplicaId, requestId: number): ReadStatus {
  if (state.reads.isFull) return ReadStatus.BUSY;
  // Also a sole voter's commit index may be behind after a restart (raft pitfall 71).
  if (state.hasCommittedInTerm) state.reads.add(from, requestId, state.log.committed);
  else state.reads.addEarly(from, requestId);
  return ReadStatus.QUEUED;
}

/**
 * Answers the reads whose round a quorum has answered, in a joint configuration both (pitfall 30).
 */
export function confirmReads(state: RaftState): void {
  for (const read of state.reads.confirm(state.tracker.answeredRound())) {
    state.counters.readsServed += 1;
    if (read.from === state.id) {
      state.readStates.push({ requestId: read.requestId, index: read.index });
      continue;
    }
    const response = state.createMessage(MessageType.READ_INDEX_RESPONSE, read.from);
    response.context = read.requestId;
    response.index = read.index;
    state.send(response);
  }
}

/**
 * Until when, on the clock that `tick` is told, no other leader can have been elected: the newest
 * heartbeat round that a quorum answered makes each of them refuse its vote for an election timeout
 * from when it came in, so for a little less from when it was sent (raft pitfalls 74, 75).
 * -Infinity without a lease.
 */
export function leaseUntilMs(state: RaftState): number {
  if (!state.options.leaseReads || state.role !== Role.LEADER) return Number.NEGATIVE_INFINITY;
  // Raft pitfalls 76 and 71.
  if (state.hasSentTimeoutNow || !state.hasCommittedInTerm) return Number.NEGATIVE_INFINITY;
  return state.reads.answeredSentAtMs + state.options.leaseMs;
}
