/**
 * The shapes and codes that inbox commands and replies carry. They stand here because both ends
 * need them: the pure inbox (this folder) and its callers (workers/inbox/inbox-api.ts, which
 * documents the service as a whole).
 */

import type { Message } from "../mqtt/message.ts";
import type { MessageRecord } from "../mqtt/message-codec.ts";
import type { SubscriptionOptions } from "../mqtt/subscription-options.ts";

export interface InboxWill {
  readonly message: Message;
  readonly delaySeconds: number;
}

export interface AttachRequest {
  readonly tenantId: string;
  readonly clientId: string;
  /**
   * The inbox is bound to the user that created it; the operator may take any (operator-user.ts).
   */
  readonly userId: string;
  /** From the session dictionary; commands under an older epoch are ignored. */
  readonly epoch: number;
  /** True: discard a stored session first (its delayed will is published) [MQTT-3.1.2-4]. */
  readonly cleanStart: boolean;
  /**
   * Seconds, 0..0xFFFFFFFF (never). 0: create nothing, but resume what is stored, which then ends
   * at detach. `cleanStart` with 0 only discards, and answers ABSENT or DISCARDED.
   */
  readonly sessionExpirySeconds: number;
  /** Packets in flight to the client, 1..65535. */
  readonly receiveMaximum: number;
  readonly will: InboxWill | null;
}

/**
 * What decides whether a QoS 1 or 2 message may wait; it travels with the message, so that every
 * replica decides alike.
 */
export interface InsertLimits {
  /** Messages waiting in one session. */
  readonly sessionInboxSize: number;
  /** Bytes of messages waiting in one session. */
  readonly sessionBytes: number;
  /** Bytes that may be added to those of its tenant, and to those of all tenants. */
  readonly tenantRoom: number;
  readonly processRoom: number;
}

/**
 * What an insert for nobody says, in the place of a QoS, of a QoS 2 publish and a shared group, or,
 * without a name, of those that subscribe for themselves at QoS 0. A stored format.
 */
export const NobodyInsert = {
  /** A member without a stored session has got it. */
  SERVED: 0,
  /** It leaves at QoS 0, if the answer is NO_INBOX; STORED: it may have left before. */
  PASSING: 1,
  /** Has a member got it? */
  QUESTION: 2,
} as const;
export type NobodyInsert = (typeof NobodyInsert)[keyof typeof NobodyInsert];

/** Session expiry that never comes. */
export const NEVER_EXPIRES = 0xffff_ffff;

export const AttachStatus = {
  ATTACHED: 0,
  /** Nothing stored and nothing created (expiry 0): the caller runs a transient session. */
  ABSENT: 1,
  WRONG_USER: 2,
  /** Nothing stored, and there is no room to create it. */
  QUOTA: 3,
  UNAVAILABLE: 4,
  /** As ABSENT; what was stored was to be discarded, and is. */
  DISCARDED: 5,
} as const;
export type AttachStatus = (typeof AttachStatus)[keyof typeof AttachStatus];

/** A stored subscription, as handed back on resume. `filter` as the client sent it. */
export interface StoredSubscription {
  readonly filter: string;
  readonly options: SubscriptionOptions;
}

/** A subscription to be stored. */
export interface WantedSubscription extends StoredSubscription {
  /** Its retained messages are owed until the session says that it has been handed all of them. */
  readonly isReplayOwed?: boolean;
  /** The session has it already, with these very options. Not part of the command. */
  readonly isStored?: boolean;
}

/** What a session says of the retained messages that it hands to its inbox. */
export const ReplayStep = {
  /** The first of them is next. */
  BEGUN: 0,
  /** The inbox has all of them; they are owed once more, to a later SUBSCRIBE. */
  OVER_ONCE: 1,
  /** The inbox has all of them, and none is owed. */
  OVER: 2,
} as const;
export type ReplayStep = (typeof ReplayStep)[keyof typeof ReplayStep];

