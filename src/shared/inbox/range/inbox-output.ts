/**
 * What an inbox range tells the rest of its worker: answers and pushes for sessions, changes of
 * routes, effects that are owed. The shell (workers/inbox) is its one production implementation.
 *
 * Nothing comes out while the log is applied again at start. Order: `attached` comes before the
 * first `push` of that attachment, and the shell keeps it.
 */

import type { AttachReply, InboxSubscribeStatus } from "../inbox-types.ts";
import type { Delivery } from "./delivery.ts";
import type { Inbox, Subscribed } from "./inbox.ts";
import type { OutboxRecord } from "./outbox.ts";

/** Where the pushes of an attached inbox go. */
export interface PushTarget {
  /** Worker of the session. */
  readonly thread: number;
  /** That worker's number of the attachment. */
  readonly token: number;
}

/** Whom to answer. */
export interface Requester {
  /** The life of the worker that waits: its successor must not get the answer. */
  readonly boot: number;
  readonly thread: number;
  /** 0 = nobody waits. */
  readonly request: number;
}

/** Whom to answer, and with what, when the route is there. */
export interface SubscribeAnswer {
  readonly requester: Requester;
  readonly status: InboxSubscribeStatus;
}

export interface InboxOutput {
  attached(target: PushTarget, reply: AttachReply): void;
  detached(requester: Requester): void;
  /** A subscription was refused: answer at once. */
  subscribeRefused(requester: Requester, status: InboxSubscribeStatus): void;
  /** There was nothing to unsubscribe: answer at once. */
  unsubscribeMissed(requester: Requester): void;
  /**
   * Every worker must match it, then answer. `answer` null: it was subscribed before, and may have
   * lost its route with an earlier life of the process.
   */
  addRoute(inbox: Inbox, subscribed: Subscribed, answer: SubscribeAnswer | null): void;
  /** The inbox was attached or detached, or has ended. */
  onlineChanged(inbox: Inbox, isOnline: boolean): void;
  /** The `load` of a member of shared groups may have changed. */
  loadChanged(inbox: Inbox): void;
  /** `isStale`: the attachment is over, the session must not go on as if it were stored. */
  committed(requester: Requester, isStale: boolean): void;
  /** statuses[0, count) is borrowed. */
  inserted(requester: Requester, statuses: Uint8Array, count: number, pending: number): void;
  /**
   * False while too much waits on the way to `thread`; `InboxRange.resume` follows when that is
   * over.
   */
  canPush(thread: number): boolean;
  /** `delivery` is borrowed. Without a message: send PUBREL. */
  push(target: PushTarget, delivery: Delivery, dup: boolean): void;
  /** Do it, then propose OUTBOX_DONE. */
  owe(record: OutboxRecord): void;
  /**
   * Nobody serves the attachments of this worker's life with a token up to `lastToken` any more:
   * propose LOST. `bucket` is one of the range.
   */
  lost(boot: number, lastToken: number, bucket: number): void;
}
