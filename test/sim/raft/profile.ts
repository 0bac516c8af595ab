/**
 * Swarm profiles: each seed first draws what its world is like, faults, speeds, sizes and features,
 * and only then runs in it. Every single world is lopsided, so rare combinations come up that an
 * average world would never show (Groce et al., "Swarm Testing", 2012).
 *
 * All times in microseconds; shares and probabilities 0 to 1.
 */

import type { DiskProfile } from "../kernel/sim-disk.ts";
import type { NetworkProfile } from "../kernel/sim-network.ts";
import type { SimRandom } from "../kernel/sim-random.ts";

export const MILLISECOND = 1000;
export const SECOND = 1000 * MILLISECOND;

export const FAULTS = [
  "partition",
  "isolate-leader",
  "heal",
  "crash",
  "crash-leader",
  "crash-all",
  "pause",
  "slow-disk",
  "transfer",
  "change-members",
  "replace-members",
  "split-joint",
  "forget-leader",
  "usurp",
] as const;
export type Fault = (typeof FAULTS)[number];

/** Those that change who is a member. */
export const MEMBER_FAULTS: readonly Fault[] = ["change-members", "replace-members", "split-joint"];

export interface Profile {
  readonly nodeCount: number;
  /** How many of them are members at the start; the others can be added. */
  readonly memberCount: number;
  readonly durationUs: number;
  readonly network: NetworkProfile;
  readonly disk: DiskProfile;
  /** Position of a node whose disk is much slower than those of the others; NOBODY: none. */
  readonly laggard: number;
  /** From the end of a flush to the core's knowledge of it, at most. */
  readonly acknowledgeMaxUs: number;
  readonly tickUs: number;
  /** Each node's clock runs faster or slower by up to this share. */
  readonly clockDrift: number;
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  readonly hasPreVote: boolean;
  readonly hasCheckQuorum: boolean;
  readonly hasLeaseReads: boolean;
  readonly forwardsProposals: boolean;
  /** Entries on disk above which a node makes a snapshot and drops them; Infinity: never. */
  readonly compactAbove: number;
  /** Entries that stay below a snapshot, for followers that are just behind. */
  readonly keptBelowSnapshot: number;
  readonly maxMessageBytes: number;
  readonly maxInflightMessages: number;
  readonly maxUncommittedBytes: number;
  readonly maxApplyingBytes: number;
  /** Probability that a read of the log by the core is answered only later. */
  readonly lateRead: number;
  /** The nemesis picks among them; one that is named often comes often. */
  readonly faults: readonly Fault[];
  readonly faultGapMaxUs: number;
  /** Share of faults that come on the heels of the one before. */
  readonly burstShare: number;
  /**
   * Probability that a new leader is left with one follower before it has sent anything: its
   * entries are never committed, and the others elect the next one.
   */
  readonly fleetingShare: number;
  readonly asymmetricShare: number;
  readonly restartMaxUs: number;
  readonly pauseMaxUs: number;
  /** Probability that a node crashes when it passes a crash point. */
  readonly crashPoint: number;
  readonly clientCount: number;
  readonly thinkMaxUs: number;
  /** How long clients wait for an answer, at most. */
  readonly patienceMaxUs: number;
  readonly readShare: number;
  /** How often a client asks any node rather than the one that it believes to lead. */
  readonly roamShare: number;
  /** How often a client that got no answer asks the same node again. */
  readonly stubbornShare: number;
  readonly swapShare: number;
  readonly keyCount: number;
  /** Whether messages and disk records go through the codecs, as they do in production. */
  readonly hasCodec: boolean;
  /** Whether the whole history of clients is checked for linearizability. */
  readonly checksHistory: boolean;
  /** Whether the faults end and the group must then recover. */
  readonly checksLiveness: boolean;
}

/** No node at all. */
export const NOBODY = -1;
/** A disk so slow that leaders change while it writes. */
const LAGGARD_MAX_US = 1200 * MILLISECOND;
/** Two clocks may differ by twice this; a lease leaves a fifth free. */
const MAX_LEASE_DRIFT = 0.05;
/** "The" cluster of the speed target, and a common size in production. */
const FIVE = 5;

export interface ProfileOptions {
  /** Fixes the number of nodes; null draws it. */
  readonly nodeCount: number | null;
}

/** The disk of the node at `position`, when nothing disturbs it. */
export function diskProfileOf({ disk, laggard }: Profile, position: number): DiskProfile {
  return position === laggard ? { ...disk, maximumUs: LAGGARD_MAX_US } : disk;
}

