/**
 * The shapes and codes that inbox commands and replies carry. They stand here because both ends
 * need them: the pure inbox (this folder) and its callers (workers/inbox/inbox-api.ts, which
 * documents the service as a whole).
 */

import type { Message } from "../mqtt/message.ts";

/**
 * How one subscription wants its messages; the same shape as the dist service's DeliveryOptions.
 */
export interface SubscriptionOptions {
  readonly qos: number;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  /** 0 = none; else 1..268435455. */
  readonly subscriptionIdentifier: number;
}

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
   * Seconds, 0..0xFFFFFFFF (never). 0: create nothing, but resume what is stored, which then ends
   * at detach. `cleanStart` with 0 only discards, and answers ABSENT.
   */
  readonly sessionExpirySeconds: number;
  /** Packets in flight to the client, 1..65535. */
  readonly receiveMaximum: number;
  readonly will: InboxWill | null;
}

/** Session expiry that never comes. */
export const NEVER_EXPIRES = 0xffff_ffff;

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
  readonly options: SubscriptionOptions;
}

export interface AttachReply {
  readonly status: AttachStatus;
  readonly sessionPresent: boolean;
  readonly subscriptions: readonly StoredSubscription[];
  /** Packet identifiers of received QoS 2 publishes not yet released. */
  readonly inboundPacketIds: readonly number[];
}

export const InboxOp = {
  /**
   * The exchange of an outbound packet identifier is over: PUBACK, PUBCOMP, or PUBREC >= 0x80. No
   * reply.
   */
  ACKNOWLEDGED: 0,
  /** PUBREC < 0x80 arrived; `done` when stored, then PUBREL may leave. */
  RECEIVED: 1,
  /**
   * A QoS 2 publish arrived with this packet identifier; `done` when stored, then PUBREC may leave.
   */
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

/**
 * A matched inbox of a publish. Overlapping subscriptions are merged: highest QoS, all identifiers.
 */
export interface InboxReceiver {
  readonly clientId: string;
  readonly qos: number;
  readonly retain: boolean;
  readonly subscriptionIdentifiers: readonly number[];
  /**
   * Not null: a share group's message, handed to another member when this inbox ends with it
   * undelivered.
   */
  readonly shareFilter: string | null;
}

export const InsertStatus = {
  /** At QoS 0 also when there was nobody to push to, or too much on the way: nothing is owed. */
  STORED: 0,
  /** The inbox does not exist (any more): remove the stale route. */
  NO_INBOX: 1,
  /** Dropped by the overflow policy; counted. */
  QUOTA: 2,
  UNAVAILABLE: 3,
} as const;
export type InsertStatus = (typeof InsertStatus)[keyof typeof InsertStatus];
