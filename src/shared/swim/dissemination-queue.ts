/**
 * Claims on their way through the cluster: each is sent a bounded number of times by each member,
 * the least sent first, and a newer claim about the same member takes the place of the older one
 * (SWIM §4.1).
 *
 * One tier per number of times sent; within a tier, first in first out. Taking moves a claim to the
 * next tier; behind the last one it is forgotten. So a burst of a thousand joins shares the packets
 * evenly, and a new claim passes all those that have already been told.
 *
 *   tier 0   never sent      [ d  e ]   <- offer
 *   tier 1   sent once       [ a  c ]
 *   ...
 *   tier limit-1             [ b ]      -> forgotten after the next sending
 *
 * Bounded by the member table: one claim per member.
 */

import type { NodeId } from "./member.ts";
import { CLAIM_BYTES_MIN } from "./swim-layout.ts";

interface Broadcast {
  readonly subject: NodeId;
  /** The claim as it stands in packets. */
  readonly bytes: Uint8Array;
  tier: number;
}

export class DisseminationQueue {
  readonly #tiers: Map<NodeId, Broadcast>[] = [];
  readonly #bySubject = new Map<NodeId, Broadcast>();

  get size(): number {
    return this.#bySubject.size;
  }

  /** Takes over `bytes`, which replace any earlier claim about `subject`. */
  offer(subject: NodeId, bytes: Uint8Array): void {
    this.withdraw(subject);
    this.#insert({ subject, bytes, tier: 0 });
  }

  withdraw(subject: NodeId): void {
    const known = this.#bySubject.get(subject);
    if (known === undefined) return;
    this.#bySubject.delete(subject);
    this.#tiers[known.tier]?.delete(subject);
  }

  /**
   * Claims for one packet with `budgetBytes` of room, the least sent first; each counts as sent
   * once more, and leaves after `limit` sendings. `skip` is left out: it stands in the packet
   * already.
   */
  take(budgetBytes: number, limit: number, skip: NodeId | null = null): Uint8Array[] {
    const taken: Broadcast[] = [];
    let roomBytes = budgetBytes;
    for (const tier of this.#tiers) {
      for (const broadcast of tier.values()) {
        // Nothing fits any more: a large queue is not walked to its end.
        if (roomBytes < CLAIM_BYTES_MIN) break;
        if (broadcast.bytes.length > roomBytes || broadcast.subject === skip) continue;
        roomBytes -= broadcast.bytes.length;
        taken.push(broadcast);
      }
    }
    for (const broadcast of taken) this.#age(broadcast, limit);
    return taken.map(({ bytes }) => bytes);
  }

  #age(broadcast: Broadcast, limit: number): void {
    this.withdraw(broadcast.subject);
    broadcast.tier += 1;
    if (broadcast.tier < limit) this.#insert(broadcast);
  }

  #insert(broadcast: Broadcast): void {
    while (this.#tiers.length <= broadcast.tier) this.#tiers.push(new Map());
    this.#tiers[broadcast.tier]!.set(broadcast.subject, broadcast);
    this.#bySubject.set(broadcast.subject, broadcast);
  }
}
