/**
 * Swarm profiles: each seed first draws what its world is like and only then runs in it. Every
 * single world is lopsided, so rare combinations come up that an average world would never show
 * (Groce et al., "Swarm Testing", 2012).
 */

import type { DiskProfile } from "../kernel/sim-disk.ts";
import type { NetworkProfile } from "../kernel/sim-network.ts";
import type { SimRandom } from "../kernel/sim-random.ts";
import { FAULTS, type Fault, MILLISECOND, NOBODY, type Profile, SECOND } from "./profile.ts";
import { drawTheme } from "./theme.ts";

/** Two clocks may differ by twice this; a lease leaves a fifth free. */
const MAX_LEASE_DRIFT = 0.05;
/** "The" cluster of the speed target, and a common size in production. */
const FIVE = 5;
/** Fewer stand still whenever one of them is gone. */
const THREE = 3;
/** Worlds in which an election may last longer than anybody's patience. */
const FRANTIC_SHARE = 0.1;

export interface ProfileOptions {
  /** Fixes the number of nodes; null draws it. */
  readonly nodeCount: number | null;
}

export function drawProfile(random: SimRandom, options: ProfileOptions): Profile {
  const size = random.pick([1, 2, 3, 3, 3, 3, 4, 5, 5, 5, 5, 7]);
  const nodeCount = options.nodeCount ?? size;
  const hasSpare = nodeCount === 2 || nodeCount > THREE;
  const memberCount = hasSpare && random.chance(0.3) ? nodeCount - 1 : nodeCount;
  const drawn: Profile = {
    theme: null,
    nodeCount,
    memberCount,
    durationUs: (nodeCount >= FIVE ? 5 : 6) * SECOND,
    network: drawNetwork(random, nodeCount),
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
  const world = { ...drawn, ...drawTheme(random, drawn) };
  return world.isPatient ? { ...world, ...patienceFor(world) } : world;
}

/**
 * An election timeout that a vote needs less than, on its way there, to the disk and back: where it
 * does not, nobody is ever elected, and nothing happens that could go wrong.
 */
function patienceFor(world: Profile): Partial<Profile> {
  const { network, disk, acknowledgeMaxUs, tickUs } = world;
  const voteUs = 2 * network.maximumUs + disk.maximumUs + acknowledgeMaxUs;
  const electionTicks = Math.max(world.electionTicks, Math.ceil(voteUs / tickUs));
  return { electionTicks };
}

function drawNetwork(random: SimRandom, nodeCount: number): NetworkProfile {
  // In order, those behind a slow one are slow.
  const keepsOrder = random.chance(0.3);
  return {
    loss: random.pick([0, 0, 0, 0.01, 0.05, 0.1, 0.3]),
    duplication: random.pick([0, 0, 0.05, 0.1, 0.3]),
    slowShare: keepsOrder ? random.pick([0, 0.005, 0.02]) : random.pick([0, 0.02, 0.1, 0.3]),
    minimumUs: 100,
    maximumUs: random.pick([1, 5, 20, 50]) * MILLISECOND,
    slowMaxUs: random.pick([50, 200, 800, 800, 3000]) * MILLISECOND,
    keepsOrder,
    congested: random.chance(0.1) ? random.below(nodeCount) : NOBODY,
    congestionMaxUs: random.pick([20, 60, 200]) * MILLISECOND,
  };
}

function drawDisk(random: SimRandom): DiskProfile {
  return {
    minimumUs: 50,
    maximumUs: random.pick([2, 2, 2, 8, 60, 250]) * MILLISECOND,
    flushLimit: random.pick([Infinity, Infinity, 3, 1]),
    tornWrite: random.pick([0, 0.5, 0.9]),
  };
}

function drawTiming(random: SimRandom) {
  const clockDrift = random.pick([0, 0.01, 0.05, 0.2]);
  const hasCheckQuorum = random.chance(0.7);
  const wantsLeases = random.chance(0.5);
  const electionTicks = random.pick([6, 10, 10, 30]);
  const sparse = Math.floor(electionTicks / 3);
  return {
    acknowledgeMaxUs: random.pick([0, 0, 0, 100, 20 * MILLISECOND, 200 * MILLISECOND]),
    tickUs: 20 * MILLISECOND,
    clockDrift,
    isPatient: !random.chance(FRANTIC_SHARE),
    electionTicks,
    heartbeatTicks: random.pick([1, 2, 2, sparse]),
    hasPreVote: random.chance(0.7),
    hasCheckQuorum,
    // Leases are for clocks that agree to within the share that they leave free.
    hasLeaseReads: wantsLeases && hasCheckQuorum && clockDrift <= MAX_LEASE_DRIFT,
    forwardsProposals: random.chance(0.3),
    sleepTicks: random.pick([0, 0, 0, 0, 0, 3]),
    hasFrames: random.chance(0.15),
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
    faultGapMaxUs: random.pick([40, 200, 500, 500, 900]) * MILLISECOND,
    burstShare: random.pick([0, 0, 0.2, 0.5]),
    fleetingShare: random.pick([0, 0, 0, 0, 0, 0.6, 0.9]),
    splitCommitShare: random.pick([0, 0, 0, 0.5]),
    asymmetricShare: random.pick([0, 0.3, 0.6]),
    restartMaxUs: random.pick([10, 200, 1500]) * MILLISECOND,
    pauseMaxUs: random.pick([100, 1000, 3000]) * MILLISECOND,
    crashPoint: random.pick([0, 0, 0.0005, 0.002, 0.005]),
  };
}

/** Half of all faults, and one of them again and again in some worlds. */
function drawFaultList(random: SimRandom): readonly Fault[] {
  const list = FAULTS.filter((fault) => fault === "heal" || random.chance(0.4));
  const favourite = random.pick(FAULTS);
  const times = random.pick([0, 0, 4, 8]);
  return [...list, "heal", ...Array.from({ length: times }, () => favourite)];
}

function drawClients(random: SimRandom) {
  return {
    clientCount: random.pick([1, 3, 5, 8]),
    thinkMaxUs: random.pick([5, 20, 50, 200]) * MILLISECOND,
    patienceMaxUs: random.pick([40, 150, 1000]) * MILLISECOND,
    readShare: random.pick([0.1, 0.3, 0.6, 0.9]),
    roamShare: random.pick([0, 0.2, 0.8]),
    stubbornShare: random.pick([0, 0.5, 0.9]),
    lullShare: random.pick([0, 0, 0, 0.4]),
    swapShare: random.pick([0, 0.2, 0.5]),
    keyCount: random.pick([1, 2, 5]),
  };
}
