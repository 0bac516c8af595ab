/**
 * How a leader brings its log to the others: appends, snapshots where the log no longer reaches
 * back, heartbeats, and the commit index that follows from the acknowledgements.
 */

import { isMember } from "./conf-state.ts";
import { type Entry, payloadBytes, type ReplicaId } from "./entry.ts";
import { MessageType } from "./message.ts";
import { type Progress, ProgressState } from "./progress.ts";
import type { RaftState } from "./raft-state.ts";
import { COMPACTED, NOT_YET } from "./storage.ts";

/**
 * Appends `entries` to the leader's own log and queues the acknowledgement to itself, which counts
 * when they are durable (raft pitfall 7). Callers have checked the quota.
 */
export function appendToOwnLog(state: RaftState, entries: readonly Entry[]): void {
  state.uncommittedBytes += payloadBytes(entries);
  state.log.append(entries);
  const ack = state.createMessage(MessageType.APPEND_RESPONSE, state.id);
  ack.index = state.log.lastIndex;
  state.send(ack);
}

/**
 * Sends what `progress` lacks, as far as flow control permits. Without entries to send, an empty
 * append goes out if `mayBeEmpty`: it carries the commit index and keeps probes going. True if a
 * message went out.
 */
export function sendAppend(state: RaftState, progress: Progress, mayBeEmpty: boolean): boolean {
  if (progress.isBlocked) return false;
  const { log } = state;
  const prevTerm = log.term(progress.next - 1);
  // Compacted: the member can only be reached by a snapshot.
  if (prevTerm < 0) return sendSnapshot(state, progress);
  let entries: readonly Entry[] = [];
  // With a full window only empty appends go out, one per heartbeat round, so that a lost window
  // does not stall the member for ever (raft pitfall 42).
  if (progress.state !== ProgressState.REPLICATE || !progress.inflights.isFull) {
    const read = log.entriesFrom(progress.next, state.options.maxMessageBytes);
    if (read === COMPACTED) return sendSnapshot(state, progress);
    // Storage fetches them; `resumeReplication` comes back.
    if (read === NOT_YET) return false;
    entries = read;
  }
  if (entries.length === 0 && !mayBeEmpty) return false;
  const message = state.createMessage(MessageType.APPEND, progress.id);
  message.index = progress.next - 1;
  message.logTerm = prevTerm;
  message.entries = entries;
  message.commit = log.committed;
  state.send(message);
  state.counters.appendsSent += 1;
  progress.noteSent(entries.length, payloadBytes(entries));
  progress.noteSentCommit(log.committed);
  return true;
}

/** All that fits into the window, without empty appends. */
export function sendPendingAppends(state: RaftState, progress: Progress): void {
  while (sendAppend(state, progress, false));
}

export function broadcastAppend(state: RaftState): void {
  for (const progress of state.tracker.members) {
    if (progress.id !== state.id) sendAppend(state, progress, true);
  }
}

/** Storage has fetched something: whoever waited for it gets it now. */
export function resumeReplication(state: RaftState): void {
  for (const progress of state.tracker.members) {
    if (progress.id !== state.id) sendPendingAppends(state, progress);
  }
}

/** One heartbeat to everybody, as a new round (read-index.ts). */
export function broadcastHeartbeat(state: RaftState): void {
  const round = state.reads.beginRound(state.nowMs);
  const self = state.tracker.get(state.id);
  if (self !== undefined) self.ackedRound = round;
  for (const progress of state.tracker.members) {
    if (progress.id !== state.id) sendHeartbeat(state, progress, round);
  }
}

/** Commits what a quorum has durably, if it is of this term. True if the index moved. */
export function tryCommit(state: RaftState): boolean {
  return state.log.tryCommit(state.tracker.committedIndex(), state.term);
}

export function sendTimeoutNow(state: RaftState, to: ReplicaId): void {
  // Raft pitfall 76: from here on another leader may be elected at any time in spite of the leases,
  // also if the transfer is given up later, because the message can still arrive.
  state.hasSentTimeoutNow = true;
  state.send(state.createMessage(MessageType.TIMEOUT_NOW, to));
}

function sendHeartbeat(state: RaftState, progress: Progress, round: number): void {
  // The member's log need not reach the commit index, nor equal this one there (raft pitfall 36).
  const commit = Math.min(progress.match, state.log.committed);
  const message = state.createMessage(MessageType.HEARTBEAT, progress.id);
  message.commit = commit;
  message.context = round;
  state.send(message);
  progress.noteSentCommit(commit);
}

function sendSnapshot(state: RaftState, progress: Progress): boolean {
  // A dead member would only hold the snapshot's memory (raft pitfall 68).
  if (!progress.isRecentlyActive) return false;
  const snapshot = state.log.snapshot();
  if (snapshot === NOT_YET) return false;
  // One from before the member was added would be refused (raft pitfall 65): wait for a newer one.
  if (!isMember(snapshot.conf, progress.id)) return false;
  progress.becomeSnapshot(snapshot.index);
  const message = state.createMessage(MessageType.SNAPSHOT, progress.id);
  message.snapshot = snapshot;
  state.send(message);
  state.counters.snapshotsSent += 1;
  return true;
}
