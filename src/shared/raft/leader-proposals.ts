/**
 * A leader takes proposals: checks them against its quota and against the configuration, appends
 * them and sends them out.
 */

import { decodeConfChange, encodeConfChange, LEAVE_JOINT } from "./conf-change-codec.ts";
import { type ConfChange, Transition } from "./conf-state.ts";
import { applyConfChangeTo } from "./config-change.ts";
import { type Entry, EntryType, emptyEntry, NO_REPLICA, payloadBytes } from "./entry.ts";
import type { RaftState } from "./raft-state.ts";
import { Role } from "./ready.ts";
import { appendToOwnLog, broadcastAppend } from "./replication.ts";

/**
 * What became of a proposal. All but ACCEPTED, FORWARDED and CONF_REFUSED mean that nothing was
 * appended and nothing ever will be (raft pitfall 48). ACCEPTED is no promise: the entry is
 * committed when it is applied with the term under which it was accepted, and lost when another is
 * applied at its index.
 */
export const ProposalStatus = {
  ACCEPTED: 0,
  /** Sent to the leader; the answer, if any, comes through the state machine. */
  FORWARDED: 1,
  /** An empty entry took the place of the configuration change, which does not fit. */
  CONF_REFUSED: 2,
  NOT_LEADER: 3,
  /** Leads, but is no member any more. */
  REMOVED: 4,
  /** Leadership is being handed over. */
  TRANSFERRING: 5,
  /** Too much is proposed and not applied; come again. */
  QUOTA_EXCEEDED: 6,
  /** More than one entry may hold. */
  TOO_LARGE: 7,
  /** This replica no longer takes part. */
  HALTED: 8,
} as const;

export type ProposalStatus = (typeof ProposalStatus)[keyof typeof ProposalStatus];

/** What is proposed, before it has a place in the log. */
export interface Proposal {
  readonly type: EntryType;
  readonly data: Uint8Array;
}

/** Appends `proposals` one after the other, all or none. */
export function proposeAsLeader(state: RaftState, proposals: readonly Proposal[]): ProposalStatus {
  const status = refusalOf(state, proposals);
  if (status !== ProposalStatus.ACCEPTED) {
    state.counters.proposalsRefused += 1;
    return status;
  }
  const { lastIndex } = state.log;
  let isConfRefused = false;
  const entries = proposals.map(({ type, data }, at): Entry => {
    const index = lastIndex + 1 + at;
    if (type === EntryType.CONF_CHANGE && !admitConfChange(state, index, data)) {
      isConfRefused = true;
      // The entries of a batch keep the indexes that their proposer counts on.
      return emptyEntry(index, state.term);
    }
    return { index, term: state.term, type, data };
  });
  appendToOwnLog(state, entries);
  broadcastAppend(state);
  return isConfRefused ? ProposalStatus.CONF_REFUSED : ProposalStatus.ACCEPTED;
}

/**
 * Leaves a joint configuration that wants to be left, once it is applied and hence committed (raft
 * pitfalls 54, 63). Called after each apply: a transfer under way refuses it, and may fail.
 */
export function autoLeaveJoint(state: RaftState): void {
  if (state.role !== Role.LEADER || !state.tracker.conf.autoLeave) return;
  if (state.log.applied < state.pendingConfIndex) return;
  proposeAsLeader(state, [{ type: EntryType.CONF_CHANGE, data: encodeConfChange(LEAVE_JOINT) }]);
}

/** Bytes of applied entries no longer count against the quota. */
export function reduceUncommitted(state: RaftState, entries: readonly Entry[]): void {
  // Entries of earlier terms were never counted.
  state.uncommittedBytes = Math.max(0, state.uncommittedBytes - payloadBytes(entries));
}

function refusalOf(state: RaftState, proposals: readonly Proposal[]): ProposalStatus {
  if (state.tracker.get(state.id) === undefined) return ProposalStatus.REMOVED;
  if (state.transferTarget !== NO_REPLICA) return ProposalStatus.TRANSFERRING;
  let bytes = 0;
  for (const { data } of proposals) {
    if (data.length > state.options.maxEntryBytes) return ProposalStatus.TOO_LARGE;
    bytes += data.length;
  }
  // With nothing uncommitted anything is admitted, or what is larger than the quota never would be
  // (raft pitfall 46); entries without data always are (pitfall 32).
  const { uncommittedBytes, options } = state;
  const isOver = uncommittedBytes > 0 && uncommittedBytes + bytes > options.maxUncommittedBytes;
  return isOver && bytes > 0 ? ProposalStatus.QUOTA_EXCEEDED : ProposalStatus.ACCEPTED;
}

/** Notes the change as pending if it may be appended at `index`. */
function admitConfChange(state: RaftState, index: number, data: Uint8Array): boolean {
  const change = decodeConfChange(data);
  if (change === null || change.transition === Transition.RESET) return false;
  if (state.options.validatesConfChanges && !fitsConf(state, change)) return false;
  state.pendingConfIndex = index;
  return true;
}

function fitsConf(state: RaftState, change: ConfChange): boolean {
  // One at a time (raft pitfall 51). It cannot take effect before this leader has committed an
  // entry of its own term (pitfall 52): it takes effect when applied, and lies behind the leader's
  // first.
  if (state.pendingConfIndex > state.log.applied) return false;
  // With none pending, the configuration in effect is the one that it will be applied to: no change
  // gets into the log that could not be applied (raft pitfalls 53, 56).
  return applyConfChangeTo(state.tracker.conf, change).refusal === null;
}
