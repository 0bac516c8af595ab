/**
 * One range's Raft core on this node, with the host's part of Raft around it: the four steps of
 * ready.ts, of which the store and the state machine live on a worker. Both are queues that keep
 * order, so what comes back is matched by position.
 *
 *   ready.append -- RAFT_APPEND --> worker -- RAFT_APPENDED --> own messages stepped, appendDone
 *   ready.apply  -- RAFT_APPLY ---> worker -- RAFT_APPLIED  --> conf changes, applyDone
 *
 * Flow: replicated command 2/6 and 3/6. Thread: main. Scope: one per range and life of its worker.
 */

import { assert } from "../../shared/base/assert.ts";
import { RingQueue } from "../../shared/collections/ring-queue.ts";
import { allMembers } from "../../shared/raft/conf-state.ts";
import { type Entry, EntryType, UNLIMITED } from "../../shared/raft/entry.ts";
import { type HardState, sameVote } from "../../shared/raft/hard-state.ts";
import { ProposalStatus } from "../../shared/raft/leader-proposals.ts";
import type { RaftMessage } from "../../shared/raft/message.ts";
import {
  DEFAULT_RAFT_OPTIONS,
  type RaftOptions,
  type RandomSource,
} from "../../shared/raft/options.ts";
import { Quiescence } from "../../shared/raft/quiescence.ts";
import { RaftCore } from "../../shared/raft/raft-core.ts";
import { type ApplyBatch, Role, type StorageAppend } from "../../shared/raft/ready.ts";
import type { AppendRecord, LogRequest } from "../../shared/range/raft-record.ts";
import type { RangeDescriptor, RangeId } from "../../shared/range/range-descriptor.ts";
import type { OpenedReport, RangeLoad } from "../../shared/range/range-report.ts";
import { RefusalReason } from "../../shared/range/refusal-reason.ts";
import { GroupStorage } from "./group-storage.ts";

/** How a group talks to the worker that stores it. */
export interface GroupLink {
  append(thread: number, append: AppendRecord): void;
  apply(thread: number, range: RangeId, index: number): void;
  readLog(thread: number, request: LogRequest): void;
}

/** Ten election timeouts of 10 ticks. */
const IDLE_TICKS = 100;

/**
 * A batch may hold one command of any size that MQTT allows; what is proposed and not yet applied
 * is bounded all the same (maxUncommittedBytes).
 */
const OPTIONS: RaftOptions = { ...DEFAULT_RAFT_OPTIONS, maxEntryBytes: UNLIMITED };

interface PendingAppend {
  readonly append: StorageAppend;
  /** As sent to the worker; 0: there was nothing to write. */
  readonly number: number;
}

export class RangeGroup {
  readonly thread: number;
  /** Follows the worker's reports. */
  descriptor: RangeDescriptor;
  load: RangeLoad | null = null;
  readonly #link: GroupLink;
  readonly #core: RaftCore;
  readonly #storage: GroupStorage;
  readonly #quiescence: Quiescence;
  /** In the log when the range was opened. */
  readonly #openedLast: number;
  readonly #appends = new RingQueue<PendingAppend>();
  readonly #applies = new RingQueue<ApplyBatch>();
  #lastNumber = 0;
  #applied: number;
  /** As the store has it, or will have it: a new commit index alone is not worth a write. */
  #sentHardState: HardState;

