/**
 * Everything a replica knows, in one place, and the two outboxes. The role files (follower.ts,
 * candidate.ts, leader.ts) are functions over it; raft-core.ts is its owner and the only file that
 * a host sees. Scope: one per replica. Thread: main.
 */

import { assert } from "../base/assert.ts";
import { CatchUp } from "./catch-up.ts";
import { NO_REPLICA, type ReplicaId } from "./entry.ts";
import type { HardState } from "./hard-state.ts";
import { createMessage, MessageType, type RaftMessage } from "./message.ts";
import type { RaftOptions, RandomSource } from "./options.ts";
import type { RaftLog } from "./raft-log.ts";
import { ReadIndexQueue } from "./read-index.ts";
import { type ReadState, Role } from "./ready.ts";
import { ReplicaTracker } from "./replica-tracker.ts";

/** Why a replica no longer takes part. It stays so until the host replaces it. */
export const HaltReason = {
  NONE: 0,
  /** Its group was recovered without it: wipe it and join under a new id (raft pitfall 81). */
  FENCED: 1,
  /** A leader contradicted an entry that is committed here. */
  DIVERGED: 2,
  /** A leader knows that this replica had entries that are not here: its disk forgot them. */
  LOG_LOST: 3,
} as const;

export type HaltReason = (typeof HaltReason)[keyof typeof HaltReason];

/** Counts since start (raft pitfall 83). */
export interface RaftCounters {
  electionsStarted: number;
  electionsWon: number;
  stepDowns: number;
  proposalsRefused: number;
  appendsSent: number;
  appendsRejected: number;
  snapshotsSent: number;
  snapshotsInstalled: number;
  readsServed: number;
  /** Messages that no correct peer sends, or that were meant for another replica. */
  implausibleMessages: number;
  /** Acknowledgements of entries that this leader does not have (raft pitfall 40). */
  acksBeyondLog: number;
}

export class RaftState {
  readonly id: ReplicaId;
  readonly options: RaftOptions;
  readonly log: RaftLog;
  readonly tracker: ReplicaTracker;
  readonly reads: ReadIndexQueue;
  readonly catchUp = new CatchUp();
  readonly counters: RaftCounters;
  readonly #random: RandomSource;

  term: number;
  vote: ReplicaId;
  epoch: number;
  epochIndex: number;
  role: Role = Role.FOLLOWER;
  leader: ReplicaId = NO_REPLICA;
  haltReason: HaltReason = HaltReason.NONE;

  /** Ticks since: a leader, the last check of the quorum; others, the last sign of the leader. */
  electionElapsed = 0;
  heartbeatElapsed = 0;
  /** This attempt's patience: electionTicks to 2 × electionTicks - 1. */
  electionTimeout = 0;
  /** Grants no vote for so many ticks more: it may have promised a lease before its restart. */
  voteHoldTicks = 0;
  /**
   * A leader said that the configuration entry at this index no longer names it; 0 when none did.
   */
  removedAt = 0;
  /** Of the last tick, on the host's monotonic clock. */
  nowMs = 0;

  /** Leader: who shall lead instead. */
  transferTarget: ReplicaId = NO_REPLICA;
  /** Leader: ticks since a transfer was last asked for. */
  transferElapsed = 0;
  /** Leader: somebody was told to campaign, so no lease holds any more in this term. */
  hasSentTimeoutNow = false;
  /** Leader: no configuration change may be appended before this entry is applied. */
  pendingConfIndex = 0;
  /** Of the newest snapshot taken: changes up to there are part of its configuration. */
  snapshotConfIndex = 0;
  /** Leader: data bytes appended in this term and not applied yet; an underestimate. */
  uncommittedBytes = 0;

  messages: RaftMessage[] = [];
  messagesAfterPersist: RaftMessage[] = [];
  readStates: ReadState[] = [];

