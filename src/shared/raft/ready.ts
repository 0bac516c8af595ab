/**
 * What the host must do next. Two outboxes make the durability rule visible: what is in `messages`
 * may leave at once, also before `append` is written; what is in `append.messagesAfterPersist` may
 * leave only after that write, and all earlier ones, are durable.
 *
 * The host, for every Ready, in this order:
 *   1. sends `messages`, hands `append` to the store (a queue that keeps order);
 *   2. when the store reports an append durable: gives each of its messages that is addressed to this
 *      replica to `step`, sends the others, then calls `appendDone(append)`;
 *   3. hands `apply` to the state machine (a queue that keeps order; an installed snapshot may
 *      overtake a batch, of which the state machine then skips what it has behind it);
 *   4. when that reports a batch applied: calls `applyConfChange` for each of its CONF_CHANGE
 *      entries, in order, then `applyDone(apply)`.
 */

import type { Entry, ReplicaId } from "./entry.ts";
import type { HardState } from "./hard-state.ts";
import type { RaftMessage } from "./message.ts";
import type { Snapshot } from "./snapshot.ts";

export const Role = {
  FOLLOWER: 0,
  PRE_CANDIDATE: 1,
  CANDIDATE: 2,
  LEADER: 3,
} as const;

export type Role = (typeof Role)[keyof typeof Role];

/** News about leadership; nothing to persist. */
export interface SoftState {
  readonly leader: ReplicaId;
  readonly role: Role;
}

/** One atomic write, and what may be told to others once it is durable. */
export interface StorageAppend {
  readonly hardState: HardState | null;
  /** Replace everything in storage from the first one's index on. */
  readonly entries: readonly Entry[];
  /** Replaces log and state; `entries`, if there are any, follow it. */
  readonly snapshot: Snapshot | null;
  /** False: only the commit index is news, and need not be flushed for its own sake. */
  readonly mustSync: boolean;
  /**
   * Also those that the write does not contain anything for, but must not overtake earlier ones.
   */
  readonly messagesAfterPersist: readonly RaftMessage[];
  /** What `appendDone` will take note of; null when there is nothing to take note of. */
  readonly ack: AppendAck | null;
}

export interface AppendAck {
  /** The term in which the write was handed out: an older one says nothing of entries any more. */
  readonly term: number;
  /** The log's last entry at that time; index 0 when all entries were durable already. */
  readonly index: number;
  readonly logTerm: number;
  readonly snapshot: Snapshot | null;
}

/** Committed entries for the state machine. */
export interface ApplyBatch {
  readonly entries: readonly Entry[];
  /** For the core's own account. */
  readonly bytes: number;
}

/** A read may be served once the state machine has applied `index` (raft pitfall 73). */
export interface ReadState {
  readonly requestId: number;
  readonly index: number;
}

export interface Ready {
  readonly softState: SoftState | null;
  readonly readStates: readonly ReadState[];
  readonly messages: readonly RaftMessage[];
  readonly append: StorageAppend | null;
  readonly apply: ApplyBatch | null;
}