  constructor(opened: OpenedReport, thread: number, link: GroupLink, random: RandomSource) {
    const { descriptor, replicaId, hardState, conf, applied } = opened;
    this.thread = thread;
    this.descriptor = descriptor;
    this.#link = link;
    this.#openedLast = opened.lastIndex;
    this.#applied = applied;
    this.#sentHardState = hardState;
    this.#storage = new GroupStorage(opened, (low, high, maxBytes) => {
      link.readLog(thread, { range: descriptor.id, low, high, maxBytes });
    });
    this.#core = new RaftCore({
      id: replicaId,
      options: OPTIONS,
      storage: this.#storage,
      hardState,
      conf,
      applied,
      random,
    });
    this.#quiescence = new Quiescence(this.#core, IDLE_TICKS);
    // The only voter need not wait for anybody.
    this.#core.campaign();
    this.pump();
  }

  get id(): RangeId {
    return this.descriptor.id;
  }

  get term(): number {
    return this.#core.term;
  }

  get isLeader(): boolean {
    return this.#core.role === Role.LEADER;
  }

  /** Leads, and everything that was in the log when it was opened is applied. */
  get isServing(): boolean {
    return this.isLeader && this.#applied >= this.#openedLast;
  }

  get committed(): number {
    return this.#core.committed;
  }

  get applied(): number {
    return this.#applied;
  }

  get lastIndex(): number {
    return this.#core.lastIndex;
  }

  /** `batch` is kept. Null: taken; else nothing of it will be done. `pump` sends it on. */
  propose(batch: Uint8Array): RefusalReason | null {
    this.#quiescence.wake();
    const status = this.#core.propose([batch]);
    switch (status) {
      case ProposalStatus.ACCEPTED:
      case ProposalStatus.FORWARDED:
      case ProposalStatus.CONF_REFUSED:
        return null;
      case ProposalStatus.QUOTA_EXCEEDED:
        return RefusalReason.BUSY;
      case ProposalStatus.TOO_LARGE:
        return RefusalReason.TOO_LARGE;
      case ProposalStatus.NOT_LEADER:
      case ProposalStatus.REMOVED:
      case ProposalStatus.TRANSFERRING:
      case ProposalStatus.HALTED:
        return RefusalReason.UNAVAILABLE;
    }
  }

  /** Once per 100 ms. */
  tick(nowMs: number): void {
    if (this.#quiescence.isQuiesced) return;
    // All members of a group of one are alive.
    const notice = this.#quiescence.tick(true);
    if (notice !== null) {
      assert(
        allMembers(this.#core.conf).length === 1,
        "a group of one tells nobody that it sleeps",
      );
      return;
    }
    this.#core.tick(nowMs);
    this.pump();
  }

  /** Does what the core has to be done; once for everything that came in together. */
  pump(): void {
    while (this.#core.hasReady) {
      const { messages, append, apply } = this.#core.ready();
      for (const message of messages) this.#deliver(message);
      if (append !== null) this.#hand(append);
      if (apply !== null) this.#apply(apply);
    }
  }

  /** The worker has written append `number`, and all before it. */
  appended(number: number): void {
    for (let next = this.#appends.peek(); next !== undefined; next = this.#appends.peek()) {
      if (next.number > number) break;
      this.#appends.shift();
      this.#finish(next.append);
    }
    this.pump();
  }

  /** The worker has applied up to `index`; its log begins behind `compacted`. */
  appliedTo(index: number, compacted: number): void {
    for (let next = this.#applies.peek(); next !== undefined; next = this.#applies.peek()) {
      if (next.entries[next.entries.length - 1]!.index > index) break;
      this.#applies.shift();
      for (const entry of next.entries) {
        if (entry.type === EntryType.CONF_CHANGE) this.#core.applyConfChange(entry);
      }
      this.#core.applyDone(next);
    }
    this.#applied = Math.max(this.#applied, index);
    this.#storage.applied(index);
    this.#storage.compactTo(compacted);
    this.pump();
  }

  /** Entries that the core has asked for; none: they are compacted. */
  fetched(entries: readonly Entry[]): void {
    this.#storage.fetched(entries);
    this.#core.storageReady();
    this.pump();
  }

  #deliver(message: RaftMessage): void {
    assert(message.to === this.#core.id, "a group of one has nobody else to talk to");
    this.#core.step(message);
  }

  #hand(append: StorageAppend): void {
    assert(append.snapshot === null, "nobody sends a group of one a snapshot");
    const { entries } = append;
    const isVoteNew = append.hardState !== null && !sameVote(this.#sentHardState, append.hardState);
    const isWrite = entries.length > 0 || isVoteNew;
    if (isWrite) {
      this.#lastNumber += 1;
      const hardState = isVoteNew ? append.hardState : null;
      this.#sentHardState = hardState ?? this.#sentHardState;
      const number = this.#lastNumber;
      this.#link.append(this.thread, { range: this.id, number, hardState, entries });
    } else if (this.#appends.size === 0) {
      this.#finish(append);
      return;
    }
    // Without a write of its own it still comes after the earlier ones.
    this.#appends.push({ append, number: isWrite ? this.#lastNumber : 0 });
  }

  #finish(append: StorageAppend): void {
    this.#storage.append(append.entries);
    for (const message of append.messagesAfterPersist) this.#deliver(message);
    this.#core.appendDone(append);
  }

  #apply(batch: ApplyBatch): void {
    const last = batch.entries[batch.entries.length - 1];
    if (last === undefined) return;
    this.#applies.push(batch);
    this.#link.apply(this.thread, this.id, last.index);
  }
}
