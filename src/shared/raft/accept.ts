/**
 * What a replica does with the messages of its term's leader: appends, heartbeats, snapshots. The
 * caller has made it a follower of that leader already.
 */

import { isMember } from "./conf-state.ts";
import { MessageType, type RaftMessage } from "./message.ts";
import { APPEND_MISMATCH } from "./raft-log.ts";
import { HaltReason, type RaftState } from "./raft-state.ts";
import type { Snapshot } from "./snapshot.ts";

export function acceptAppend(state: RaftState, message: RaftMessage): void {
  const { log } = state;
  if (contradictsCommitted(state, message)) {
    state.halt(HaltReason.DIVERGED);
    return;
  }
  if (message.index < log.committed) {
    // The leader probes below what is known to be common: tell it how far that reaches
    // (raft pitfall 37).
    acknowledge(state, message, log.committed);
    return;
  }
  const { index, logTerm, entries, commit } = message;
  const matched = log.tryAppend(index, logTerm, entries, commit);
  if (matched === APPEND_MISMATCH) rejectAppend(state, message);
  else acknowledge(state, message, matched);
}

export function acceptHeartbeat(state: RaftState, message: RaftMessage): void {
  if (message.commit > state.log.lastIndex) {
    // The leader counts on entries that this replica acknowledged. To go on would be to vote
    // without them (raft pitfall 13).
    state.halt(HaltReason.LOG_LOST);
    return;
  }
  state.log.commitTo(message.commit);
  const response = state.createMessage(MessageType.HEARTBEAT_RESPONSE, message.from);
  response.context = message.context;
  // A leader that sends its group to sleep must know that nobody lacks the last commit index.
  response.commit = state.log.committed;
  state.send(response);
}

/** True if the snapshot was taken; the caller then puts its configuration into effect. */
export function acceptSnapshot(state: RaftState, message: RaftMessage): boolean {
  const { snapshot } = message;
  const isTaken = snapshot !== null && tryRestore(state, snapshot);
  acknowledge(state, message, isTaken ? state.log.lastIndex : state.log.committed);
  return isTaken;
}

function tryRestore(state: RaftState, snapshot: Snapshot): boolean {
  const { log } = state;
  // Raft pitfall 64: nothing new, or nothing but news of the commit index.
  if (snapshot.index <= log.committed) return false;
  // Raft pitfall 65. (Those of learnersNext are in outgoing.)
  if (!isMember(snapshot.conf, state.id)) return false;
  if (log.matches(snapshot.index, snapshot.term)) {
    log.commitTo(snapshot.index);
    return false;
  }
  log.restore(snapshot);
  state.counters.snapshotsInstalled += 1;
  return true;
}

/**
 * A leader has every committed entry. If its log differs where this one is committed, one of them
 * is damaged, and nothing can be saved by going on (raft pitfall 34).
 */
function contradictsCommitted({ log }: RaftState, { index, logTerm }: RaftMessage): boolean {
  if (index > log.committed) return false;
  const term = log.term(index);
  return term >= 0 && term !== logTerm;
}

/** Leaves when everything up to `index` is durable (raft pitfall 4), with this term (pitfall 5). */
function acknowledge(state: RaftState, message: RaftMessage, index: number): void {
  const response = state.createMessage(MessageType.APPEND_RESPONSE, message.from);
  response.index = index;
  state.send(response);
}

/** Says where the logs may meet, so that the leader need not try every index (raft pitfall 38). */
function rejectAppend(state: RaftState, message: RaftMessage): void {
  const { log } = state;
  const hint = log.lastPossibleMatch(Math.min(message.index, log.lastIndex), message.logTerm);
  const response = state.createMessage(MessageType.APPEND_RESPONSE, message.from);
  response.isRejected = true;
  response.index = message.index;
  response.hint = hint;
  response.logTerm = Math.max(log.term(hint), 0);
  state.send(response);
}
