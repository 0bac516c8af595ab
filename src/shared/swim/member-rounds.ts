/**
 * Whose turn it is, to be probed or to be gossiped to: round robin over a shuffled list, shuffled
 * anew after each round (SWIM §4.3).
 *
 * Plain random choice is as quick on average, but leaves a member out for as long as chance will
 * have it; here the wait is below two rounds, and in a small cluster a few turns reach everybody.
 */

import type { Prng } from "../base/prng.ts";
import type { NodeId } from "./member.ts";

export class MemberRounds {
  readonly #prng: Prng;
  #order: NodeId[] = [];
  #scheduled = new Set<NodeId>();
  #nextIndex = 0;

  constructor(prng: Prng) {
    this.#prng = prng;
  }

  get size(): number {
    return this.#order.length;
  }

  /** A new member takes a random place in what is left of this round (SWIM §4.3). */
  add(nodeId: NodeId): void {
    if (this.#scheduled.has(nodeId)) return;
    this.#scheduled.add(nodeId);
    const last = this.#order.length;
    this.#order.push(nodeId);
    const index = this.#nextIndex + this.#prng.below(last + 1 - this.#nextIndex);
    this.#order[last] = this.#order[index]!;
    this.#order[index] = nodeId;
  }

  /**
   * The next one for whom `isProbeable` holds, or null when there is none. Others are passed over,
   * and dropped at the end of the round if they still fail then; whoever comes back must be added
   * again. O(1) on average.
   */
  next(isProbeable: (nodeId: NodeId) => boolean): NodeId | null {
    for (let rounds = 0; rounds < 2; rounds++) {
      while (this.#nextIndex < this.#order.length) {
        const nodeId = this.#order[this.#nextIndex]!;
        this.#nextIndex += 1;
        if (isProbeable(nodeId)) return nodeId;
      }
      this.#beginRound(isProbeable);
    }
    return null;
  }

  #beginRound(isProbeable: (nodeId: NodeId) => boolean): void {
    this.#order = this.#order.filter(isProbeable);
    this.#scheduled = new Set(this.#order);
    this.#prng.shuffle(this.#order);
    this.#nextIndex = 0;
  }
}
