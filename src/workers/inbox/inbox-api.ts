/**
 * The inbox service as its callers see it. One inbox = one persistent session: subscriptions,
 * queue, in-flight state, received QoS 2 identifiers, will, expiry. It lives on the worker
 * `ownerThread(tenantId, clientId)`; commands and replies travel as ring records, also when that is
 * the caller's own worker.
 *
 * The inbox assigns packet identifiers and keeps the window: it pushes at most `receiveMaximum`
 * unacknowledged QoS 1 and 2 messages to the attached session, and refills as commits arrive. The
 * session only sends what it is pushed.
 * Thread: worker.
 */

import {
  type AttachReply,
  type AttachRequest,
  AttachStatus,
  InboxOp,
  type InboxPush,
  type InboxReceiver,
  InboxSubscribeStatus,
  type InboxWill,
  InsertStatus,
} from "../../shared/inbox/inbox-types.ts";
import type { Message } from "../../shared/mqtt/message.ts";
import type { DeliveryOptions } from "../dist/dist-api.ts";

// Shapes and codes travel in records, so shared code defines them; callers find them here.
export type { AttachReply, AttachRequest, InboxPush, InboxReceiver, InboxWill };
export { AttachStatus, InboxOp, InboxSubscribeStatus, InsertStatus };

/** The session's side of an attached inbox. */
export interface InboxSession {
  readonly tenantId: string;
  readonly clientId: string;
  readonly epoch: number;
  /** `push` is borrowed until the call returns; its message and identifiers are owned. */
  handleInboxPush(push: InboxPush): void;
  /** The owner's worker went away with the stored state: close the connection. */
  handleInboxLost(): void;
}

export interface InboxClient {
  /** Thread (1..N) that owns the inbox and the dictionary entry of a session. */
  ownerThread(tenantId: string, clientId: string): number;

  attach(request: AttachRequest, session: InboxSession, done: (reply: AttachReply) => void): void;
  /**
   * Ends the attachment. `sessionExpirySeconds` -1 keeps the value from attach. The will is
   * published after its delay (or at session end, if earlier), or forgotten when `discardWill`
   * [MQTT-3.14.4-3].
   */
  detach(session: InboxSession, sessionExpirySeconds: number, discardWill: boolean): void;
  /**
   * `filter` as the client sent it. `done` after every worker matches it; at once when the session
   * is not attached.
   */
  subscribe(
    session: InboxSession,
    filter: string,
    options: DeliveryOptions,
    done: (status: InboxSubscribeStatus) => void,
  ): void;
  unsubscribe(session: InboxSession, filter: string, done: (existed: boolean) => void): void;
  /**
   * `done` is never called when the attachment is over by then: nothing may be promised to that
   * client any more.
   */
  commit(session: InboxSession, op: InboxOp, packetId: number, done: (() => void) | null): void;

  /**
   * Stores one message in inboxes that thread `owner` owns. `done` gets one InsertStatus per
   * receiver, in order, or is null when nobody waits (QoS 0). `pending`: the most messages now
   * waiting in one of these inboxes.
   */
  insert(
    owner: number,
    message: Message,
    receivers: readonly InboxReceiver[],
    done: ((statuses: Uint8Array, pending: number) => void) | null,
  ): void;
}

/** What the inbox service needs from the rest of its worker. */
export interface InboxHost {
  readonly routes: import("../dist/dist-api.ts").InboxRoutes;
  readonly publisher: import("../dist/dist-api.ts").Publisher;
  /**
   * Gives a share group's message to another member; called when an inbox ends with it undelivered.
   */
  redispatch(message: Message, shareFilter: string): void;
  settings(tenantId: string): import("../../shared/tenant/tenant-settings.ts").TenantSettings;
  nowMs(): number;
}
