/**
 * What a world of ranges is like, drawn from its seed: sizes, speeds, faults. Single worlds are
 * lopsided, so that rare combinations come up (see test/sim/raft/profile.ts).
 *
 * All times in microseconds unless their names say otherwise.
 */

import type { DiskProfile } from "../kernel/sim-disk.ts";
import type { NetworkProfile } from "../kernel/sim-network.ts";
import type { SimRandom } from "../kernel/sim-random.ts";

const MILLISECOND = 1000;
const SECOND = 1000 * MILLISECOND;
/** How many worlds have this theme. */
const CUTTING_SHARE = 0.15;
const REPEATING_SHARE = 0.15;

export const RANGE_FAULTS = [
  "crash",
  "crash-all",
  "partition",
  "heal",
  "transfer",
  "split",
  "merge",
  "congest",
] as const;
export type RangeFault = (typeof RANGE_FAULTS)[number];

/** How a world ends: what is judged. */
export const ENDINGS = ["compare", "drain", "clean"] as const;
export type Ending = (typeof ENDINGS)[number];

export interface RangeProfile {
  readonly nodeCount: number;
  readonly durationUs: number;
  readonly network: NetworkProfile;
  readonly disk: DiskProfile;
  readonly tickUs: number;
  /** Time between two collections of a node, at most, and how many of its ranges take part. */
  readonly collectMaxUs: number;
  readonly collectShare: number;
  /** Applied entries that stay in a log; Infinity: all. */
  readonly keptEntries: number;
  /** Milliseconds of wall clock per millisecond; how far clocks of nodes differ. */
  readonly clockRate: number;
  readonly skewMaxMs: number;
  readonly batchMax: number;
  readonly openBatches: number;
  /** Bytes of retained messages that stay in memory. */
  readonly hotBytes: number;
  readonly sessionCount: number;
  readonly topicCount: number;
  readonly thinkMaxUs: number;
  readonly arrivalMaxUs: number;
  readonly publishGapUs: number;
  /** Messages that are published at once, at most. */
  readonly burstMax: number;
  readonly payloadMin: number;
  readonly payloadMax: number;
  readonly expiringShare: number;
  readonly sessionInboxSize: number;
  /** Two of three sessions subscribe to the first topic as members of a group. */
  readonly hasGroup: boolean;
  /** Of publishes and subscriptions; and what gives way when too much of it waits. */
  readonly qosZeroShare: number;
  readonly dropsOldest: boolean;
  readonly retainGapUs: number;
  /** How often a client that could answer does; that acts, publishes, and goes. */
  readonly answerShare: number;
  readonly sendShare: number;
  readonly leaveShare: number;
  readonly faults: readonly RangeFault[];
  readonly faultGapMaxUs: number;
  readonly restartMaxUs: number;
  readonly crashPlace: number;
  readonly ending: Ending;
}

export interface RangeProfileOptions {
  /** Fixes the number of nodes; null draws it. */
  readonly nodeCount: number | null;
}

export function drawRangeProfile(random: SimRandom, options: RangeProfileOptions): RangeProfile {
  const drawn = random.pick([1, 1, 1, 1, 1, 1, 3, 3, 3, 5]);
  const nodeCount = options.nodeCount ?? drawn;
  const profile: RangeProfile = {
    nodeCount,
    durationUs: (nodeCount === 1 ? 2 : 3) * SECOND,
    network: drawNetwork(random),
    disk: drawDisk(random),
    tickUs: 20 * MILLISECOND,
    collectMaxUs: random.pick([5, 50, 100, 1000]) * MILLISECOND,
    collectShare: random.pick([0.3, 1]),
    keptEntries: random.pick([0, 3, 30, Number.POSITIVE_INFINITY]),
    clockRate: random.pick([1, 5, 30]),
    skewMaxMs: nodeCount === 1 ? 0 : random.pick([0, 0, 500]),
    batchMax: random.pick([1, 4, 1000]),
    openBatches: random.pick([1, 3, 10]),
    hotBytes: random.pick([0, 500, 1 << 20]),
    ...drawClients(random),
    ...drawFaults(random, nodeCount),
    ending: random.pick(ENDINGS),
  };
  if (random.chance(CUTTING_SHARE)) return cutting(profile);
  return random.chance(REPEATING_SHARE) ? repeating(profile, random) : profile;
}

