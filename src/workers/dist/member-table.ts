/**
 * This worker's shared-group members by slot, so that a delivery from another worker finds its
 * subscription with one array read. Persistent members have slots too, for their load word;
 * `subscription` is null for them.
 *
 *     join ──► in the group ── leave ──► nobody's, its group still known ── release ──► free
 *
 * Records for a member that has left may be on their way until every worker has removed it: they
 * find the group and go to another member. Only then is the slot released, so its next user never
 * meets its predecessor's records; the generation, which grows with each use, says so once more.
 * Thread: worker. Scope: one per worker.
 */

import { RingQueue } from "../../shared/collections/ring-queue.ts";
import { shareLoadWord } from "../../shared/metrics/shared-words.ts";
import { NO_MEMBER_SLOT, type Subscription } from "./subscription.ts";

export interface SharedRoute {
  readonly tenantId: string;
  readonly filter: string;
  readonly group: string;
  readonly ordered: boolean;
}

export class MemberTable {
  readonly #subscriptions: (Subscription | null)[] = [];
  /** Kept from `leave` to `release`: a late delivery still learns which group it was for. */
  readonly #routes: (SharedRoute | null)[] = [];
  readonly #generations: number[] = [];
  readonly #free = new RingQueue<number>();
  readonly #loads: Int32Array;
  readonly #thread: number;

  constructor(loads: Int32Array, thread: number) {
    this.#loads = loads;
    this.#thread = thread;
  }

  /** Slots ever given out. */
  get size(): number {
    return this.#subscriptions.length;
  }

  /** Gives out a slot with load zero. `subscription`: null for a persistent member. */
  join(tenantId: string, subscription: Subscription | null): number {
    const slot = this.#free.shift() ?? this.#subscriptions.length;
    this.#subscriptions[slot] = subscription;
    this.#routes[slot] = subscription === null ? null : routeOf(tenantId, subscription);
    this.#generations[slot] = (this.generation(slot) + 1) >>> 0;
    Atomics.store(this.#loads, shareLoadWord(this.#thread, slot), 0);
    return slot;
  }

  /** Nobody finds the member from now on. */
  leave(slot: number): void {
    this.#subscriptions[slot] = null;
  }

  /** Every worker has removed the member that left: the slot may be given out again. */
  release(slot: number): void {
    this.#routes[slot] = null;
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

  /**
   * One message of this member is done: taken by the client, dropped, or handed on. Nothing happens
   * for a member that has left. Never below zero: slots beyond SHARE_SLOTS share words, and
   * `resetLoads` forgets messages that are still under way.
   */
  finish(slot: number): void {
    if (slot === NO_MEMBER_SLOT) return;
    const word = shareLoadWord(this.#thread, slot);
    if (Atomics.load(this.#loads, word) > 0) Atomics.sub(this.#loads, word, 1);
  }

  /** The owner's own count replaces what pickers have added: stored members of any worker. */
  setLoad(loadWord: number, load: number): void {
    Atomics.store(this.#loads, loadWord, load);
  }

  /**
   * A worker is gone, and with it messages that it had counted as under way to members here: counts
   * anew. O(slots).
   */
  resetLoads(): void {
    for (let slot = 0; slot < this.#subscriptions.length; slot += 1) {
      Atomics.store(this.#loads, shareLoadWord(this.#thread, slot), 0);
    }
  }
}

function routeOf(tenantId: string, subscription: Subscription): SharedRoute | null {
  const share = subscription.share;
  if (share === null) return null;
  return { tenantId, filter: subscription.filter, group: share.group, ordered: share.ordered };
}
