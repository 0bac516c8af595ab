/**
 * The configuration in effect together with one progress per member, and the votes of the election
 * under way. Every question about a quorum is asked here. Scope: one per replica.
 */

import { allMembers, type ConfState, EMPTY_CONF } from "./conf-state.ts";
import type { ReplicaId } from "./entry.ts";
import { type InflightLimits, Progress } from "./progress.ts";
import { quorumReached, quorumVote, VoteResult } from "./quorum.ts";

export class ReplicaTracker {
  readonly #limits: InflightLimits;
  readonly #byId = new Map<ReplicaId, Progress>();
  readonly #votes = new Map<ReplicaId, boolean>();
  #conf: ConfState = EMPTY_CONF;
  #members: readonly Progress[] = [];

  constructor(limits: InflightLimits) {
    this.#limits = limits;
  }

  get conf(): ConfState {
    return this.#conf;
  }

  /** Everybody in the configuration, ascending by id. */
  get members(): readonly Progress[] {
    return this.#members;
  }

  get(id: ReplicaId): Progress | undefined {
    return this.#byId.get(id);
  }

  /** Only one voter, who therefore is a quorum. */
  get isSingleton(): boolean {
    return this.#conf.voters.length === 1 && this.#conf.outgoing.length === 0;
  }

  /** Puts a configuration into effect; members that stay keep their progress. */
  use(conf: ConfState, lastIndex: number): void {
    this.#conf = conf;
    const ids = allMembers(conf);
    for (const id of [...this.#byId.keys()]) if (!ids.includes(id)) this.#byId.delete(id);
    this.#members = ids.map((id) => {
      const progress = this.#byId.get(id) ?? this.#newcomer(id, lastIndex);
      progress.isLearner = conf.learners.includes(id);
      return progress;
    });
  }

  /** Forgets every member but not the limits: a snapshot brings a configuration of its own. */
  clear(): void {
    this.#conf = EMPTY_CONF;
    this.#byId.clear();
    this.#members = [];
  }

  /** The highest index that a quorum has on disk. */
  committedIndex(): number {
    return quorumReached(this.#conf, MATCH_OF.over(this.#byId));
  }

  /** The newest heartbeat round that a quorum has answered. */
  answeredRound(): number {
    return quorumReached(this.#conf, ROUND_OF.over(this.#byId));
  }

  /** A quorum was heard of since the last check. */
  isQuorumActive(): boolean {
    const active = new Map<ReplicaId, boolean>();
    for (const { id, isRecentlyActive } of this.#members) active.set(id, isRecentlyActive);
    return quorumVote(this.#conf, active) === VoteResult.WON;
  }

  resetVotes(): void {
    this.#votes.clear();
  }

  /** The first answer of a voter counts; a repeated message changes nothing. */
  recordVote(id: ReplicaId, isGranted: boolean): void {
    if (!this.#votes.has(id)) this.#votes.set(id, isGranted);
  }

  hasVoteOf(id: ReplicaId): boolean {
    return this.#votes.get(id) === true;
  }

  voteResult(): VoteResult {
    return quorumVote(this.#conf, this.#votes);
  }

  #newcomer(id: ReplicaId, lastIndex: number): Progress {
    const progress = new Progress(id, Math.max(lastIndex, 1), false, this.#limits);
    // Or the check of the quorum would depose the leader before the newcomer could say a word
    // (raft pitfall 57).
    progress.isRecentlyActive = true;
    this.#byId.set(id, progress);
    return progress;
  }
}

/**
 * Reads one number of each progress; reused, because commit is computed for every acknowledgement.
 */
class ProgressReader {
  readonly #read: (progress: Progress) => number;
  #byId: ReadonlyMap<ReplicaId, Progress> = new Map();

  constructor(read: (progress: Progress) => number) {
    this.#read = read;
  }

  over(byId: ReadonlyMap<ReplicaId, Progress>): this {
    this.#byId = byId;
    return this;
  }

  reachedBy(voter: ReplicaId): number {
    const progress = this.#byId.get(voter);
    return progress === undefined ? 0 : this.#read(progress);
  }
}

// Synchronous and not re-entrant: `over` and the reading happen in one call.
const MATCH_OF = new ProgressReader(({ match }) => match);
const ROUND_OF = new ProgressReader(({ ackedRound }) => ackedRound);
