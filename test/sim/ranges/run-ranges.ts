/**
 * One world of ranges: a seed in, everything that matters about its run out; and many of them in a
 * row. The same seed gives the same run, to the last event.
 */

import { EventQueue } from "../kernel/event-queue.ts";
import { SimRandom } from "../kernel/sim-random.ts";
import { CRASH_PLACES, type CrashTally } from "./node/crash-places.ts";
import { endRun } from "./range-ending.ts";
import { Breach, RANGE_INVARIANTS } from "./range-invariants.ts";
import { drawRangeProfile, type RangeProfile, type RangeProfileOptions } from "./range-profile.ts";
import { RangeWorld } from "./range-world.ts";

/** What a run amounted to: a clean one means little unless much has happened. */
export interface RangeCounts {
  events: number;
  entries: number;
  published: number;
  promised: number;
  pushes: number;
  splits: number;
  merges: number;
  moved: number;
  wills: number;
  processes: number;
  installs: number;
  qosZero: number;
  /** Messages that a range took for a member of a group, questions before repeats, hand-overs. */
  grouped: number;
  asked: number;
  handedOver: number;
}

export interface RangeRun {
  readonly seed: number;
  readonly profile: RangeProfile;
  readonly traceHash: string;
  readonly counts: RangeCounts;
  readonly crashes: CrashTally;
  /** Null: nothing is wrong. */
  readonly failure: { readonly text: string; readonly stack: string } | null;
}

// Grown once, used by one run at a time: worlds do not overlap.
const queue = new EventQueue();

export function runRanges(seed: number, options: RangeProfileOptions): RangeRun {
  const profile = drawRangeProfile(SimRandom.of(seed, "profile"), options);
  const world = new RangeWorld(seed, profile, queue);
  const failure = failureOf(world, seed);
  return {
    seed,
    profile,
    traceHash: world.loop.trace.toString(),
    counts: countsOf(world),
    crashes: world.crashPlaces.fatal,
    failure,
  };
}

function failureOf(world: RangeWorld, seed: number): RangeRun["failure"] {
  try {
    world.run();
    endRun(world, SimRandom.of(seed, "ending"));
    return null;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const stack = error.stack ?? "";
    if (error instanceof Breach) return { text: error.message, stack };
    return { text: `${RANGE_INVARIANTS.assertion}: ${error.name}: ${error.message}`, stack };
  }
}

function countsOf(world: RangeWorld): RangeCounts {
  const { loop, ledger, publisher, desk, nemesis, gateway } = world;
  return {
    events: loop.eventCount,
    entries: ledger.order.length,
    published: publisher.publishedCount,
    promised: publisher.receivers.promisedCount,
    pushes: desk.pushCount,
    splits: nemesis.splitCount,
    merges: nemesis.merges.mergeCount,
    moved: gateway.movedCount,
    wills: desk.wills.publishedCount,
    processes: world.processCount,
    installs: world.installCount,
    qosZero: publisher.receivers.qosZeroCount,
    grouped: world.groups.takenCount,
    asked: publisher.receivers.askedCount,
    handedOver: world.groups.handedOverCount,
  };
}

export interface RangeCampaign {
  readonly counts: RangeCounts;
  readonly crashes: CrashTally;
  readonly failed: readonly RangeRun[];
  /** Seeds whose second run was another one. */
  readonly diverged: readonly number[];
  readonly runCount: number;
}

/** One seed in so many is run twice. */
const REPEAT_EVERY = 50;

export function runRangeCampaign(
  limits: { firstSeed: number; runCount: number; failureLimit: number },
  options: RangeProfileOptions,
): RangeCampaign {
  const { firstSeed, runCount, failureLimit } = limits;
  const failed: RangeRun[] = [];
  const diverged: number[] = [];
  const counts: Partial<Record<keyof RangeCounts, number>> = {};
  const crashes = Object.fromEntries(CRASH_PLACES.map((place) => [place, 0])) as CrashTally;
  let seed = firstSeed;
  for (; seed < firstSeed + runCount; seed += 1) {
    const run = runRanges(seed, options);
    for (const [name, count] of Object.entries(run.counts) as [keyof RangeCounts, number][]) {
      counts[name] = (counts[name] ?? 0) + count;
    }
    for (const place of CRASH_PLACES) crashes[place] += run.crashes[place];
    if (run.failure !== null) failed.push(run);
    const isRepeated = seed % REPEAT_EVERY === 0;
    if (isRepeated && runRanges(seed, options).traceHash !== run.traceHash) diverged.push(seed);
    if (failed.length + diverged.length >= failureLimit) break;
  }
  const done = Math.min(seed + 1, firstSeed + runCount) - firstSeed;
  return { counts: counts as RangeCounts, crashes, failed, diverged, runCount: done };
}
