/**
 * One schedule: a seed in, everything that matters about its run out. The same seed gives the same
 * run, to the last event, on every machine.
 */

import { AssertionError } from "../../../src/shared/base/assert.ts";
import { EventQueue } from "../kernel/event-queue.ts";
import { SimRandom } from "../kernel/sim-random.ts";
import { type Invariant, Violation } from "./checkers/violation.ts";
import type { CrashCounts } from "./crash-points.ts";
import { drawProfile, type ProfileOptions } from "./draw-profile.ts";
import { demandRecovery } from "./liveness.ts";
import type { Profile } from "./profile.ts";
import { World } from "./world.ts";

export interface Failure {
  readonly invariant: Invariant;
  readonly text: string;
  readonly stack: string;
}

export interface ScheduleResult {
  readonly seed: number;
  readonly profile: Profile;
  readonly traceHash: string;
  readonly eventCount: number;
  readonly commitIndex: number;
  readonly leaderCount: number;
  readonly doneCount: number;
  /** How often a leader has sent its group to sleep. */
  readonly sleepCount: number;
  readonly historySize: number;
  /** Keys whose history took too many steps to judge. */
  readonly undecidedCount: number;
  readonly crashCounts: CrashCounts;
  readonly failure: Failure | null;
}

// Grown once, used by one schedule at a time: worlds do not overlap.
const queue = new EventQueue();

export function runSchedule(seed: number, options: ProfileOptions): ScheduleResult {
  const profile = drawProfile(SimRandom.of(seed, "profile"), options);
  const world = new World(seed, profile, queue);
  const { failure, undecidedCount } = runToEnd(world, seed);
  return {
    seed,
    profile,
    traceHash: world.loop.trace.toString(),
    eventCount: world.loop.eventCount,
    commitIndex: world.ledger.commitIndex,
    leaderCount: world.ledger.leaderCount,
    doneCount: world.clients.reduce((sum, { doneCount }) => sum + doneCount, 0),
    sleepCount: world.sleepCount,
    historySize: world.history.size,
    undecidedCount,
    crashCounts: world.crashPoints.counts,
    failure,
  };
}

function runToEnd(world: World, seed: number) {
  try {
    world.run();
    if (world.profile.checksLiveness) demandRecovery(world, SimRandom.of(seed, "liveness"));
    return { failure: null, undecidedCount: world.finish() };
  } catch (error) {
    return { failure: failureOf(error), undecidedCount: 0 };
  }
}

/**
 * A core that asserts has found its own bug; anything else that is thrown is one of ours or its.
 */
function failureOf(error: unknown): Failure {
  if (!(error instanceof Error)) throw error;
  const stack = error.stack ?? "";
  if (error instanceof Violation) return { invariant: error.invariant, text: error.message, stack };
  const kind = error instanceof AssertionError ? "assertion" : error.name;
  return { invariant: "assertion", text: `${kind}: ${error.message}`, stack };
}
