/**
 * Themes: some worlds have several features that only together lead to a certain kind of trouble,
 * each of them rare enough by itself. A theme says what its worlds have in common; everything else
 * stays as drawn.
 */

import type { SimRandom } from "../kernel/sim-random.ts";
import { type Fault, MILLISECOND, NOBODY, type Profile, THEMES, type Theme } from "./profile.ts";

/** Fewer have no majority beside a leader and its one follower. */
const FLEETING_MIN_NODES = 5;
const THEME_SHARE = 0.35;
/** Clocks agree to within what a lease leaves free. */
const GOOD_CLOCK_DRIFT = 0.05;

export function drawTheme(random: SimRandom, drawn: Profile): Partial<Profile> {
  if (!random.chance(THEME_SHARE)) return {};
  const isSmall = drawn.nodeCount < FLEETING_MIN_NODES;
  const theme = random.pick(THEMES.filter((one) => one !== "fleeting leaders" || !isSmall));
  return { theme, ...DRAW_THEME[theme](random, drawn) };
}

const DRAW_THEME: Record<Theme, (random: SimRandom, drawn: Profile) => Partial<Profile>> = {
  usurpers: drawUsurpers,
  "joint halves": drawJointHalves,
  "fleeting leaders": drawFleetingLeaders,
  "late followers": drawLateFollowers,
};

/**
 * Two leaders at once, of whom the older does not know, with impatient readers at both: what a read
 * or a lease rests on is in doubt most of the time. Heartbeats are rare and answers often late.
 */
function drawUsurpers(random: SimRandom, drawn: Profile): Partial<Profile> {
  const hasLeaseReads = random.chance(0.6);
  const electionTicks = random.pick([10, 30, 30]);
  return {
    ...quick(drawn),
    network: {
      ...quick(drawn).network,
      loss: random.pick([0, 0.05]),
      slowShare: random.pick([0.02, 0.1, 0.2]),
      slowMaxUs: random.pick([200, 800]) * MILLISECOND,
      keepsOrder: false,
    },
    ...{ electionTicks, heartbeatTicks: random.pick([2, Math.floor(electionTicks / 3)]) },
    hasLeaseReads,
    hasCheckQuorum: hasLeaseReads || drawn.hasCheckQuorum,
    clockDrift: random.pick([0, GOOD_CLOCK_DRIFT]),
    faults: [
      ...pickSome<Fault>(random, ["isolate-leader", "transfer", "usurp", "estrange", "pause"]),
      ...pickSome<Fault>(random, ["crash", "partition", "heal"]),
      ...(["usurp", "estrange", "heal"] as const),
    ],
    faultGapMaxUs: random.pick([200, 500]) * MILLISECOND,
    restartMaxUs: random.pick([10, 200]) * MILLISECOND,
    ...busy(drawn),
    ...{ readShare: 0.6, roamShare: random.pick([0.2, 0.8]) },
    ...{ stubbornShare: random.pick([0, 0.5]), maxUncommittedBytes: 2 ** 26 },
  };
}

/** Voters change several at a time, and the network is cut between the old and the new ones. */
function drawJointHalves(random: SimRandom, drawn: Profile): Partial<Profile> {
  return {
    ...quick(drawn),
    faults: [
      ...(["split-joint", "split-joint", "replace-members", "heal"] as const),
      ...pickSome<Fault>(random, ["isolate-leader", "crash", "crash-leader", "usurp", "transfer"]),
      ...pickSome<Fault>(random, ["change-members", "partition", "pause"]),
    ],
    faultGapMaxUs: random.pick([200, 500]) * MILLISECOND,
    ...{ electionTicks: random.pick([6, 10]), heartbeatTicks: 2 },
    ...busy(drawn),
    ...{ readShare: random.pick([0.3, 0.6]), roamShare: random.pick([0.2, 0.8]) },
  };
}

/**
 * Each leader reaches one follower only, always the same, whose disk is still busy with what the
 * leader before had to say: the same places of one log are written again and again.
 */
function drawFleetingLeaders(random: SimRandom, drawn: Profile): Partial<Profile> {
  return {
    ...quick(drawn),
    disk: { ...quick(drawn).disk, flushLimit: 1 },
    laggard: random.below(drawn.nodeCount),
    acknowledgeMaxUs: random.pick([100, 300 * MILLISECOND]),
    fleetingShare: random.pick([0.6, 0.8, 0.95]),
    faults: [
      "heal",
      ...pickSome<Fault>(random, ["partition", "crash-leader", "usurp", "forget-leader"]),
    ],
    faultGapMaxUs: random.pick([200, 500, 900]) * MILLISECOND,
    electionTicks: 6,
    heartbeatTicks: random.pick([1, 2]),
    memberCount: drawn.nodeCount,
  };
}

/**
 * Somebody leads, or follows, with a long tail that is neither committed nor on disk, and meets a
 * leader whose log does not reach back that far any more.
 */
function drawLateFollowers(random: SimRandom, drawn: Profile): Partial<Profile> {
  return {
    network: { ...quick(drawn).network, loss: random.pick([0, 0.05]) },
    laggard: random.pick([NOBODY, random.below(drawn.nodeCount)]),
    ...{ compactAbove: 2, keptBelowSnapshot: 0, maxUncommittedBytes: 2 ** 26 },
    faults: [
      ...(["isolate-leader", "slow-disk", "heal"] as const),
      ...pickSome<Fault>(random, ["isolate-leader", "slow-disk", "pause", "crash", "partition"]),
    ],
    faultGapMaxUs: random.pick([200, 500]) * MILLISECOND,
    ...{ electionTicks: random.pick([6, 10]), heartbeatTicks: 2 },
    ...busy(drawn),
    ...{ readShare: 0.1, roamShare: random.pick([0.2, 0.8]) },
    stubbornShare: random.pick([0.5, 0.9]),
  };
}

/** A network and disks so quick that much happens between two faults. */
function quick({ network, disk }: Profile) {
  return {
    network: { ...network, loss: 0, maximumUs: MILLISECOND },
    disk: { ...disk, maximumUs: 2 * MILLISECOND },
  };
}

/** Many clients that do not wait long; such a world is through with its events earlier. */
function busy({ durationUs }: Profile) {
  return {
    durationUs: durationUs / 2,
    clientCount: 6,
    thinkMaxUs: 10 * MILLISECOND,
    patienceMaxUs: 40 * MILLISECOND,
  };
}

function pickSome<T>(random: SimRandom, items: readonly T[]): readonly T[] {
  return items.filter(() => random.chance(0.5));
}
