/**
 * The dist service as its callers see it: who wants which topic (routes), and one publish to all of
 * them. Thread: worker. Implemented by dist-client.ts and publisher.ts.
 */

import type { StoredRoute } from "../../shared/dist/dist-log-command.ts";
import type { Message } from "../../shared/mqtt/message.ts";
import type { SubscriptionOptions } from "../../shared/mqtt/subscription-options.ts";

/** Only the options, of something that carries more: keeps long-lived objects small. */
export function optionsOf(options: SubscriptionOptions): SubscriptionOptions {
  return {
    qos: options.qos,
    noLocal: options.noLocal,
    retainAsPublished: options.retainAsPublished,
    subscriptionIdentifier: options.subscriptionIdentifier,
  };
}

export function areSameOptions(left: SubscriptionOptions, right: SubscriptionOptions): boolean {
  return (
    left.qos === right.qos &&
    left.noLocal === right.noLocal &&
    left.retainAsPublished === right.retainAsPublished &&
    left.subscriptionIdentifier === right.subscriptionIdentifier
  );
}

/** "" = not shared. `ordered`: `$oshare`, sticky by publisher. */
export interface ShareName {
  readonly group: string;
  readonly ordered: boolean;
}

/**
 * Routes of stored sessions, for the service that stores the sessions: they go through the log of
 * the route's range, and every worker's match index follows.
 */
export interface InboxRoutes {
  /**
   * Adds the route or replaces its options. `done(true)` after every worker matches it; or when a
   * later incarnation has it. `done(false)`: perhaps not; ask again.
   */
  addInboxRoute(
    route: StoredRoute,
    options: SubscriptionOptions,
    done: (isDone: boolean) => void,
  ): void;
  /** `done(true)` when no worker matches it any more, unless a later incarnation has it. */
  removeInboxRoute(route: StoredRoute, done: (isDone: boolean) => void): void;
  /** Does this worker match the route, for this incarnation and with these options? */
  hasInboxRoute(route: StoredRoute, options: SubscriptionOptions): boolean;
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
  /** A matched inbox or the retained store refused (quota), and nobody else has it: 0x97. */
  QUOTA: 2,
  /** A matched inbox's worker went away: not acknowledged, the client sends again. */
  FAILED: 3,
  /** A matched inbox could not store it, the disk is full: 0x97, and no acknowledgement to 3.x. */
  NO_ROOM: 4,
  /** As QUOTA, but somebody else has it and would get it twice: 0x00, and a reason string. */
  IN_PART: 5,
} as const;
export type PublishOutcome = (typeof PublishOutcome)[keyof typeof PublishOutcome];

export interface Publisher {
  /**
   * Matches and delivers `message`, and stores or clears it as retained when `message.retain`.
   * `done` may be called before `publish` returns. Order: two calls from one worker reach each
   * subscriber in call order. `isForStored`: published before, and not stored; transient
   * subscribers have it.
   */
  publish(
    message: Message,
    done: ((outcome: PublishOutcome) => void) | null,
    isForStored?: boolean,
  ): void;
}
