/**
 * Every knob of the membership protocol, with its default and where the number comes from. All
 * times are milliseconds. The cores never read a clock; they compare these with the times they are
 * given.
 */

import { assert } from "../base/assert.ts";

export interface SwimParameters {
  /** Protocol period: one member is probed in each. */
  readonly probeIntervalMs: number;
  /** Wait for the direct ack before asking others; well above a round trip, below the period. */
  readonly probeTimeoutMs: number;
  /** Helpers asked for an indirect probe (k in SWIM §3.1). */
  readonly indirectProbes: number;
  /** Pause between two gossip rounds. */
  readonly gossipIntervalMs: number;
  /** Members gossiped to in a round. */
  readonly gossipFanout: number;
  /** A member that failed is still gossiped to for this long, so that it can refute. */
  readonly gossipToTheDeadMs: number;
  /** A claim is sent retransmitMultiplier * ceil(log10(N + 1)) times by each member. */
  readonly retransmitMultiplier: number;
  /** Shortest suspicion: suspicionMultiplier * max(1, log10 N) periods. */
  readonly suspicionMultiplier: number;
  /** Longest suspicion, as a multiple of the shortest. */
  readonly suspicionMaxMultiplier: number;
  /**
   * Periods before the end of a suspicion at which the suspect is called once more, by stream; two
   * retransmissions of TCP fit into the default.
   */
  readonly lastCallPeriods: number;
  /** Intervals grow up to this factor while this member itself is unwell. */
  readonly awarenessMax: number;
  /** Up to this many members, one accuser is not enough to declare a member dead. */
  readonly smallClusterSize: number;
  /** ... unless the member has been missing for this long. */
  readonly smallClusterWaitMs: number;
  /** Pause between two comparisons of the whole member list with a random member. */
  readonly antiEntropyIntervalMs: number;
  /**
   * After a member came or went, the next comparison waits only so many gossip rounds, or twice.
   */
  readonly settleRounds: number;
  /** Members above which these pauses grow with log2 N. */
  readonly antiEntropyThreshold: number;
  /** Pause between two calls to all members of the healing list. */
  readonly healIntervalMs: number;
  /** Failed members remembered for healing. */
  readonly healingMax: number;
  /** Dead and left members are remembered for this long: for healing, and against old gossip. */
  readonly tombstoneMs: number;
  /** First and longest pause between two calls to a seed that has not answered. */
  readonly joinRetryMs: number;
  readonly joinRetryMaxMs: number;
  /** Then the seed is given up. */
  readonly joinGiveUpMs: number;
  /** Seeds called at one time; more are ignored. */
  readonly seedsMax: number;
  /** A leaving member goes on for max(leaveMinMs, leaveGossipRounds rounds). */
  readonly leaveMinMs: number;
  readonly leaveGossipRounds: number;
  /** Members and tombstones known; more are ignored and counted. */
  readonly membersMax: number;
  /** Bytes of a datagram, below the 1,500 of Ethernet less IPv6, UDP and some tunnel headers. */
  readonly packetBytesMax: number;
}

/** For nodes in one data centre: half the period of memberlist's LAN profile, quicker healing. */
export const SWIM_DEFAULTS: SwimParameters = {
  probeIntervalMs: 500,
  probeTimeoutMs: 200,
  indirectProbes: 3,
  gossipIntervalMs: 100,
  gossipFanout: 3,
  gossipToTheDeadMs: 30_000,
  retransmitMultiplier: 4,
  suspicionMultiplier: 4,
  suspicionMaxMultiplier: 6,
  lastCallPeriods: 2,
  awarenessMax: 8,
  smallClusterSize: 5,
  smallClusterWaitMs: 30_000,
  antiEntropyIntervalMs: 10_000,
  settleRounds: 10,
  antiEntropyThreshold: 50,
  healIntervalMs: 5_000,
  healingMax: 256,
  tombstoneMs: 24 * 3_600_000,
  joinRetryMs: 1_000,
  joinRetryMaxMs: 10_000,
  joinGiveUpMs: 1_800_000,
  seedsMax: 30,
  leaveMinMs: 1_000,
  leaveGossipRounds: 4,
  membersMax: 4_096,
  packetBytesMax: 1_400,
};

/**
 * The relations without which the protocol does not work; the shell checks an operator's values.
 */
export function assertParameters(parameters: SwimParameters): void {
  for (const name of INTERVALS) assert(parameters[name] > 0, `${name} is positive`);
  for (const name of FACTORS) assert(parameters[name] >= 1, `${name} is at least one`);
  const { probeIntervalMs, probeTimeoutMs, suspicionMultiplier, lastCallPeriods } = parameters;
  assert(probeIntervalMs >= 2 * probeTimeoutMs, "a period has room for an indirect probe");
  assert(
    lastCallPeriods >= 0 && lastCallPeriods <= suspicionMultiplier,
    "a suspicion has room for its last call",
  );
  assert(parameters.membersMax >= 2, "a cluster has room for two");
  assert(parameters.joinRetryMaxMs >= parameters.joinRetryMs, "retries get rarer");
}

/** A timer of zero would ring for ever. */
const INTERVALS = [
  "probeIntervalMs",
  "probeTimeoutMs",
  "gossipIntervalMs",
  "antiEntropyIntervalMs",
  "healIntervalMs",
  "tombstoneMs",
  "joinRetryMs",
] as const;

const FACTORS = [
  "gossipFanout",
  "settleRounds",
  "retransmitMultiplier",
  "suspicionMultiplier",
  "suspicionMaxMultiplier",
  "awarenessMax",
  "antiEntropyThreshold",
  "healingMax",
] as const;
