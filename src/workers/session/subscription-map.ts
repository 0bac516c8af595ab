/**
 * A session's subscriptions by requested filter. Most sessions have one, and a Map with one entry
 * costs 180 bytes, so the Map is made with the second. Thread: worker. Scope: one per session that
 * subscribes.
 */

import type { Subscription } from "../dist/subscription.ts";

export class SubscriptionMap {
  #only: Subscription | null = null;
  #many: Map<string, Subscription> | null = null;

  get size(): number {
    if (this.#many !== null) return this.#many.size;
    return this.#only === null ? 0 : 1;
  }

  get(filter: string): Subscription | undefined {
    if (this.#many !== null) return this.#many.get(filter);
    return this.#only?.requestedFilter === filter ? this.#only : undefined;
  }

  has(filter: string): boolean {
    return this.get(filter) !== undefined;
  }

  /** Adds a subscription under its requested filter, replacing an earlier one. */
  add(subscription: Subscription): void {
    const filter = subscription.requestedFilter;
    if (this.#many !== null) {
      this.#many.set(filter, subscription);
    } else if (this.#only === null || this.#only.requestedFilter === filter) {
      this.#only = subscription;
    } else {
      this.#many = new Map([
        [this.#only.requestedFilter, this.#only],
        [filter, subscription],
      ]);
      this.#only = null;
    }
  }

  delete(filter: string): boolean {
    if (this.#many !== null) return this.#many.delete(filter);
    if (this.#only?.requestedFilter !== filter) return false;
    this.#only = null;
    return true;
  }

  /** A copy, in the order of subscribing: whoever walks it may unsubscribe. */
  values(): Subscription[] {
    if (this.#many !== null) return [...this.#many.values()];
    return this.#only === null ? [] : [this.#only];
  }
}