export function drawProfile(random: SimRandom, options: ProfileOptions): Profile {
  const drawn = random.pick([1, 2, 3, 3, 3, 3, 4, 5, 5, 5, 5, 7]);
  const nodeCount = options.nodeCount ?? drawn;
  const memberCount = nodeCount > 1 && random.chance(0.3) ? nodeCount - 1 : nodeCount;
  return {
    nodeCount,
    memberCount,
    durationUs: (nodeCount >= FIVE ? 5 : 6) * SECOND,
    network: drawNetwork(random),
    disk: drawDisk(random),
    laggard: random.chance(0.2) ? random.below(nodeCount) : NOBODY,
    ...drawTiming(random),
    ...drawSizes(random),
    ...drawFaults(random),
    ...drawClients(random),
    hasCodec: random.chance(0.1),
    checksHistory: random.chance(0.05),
    checksLiveness: random.chance(0.15),
  };
}

function drawNetwork(random: SimRandom): NetworkProfile {
  return {
    loss: random.pick([0, 0, 0.01, 0.05, 0.1, 0.2, 0.4]),
    duplication: random.pick([0, 0, 0.05, 0.1, 0.3]),
    slowShare: random.pick([0, 0.02, 0.02, 0.1, 0.4]),
    minimumUs: 100,
    maximumUs: random.pick([1, 5, 20, 50]) * MILLISECOND,
    slowMaxUs: random.pick([50, 200, 800, 800, 3000]) * MILLISECOND,
    keepsOrder: random.chance(0.3),
  };
}

function drawDisk(random: SimRandom): DiskProfile {
  return {
    minimumUs: 50,
    maximumUs: random.pick([2, 2, 8, 60, 250]) * MILLISECOND,
    flushLimit: random.pick([Infinity, Infinity, 3, 1]),
    tornWrite: random.pick([0, 0.3, 0.8]),
  };
}

function drawTiming(random: SimRandom) {
  const clockDrift = random.pick([0, 0.01, 0.05, 0.2]);
  const hasCheckQuorum = random.chance(0.7);
  const wantsLeases = random.chance(0.5);
  const electionTicks = random.pick([6, 10, 10, 30]);
  const sparse = Math.floor(electionTicks / 3);
  return {
    acknowledgeMaxUs: random.pick([0, 0, 100, 20 * MILLISECOND, 300 * MILLISECOND]),
    tickUs: 20 * MILLISECOND,
    clockDrift,
    electionTicks,
    heartbeatTicks: random.pick([1, 2, 2, sparse]),
    hasPreVote: random.chance(0.7),
    hasCheckQuorum,
    // Leases are for clocks that agree to within the share that they leave free.
    hasLeaseReads: wantsLeases && hasCheckQuorum && clockDrift <= MAX_LEASE_DRIFT,
    forwardsProposals: random.chance(0.3),
  };
}

function drawSizes(random: SimRandom) {
  return {
    compactAbove: random.pick([Infinity, 2, 8, 20]),
    keptBelowSnapshot: random.pick([0, 0, 4, 20]),
    maxMessageBytes: random.pick([1, 100, 1000, 2 ** 20]),
    maxInflightMessages: random.pick([1, 2, 16, 256]),
    maxUncommittedBytes: random.pick([60, 1000, 2 ** 26]),
    maxApplyingBytes: random.pick([1, 200, 2 ** 24]),
    lateRead: random.pick([0, 0, 0, 0.3]),
  };
}

function drawFaults(random: SimRandom) {
  return {
    faults: drawFaultList(random),
    faultGapMaxUs: random.pick([40, 200, 500, 900]) * MILLISECOND,
    burstShare: random.pick([0, 0, 0.2, 0.5]),
    fleetingShare: random.pick([0, 0, 0, 0, 0, 0.6, 0.9]),
    asymmetricShare: random.pick([0, 0.3, 0.6]),
    restartMaxUs: random.pick([10, 200, 1500]) * MILLISECOND,
    pauseMaxUs: random.pick([100, 1000, 3000]) * MILLISECOND,
    crashPoint: random.pick([0, 0, 0, 0.001, 0.01, 0.05]),
  };
}

/** Half of all faults, and one of them again and again in some worlds. */
function drawFaultList(random: SimRandom): readonly Fault[] {
  const list = FAULTS.filter((fault) => fault === "heal" || random.chance(0.5));
  const favourite = random.pick(FAULTS);
  const times = random.pick([0, 0, 4, 8]);
  return [...list, ...Array.from({ length: times }, () => favourite)];
}

function drawClients(random: SimRandom) {
  return {
    clientCount: random.pick([1, 3, 5, 8]),
    thinkMaxUs: random.pick([5, 20, 50, 200]) * MILLISECOND,
    patienceMaxUs: random.pick([40, 150, 1000]) * MILLISECOND,
    readShare: random.pick([0.1, 0.3, 0.6, 0.9]),
    roamShare: random.pick([0, 0.2, 0.8]),
    stubbornShare: random.pick([0, 0.5, 0.9]),
    swapShare: random.pick([0, 0.2, 0.5]),
    keyCount: random.pick([1, 2, 5]),
  };
}
