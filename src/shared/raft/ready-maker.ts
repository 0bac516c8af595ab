/**
 * Gathers a replica's outboxes and news into Readys, each thing once. Scope: one per replica.
 */

import { entriesBytes, NO_ENTRIES } from "./entry.ts";
import { type HardState, sameHardState, sameVote } from "./hard-state.ts";
import { beat } from "./leader.ts";
import type { RaftMessage } from "./message.ts";
import { HaltReason, type RaftState } from "./raft-state.ts";
import {
  type AppendAck,
  type ApplyBatch,
  type ReadState,
  type Ready,
  Role,
  type SoftState,
  type StorageAppend,
} from "./ready.ts";
import type { Snapshot } from "./snapshot.ts";

const NO_MESSAGES: readonly RaftMessage[] = [];
const NO_READS: readonly ReadState[] = [];

const NOTHING: Ready = {
  softState: null,
  readStates: NO_READS,
  messages: NO_MESSAGES,
  append: null,
  apply: null,
};

export class ReadyMaker {
  readonly #state: RaftState;
  #saidSoft: SoftState;
  #saidHard: HardState;

  /** What the host knows at start is not said again. */
  constructor(state: RaftState) {
    this.#state = state;
    this.#saidSoft = { leader: state.leader, role: state.role };
    this.#saidHard = state.hardState;
  }

  get hasNext(): boolean {
    const state = this.#state;
    if (state.haltReason !== HaltReason.NONE) return false;
    return (
      state.messages.length > 0 ||
      state.messagesAfterPersist.length > 0 ||
      state.readStates.length > 0 ||
      state.log.hasNextUnstableEntries ||
      state.log.nextUnstableSnapshot() !== null ||
      state.log.hasNextCommitted ||
      this.#needsReadRound ||
      this.#hasNewSoftState ||
      !sameHardState(this.#saidHard, state.hardState)
    );
  }

  take(): Ready {
    const state = this.#state;
    if (state.haltReason !== HaltReason.NONE) return NOTHING;
    // One heartbeat round for all reads that came in since the last Ready.
    if (this.#needsReadRound) beat(state);
    const softState = this.#takeSoftState();
    const apply = this.#takeApply();
    const append = this.#takeAppend();
    const messages = this.#takeMessages();
    return { softState, readStates: this.#takeReadStates(), messages, append, apply };
  }

  // The host keeps what it was given, so an outbox that was not empty is replaced by a new one.
  #takeMessages(): readonly RaftMessage[] {
    const { messages } = this.#state;
    if (messages.length === 0) return NO_MESSAGES;
    this.#state.messages = [];
    return messages;
  }

  #takeReadStates(): readonly ReadState[] {
    const { readStates } = this.#state;
    if (readStates.length === 0) return NO_READS;
    this.#state.readStates = [];
    return readStates;
  }

  get #needsReadRound(): boolean {
    return this.#state.role === Role.LEADER && this.#state.reads.needsRound;
  }

  get #hasNewSoftState(): boolean {
    const { leader, role } = this.#state;
    return leader !== this.#saidSoft.leader || role !== this.#saidSoft.role;
  }

  #takeSoftState(): SoftState | null {
    if (!this.#hasNewSoftState) return null;
    this.#saidSoft = { leader: this.#state.leader, role: this.#state.role };
    return this.#saidSoft;
  }

  #takeApply(): ApplyBatch | null {
    const { log } = this.#state;
    const entries = log.nextCommitted();
    if (entries.length === 0) return null;
    log.acceptApplying(entries);
    return { entries, bytes: entriesBytes(entries) };
  }

  #takeAppend(): StorageAppend | null {
    const state = this.#state;
    const { log, messagesAfterPersist } = state;
    const current = state.hardState;
    const hardState = sameHardState(this.#saidHard, current) ? null : current;
    const entries = log.hasNextUnstableEntries ? log.nextUnstableEntries() : NO_ENTRIES;
    const snapshot = log.nextUnstableSnapshot();
    const isWrite = hardState !== null || entries.length > 0 || snapshot !== null;
    if (!isWrite && messagesAfterPersist.length === 0) return null;
    const isVoteNew = !sameVote(this.#saidHard, current);
    const mustSync = entries.length > 0 || snapshot !== null || isVoteNew;
    const ack = this.#ackFor(snapshot);
    this.#saidHard = current;
    log.acceptUnstable();
    state.messagesAfterPersist = [];
    return { hardState, entries, snapshot, mustSync, messagesAfterPersist, ack };
  }

  /**
   * Names the log's end as long as any entry is not known to be durable, also when this append
   * brings none: acknowledgements of an earlier term are not believed, and without a later one the
   * entries would stay in memory for ever (raft pitfall 6).
   */
  #ackFor(snapshot: Snapshot | null): AppendAck | null {
    const { log, term } = this.#state;
    if (!log.hasUnstableEntries && snapshot === null) return null;
    const index = log.hasUnstableEntries ? log.lastIndex : 0;
    return { term, index, logTerm: index > 0 ? log.lastTerm : 0, snapshot };
  }
}
