/**
 * One shared group of one filter: its members on all workers, and the choice of one for each message.
 *
 * Load of a member (messages in flight or waiting) is an atomic word that all workers see: whoever picks adds one, the
 * member's own worker takes one off when the delivery is over. `OFFLINE_LOAD` marks a stored session without a
 * connection: it gets messages only when nobody is online.
 * Thread: worker; every worker has its own copy of the member list.
 */

import type { DeliveryOptions } from "./dist-api.ts";
import type { Subscription } from "./subscription.ts";

export const OFFLINE_LOAD = 0x4000_0000;

export type ShareStrategy = "least_inflight" | "round_robin" | "random";

export interface ShareMember {
  readonly clientId: string;
  /** Worker of the session, or of its inbox. */
  readonly thread: number;
  readonly isInbox: boolean;
  readonly options: DeliveryOptions;
  /** Word of its load in the shared words. */
  readonly loadWord: number;
  /** Place in the owner's member table, and which use of that place. */
  readonly slot: number;
  readonly generation: number;
  /** Not null when the member is a transient session of this very worker. */
  readonly subscription: Subscription | null;
}

/** Members looked at per pick: enough to even out loads, few enough to make the cost independent of the group. */
const LEAST_INFLIGHT_SAMPLE = 8;

export class ShareGroup {
  readonly name: string;
  readonly isOrdered: boolean;
  /** As subscribed, `$share/name/filter`. */
  readonly shareFilter: string;
  readonly members: ShareMember[] = [];
  #cursor = 0;

  constructor(name: string, isOrdered: boolean, filter: string) {
    this.name = name;
    this.isOrdered = isOrdered;
    this.shareFilter = `${isOrdered ? "$oshare" : "$share"}/${name}/${filter}`;
  }

  add(member: ShareMember): void {
    this.remove(member.clientId, member.thread, member.isInbox);
    this.members.push(member);
  }

  /** Removes a member however often it was announced; false when unknown. */
  remove(clientId: string, thread: number, isInbox: boolean): boolean {
    const index = this.members.findIndex(
      (member) =>
        member.clientId === clientId && member.thread === thread && member.isInbox === isInbox,
    );
    if (index < 0) return false;
    this.members.splice(index, 1);
    return true;
  }

  /**
   * Chooses the member for one message of `publisherId`; null when there is none.
   * Online members first; a stored session only when nobody else is there. `random` is in [0, 1).
   */
  pick(
    strategy: ShareStrategy,
    loads: Int32Array,
    publisherId: string,
    random: number,
  ): ShareMember | null {
    const count = this.members.length;
    if (count === 0) return null;
    if (this.isOrdered) return this.#pickSticky(loads, publisherId);
    const start = strategy === "random" ? Math.floor(random * count) : this.#cursor % count;
    this.#cursor = start + 1;
    const sample = strategy === "least_inflight" ? LEAST_INFLIGHT_SAMPLE : 1;
    return this.#pickFrom(start, sample, loads);
  }

  /** The least loaded of the first `sample` online members from `start` on. */
  #pickFrom(start: number, sample: number, loads: Int32Array): ShareMember | null {
    const count = this.members.length;
    let best: ShareMember | null = null;
    let bestLoad = Number.POSITIVE_INFINITY;
    let online = 0;
    let bestIndex = start;
    for (let step = 0; step < count && online < sample; step += 1) {
      const index = (start + step) % count;
      const member = this.members[index];
      if (member === undefined) continue;
      const load = Atomics.load(loads, member.loadWord);
      if (load < OFFLINE_LOAD) online += 1;
      if (load < bestLoad) {
        best = member;
        bestLoad = load;
        bestIndex = index;
      }
    }
    this.#cursor = bestIndex + 1;
    return best;
  }

  /** Highest random weight of (publisher, member): one publisher's messages go to one member while members stay. */
  #pickSticky(loads: Int32Array, publisherId: string): ShareMember | null {
    const seed = hashText(0x811c_9dc5, publisherId);
    let best: ShareMember | null = null;
    let bestWeight = -1;
    for (const member of this.members) {
      const isOnline = Atomics.load(loads, member.loadWord) < OFFLINE_LOAD;
      const weight = mix(hashText(seed, member.clientId)) + (isOnline ? 2 ** 32 : 0);
      if (weight > bestWeight) {
        best = member;
        bestWeight = weight;
      }
    }
    return best;
  }
}

/** FNV-1a over UTF-16 units. */
function hashText(seed: number, text: string): number {
  let hash = seed;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x0100_0193);
  }
  return hash >>> 0;
}

/** Spreads FNV's weak high bits (murmur3's finalizer). */
function mix(hash: number): number {
  let mixed = hash;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85eb_ca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