/**
 * Messages that many sessions of one range have, and ranges that are cut and merged all the time
 * while they do: what hardly ever comes together by chance.
 */
function cutting(profile: RangeProfile): RangeProfile {
  return {
    ...profile,
    sessionCount: 6,
    topicCount: 1,
    hasGroup: false,
    payloadMin: 600,
    payloadMax: 1000,
    burstMax: 3,
    answerShare: 0.3,
    faults: ["crash", "split", "split", "merge", "merge"],
    faultGapMaxUs: 40 * MILLISECOND,
  };
}

/**
 * Clients that connect anew all the time and repeat what they have published, to a shared group in
 * several ranges, while these are cut and merged, and little of what was sent before has arrived.
 */
function repeating(profile: RangeProfile, random: SimRandom): RangeProfile {
  return {
    ...profile,
    sessionCount: 6,
    topicCount: 1,
    hasGroup: true,
    thinkMaxUs: 4 * MILLISECOND,
    publishGapUs: random.pick([5, 60]) * MILLISECOND,
    burstMax: 1,
    batchMax: random.pick([1, 4]),
    openBatches: random.pick([1, 3]),
    qosZeroShare: random.pick([0, 0.3]),
    sendShare: 0.3,
    leaveShare: 0.2,
    faults: random.pick([["crash"], ["split", "merge"], ["crash", "split", "merge", "transfer"]]),
  };
}

function drawNetwork(random: SimRandom): NetworkProfile {
  const network = {
    loss: random.pick([0, 0, 0.02, 0.1]),
    duplication: random.pick([0, 0, 0.1]),
    slowShare: random.pick([0, 0.02, 0.1]),
    minimumUs: 100,
    maximumUs: random.pick([1, 5]) * MILLISECOND,
    slowMaxUs: 100 * MILLISECOND,
    keepsOrder: random.chance(0.5),
    congested: -1,
    congestionMaxUs: 0,
  };
  return network;
}

function drawDisk(random: SimRandom): DiskProfile {
  const disk = {
    minimumUs: 50,
    maximumUs: random.pick([1, 2, 20]) * MILLISECOND,
    flushLimit: random.pick([1, 3, Number.POSITIVE_INFINITY]),
    tornWrite: 0,
  };
  return disk;
}

function drawClients(random: SimRandom) {
  const isDeep = random.chance(0.08);
  return {
    sessionCount: random.pick([1, 2, 4, 6]),
    topicCount: random.pick([1, 2, 4]),
    thinkMaxUs: random.pick([4, 10, 40]) * MILLISECOND,
    arrivalMaxUs: random.pick([100, 5 * MILLISECOND, 50 * MILLISECOND]),
    publishGapUs: random.pick([5, 20, 60]) * MILLISECOND,
    burstMax: isDeep ? 200 : random.pick([1, 1, 3, 10]),
    payloadMin: 0,
    payloadMax: isDeep ? 1500 : random.pick([10, 400, 1000]),
    expiringShare: random.pick([0, 0.3, 0.8]),
    sessionInboxSize: random.pick([2, 10, 100_000, 100_000, 100_000]),
    hasGroup: random.chance(0.5),
    qosZeroShare: random.pick([0, 0.1, 0.4]),
    dropsOldest: random.chance(0.5),
    retainGapUs: random.pick([10, 100]) * MILLISECOND,
    answerShare: random.pick([0.3, 0.8, 0.95]),
    sendShare: 0.08,
    leaveShare: 0.03,
  };
}

function drawFaults(random: SimRandom, nodeCount: number) {
  const isPossible = (fault: RangeFault) => {
    const isBetweenNodes = fault === "partition" || fault === "heal" || fault === "transfer";
    return !isBetweenNodes || nodeCount > 1;
  };
  const list = RANGE_FAULTS.filter((fault) => isPossible(fault) && random.chance(0.6));
  return {
    faults: list,
    faultGapMaxUs: random.pick([50, 200, 500]) * MILLISECOND,
    restartMaxUs: random.pick([5, 100]) * MILLISECOND,
    crashPlace: random.pick([0, 0, 0.001, 0.01]),
  };
}
