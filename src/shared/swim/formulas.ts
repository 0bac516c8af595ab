/**
 * The arithmetic of SWIM and Lifeguard, one function per formula, each with its source.
 *
 * SWIM: Das, Gupta, Motivala, "SWIM: Scalable Weakly-consistent Infection-style Process Group
 * Membership Protocol" (2002). Lifeguard: Dadgar, Phillips, Currey, "Lifeguard: SWIM-ing with
 * Situational Awareness" (2017). memberlist: the library of the same authors, whose constants have
 * seen ten years of production.
 */

/** A helper says "no answer" after this share of its probe timeout, Lifeguard, LHA-Probe. */
const NACK_SHARE = 0.8;

/**
 * Times that each member sends a claim: lambda * log(n), after which the expected number of members
 * that missed it falls below one (SWIM §4.1; base 10 and rounding as in memberlist,
 * `retransmitLimit`). Never below 1.
 */
export function retransmitLimit(multiplier: number, memberCount: number): number {
  return Math.max(1, multiplier * Math.ceil(Math.log10(memberCount + 1)));
}

/**
 * Lower bound on the times that a claim is sent, for small clusters: three times per other member.
 * The logarithm counts on each hearer passing the claim on; but after a split one member may bring
 * news to its side that all others have already, and then nobody helps it. Turns pass over a member
 * for nearly two rounds at worst, and the third round makes up for claims that left with a ping or
 * an ack, to somebody out of turn.
 */
export function everybodyThrice(memberCount: number): number {
  // 12 is what the formula above gives for 100 members with memberlist's multiplier of 4.
  return Math.min(12, 3 * Math.max(1, memberCount - 1));
}

/**
 * Shortest time between suspicion and death: long enough for the rumour to reach the suspect and
 * for its refutation to come back, both O(log n) periods (Lifeguard, LHA-Suspicion; memberlist,
 * `suspicionTimeout`).
 */
export function suspicionMinMs(
  multiplier: number,
  memberCount: number,
  probeIntervalMs: number,
): number {
  return multiplier * Math.max(1, Math.log10(Math.max(1, memberCount))) * probeIntervalMs;
}

/**
 * Confirmations by others that bring a suspicion down to its shortest time (K of Lifeguard,
 * LHA-Suspicion). A suspicion is confirmed by members other than this one and the suspect; where
 * there are not enough of them, none is waited for (memberlist, `suspectNode`).
 */
export function confirmationsWanted(multiplier: number, memberCount: number): number {
  const wanted = Math.max(0, multiplier - 2);
  return memberCount - 2 < wanted ? 0 : wanted;
}

/**
 * Time from the start of a suspicion to death with C confirmations: falls from max to min like the
 * logarithm, so that the first confirmation counts most (Lifeguard, LHA-Suspicion):
 * max - (max - min) * log(C + 1) / log(K + 1), at least min.
 */
export function suspicionTimeoutMs(
  confirmations: number,
  wanted: number,
  minMs: number,
  maxMs: number,
): number {
  if (wanted < 1) return minMs;
  const share = Math.log(confirmations + 1) / Math.log(wanted + 1);
  return Math.max(minMs, Math.floor(maxMs - (maxMs - minMs) * share));
}

/**
 * An interval of a member that doubts itself (Lifeguard, LHA-Probe): healthy members have
 * score 0.
 */
export function scaledByAwareness(intervalMs: number, score: number): number {
  return intervalMs * (score + 1);
}

/**
 * When a helper tells the asker that the probed member has not answered it (Lifeguard, LHA-Probe).
 */
export function nackDelayMs(probeTimeoutMs: number): number {
  return NACK_SHARE * probeTimeoutMs;
}

/**
 * Factor on the pause between full comparisons: doubling the cluster beyond `threshold` adds one,
 * so that the traffic of large clusters stays bearable (memberlist, `pushPullScale`).
 */
export function antiEntropyScale(memberCount: number, threshold: number): number {
  if (memberCount <= threshold) return 1;
  return Math.ceil(Math.log2(memberCount) - Math.log2(threshold)) + 1;
}

/**
 * Pause before attempt `attempt` (0-based) of a call that has had no answer: doubles up to a limit.
 */
export function backoffMs(attempt: number, firstMs: number, maxMs: number): number {
  return Math.min(maxMs, firstMs * 2 ** Math.min(attempt, 30));
}

/** Enough members of a small cluster accuse: more than half of all that are known. */
export function isMajority(accusers: number, memberCount: number): boolean {
  return accusers * 2 > memberCount;
}

/**
 * Bound on the time until every member knows of a silent crash, by which tests judge a cluster:
 * two periods to be probed and found missing (round robin has each member probed by somebody that
 * often, SWIM §4.3), the suspicion, six rounds of gossip.
 */
export function detectionBoundMs(
  suspicionMs: number,
  probeIntervalMs: number,
  gossipIntervalMs: number,
): number {
  return 2 * probeIntervalMs + suspicionMs + 6 * gossipIntervalMs;
}