/** Retained messages that an earlier connection was still to get. */
export interface OwedReplay {
  /** As the client sent it. */
  readonly filter: string;
  /** Topics whose message the inbox has got: as many as it remembers. */
  readonly handedTopics: readonly string[];
}

/** Why a stored session did not get a message. The numbers are stored: never change one. */
export const DropReason = {
  /** SessionInboxSize messages waited. */
  QUEUE_FULL: 0,
  /** The messages that waited for the session took too many bytes. */
  SESSION_BYTES: 1,
  TENANT_BYTES: 2,
  /** All waiting messages of the process took too many. */
  PROCESS_BYTES: 3,
  /** Its lifetime ended while it waited. */
  EXPIRED: 4,
} as const;
export type DropReason = (typeof DropReason)[keyof typeof DropReason];

/**
 * Messages that a session has missed for one reason. Positions number the messages of its queue,
 * and on from its end those that it refused; times are wall clock.
 */
export interface DropReport {
  readonly reason: DropReason;
  readonly count: number;
  readonly firstPosition: number;
  readonly firstMs: number;
  readonly lastPosition: number;
  readonly lastMs: number;
}

export interface AttachReply {
  readonly status: AttachStatus;
  readonly sessionPresent: boolean;
  readonly subscriptions: readonly StoredSubscription[];
  /** Packet identifiers of received QoS 2 publishes not yet released. */
  readonly inboundPacketIds: readonly number[];
  /** The session was attached last to an earlier process. */
  readonly isAfterRestart: boolean;
  /** Of the inbox; 0 when there is none. */
  readonly incarnation: number;
  /** What it has missed since it was attached last. */
  readonly drops: readonly DropReport[];
  /** Messages that wait in it or are in flight. */
  readonly load: number;
  /** The one that had begun first. */
  readonly replays: readonly OwedReplay[];
}

/** What an attach that was refused comes back with. */
export function refusedAttach(status: AttachStatus): AttachReply {
  return {
    status,
    sessionPresent: false,
    subscriptions: [],
    inboundPacketIds: [],
    isAfterRestart: false,
    incarnation: 0,
    drops: [],
    load: 0,
    replays: [],
  };
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
  /** The will may not be published any more; the packet identifier is 0. No reply. */
  FORGET_WILL: 4,
} as const;
export type InboxOp = (typeof InboxOp)[keyof typeof InboxOp];

export const InboxSubscribeStatus = { NEW: 0, REPLACED: 1, QUOTA: 2, UNAVAILABLE: 3 } as const;
export type InboxSubscribeStatus = (typeof InboxSubscribeStatus)[keyof typeof InboxSubscribeStatus];

/** One message for an attached session. */
export interface InboxPush {
  /** False: the exchange is past PUBREC, send PUBREL with `packetId`. */
  readonly hasMessage: boolean;
  /** The message where it lies; borrowed, and of no meaning without one. */
  readonly record: MessageRecord;
  /** The same with memory of its own, made when it is asked for. Null: none. */
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
  /** Of the session that the route was made for. */
  readonly incarnation: number;
  readonly qos: number;
  readonly retain: boolean;
  readonly subscriptionIdentifiers: readonly number[];
  /**
   * Not null: a share group's message, handed to another member when this inbox ends with it
   * undelivered.
   */
  readonly shareFilter: string | null;
  /** A retained message that the session was owed for a subscription. Left out: no. */
  readonly isReplay?: boolean;
}

export const InsertStatus = {
  /** At QoS 0 also when there was nobody to push to, or too much on the way: nothing is owed. */
  STORED: 0,
  /** The inbox does not exist (any more): remove the stale route. */
  NO_INBOX: 1,
  /** Dropped by the overflow policy; counted. */
  QUOTA: 2,
  /** Nobody knows whether it is stored. */
  UNAVAILABLE: 3,
  /** Not stored: there is no room for more, or it is too large. */
  NO_ROOM: 4,
} as const;
export type InsertStatus = (typeof InsertStatus)[keyof typeof InsertStatus];
