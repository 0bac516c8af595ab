/**
 * Themes: some worlds have several features that only together lead to a certain kind of trouble,
 * each of them rare enough by itself. A theme says what its worlds have in common; everything else
 * stays as drawn.
 */

import type { SimRandom } from "../kernel/sim-random.ts";
import {
  type Fault,
  MILLISECOND,
  NOBODY,
  type Profile,
  SECOND,
  THEMES,
  type Theme,
} from "./profile.ts";

/** Fewer cannot go on without one of them. */
const MIN_NODES = 3;
/** Fewer have no majority beside a leader and its one follower. */
const FLEETING_MIN_NODES = 5;
const THEME_SHARE = 0.5;
/** Clocks agree to within what a lease leaves free. */
const GOOD_CLOCK_DRIFT = 0.05;

export function drawTheme(random: SimRandom, drawn: Profile): Partial<Profile> {
  if (drawn.nodeCount < MIN_NODES || !random.chance(THEME_SHARE)) return {};
  const isSmall = drawn.nodeCount < FLEETING_MIN_NODES;
  const theme = random.pick(THEMES.filter((one) => one !== "fleeting leaders" || !isSmall));
  return { theme, ...DRAW_THEME[theme](random, drawn) };
}

const DRAW_THEME: Record<Theme, (random: SimRandom, drawn: Profile) => Partial<Profile>> = {
  usurpers: drawUsurpers,
  "joint halves": drawJointHalves,
  "fleeting leaders": drawFleetingLeaders,
  "late followers": drawLateFollowers,
  "forgetful candidates": drawForgetfulCandidates,
  sleepers: drawSleepers,
};

/**
 * Two leaders at once, of whom the older does not know, with impatient readers at both: what a read
 * or a lease rests on is in doubt most of the time. Heartbeats are rare and answers often late.
 */
function drawUsurpers(random: SimRandom, drawn: Profile): Partial<Profile> {
  const hasLeaseReads = random.chance(0.6);
  // Nobody usurps before the lease is over, and then there must be time until the next fault.
  const electionTicks = hasLeaseReads ? 10 : random.pick([10, 30]);
  const calm = smooth(random, drawn);
  const congested = random.chance(0.4) ? random.below(drawn.nodeCount) : NOBODY;
  return {
    ...calm,
    network: { ...calm.network, congested },
    ...busy(random),
    ...{ electionTicks, heartbeatTicks: Math.floor(electionTicks / random.pick([2, 3, 5])) },
    ...{ hasLeaseReads, hasCheckQuorum: hasLeaseReads || drawn.hasCheckQuorum },
    clockDrift: random.pick([0, GOOD_CLOCK_DRIFT]),
    faults: [
      ...(["usurp", "usurp", "usurp", "estrange", "heal"] as const),
      ...pickSome<Fault>(random, ["transfer", "transfer", "isolate-leader", "pause", "crash"]),
    ],
    faultGapMaxUs: (hasLeaseReads ? 900 : 300) * MILLISECOND,
    restartMaxUs: random.pick([10, 10, 200]) * MILLISECOND,
    ...{ readShare: 0.6, lullShare: random.pick([0, 0.5, 0.9]) },
  };
}

/** Voters change several at a time, and the network is cut between the old and the new ones. */
function drawJointHalves(random: SimRandom, drawn: Profile): Partial<Profile> {
  return {
    ...smooth(random, drawn),
    ...busy(random),
    ...{ electionTicks: random.pick([6, 10]), heartbeatTicks: 2 },
    disk: { ...drawn.disk, maximumUs: random.pick([2, 20, 60]) * MILLISECOND },
    // It hears of a change long before it has applied it.
    laggard: random.chance(0.4) ? random.below(drawn.nodeCount) : NOBODY,
    faults: [
      ...(["split-joint", "split-joint", "replace-members", "heal"] as const),
      ...pickSome<Fault>(random, ["isolate-leader", "crash", "crash-leader", "usurp", "transfer"]),
      ...pickSome<Fault>(random, ["change-members", "partition", "pause"]),
    ],
    // Long enough for the others to elect somebody, and for the old leader not to notice.
    faultGapMaxUs: random.pick([300, 900]) * MILLISECOND,
    ...{ hasCheckQuorum: random.chance(0.4), hasLeaseReads: false },
    splitCommitShare: random.pick([0, 0.5, 0.9]),
    readShare: random.pick([0.3, 0.6]),
  };
}

/**
 * Each leader reaches one follower only, always the same, whose disk is still busy with what the
 * leader before had to say: the same places of one log are written again and again.
 */
function drawFleetingLeaders(random: SimRandom, drawn: Profile): Partial<Profile> {
  const calm = smooth(random, drawn);
  return {
    ...calm,
    ...busy(random),
    disk: { ...calm.disk, flushLimit: 1 },
    laggard: random.below(drawn.nodeCount),
    memberCount: drawn.nodeCount,
    acknowledgeMaxUs: random.pick([100, 100 * MILLISECOND]),
    fleetingShare: random.pick([0.5, 0.8, 0.95]),
    ...{ electionTicks: 6, heartbeatTicks: random.pick([1, 2]) },
    faults: [
      "heal",
      ...pickSome<Fault>(random, ["partition", "crash-leader", "usurp", "forget-leader"]),
    ],
    faultGapMaxUs: random.pick([200, 500, 900]) * MILLISECOND,
    readShare: 0.3,
  };
}

