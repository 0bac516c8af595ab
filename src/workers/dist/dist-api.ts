/**
 * The dist service as its callers see it: who wants which topic (routes), and one publish to all of
 * them. Thread: worker. Implemented by dist-client.ts and publisher.ts.
 */

import type { Message } from "../../shared/mqtt/message.ts";

/** How one subscription wants its messages. */
export interface DeliveryOptions {
  readonly qos: number;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  /** 0 = none; else 1..268435455. */
  readonly subscriptionIdentifier: number;
}

/** Only the options, of something that carries more: keeps long-lived objects small. */
export function optionsOf(options: DeliveryOptions): DeliveryOptions {
  return {
    qos: options.qos,
    noLocal: options.noLocal,
    retainAsPublished: options.retainAsPublished,
    subscriptionIdentifier: options.subscriptionIdentifier,
  };
}

/** "" = not shared. `ordered`: `$oshare`, sticky by publisher. */
export interface ShareName {
  readonly group: string;
  readonly ordered: boolean;
}

/** A filter of one persistent session. */
export interface StoredRouteName {
  readonly tenantId: string;
  readonly clientId: string;
  /** Of the session: a route of an earlier life of its name is another one's. */
  readonly incarnation: number;
  /** Without `$share/group/`. */
  readonly filter: string;
  readonly share: ShareName | null;
}

/**
 * The routes of persistent sessions have one writer, the worker that owns the inbox: changes of one
 * route therefore travel on one ring and cannot overtake each other.
 */
export interface InboxRoutes {
  /**
   * Adds or replaces the route (tenant, filter, share) → inbox. `done` after every worker has
   * applied it.
   */
  addInboxRoute(route: StoredRouteName, options: DeliveryOptions, done: () => void): void;
  /** Removes the route of this incarnation or an earlier one, never a later one's. */
  removeInboxRoute(route: StoredRouteName, done: () => void): void;
  /** True when this worker matches the route. */
  hasInboxRoute(route: StoredRouteName): boolean;
  /** The session has got, or lost, its connection: share groups prefer members that have one. */
  setInboxOnline(tenantId: string, clientId: string, isOnline: boolean): void;
  /** Messages that wait for or are on their way to the session: for "least in flight". */
  setInboxLoad(tenantId: string, clientId: string, load: number): void;
}

/** What became of a publish, for PUBACK and PUBREC. */
export const PublishOutcome = {
  /** At least one subscriber matched, and every matched inbox has stored it. */
  DELIVERED: 0,
  NO_SUBSCRIBER: 1,
  /** A matched inbox refused (quota): 0x97. */
  QUOTA: 2,
  /** A matched inbox's worker went away: not acknowledged, the client sends again. */
  FAILED: 3,
  /** A matched inbox could not store it, the disk is full: 0x97, and no acknowledgement to 3.x. */
  NO_ROOM: 4,
} as const;
export type PublishOutcome = (typeof PublishOutcome)[keyof typeof PublishOutcome];

export interface Publisher {
  /**
   * Matches and delivers `message`, and stores or clears it as retained when `message.retain`.
   * `done` may be called before `publish` returns. Order: two calls from one worker reach each
   * subscriber in call order.
   */
  publish(message: Message, done: ((outcome: PublishOutcome) => void) | null): void;
}
