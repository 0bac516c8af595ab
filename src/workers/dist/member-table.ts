/**
 * This worker's shared-group members by slot, so that a delivery from another worker finds its subscription with one
 * array read. A slot's generation grows when it is given out, so that a delivery meant for a member that has left does
 * not reach its successor. Persistent members have slots too, for their load word; `subscription` is null for them.
 * Thread: worker. Scope: one per worker.
 */

import { RingQueue } from "../../shared/collections/ring-queue.ts";
import { shareLoadWord } from "../../shared/metrics/shared-words.ts";
import type { Subscription } from "./subscription.ts";

/** Released slots wait behind this many others, so that records under way still find the group they were for. */
const REUSE_DELAY = 256;

export interface SharedRoute {
  readonly tenantId: string;
  readonly filter: string;
  readonly group: string;
  readonly ordered: boolean;
}

export class MemberTable {
  readonly #subscriptions: (Subscription | null)[] = [];
  /** Like #subscriptions, but kept after release: a late delivery still learns which group it was for. */
  readonly #routes: (SharedRoute | null)[] = [];
  readonly #generations: number[] = [];
  readonly #free = new RingQueue<number>();
  readonly #loads: Int32Array;
  readonly #thread: number;

  constructor(loads: Int32Array, thread: number) {
    this.#loads = loads;
    this.#thread = thread;
  }

  /** Gives out a slot with load zero. */
  acquire(tenantId: string, subscription: Subscription | null): number {
    const isReusable = this.#free.size > REUSE_DELAY;
    const slot = (isReusable ? this.#free.shift() : undefined) ?? this.#subscriptions.length;
    this.#subscriptions[slot] = subscription;
    this.#routes[slot] = subscription === null ? null : routeOf(tenantId, subscription);
    this.#generations[slot] = (this.generation(slot) + 1) >>> 0;
    Atomics.store(this.#loads, shareLoadWord(this.#thread, slot), 0);
    return slot;
  }

  release(slot: number): void {
    this.#subscriptions[slot] = null;
    this.#free.push(slot);
  }

  generation(slot: number): number {
    return this.#generations[slot] ?? 0;
  }

  find(slot: number, generation: number): Subscription | null {
    return this.generation(slot) === generation ? (this.#subscriptions[slot] ?? null) : null;
  }

  /** The group that a slot's delivery was meant for, also after its member has left. */
  route(slot: number, generation: number): SharedRoute | null {
    return this.generation(slot) === generation ? (this.#routes[slot] ?? null) : null;
  }

  /** One message of this member is done: taken by the client, dropped, or handed on. */
  finish(slot: number): void {
    Atomics.sub(this.#loads, shareLoadWord(this.#thread, slot), 1);
  }

  /** Replaces the load of a persistent member: `OFFLINE_LOAD` or 0. */
  setLoad(slot: number, load: number): void {
    Atomics.store(this.#loads, shareLoadWord(this.#thread, slot), load);
  }
}

function routeOf(tenantId: string, subscription: Subscription): SharedRoute | null {
  const share = subscription.share;
  if (share === null) return null;
  return { tenantId, filter: subscription.filter, group: share.group, ordered: share.ordered };
}
