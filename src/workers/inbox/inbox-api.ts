/**
 * The inbox service as its callers see it. One inbox = one persistent session: subscriptions, queue, in-flight state,
 * received QoS 2 identifiers, will, expiry. It lives on the worker `ownerThread(tenantId, clientId)`; commands and
 * replies travel as ring records, also when that is the caller's own worker.
 *
 * The inbox assigns packet identifiers and keeps the window: it pushes at most `receiveMaximum` unacknowledged QoS 1
 * and 2 messages to the attached session, and refills as commits arrive. The session only sends what it is pushed.
 * Thread: worker.
 */

import type { Message } from "../../shared/mqtt/message.ts";
import type { DeliveryOptions } from "../dist/dist-api.ts";

export interface InboxWill {
  readonly message: Message;
  readonly delaySeconds: number;
}

export interface AttachRequest {
  readonly tenantId: string;
  readonly clientId: string;
  /** The inbox is bound to the user that created it. */
  readonly userId: string;
  /** From the session dictionary; commands under an older epoch are ignored. */
  readonly epoch: number;
  /** True: discard a stored session first (its delayed will is published) [MQTT-3.1.2-4]. */
  readonly cleanStart: boolean;
  /**
   * Seconds, 0..0xFFFFFFFF (never). 0: create nothing, but resume what is stored, which then ends at detach.
   * `cleanStart` with 0 only discards, and answers ABSENT.
   */
  readonly sessionExpirySeconds: number;
  /** Packets in flight to the client, 1..65535. */
  readonly receiveMaximum: number;
  readonly will: InboxWill | null;
}

export const AttachStatus = {
  ATTACHED: 0,
  /** Nothing stored and nothing created (expiry 0): the caller runs a transient session. */
  ABSENT: 1,
  WRONG_USER: 2,
  QUOTA: 3,
  UNAVAILABLE: 4,
} as const;
export type AttachStatus = (typeof AttachStatus)[keyof typeof AttachStatus];

/** A stored subscription, as handed back on resume. `filter` as the client sent it. */
export interface StoredSubscription {
  readonly filter: string;
  readonly options: DeliveryOptions;
}

export interface AttachReply {
  readonly status: AttachStatus;
  readonly sessionPresent: boolean;
  readonly subscriptions: readonly StoredSubscription[];
  /** Packet identifiers of received QoS 2 publishes not yet released. */
  readonly inboundPacketIds: readonly number[];
}

export const InboxOp = {
  /** The exchange of an outbound packet identifier is over: PUBACK, PUBCOMP, or PUBREC >= 0x80. No reply. */
  ACKNOWLEDGED: 0,
  /** PUBREC < 0x80 arrived; `done` when stored, then PUBREL may leave. */
  RECEIVED: 1,
  /** A QoS 2 publish arrived with this packet identifier; `done` when stored, then PUBREC may leave. */
  INBOUND_ADD: 2,
  /** PUBREL arrived for it. No reply. */
  INBOUND_REMOVE: 3,
} as const;
export type InboxOp = (typeof InboxOp)[keyof typeof InboxOp];

export const InboxSubscribeStatus = { NEW: 0, REPLACED: 1, QUOTA: 2, UNAVAILABLE: 3 } as const;
export type InboxSubscribeStatus = (typeof InboxSubscribeStatus)[keyof typeof InboxSubscribeStatus];

/** One message for an attached session. */
export interface InboxPush {
  /** Null: the exchange is past PUBREC, send PUBREL with `packetId`. */
  readonly message: Message | null;
  /** 0 for QoS 0. */
  readonly packetId: number;
  readonly qos: number;
  /** RETAIN flag to send. */
  readonly retain: boolean;
  readonly dup: boolean;
  /** Identifiers of all matching subscriptions; empty when none. */
  readonly subscriptionIdentifiers: readonly number[];
}

/** The session's side of an attached inbox. */
export interface InboxSession {
  readonly tenantId: string;
  readonly clientId: string;
  readonly epoch: number;
  handleInboxPush(push: InboxPush): void;
  /** The owner's worker went away with the stored state: close the connection with 0x88. */
  handleInboxLost(): void;
}

/** A matched inbox of a publish. Overlapping subscriptions are merged: highest QoS, all identifiers. */
export interface InboxReceiver {
  readonly clientId: string;
  readonly qos: number;
  readonly retain: boolean;
  readonly subscriptionIdentifiers: readonly number[];
  /** Not null: a share group's message, handed to another member when this inbox ends with it undelivered. */
  readonly shareFilter: string | null;
}

export const InsertStatus = {
  STORED: 0,
  /** The inbox does not exist (any more): remove the stale route. */
  NO_INBOX: 1,
  /** Dropped by the overflow policy; counted. */
  QUOTA: 2,
  UNAVAILABLE: 3,
} as const;
export type InsertStatus = (typeof InsertStatus)[keyof typeof InsertStatus];

export interface InboxClient {
  /** Thread (1..N) that owns the inbox and the dictionary entry of a session. */
  ownerThread(tenantId: string, clientId: string): number;

  attach(request: AttachRequest, session: InboxSession, done: (reply: AttachReply) => void): void;
  /**
   * Ends the attachment. `sessionExpirySeconds` -1 keeps the value from attach. The will is published after its delay
   * (or at session end, if earlier), or forgotten when `discardWill` [MQTT-3.14.4-3].
   */
  detach(session: InboxSession, sessionExpirySeconds: number, discardWill: boolean): void;
  /** `filter` as the client sent it. `done` after every worker matches it. */
  subscribe(
    session: InboxSession,
    filter: string,
    options: DeliveryOptions,
    done: (status: InboxSubscribeStatus) => void,
  ): void;
  unsubscribe(session: InboxSession, filter: string, done: (existed: boolean) => void): void;
  commit(session: InboxSession, op: InboxOp, packetId: number, done: (() => void) | null): void;

  /**
   * Stores one message in inboxes that thread `owner` owns. `done` gets one InsertStatus per receiver, in order, or is
   * null when nobody waits (QoS 0). `pending`: the most messages now waiting in one of these inboxes.
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
  /** Gives a share group's message to another member; called when an inbox ends with it undelivered. */
  redispatch(message: Message, shareFilter: string): void;
  settings(tenantId: string): import("../../shared/tenant/tenant-settings.ts").TenantSettings;
  nowMs(): number;
}
