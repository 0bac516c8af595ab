/**
 * The knobs of a group. Times are ticks; the numbers beside them assume a tick of 100 ms. All
 * replicas of a group must agree on `electionTicks`, and on the lease options if leases are used.
 */

import { assert } from "../base/assert.ts";
import { NO_REPLICA, type ReplicaId, UNLIMITED } from "./entry.ts";

/** An integer in 0..bound-1. */
export type RandomSource = (bound: number) => number;

export interface RaftOptions {
  /** A follower that hears nothing for this long, times 1 to 2 at random, campaigns. 1 to 2 s. */
  readonly electionTicks: number;
  /** 200 ms, so that five lost ones are needed to lose a leader (raft pitfall 79). */
  readonly heartbeatTicks: number;
  /** Ask before disturbing (Raft thesis §9.6). */
  readonly preVote: boolean;
  /** A leader without a quorum steps down; a follower with a leader refuses votes. */
  readonly checkQuorum: boolean;
  /**
   * Lets a leader serve reads without asking, while a quorum has promised not to elect another.
   * Needs clocks that run at nearly the same rate, and checkQuorum.
   */
  readonly leaseReads: boolean;
  /**
   * How long such a promise is relied on, from the time the heartbeat was sent (raft pitfall 75).
   */
  readonly leaseMs: number;
  /** Bytes of entries in one append message; one entry always fits. */
  readonly maxMessageBytes: number;
  /** Append messages in flight to one follower. */
  readonly maxInflightMessages: number;
  /** Their bytes, together. */
  readonly maxInflightBytes: number;
  /** Proposed and not yet applied bytes on a leader; proposals above are refused. */
  readonly maxUncommittedBytes: number;
  /** Bytes handed out to be applied and not yet applied. */
  readonly maxApplyingBytes: number;
  /** Data of one proposal. */
  readonly maxEntryBytes: number;
  /** Reads that wait for a heartbeat round, on a leader. */
  readonly maxPendingReads: number;
  /**
   * The host writes each Ready durably before it applies or sends anything of it, as a store on the
   * same thread does. Entries may then be applied in the Ready that first brings them.
   */
  readonly appliesUnstable: boolean;
  /**
   * Followers send proposals on. Off: commands that the leader must stamp cannot be (pitfall 49).
   */
  readonly forwardsProposals: boolean;
  /** A leader that is no longer a voter steps down at once (raft pitfall 59). */
  readonly stepsDownOnRemoval: boolean;
  /**
   * Tells candidates that are not in the configuration that they were removed (raft pitfall 60).
   */
  readonly notifiesRemoved: boolean;
  /**
   * With leases: grants no vote for an election timeout after it was started, because before it may
   * have promised not to (raft pitfall 27). Off in tests only.
   */
  readonly holdsVoteAtStart: boolean;
  /** Refuse configuration changes that do not fit the one in effect. Off in tests only. */
  readonly validatesConfChanges: boolean;
}

const MIB = 1024 * 1024;

export const DEFAULT_RAFT_OPTIONS: RaftOptions = {
  electionTicks: 10,
  heartbeatTicks: 2,
  preVote: true,
  checkQuorum: true,
  leaseReads: false,
  // 0.8 of the shortest election timeout.
  leaseMs: 800,
  maxMessageBytes: MIB,
  maxInflightMessages: 256,
  maxInflightBytes: 8 * MIB,
  maxUncommittedBytes: 64 * MIB,
  maxApplyingBytes: 16 * MIB,
  maxEntryBytes: 8 * MIB,
  // One per connection and duty cycle of a busy node; the rest is told to come again.
  maxPendingReads: 4096,
  appliesUnstable: false,
  forwardsProposals: false,
  stepsDownOnRemoval: true,
  notifiesRemoved: true,
  holdsVoteAtStart: true,
  validatesConfChanges: true,
};

/** Fails on options that no group could work with. */
export function assertOptions(id: ReplicaId, options: RaftOptions): void {
  assert(Number.isSafeInteger(id) && id > NO_REPLICA, "raft: replica ids are positive");
  assert(options.heartbeatTicks > 0, "raft: heartbeats need a period");
  assert(options.electionTicks > options.heartbeatTicks, "raft: elections wait for heartbeats");
  assert(options.maxInflightMessages > 0, "raft: some message may be in flight");
  assert(
    options.maxInflightBytes >= options.maxMessageBytes || options.maxMessageBytes === UNLIMITED,
    "raft: a whole message may be in flight",
  );
  assert(options.maxApplyingBytes > 0, "raft: something may be applied");
  // Without checkQuorum nobody has promised anything.
  assert(!options.leaseReads || options.checkQuorum, "raft: leases need checkQuorum");
}
