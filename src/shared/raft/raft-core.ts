/**
 * One replica of a Raft group as a pure state machine: no clock, no disk, no network. Ticks,
 * messages and wishes go in; what the host must write, send and apply comes out of `ready()`
 * (ready.ts says in which order). The form is that of etcd's asynchronous storage writes: the core
 * runs on while the disk works.
 *
 *   tick, step, propose, readIndex ...            sendable now
 *        |                                          ^
 *        v                                          |
 *   [ RaftState: roles, log, tracker ] -- ready() --+--> append -> durable -> messages, appendDone
 *                                                   |
 *                                                   +--> apply  -> applied -> applyDone
 *
 * Flow: replicated command 2/6, between the client's batch and the store. Thread: main. Scope: one
 * per replica of a range. Nothing a peer can send makes it throw; a broken invariant does.
 */

import { assert } from "../base/assert.ts";
import { decodeConfChange, encodeConfChange } from "./conf-change-codec.ts";
import type { ConfChange, ConfState } from "./conf-state.ts";
import { Campaign, tryCampaign } from "./election.ts";
import { type Entry, EntryType, NO_REPLICA, type ReplicaId } from "./entry.ts";
import { passToLeader, tickElection } from "./follower.ts";
import type { HardState } from "./hard-state.ts";
import {
  noteSnapshotOutcome,
  noteUnreachable,
  startTransfer,
  TransferStatus,
  tickLeader,
} from "./leader.ts";
import {
  autoLeaveJoint,
  type Proposal,
  ProposalStatus,
  proposeAsLeader,
  reduceUncommitted,
} from "./leader-proposals.ts";
import { leaseUntilMs, ReadStatus, readAsLeader } from "./leader-reads.ts";
import { createMessage, MessageType, type RaftMessage } from "./message.ts";
import { assertOptions, type RaftOptions, type RandomSource } from "./options.ts";
import { RaftLog } from "./raft-log.ts";
import { HaltReason, RaftState } from "./raft-state.ts";
import { type ApplyBatch, type Ready, Role, type StorageAppend } from "./ready.ts";
import { ReadyMaker } from "./ready-maker.ts";
import { applyChange, switchConf } from "./reconfigure.ts";
import { resumeReplication } from "./replication.ts";
import type { Snapshot } from "./snapshot.ts";
import { isSettled, type RaftStatus, statusOf } from "./status.ts";
import { type StepStatus, stepMessage } from "./step.ts";
import type { RaftStorage } from "./storage.ts";
import { becomeFollower } from "./transitions.ts";

/** What a replica starts from. */
export interface RaftStart {
  readonly id: ReplicaId;
  readonly options: RaftOptions;
  readonly storage: RaftStorage;
  /** As last written. */
  readonly hardState: HardState;
  /**
   * The configuration at `applied`. The founders of a group are named by no entry: its log begins
   * behind a snapshot at index 1 or above, which is how later members learn of them. A replica that
   * is to join starts with an empty log and an empty configuration.
   */
  readonly conf: ConfState;
  /** What the state machine has applied, as stored with its state. */
  readonly applied: number;
  readonly random: RandomSource;
}

/** How a group is carried on whose majority is lost; see `resetPeers`. */
export interface ResetPlan {
  /** Above the group's present one. */
  readonly epoch: number;
  /** Above every survivor's. */
  readonly term: number;
}

export class RaftCore {
  readonly #state: RaftState;
  readonly #ready: ReadyMaker;

  constructor(start: RaftStart) {
    const { id, options, hardState, applied } = start;
    assertOptions(id, options);
    const log = new RaftLog(start.storage, options.maxApplyingBytes, options.appliesUnstable);
    log.restorePositions(hardState.commit, applied);
    const state = new RaftState(id, options, log, hardState, start.random);
    this.#state = state;
    // An epoch of which the first entry is not applied yet has this one member (raft pitfall 81).
    const isEpochPending = hardState.epochIndex > applied;
    state.tracker.use(isEpochPending ? soleVoter(id) : start.conf, log.lastIndex);
    becomeFollower(state, hardState.term, NO_REPLICA);
    // Raft pitfall 27: before a restart it may have promised a leader not to elect another, in a
    // term that did not reach the disk; so a group's very first process is held up, too.
    const isHeld = options.leaseReads && options.holdsVoteAtStart;
    if (isHeld) state.voteHoldTicks = options.electionTicks;
    this.#ready = new ReadyMaker(state);
  }

  get id(): ReplicaId {
    return this.#state.id;
  }

  get role(): Role {
    return this.#state.role;
  }

  get leader(): ReplicaId {
    return this.#state.leader;
  }

  get term(): number {
    return this.#state.term;
  }

  /** Who got this replica's vote in `term`. */
  get vote(): ReplicaId {
    return this.#state.vote;
  }

  get epoch(): number {
    return this.#state.epoch;
  }

  /** The configuration in effect. */
  get conf(): ConfState {
    return this.#state.tracker.conf;
  }

