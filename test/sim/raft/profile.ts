/**
 * What a world is like: faults, speeds, sizes and features. draw-profile.ts draws it from the seed.
 *
 * All times in microseconds; shares and probabilities 0 to 1.
 */

import type { DiskProfile } from "../kernel/sim-disk.ts";
import type { NetworkProfile } from "../kernel/sim-network.ts";

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
  "estrange",
] as const;
export type Fault = (typeof FAULTS)[number];

/** Those that change who is a member. */
export const MEMBER_FAULTS: readonly Fault[] = ["change-members", "replace-members", "split-joint"];

/** What several features of a world have in common, where they have; theme.ts. */
export const THEMES = [
  "usurpers",
  "joint halves",
  "fleeting leaders",
  "late followers",
  "forgetful candidates",
  "sleepers",
] as const;
export type Theme = (typeof THEMES)[number];

export interface Profile {
  readonly theme: Theme | null;
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
  /** Whether elections wait until a vote can have come back. */
  readonly isPatient: boolean;
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  readonly hasPreVote: boolean;
  readonly hasCheckQuorum: boolean;
  readonly hasLeaseReads: boolean;
  readonly forwardsProposals: boolean;
  /** Ticks without work after which a leader sends its group to sleep; 0: never. */
  readonly sleepTicks: number;
  /** Whether heartbeats of one turn travel together, as those of many groups do. */
  readonly hasFrames: boolean;
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
  /**
   * Probability that a leader which has committed a change of members is cut off, before anybody
   * knows, from all but the new voters.
   */
  readonly splitCommitShare: number;
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
  /** Probability that clients only read for a while after a fault. */
  readonly lullShare: number;
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

/** The disk of the node at `position`, when nothing disturbs it. */
export function diskProfileOf({ disk, laggard }: Profile, position: number): DiskProfile {
  return position === laggard ? { ...disk, maximumUs: LAGGARD_MAX_US } : disk;
}