/**
 * Somebody leads, or follows, with a long tail that is neither committed nor on disk, and meets a
 * leader whose log does not reach back that far any more.
 */
function drawLateFollowers(random: SimRandom, drawn: Profile): Partial<Profile> {
  return {
    ...smooth(random, drawn),
    ...busy(random),
    ...{ electionTicks: random.pick([6, 10]), heartbeatTicks: 2 },
    laggard: random.below(drawn.nodeCount),
    ...{ compactAbove: 2, keptBelowSnapshot: 0 },
    faults: [
      ...(["usurp", "isolate-leader", "slow-disk", "heal"] as const),
      ...pickSome<Fault>(random, ["isolate-leader", "slow-disk", "pause", "crash", "partition"]),
    ],
    faultGapMaxUs: random.pick([200, 500]) * MILLISECOND,
    ...{ readShare: 0.1, stubbornShare: random.pick([0.5, 0.9]) },
  };
}

/**
 * A replica dies while it asks for votes, with more of a log in memory than on its slow disk, and
 * asks again a moment later; whoever gives it a vote may stand still before that has left.
 */
function drawForgetfulCandidates(random: SimRandom, drawn: Profile): Partial<Profile> {
  const calm = smooth(random, drawn);
  const slow = { slowShare: random.pick([0.1, 0.2]), slowMaxUs: 800 * MILLISECOND };
  return {
    ...calm,
    network: { ...calm.network, ...slow },
    ...busy(random),
    laggard: random.below(drawn.nodeCount),
    ...{ electionTicks: random.pick([6, 10]), heartbeatTicks: 2 },
    // Asking whether it would win would give the disk time.
    hasPreVote: random.chance(0.2),
    faults: [
      ...(["crash-leader", "crash-leader", "pause", "pause", "heal"] as const),
      ...pickSome<Fault>(random, ["crash", "crash", "isolate-leader", "slow-disk"]),
    ],
    faultGapMaxUs: random.pick([200, 500]) * MILLISECOND,
    pauseMaxUs: random.pick([1000, 3000]) * MILLISECOND,
    restartMaxUs: random.pick([10, 50]) * MILLISECOND,
    crashPoint: random.pick([0.005, 0.01]),
    readShare: 0.1,
  };
}

/**
 * So little to do that the group falls asleep again and again, and faults that come then: somebody
 * dies, leads another half, or is asked for something, while others sleep on.
 */
function drawSleepers(random: SimRandom, drawn: Profile): Partial<Profile> {
  return {
    ...smooth(random, drawn),
    ...busy(random),
    ...{ electionTicks: random.pick([6, 10]), heartbeatTicks: 2 },
    ...{ sleepTicks: random.pick([2, 5]), hasFrames: random.chance(0.5) },
    ...{ clientCount: random.pick([1, 3]), thinkMaxUs: SECOND },
    faults: [
      ...(["crash-leader", "isolate-leader", "pause", "heal", "heal"] as const),
      ...pickSome<Fault>(random, ["crash", "usurp", "change-members", "transfer", "partition"]),
      ...pickSome<Fault>(random, ["forget-leader", "estrange", "replace-members"]),
    ],
    faultGapMaxUs: random.pick([200, 500, 900]) * MILLISECOND,
    restartMaxUs: random.pick([10, 1500]) * MILLISECOND,
    readShare: random.pick([0.3, 0.6]),
  };
}

/** Quick, and roomy: much happens between two faults, and nothing else holds it up. */
function smooth(random: SimRandom, { network, disk }: Profile) {
  return {
    network: {
      ...network,
      loss: random.pick([0, 0, 0.03]),
      maximumUs: MILLISECOND,
      slowShare: random.pick([0, 0.02, 0.1, 0.2]),
      slowMaxUs: random.pick([200, 800]) * MILLISECOND,
      keepsOrder: false,
    },
    disk: { ...disk, maximumUs: 2 * MILLISECOND },
    ...{ laggard: NOBODY, acknowledgeMaxUs: 0, fleetingShare: 0, lateRead: 0 },
    ...{ maxUncommittedBytes: 2 ** 26, maxApplyingBytes: 2 ** 24 },
    crashPoint: random.pick([0, 0.0005, 0.002]),
  };
}

/** Clients that do not wait long, for which one leader is as good as another. */
function busy(random: SimRandom) {
  return {
    clientCount: random.pick([3, 5]),
    thinkMaxUs: 20 * MILLISECOND,
    patienceMaxUs: random.pick([40, 150]) * MILLISECOND,
    roamShare: random.pick([0.2, 0.8]),
    stubbornShare: random.pick([0, 0.5]),
  };
}

function pickSome<T>(random: SimRandom, items: readonly T[]): readonly T[] {
  return items.filter(() => random.chance(0.5));
}