  get lastIndex(): number {
    return this.#state.log.lastIndex;
  }

  get committed(): number {
    return this.#state.log.committed;
  }

  /** The term of the entry at `index`; negative where the log does not reach (storage.ts). */
  termAt(index: number): number {
    return this.#state.log.term(index);
  }

  /** How far `member`'s log is known to equal this leader's; -1 if unknown. */
  matchOf(member: ReplicaId): number {
    return this.#progressIfLeader(member)?.match ?? -1;
  }

  get haltReason(): HaltReason {
    return this.#state.haltReason;
  }

  /** A look at everything, for metrics, placement and tests. */
  status(): RaftStatus {
    return statusOf(this.#state);
  }

  /**
   * One tick has passed; `nowMs` is any monotonic clock and matters to leases only. After a stall,
   * handle what has come in first and tick once (raft pitfall 26).
   */
  tick(nowMs: number): void {
    const state = this.#state;
    if (this.#isHalted) return;
    state.nowMs = nowMs;
    if (state.voteHoldTicks > 0) state.voteHoldTicks -= 1;
    if (state.role === Role.LEADER) tickLeader(state);
    else tickElection(state);
  }

  /** A message came in, from a peer or (out of an append's outbox) from this replica itself. */
  step(message: RaftMessage): StepStatus {
    return stepMessage(this.#state, message);
  }

  /** Campaigns now instead of at the timeout. False if it may not. */
  campaign(): boolean {
    const state = this.#state;
    // Its own vote is bound by its own promise, too.
    if (this.#isHalted || state.isBoundByLease) return false;
    return tryCampaign(state, Campaign.TIMED_OUT);
  }

  /**
   * Appends commands, all or none; keeps the arrays, which nobody may change any more (raft
   * pitfall 15). When ACCEPTED they are the last entries of the log, in the
   * present term: `lastIndex` and `term` identify them.
   */
  propose(commands: readonly Uint8Array[]): ProposalStatus {
    assert(commands.length > 0, "raft: a proposal proposes something");
    return this.#propose(commands.map((data) => ({ type: EntryType.NORMAL, data })));
  }

  /** As `propose`. It takes effect when its entry is applied. */
  proposeConfChange(change: ConfChange): ProposalStatus {
    return this.#propose([{ type: EntryType.CONF_CHANGE, data: encodeConfChange(change) }]);
  }

  /**
   * Asks for the index that must be applied before a linearizable read; the answer is a ReadState
   * with `requestId`, which must be unique for this replica and never be used again, also not to
   * repeat a request that went unanswered (raft pitfall 72).
   */
  readIndex(requestId: number): ReadStatus {
    const state = this.#state;
    if (this.#isHalted) return ReadStatus.HALTED;
    if (state.role === Role.LEADER) return readAsLeader(state, state.id, requestId);
    const request = createMessage(MessageType.READ_INDEX, NO_REPLICA);
    request.context = requestId;
    return passToLeader(state, request) ? ReadStatus.FORWARDED : ReadStatus.NO_LEADER;
  }

  /**
   * Leases: a read at `committed` is linearizable if the clock, looked at after the value was read,
   * is still before this time (raft pitfalls 75, 77). -Infinity without a lease.
   */
  get leaseUntilMs(): number {
    return leaseUntilMs(this.#state);
  }

  /** Makes `target` lead; it takes up to an election timeout and may fail. */
  transferLeadership(target: ReplicaId): TransferStatus {
    const state = this.#state;
    if (state.role === Role.LEADER) return startTransfer(state, target);
    const request = createMessage(MessageType.TRANSFER_LEADER, NO_REPLICA);
    request.context = target;
    const isPassedOn = !this.#isHalted && passToLeader(state, request);
    return isPassedOn ? TransferStatus.PASSED_ON : TransferStatus.NOT_LEADER;
  }

  /** A message to `peer` could not be sent. */
  reportUnreachable(peer: ReplicaId): void {
    const progress = this.#progressIfLeader(peer);
    if (progress !== undefined) noteUnreachable(progress);
  }

  /** What became of the snapshot for `peer`. */
  reportSnapshot(peer: ReplicaId, isDelivered: boolean): void {
    const progress = this.#progressIfLeader(peer);
    if (progress !== undefined) noteSnapshotOutcome(progress, isDelivered);
  }

  /**
   * The host knows that the leader is gone: stop believing in it, which lets this replica vote at
   * once. Without effect if leases rest on that belief.
   */
  forgetLeader(): void {
    const state = this.#state;
    if (state.role === Role.FOLLOWER && !state.options.leaseReads) state.leader = NO_REPLICA;
  }

  /**
   * Patience until the next campaign, once: hosts that know the leader to be dead shorten it, to no
   * less than the shortest timeout, which others need to give up the leader as well.
   */
  setElectionTimeout(ticks: number): void {
    assert(ticks >= this.#state.options.electionTicks, "raft: elections are not hurried");
    this.#state.electionTimeout = ticks;
  }

  /**
   * Carries a group on that has lost its majority for good, with this replica as its only member:
   * later joiners get everything from here. Loses what only the lost ones had. The caller has made
   * sure that this is the survivor with the highest (last term, last index), that no other survivor
   * does the same, and that two election timeouts have passed (raft pitfall 81). Whoever was a
   * member before is fenced when it meets the new epoch, and must be wiped.
   */
  resetPeers(plan: ResetPlan): void {
    const state = this.#state;
    assert(plan.epoch > state.epoch, "raft: an epoch is above the one before");
    assert(plan.term > state.term, "raft: a new epoch begins with a new term");
    state.epoch = plan.epoch;
    // The leader's first entry will be the one that names the members.
    state.epochIndex = state.log.lastIndex + 1;
    becomeFollower(state, plan.term - 1, NO_REPLICA);
    switchConf(state, soleVoter(state.id));
    tryCampaign(state, Campaign.TRANSFER);
  }

  /** Is this learner's log so close to the leader's that it may become a voter? Leader only. */
  isCaughtUp(learner: ReplicaId): boolean {
    const state = this.#state;
    const progress = this.#progressIfLeader(learner);
    return (
      progress !== undefined && state.catchUp.isCaughtUp(progress, state.options.electionTicks)
    );
  }

  /** Ticks from one round of a leader's heartbeats to the next. */
  get heartbeatTicks(): number {
    return this.#state.options.heartbeatTicks;
  }

  /** A leader with nothing to do: all members have all there is, applied here, and nobody waits. */
  get isSettled(): boolean {
    return isSettled(this.#state);
  }

  /** Before `isSettled`, each member has to answer a heartbeat once more. */
  forgetKnownCommits(): void {
    for (const progress of this.#state.tracker.members) progress.knownCommit = 0;
  }

  get hasReady(): boolean {
    return this.#ready.hasNext;
  }

  /** Everything that is to be done now. The host owes it: it will not be said again. */
  ready(): Ready {
    return this.#ready.take();
  }

  /** `append` is durable, and its messages were handed on. */
  appendDone(append: StorageAppend): void {
    const { ack } = append;
    if (ack === null || this.#isHalted) return;
    const { log, term } = this.#state;
    // An older term's write may have been replaced meanwhile by one that is under way: only what
    // was written in this term is known to stay (raft pitfall 6).
    if (ack.index > 0 && ack.term === term) log.stableTo(ack.index, ack.logTerm);
    // A snapshot is of committed entries, whoever's term it is.
    if (ack.snapshot !== null) this.#snapshotInstalled(ack.snapshot);
  }

  /** The CONF_CHANGE entry was applied; the host stores the result with the applied index. */
  applyConfChange(entry: Entry): ConfState {
    const change = decodeConfChange(entry.data);
    assert(change !== null, "raft: a committed configuration change is well-formed");
    return applyChange(this.#state, entry.index, change);
  }

  /** `batch` is applied, and its configuration changes were. */
  applyDone(batch: ApplyBatch): void {
    const last = batch.entries[batch.entries.length - 1];
    if (last === undefined || this.#isHalted) return;
    this.#applied(last.index, batch.bytes);
    reduceUncommitted(this.#state, batch.entries);
  }

  /** Storage has what it answered NOT_YET to. */
  storageReady(): void {
    const state = this.#state;
    state.log.storageReady();
    if (state.role === Role.LEADER) resumeReplication(state);
  }

  get #isHalted(): boolean {
    return this.#state.haltReason !== HaltReason.NONE;
  }

  #propose(proposals: readonly Proposal[]): ProposalStatus {
    const state = this.#state;
    if (this.#isHalted) return ProposalStatus.HALTED;
    if (state.role === Role.LEADER) return proposeAsLeader(state, proposals);
    // What the leader would have to stamp, it must be asked for itself (raft pitfall 49).
    if (!state.options.forwardsProposals) return ProposalStatus.NOT_LEADER;
    const request = createMessage(MessageType.PROPOSE, NO_REPLICA);
    request.entries = proposals.map(({ type, data }) => ({ index: 0, term: 0, type, data }));
    const isPassedOn = state.role === Role.FOLLOWER && passToLeader(state, request);
    return isPassedOn ? ProposalStatus.FORWARDED : ProposalStatus.NOT_LEADER;
  }

  #progressIfLeader(peer: ReplicaId) {
    const state = this.#state;
    return state.role === Role.LEADER ? state.tracker.get(peer) : undefined;
  }

  #snapshotInstalled(snapshot: Snapshot): void {
    this.#state.log.stableSnapshotTo(snapshot.index);
    this.#applied(snapshot.index, 0);
  }

  #applied(index: number, bytes: number): void {
    const { log } = this.#state;
    // A snapshot may have overtaken the batch.
    log.appliedTo(Math.max(index, log.applied), bytes);
    autoLeaveJoint(this.#state);
  }
}

function soleVoter(id: ReplicaId): ConfState {
  return { voters: [id], outgoing: [], learners: [], learnersNext: [], autoLeave: false };
}
