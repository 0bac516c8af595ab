/**
 * Subscriptions of stored sessions: what SUBSCRIBE and UNSUBSCRIBE change. The inboxes are attached
 * and awake.
 */

import { InboxSubscribeStatus, type WantedSubscription } from "../inbox-types.ts";
import { Changed, type Inbox, type Subscribed } from "./inbox.ts";
import type { Requester } from "./inbox-output.ts";
import type { RangeState } from "./range-state.ts";
import { forgetReplay } from "./replay.ts";

/**
 * Adds or replaces a subscription; the answer leaves when every worker matches it. `limit`: most
 * subscriptions of a session, 0 = no limit. `requester` null: answer nobody.
 */
export function subscribe(
  state: RangeState,
  inbox: Inbox,
  subscription: WantedSubscription,
  limit: number,
  requester: Requester | null,
): void {
  const { filter, options } = subscription;
  inbox.subscriptions ??= new Map();
  const known = inbox.subscriptions.get(filter);
  // A full inbox may still replace what it has.
  if (known === undefined && limit > 0 && inbox.subscriptions.size >= limit) {
    if (requester !== null) {
      state.output.subscribeRefused(requester, InboxSubscribeStatus.QUOTA);
    }
    return;
  }
  if (known === undefined) inbox.lastSlot += 1;
  const slot = known?.slot ?? inbox.lastSlot;
  const isReplayOwed = subscription.isReplayOwed === true || known?.isReplayOwed === true;
  const subscribed = { slot, filter, options, isReplayOwed };
  put(state, inbox, subscribed); // [MQTT-3.8.4-3]
  if (requester === null) return;
  const status = known === undefined ? InboxSubscribeStatus.NEW : InboxSubscribeStatus.REPLACED;
  state.output.addRoute(inbox, subscribed, { requester, status });
}

/**
 * Removes the subscription of exactly this filter [MQTT-3.10.4-1]; messages already stored stay.
 */
export function unsubscribe(
  state: RangeState,
  inbox: Inbox,
  filter: string,
  requester: Requester | null,
): void {
  const known = inbox.subscriptions?.get(filter);
  if (known === undefined) {
    if (requester !== null) state.output.unsubscribeMissed(requester);
    return;
  }
  forget(state, inbox, known);
  const { tenantId } = inbox.tenant;
  const { clientId, id: incarnation } = inbox;
  state.owe(
    inbox,
    { kind: "routes", tenantId, clientId, incarnation, filters: [filter] },
    requester,
  );
}

/** All retained messages of a subscription have been handed over. */
export function replayOver(state: RangeState, inbox: Inbox, filter: string): void {
  const known = inbox.subscriptions?.get(filter);
  if (known?.isReplayOwed !== true) return;
  put(state, inbox, { ...known, isReplayOwed: false });
}

/** The session is over: all its routes are to go. */
export function removeAll(state: RangeState, inbox: Inbox): void {
  const { subscriptions, clientId, id: incarnation } = inbox;
  if (subscriptions === null || subscriptions.size === 0) return;
  const filters = [...subscriptions.keys()];
  for (const subscribed of [...subscriptions.values()]) forget(state, inbox, subscribed);
  const { tenantId } = inbox.tenant;
  state.owe(inbox, { kind: "routes", tenantId, clientId, incarnation, filters }, null);
}

function put(state: RangeState, inbox: Inbox, subscribed: Subscribed): void {
  inbox.subscriptions!.set(subscribed.filter, subscribed);
  inbox.subscriptionCount = inbox.subscriptions!.size;
  inbox.addedSubscriptions ??= [];
  inbox.addedSubscriptions.push(subscribed);
  state.change(inbox, Changed.SUBSCRIPTIONS);
}

function forget(state: RangeState, inbox: Inbox, { filter, slot }: Subscribed): void {
  if (inbox.replay?.filter === filter) forgetReplay(state, inbox);
  inbox.subscriptions!.delete(filter);
  inbox.subscriptionCount = inbox.subscriptions!.size;
  inbox.removedSlots ??= [];
  inbox.removedSlots.push(slot);
  state.change(inbox, Changed.SUBSCRIPTIONS);
}
