/**
 * One subscription of a transient session, as the match index holds it. Thread: worker. Owned by
 * the session; the index and shared groups refer to it while it is subscribed.
 */

import type { SubscriptionOptions } from "../../shared/mqtt/subscription-options.ts";
import type { BorrowedPublish } from "./borrowed-publish.ts";
import type { PublishRun } from "./publish-run.ts";

/** What a delivery needs to know of the session. One implementation: workers/session/session.ts. */
export interface LocalReceiver {
  readonly clientId: string;
  /**
   * Serial of the publish that already counted this session, so that overlapping subscriptions make
   * one delivery.
   */
  matchStamp: number;
  matchQos: number;
  matchRetain: boolean;
  matchIdentifiers: readonly number[] | null;
  /** The list made for this publish, when several subscriptions have identifiers; may grow. */
  mergedIdentifiers: number[] | null;
  /**
   * Sends or queues one delivery. `share`: the subscription of a shared group that the message was
   * meant for.
   */
  deliver(
    publish: BorrowedPublish,
    qos: number,
    retain: boolean,
    identifiers: readonly number[] | null,
    share: Subscription | null,
  ): void;
  /**
   * Sends several QoS 0 messages in one piece, as they arrived. False: nothing has been sent, they
   * have to be delivered one by one.
   */
  deliverRun(run: PublishRun): boolean;
}

/** `memberSlot` of a subscription that is no member of a shared group, or not any more. */
export const NO_MEMBER_SLOT = -1;

export class Subscription {
  readonly receiver: LocalReceiver;
  /** As the client sent it, share prefix included. */
  readonly requestedFilter: string;
  /** What is matched: without share prefix. */
  readonly filter: string;
  readonly share: { readonly group: string; readonly ordered: boolean } | null;
  options: SubscriptionOptions;
  /** [subscriptionIdentifier], shared by all deliveries; null when there is none. */
  identifiers: readonly number[] | null;
  /**
   * Index in the filter entry's `local` array, so that removal is O(1) among a million subscribers.
   */
  position = 0;
  /** Shared subscriptions: place in this worker's member table. */
  memberSlot: number = NO_MEMBER_SLOT;

  constructor(
    receiver: LocalReceiver,
    requestedFilter: string,
    filter: string,
    share: { readonly group: string; readonly ordered: boolean } | null,
    options: SubscriptionOptions,
  ) {
    this.receiver = receiver;
    this.requestedFilter = requestedFilter;
    this.filter = filter;
    this.share = share;
    this.options = options;
    this.identifiers =
      options.subscriptionIdentifier === 0 ? null : [options.subscriptionIdentifier];
  }

  /** Subscribing again replaces the options [MQTT-3.8.4-3]. */
  replaceOptions(options: SubscriptionOptions): void {
    this.options = options;
    this.identifiers =
      options.subscriptionIdentifier === 0 ? null : [options.subscriptionIdentifier];
  }
}
