/**
 * This worker's own subscriptions of one filter, as its entry holds them: one alone, or an array in
 * which each knows its position.
 * Thread: worker.
 */

import { assert } from "../../shared/base/assert.ts";
import type { FilterEntry } from "./match-index.ts";
import type { Subscription } from "./subscription.ts";

export function addLocal(entry: FilterEntry, subscription: Subscription): void {
  const local = entry.local;
  subscription.position = 0;
  if (local === null) {
    entry.local = subscription;
  } else if (Array.isArray(local)) {
    subscription.position = local.length;
    local.push(subscription);
  } else {
    subscription.position = 1;
    entry.local = [local, subscription];
  }
}

/** Moves the last one into the gap: order among subscribers of one filter means nothing. */
export function removeLocal(entry: FilterEntry, subscription: Subscription): void {
  const local = entry.local;
  if (!Array.isArray(local)) {
    assert(local === subscription, "the subscription is the entry's only one");
    entry.local = null;
    return;
  }
  const last = local.pop();
  assert(last !== undefined, "the entry has subscriptions");
  if (last !== subscription) {
    local[subscription.position] = last;
    last.position = subscription.position;
  }
  if (local.length === 0) entry.local = null;
}
