/**
 * Places at which a process may die in the middle of its work, chosen because something is done and
 * something that belongs to it is not. Each passing of a point draws; how often each was passed and
 * was fatal is counted, because a point that never fires proves nothing.
 */

import type { SimRandom } from "../kernel/sim-random.ts";

export const CRASH_POINTS = [
  /** Votes are counted, the leader's first entry is nowhere yet. */
  "became leader",
  /** A candidate's vote for itself is on its way to the disk, with the term. */
  "voted for itself",
  /** A new term and entries of it are on their way to the disk, in one write. */
  "term with entries",
  /** A Ready was taken: nothing of it is sent or stored. */
  "before sending",
  /** What may leave at once has left, nothing is on its way to the disk. */
  "sent, not submitted",
  /**
   * The disk reports an error: whoever tries again may be told that all is well, with nothing of it
   * on the disk. So the process ends (raft pitfall 11).
   */
  "flush failed",
  /** Durable, but the core does not know. */
  "flushed, not acknowledged",
  /** Durable, but what waited for it has not left. */
  "acknowledged, not sent",
  /** Some of what waited has left. */
  "half sent",
  /** A snapshot came in; its installation has not begun. */
  "snapshot received",
  /** The state machine went on, the client was not answered. */
  "applied, not answered",
  /** A joint configuration was just entered. */
  "joint",
] as const;
export type CrashPoint = (typeof CRASH_POINTS)[number];

export interface CrashCount {
  passed: number;
  fatal: number;
}

export type CrashCounts = Record<CrashPoint, CrashCount>;

export function noCrashCounts(): CrashCounts {
  const counts = CRASH_POINTS.map((point) => [point, { passed: 0, fatal: 0 }]);
  return Object.fromEntries(counts) as CrashCounts;
}

/** Passed so rarely that they would hardly ever be fatal at the rate of the others. */
const RARE_POINTS: readonly CrashPoint[] = [
  "became leader",
  "voted for itself",
  "term with entries",
  "snapshot received",
  "joint",
];
const RARE_FACTOR = 40;

export class CrashPoints {
  readonly counts = noCrashCounts();
  readonly #random: SimRandom;
  probability: number;

  constructor(random: SimRandom, probability: number) {
    this.#random = random;
    this.probability = probability;
  }

  /** True: the process dies here. */
  isFatal(point: CrashPoint): boolean {
    const count = this.counts[point];
    count.passed += 1;
    if (this.probability === 0) return false;
    const factor = RARE_POINTS.includes(point) ? RARE_FACTOR : 1;
    if (!this.#random.chance(this.probability * factor)) return false;
    count.fatal += 1;
    return true;
  }
}
