/**
 * What replicas of one group tell each other. One flat shape for all types keeps every reader
 * monomorphic; fields that a type does not use keep their zero. A transport should keep the order
 * of what goes from one replica to another, but may lose and repeat; and nothing breaks if it does
 * not even keep order (raft pitfall 44).
 *
 *   type                 fields beside from, to, term, epoch
 *   PRE_VOTE, VOTE       index, logTerm: the asker's last entry; isForced: leadership transfer
 *   ..._RESPONSE         isRejected, and then commit, logTerm: the refuser's last committed entry
 *   APPEND               index, logTerm: the entry before `entries`; commit
 *   APPEND_RESPONSE      index: acknowledged up to; or isRejected: refused anchor, hint, logTerm
 *   HEARTBEAT(_RESPONSE) commit; context: heartbeat round
 *   SNAPSHOT             snapshot
 *   READ_INDEX(_...)     context: the asker's request number; index: the answer
 *   TRANSFER_LEADER      context: the replica that shall lead
 *   TIMEOUT_NOW          -
 *   PROPOSE              entries without index and term
 *   EPOCH_FENCE          epoch: the one in force
 *   NOT_A_MEMBER         index: the configuration's entry, at which the asker is no longer a member
 */

import { type Entry, NO_ENTRIES, NO_REPLICA, type ReplicaId } from "./entry.ts";
import type { Snapshot } from "./snapshot.ts";

/** Numbers cross the wire: append only. */
export const MessageType = {
  PRE_VOTE: 1,
  PRE_VOTE_RESPONSE: 2,
  VOTE: 3,
  VOTE_RESPONSE: 4,
  APPEND: 5,
  APPEND_RESPONSE: 6,
  HEARTBEAT: 7,
  HEARTBEAT_RESPONSE: 8,
  SNAPSHOT: 9,
  TIMEOUT_NOW: 10,
  TRANSFER_LEADER: 11,
  READ_INDEX: 12,
  READ_INDEX_RESPONSE: 13,
  PROPOSE: 14,
  EPOCH_FENCE: 15,
  NOT_A_MEMBER: 16,
} as const;

export type MessageType = (typeof MessageType)[keyof typeof MessageType];

export interface RaftMessage {
  type: MessageType;
  from: ReplicaId;
  to: ReplicaId;
  /** 0 in PROPOSE, READ_INDEX and TRANSFER_LEADER: requests, valid in any term. */
  term: number;
  epoch: number;
  logTerm: number;
  index: number;
  commit: number;
  hint: number;
  context: number;
  isRejected: boolean;
  isForced: boolean;
  entries: readonly Entry[];
  snapshot: Snapshot | null;
}

export function createMessage(type: MessageType, to: ReplicaId): RaftMessage {
  return {
    type,
    from: NO_REPLICA,
    to,
    term: 0,
    epoch: 0,
    logTerm: 0,
    index: 0,
    commit: 0,
    hint: 0,
    context: 0,
    isRejected: false,
    isForced: false,
    entries: NO_ENTRIES,
    snapshot: null,
  };
}

/** Answers mean something only from a member. */
export function isResponse(type: MessageType): boolean {
  return (
    type === MessageType.PRE_VOTE_RESPONSE ||
    type === MessageType.VOTE_RESPONSE ||
    type === MessageType.APPEND_RESPONSE ||
    type === MessageType.HEARTBEAT_RESPONSE ||
    type === MessageType.READ_INDEX_RESPONSE
  );
}

/** What a replica also tells itself, once it is durable. */
function isOwn(type: MessageType): boolean {
  return (
    type === MessageType.VOTE_RESPONSE ||
    type === MessageType.PRE_VOTE_RESPONSE ||
    type === MessageType.APPEND_RESPONSE
  );
}

/** Only the leader of its term sends these. */
export function isFromLeader(type: MessageType): boolean {
  return (
    type === MessageType.APPEND || type === MessageType.HEARTBEAT || type === MessageType.SNAPSHOT
  );
}

/** Requests that carry no term, because they are meant for whoever leads. */
export function isRequest(type: MessageType): boolean {
  return (
    type === MessageType.PROPOSE ||
    type === MessageType.READ_INDEX ||
    type === MessageType.TRANSFER_LEADER
  );
}

/**
 * What no correct replica sends, whatever the state of either side: checked before a message is
 * believed, so that a broken peer cannot break this replica. The codec has checked the ranges.
 */
export function isPlausible(message: RaftMessage): boolean {
  const { type, term, entries, snapshot } = message;
  if (message.from === NO_REPLICA) return false;
  // The transport has checked that the sender is who it says. To oneself go votes and
  // acknowledgements only.
  if (message.from === message.to && !isOwn(type)) return false;
  if (isRequest(type) ? term !== 0 : term === 0 && type !== MessageType.EPOCH_FENCE) return false;
  if (type === MessageType.SNAPSHOT) return snapshot !== null && snapshot.term <= term;
  if (type === MessageType.PROPOSE) return entries.length > 0;
  if (type !== MessageType.APPEND) return entries.length === 0;
  let lastTerm = message.logTerm;
  for (let i = 0; i < entries.length; i++) {
    const entry = entries[i]!;
    if (entry.index !== message.index + 1 + i || entry.term < lastTerm) return false;
    lastTerm = entry.term;
  }
  return lastTerm <= term;
}
