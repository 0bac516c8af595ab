/**
 * Places at which a process may die in the middle of its work. Each passing draws; how often each
 * was passed and was fatal is counted, because a place that never fires proves nothing.
 */

import type { SimRandom } from "../../kernel/sim-random.ts";

export const CRASH_PLACES = [
  /** Machines have handed out their changes: nothing of them is on its way to the disk. */
  "collected, not written",
  /** A commit is durable, but neither machine nor core knows. */
  "flushed, not told",
  /** The machines went on, nobody was answered. */
  "applied, not answered",
] as const;
export type CrashPlace = (typeof CRASH_PLACES)[number];

export type CrashTally = Record<CrashPlace, number>;

export class CrashPlaces {
  readonly fatal = Object.fromEntries(CRASH_PLACES.map((place) => [place, 0])) as CrashTally;
  readonly #random: SimRandom;
  probability: number;

  constructor(random: SimRandom, probability: number) {
    this.#random = random;
    this.probability = probability;
  }

  /** True: the process dies here. */
  isFatal(place: CrashPlace): boolean {
    if (this.probability === 0 || !this.#random.chance(this.probability)) return false;
    this.fatal[place] += 1;
    return true;
  }
}
