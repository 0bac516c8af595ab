/**
 * Seeded chance for the simulator. Each concern (network, disk, clients, ...) has a generator of
 * its own, derived from the schedule's seed and the concern's name, so that one draw more in one
 * concern does not shift the others: a schedule stays recognisable while the simulator changes.
 */

import { Prng } from "../../../src/shared/base/prng.ts";

export class SimRandom extends Prng {
  /** The same for the same seed and concern. */
  static of(seed: number, concern: string): SimRandom {
    let hash = 0x811c9dc5 ^ seed;
    for (let at = 0; at < concern.length; at += 1) {
      hash = Math.imul(hash ^ concern.charCodeAt(at), 0x01000193);
    }
    return new SimRandom(hash);
  }

  /** Whole number from `lowest` to `highest`, both included. */
  between(lowest: number, highest: number): number {
    return lowest + this.below(highest - lowest + 1);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }
}
