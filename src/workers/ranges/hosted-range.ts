/**
 * One range on the worker that stores it: its machine, its place in the log, and the record of it
 * in the store.
 *
 *   compacted <= stored <= collected <= applied <= target
 *
 *   compacted   the log begins behind it
 *   stored      the state in the store is that after it, durably
 *   collected   the same, as far as it was gathered; `record` is what was gathered last
 *   applied     the machine's state, in memory
 *   target      main has said to apply up to here
 *
 * Thread: worker. Scope: one per range, made by RangeHost.
 */

import { assert } from "../../shared/base/assert.ts";
import type { ConfState } from "../../shared/raft/conf-state.ts";
import type { Entry } from "../../shared/raft/entry.ts";
import type { HardState } from "../../shared/raft/hard-state.ts";
import type { TermRuns } from "../../shared/raft/term-runs.ts";
import { EntryWindow } from "../../shared/range/entry-window.ts";
import type { RangeDescriptor, RangeId } from "../../shared/range/range-descriptor.ts";
import type { RangeStateMachine } from "../../shared/range/range-state-machine.ts";
import { restoreTerms } from "../../shared/range/restore-terms.ts";
import type { RangeRecord, TermRun } from "../store/log-store.ts";
import type { OwnedRange } from "./range-host-api.ts";
import type { RangeReader } from "./range-reader.ts";
import type { StoreTurn } from "./store-turn.ts";

/** Entries are read back from the log in blocks of this size. */
const READ_BYTES = 1024 * 1024;
/** More than are ever compacted and not yet removed, while the disk keeps up. */
const LEFT_OVER_ENTRIES = 10_000;

export class HostedRange implements OwnedRange {
  readonly id: RangeId;
  readonly turn: StoreTurn;
  readonly reader: RangeReader;
  readonly machine: RangeStateMachine;
  descriptor: RangeDescriptor;
  hardState: HardState;
  conf: ConfState;
  applied: number;
  appliedMs: number;
  target: number;
  stored: number;
  /** As gathered last. */
  record: RangeRecord;
  /** Everything up to here was in the log when it was opened. */
  readonly openedLast: number;
  isLive = false;
  /** Between the machine's `collect` and `collected`. */
  isCollecting = false;
  /** Waits for a commit, or for another range, before it applies more. */
  isBlocked = false;
  /** Entries up to here shall leave the log without delay. */
  compactTarget = 0;
  /** Bytes of commands applied since the last collection. */
  dirtyBytes = 0;
  /** Since the last report of load. */
  loadBytes = 0;
  busyMs = 0;
  lastCollectMs: number;
  /** Entries up to here are removed from the store, or about to be. */
  trimmed: number;
  readonly #terms: TermRuns;
  readonly #fresh = new EntryWindow();
  readonly #readBack = new EntryWindow();

  constructor(
    parts: {
      readonly turn: StoreTurn;
      readonly reader: RangeReader;
      readonly machine: RangeStateMachine;
    },
    record: RangeRecord,
    log: { readonly lastIndex: number; readonly termRuns: readonly TermRun[] },
    nowMs: number,
  ) {
    this.turn = parts.turn;
    this.reader = parts.reader;
    this.machine = parts.machine;
    this.id = record.descriptor.id;
    this.descriptor = record.descriptor;
    this.hardState = record.hardState;
    this.conf = record.conf;
    this.applied = record.appliedIndex;
    this.appliedMs = record.appliedMs;
    this.stored = record.appliedIndex;
    this.target = Math.max(record.appliedIndex, Math.min(record.hardState.commit, log.lastIndex));
    this.record = record;
    this.openedLast = log.lastIndex;
    this.lastCollectMs = nowMs;
    // Some may be left over that were to be removed when the process ended.
    this.trimmed = Math.max(0, record.compactedIndex - LEFT_OVER_ENTRIES);
    this.#terms = restoreTerms(record, log);
  }

  get lastIndex(): number {
    return this.#terms.lastIndex;
  }

  get compacted(): number {
    return this.record.compactedIndex;
  }

  get logEntries(): number {
    return this.lastIndex - this.compacted;
  }

  get wantsCompaction(): boolean {
    return this.compacted < this.compactTarget;
  }

  get hasWork(): boolean {
    return this.applied < this.target && !this.isBlocked;
  }

  termAt(index: number): number {
    return this.#terms.term(index);
  }

  /** What a Raft core needs to know of the log's terms: where each begins. */
  get termRuns(): TermRun[] {
    const runs: TermRun[] = [];
    let index = this.compacted + 1;
    while (index <= this.lastIndex) {
      const term = this.termAt(index);
      runs.push({ firstIndex: index, term });
      index = this.#firstOfOtherTerm(index, term);
    }
    return runs;
  }

  /** Entries of an append, gathered for the store at the same time. */
  append(entries: readonly Entry[]): void {
    this.#terms.append(entries);
    this.#fresh.append(entries);
  }

  /** The entry behind `applied`, from memory or from the store. */
  nextEntry(): Entry {
    const index = this.applied + 1;
    const entry = this.#fresh.get(index) ?? this.#readBack.get(index);
    return entry ?? this.#readNext(index);
  }

  /** `applied` has moved. */
  release(): void {
    this.#fresh.releaseTo(this.applied);
    this.#readBack.releaseTo(this.applied);
  }

  /** Appended and not applied; in order. */
  unapplied(): readonly Entry[] {
    const entries: Entry[] = [];
    for (let index = this.applied + 1; index <= this.lastIndex; index++) {
      const entry = this.#fresh.get(index);
      if (entry !== null) entries.push(entry);
    }
    return entries;
  }

  /** The record as it would be with the state collected now. */
  recordNow(): RangeRecord {
    return {
      ...this.record,
      descriptor: this.descriptor,
      hardState: withCommit(this.hardState, this.applied),
      conf: this.conf,
      appliedIndex: this.applied,
      appliedMs: this.appliedMs,
    };
  }

  /** Gathers `record` for the store. */
  putRecord(record: RangeRecord): void {
    assert(record.compactedIndex <= record.appliedIndex, "only what is applied is compacted");
    this.record = record;
    this.turn.store.putRecord(record);
  }

  /** Bounds change at an entry; the record follows when the state after it is collected. */
  setDescriptor(descriptor: RangeDescriptor): void {
    this.descriptor = descriptor;
    this.reader.range = descriptor;
  }

  compactTo(index: number): void {
    this.#terms.compactTo(index);
  }

  #readNext(index: number): Entry {
    const { store } = this.turn;
    // No further than what is committed: the rest might still be replaced.
    const entries = store.readEntries(this.id, index, this.target + 1, READ_BYTES);
    const first = entries[0];
    assert(first?.index === index, "an entry to apply is in the log");
    this.#readBack.append(entries);
    return first;
  }

  #firstOfOtherTerm(index: number, term: number): number {
    let low = index + 1;
    let high = this.lastIndex + 1;
    // Terms never go down along a log.
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (this.termAt(middle) === term) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** What is applied is committed, whatever the core has said last. */
export function withCommit(hardState: HardState, applied: number): HardState {
  return hardState.commit >= applied ? hardState : { ...hardState, commit: applied };
}
