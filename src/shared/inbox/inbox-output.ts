/**
 * What the inboxes of one owner want done: answers and pushes for sessions, changes of routes,
 * publishes. The shell (workers/inbox/inbox-service.ts) is its one production implementation.
 *
 * Order: `attached` comes before the first `push` of that attachment, and the shell keeps it.
 */

import type { Message } from "../mqtt/message.ts";
import type { Delivery } from "./delivery.ts";
import type { Inbox } from "./inbox.ts";
import type { AttachReply, InboxSubscribeStatus, SubscriptionOptions } from "./inbox-types.ts";

/** Where the pushes of an attached inbox go. */
export interface PushTarget {
  /** Worker of the session; 0 = detached. */
  readonly thread: number;
  /** That worker's number of the attachment: the request number of its attach command. */
  readonly token: number;
}

/**
 * A subscription that changes, and whom to answer; request 0 = the inbox has ended, nobody asks.
 */
export interface RouteChange {
  readonly inbox: Inbox;
  /** As the client sent it. */
  readonly filter: string;
  readonly thread: number;
  readonly request: number;
}

export interface InboxOutput {
  attached(target: PushTarget, reply: AttachReply): void;
  /** A subscription was refused: answer at once. */
  subscribeRefused(requester: Requester, status: InboxSubscribeStatus): void;
  /** There was nothing to unsubscribe: answer at once. */
  unsubscribeMissed(requester: Requester): void;
  /** Change the route on every worker, then answer with `status`. */
  addRoute(change: RouteChange, options: SubscriptionOptions, status: InboxSubscribeStatus): void;
  /** Remove the route on every worker, then call `InboxStore.routeRemoved` and answer. */
  removeRoute(change: RouteChange): void;
  /** The inbox was attached or detached, or has ended. */
  onlineChanged(inbox: Inbox, isOnline: boolean): void;
  /** The `load` of a member of shared groups may have changed. */
  loadChanged(inbox: Inbox): void;
  /** `isStale`: the attachment is over, the session must not go on as if it were stored. */
  committed(requester: Requester, isStale: boolean): void;
  /** statuses[0, count) is borrowed. */
  inserted(requester: Requester, statuses: Uint8Array, count: number, pending: number): void;
  /**
   * False while too much waits on the way to `thread`; `InboxStore.resume` follows when that is
   * over.
   */
  canPush(thread: number): boolean;
  /** `delivery` is borrowed. Without a message: send PUBREL. */
  push(target: PushTarget, delivery: Delivery, dup: boolean): void;
  publishWill(message: Message): void;
  redispatch(message: Message, shareFilter: string): void;
}

/** Whom to answer. */
export interface Requester {
  readonly thread: number;
  /** 0 = nobody waits. */
  readonly request: number;
}
