/**
 * The inbox service as its callers see it. One inbox = one persistent session: subscriptions,
 * queue, in-flight state, received QoS 2 identifiers, will, expiry. It lives in an inbox range;
 * commands go through the range's log, and answers come when what they say is durable.
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
  DropReason,
  InboxOp,
  type InboxPush,
  type InboxReceiver,
  InboxSubscribeStatus,
  type InboxWill,
  InsertStatus,
  type OwedReplay,
  ReplayStep,
  type WantedSubscription,
} from "../../shared/inbox/inbox-types.ts";
import type { Message } from "../../shared/mqtt/message.ts";

// Shapes and codes travel in records, so shared code defines them; callers find them here.
export type { AttachReply, AttachRequest, InboxPush, InboxReceiver, InboxWill, OwedReplay };
export { AttachStatus, DropReason, InboxOp, InboxSubscribeStatus, InsertStatus, ReplayStep };

/** The session's side of an attached inbox. */
export interface InboxSession {
  readonly tenantId: string;
  readonly clientId: string;
  readonly epoch: number;
  /** `push` is borrowed until the call returns; its message and identifiers are owned. */
  handleInboxPush(push: InboxPush): void;
  /**
   * What the session did is not stored, or nobody knows: close the connection, so that the client
   * does it again on its next one.
   */
  handleInboxLost(): void;
}

export interface InboxClient {
  attach(request: AttachRequest, session: InboxSession, done: (reply: AttachReply) => void): void;
  /**
   * Ends the attachment. `sessionExpirySeconds` -1 keeps the value from attach. The will is
   * published after its delay (or at session end, if earlier), or forgotten when `discardWill`
   * [MQTT-3.14.4-3]. `done` when the inbox has done so, and everything before; at once when the
   * session is not attached. Whoever attaches after that sees all of it.
   */
  detach(
    session: InboxSession,
    sessionExpirySeconds: number,
    discardWill: boolean,
    done: () => void,
  ): void;
  /**
   * `filter` as the client sent it. `limit`: most subscriptions of the session, 0 = no limit.
   * `done` after every worker matches it; at once when the session is not attached.
   */
  subscribe(
    session: InboxSession,
    subscription: WantedSubscription,
    limit: number,
    done: (status: InboxSubscribeStatus) => void,
  ): void;
  unsubscribe(session: InboxSession, filter: string, done: (existed: boolean) => void): void;
  /**
   * `done` is never called when the attachment is over by then: nothing may be promised to that
   * client any more.
   */
  commit(session: InboxSession, op: InboxOp, packetId: number, done: (() => void) | null): void;
  /** Retained messages for a subscription: their inserts come between BEGUN and OVER. */
  replay(session: InboxSession, step: ReplayStep, filter: string): void;

  /**
   * Stores one message, at QoS 1 or 2, in inboxes. `done` gets one InsertStatus per receiver, in
   * order, when all are durable, and owns them; null when nobody waits.
   */
  insert(
    message: Message,
    receivers: readonly InboxReceiver[],
    done: ((statuses: Uint8Array) => void) | null,
  ): void;
  /**
   * Asks all ranges whether they have stored a repeated QoS 2 publish (`message.origin`) for a
   * member of a shared group; behind everything that this worker has inserted before. `done` gets
   * STORED, NO_INBOX when none has, or why that cannot be said. After NO_INBOX none stores it
   * either for an earlier connection of the publisher: who asks has to find a member.
   */
  askTaken(message: Message, shareFilter: string, done: (status: InsertStatus) => void): void;
  /**
   * A member of a shared group that is no stored session has got a QoS 2 publish
   * (`message.origin`): who asks about its repeat hears STORED. Before the publisher's commit of
   * the packet identifier.
   */
  noteTaken(message: Message, shareFilter: string): void;
  /**
   * At QoS 0: those that are attached get it. A repeated QoS 2 publish (`message.origin`) reaches
   * nobody who may have had it: a group or those that subscribe for themselves, as a whole.
   */
  insertQosZero(message: Message, receivers: readonly InboxReceiver[]): void;
}

/** What the inbox service needs from the rest of its worker. */
export interface InboxHost {
  readonly routes: import("../dist/dist-api.ts").InboxRoutes;
  readonly publisher: import("../dist/dist-api.ts").Publisher;
  /**
   * Gives a share group's message to another member; `done` gets NO_INBOX if there is none, STORED
   * when one has it, or why it is not stored.
   */
  redispatch(message: Message, shareFilter: string, done: (status: InsertStatus) => void): void;
  /** May this will still be published? A reload may have taken that from its user. */
  mayPublishWill(
    will: import("../../shared/inbox/range/outbox.ts").OwedWill,
  ): boolean | Promise<boolean>;
  /** Messages that a stored session did not get are to be reported. */
  missed(missed: import("../../shared/inbox/range/outbox.ts").OwedMissed): void;
  settings(tenantId: string): import("../../shared/tenant/tenant-settings.ts").TenantSettings;
  nowMs(): number;
}
