/** What a profile means for the core. */

import { DEFAULT_RAFT_OPTIONS, type RaftOptions } from "../../../src/shared/raft/options.ts";
import { MILLISECOND, type Profile } from "./profile.ts";

/** Of the shortest election timeout; the rest is for clocks that differ (raft pitfall 75). */
const LEASE_SHARE = 0.8;

export function coreOptions(profile: Profile): RaftOptions {
  const electionMs = (profile.electionTicks * profile.tickUs) / MILLISECOND;
  return {
    ...DEFAULT_RAFT_OPTIONS,
    electionTicks: profile.electionTicks,
    heartbeatTicks: profile.heartbeatTicks,
    preVote: profile.hasPreVote,
    checkQuorum: profile.hasCheckQuorum,
    leaseReads: profile.hasLeaseReads,
    leaseMs: electionMs * LEASE_SHARE,
    maxMessageBytes: profile.maxMessageBytes,
    maxInflightMessages: profile.maxInflightMessages,
    maxUncommittedBytes: profile.maxUncommittedBytes,
    maxApplyingBytes: profile.maxApplyingBytes,
    forwardsProposals: profile.forwardsProposals,
  };
}