  constructor(
    id: ReplicaId,
    options: RaftOptions,
    log: RaftLog,
    hardState: HardState,
    random: RandomSource,
  ) {
    this.id = id;
    this.options = options;
    this.log = log;
    this.term = hardState.term;
    this.vote = hardState.vote;
    this.epoch = hardState.epoch;
    this.epochIndex = hardState.epochIndex;
    this.tracker = new ReplicaTracker(options);
    this.reads = new ReadIndexQueue(options.maxPendingReads, options.leaseReads);
    this.#random = random;
    this.counters = {
      electionsStarted: 0,
      electionsWon: 0,
      stepDowns: 0,
      proposalsRefused: 0,
      appendsSent: 0,
      appendsRejected: 0,
      snapshotsSent: 0,
      snapshotsInstalled: 0,
      readsServed: 0,
      implausibleMessages: 0,
      acksBeyondLog: 0,
    };
  }

  get hardState(): HardState {
    const { term, vote, epoch, epochIndex } = this;
    return { term, vote, commit: this.log.committed, epoch, epochIndex };
  }

  /** A voter whose state is complete: it may campaign. */
  get isPromotable(): boolean {
    const progress = this.tracker.get(this.id);
    // While a snapshot is pending neither log nor configuration are whole (raft pitfall 67).
    return progress !== undefined && !progress.isLearner && !this.log.hasPendingSnapshot;
  }

  /**
   * A follower that heard of its leader within the shortest election timeout has promised not to
   * help to replace it (raft pitfall 20).
   */
  get isLeaderLeaseHeld(): boolean {
    return (
      this.options.checkQuorum &&
      this.leader !== NO_REPLICA &&
      this.electionElapsed < this.options.electionTicks
    );
  }

  /** A leader may serve reads for as long as this replica elects nobody else, itself included. */
  get isBoundByLease(): boolean {
    return this.options.leaseReads && (this.isLeaderLeaseHeld || this.voteHoldTicks > 0);
  }

  /** Some entry of the leader's own term is committed, so its commit index is up to date. */
  get hasCommittedInTerm(): boolean {
    return this.log.term(this.log.committed) === this.term;
  }

  /** Puts `message` into the outbox that its type demands. */
  send(message: RaftMessage): void {
    message.from = this.id;
    message.epoch = this.epoch;
    if (waitsForDisk(message.type)) {
      this.messagesAfterPersist.push(message);
      return;
    }
    assert(message.to !== this.id, "raft: only votes and acknowledgements go to oneself");
    this.messages.push(message);
  }

  /** A message of this term. */
  createMessage(type: MessageType, to: ReplicaId): RaftMessage {
    const message = createMessage(type, to);
    message.term = this.term;
    return message;
  }

  /**
   * A new draw for every attempt, or two candidates could split votes for ever (raft pitfall 26).
   */
  drawElectionTimeout(): void {
    const { electionTicks } = this.options;
    this.electionTimeout = electionTicks + this.#random(electionTicks);
  }

  /** Stops taking part; what was not sent yet is never sent. */
  halt(reason: HaltReason): void {
    this.haltReason = reason;
    this.role = Role.FOLLOWER;
    this.leader = NO_REPLICA;
    this.messages = [];
    this.messagesAfterPersist = [];
    this.readStates = [];
    this.reads.reset();
  }
}

/**
 * Votes and acknowledgements promise what must survive a restart: they wait for the disk (raft
 * pitfalls 1, 2, 4). Refusals of them wait too: a refusal can rest on a vote or on entries that are
 * not durable yet. This replica's own votes and acknowledgements take the same way.
 *
 * So do a candidate's requests (raft pitfall 1). They name a log and a term that a crash may take
 * back; a later process could then campaign in the same term with less of a log, and be elected by
 * votes that were given to the longer one. Pre-votes elect nobody and need not wait. News of an
 * epoch waits, because it ends the other's life.
 */
function waitsForDisk(type: MessageType): boolean {
  return (
    type === MessageType.APPEND_RESPONSE ||
    type === MessageType.VOTE ||
    type === MessageType.VOTE_RESPONSE ||
    type === MessageType.PRE_VOTE_RESPONSE ||
    type === MessageType.EPOCH_FENCE
  );
}
