/**
 * Where a worker keeps the ranges of one store folder: Raft logs, range records, state. An
 * interface, so that another log can take LMDB's place; test/workers/store/log-store-contract.ts is
 * the contract that every implementation must pass.
 *
 * Writes are gathered and become one atomic, durable step with `commit`: everything of it survives
 * a crash, or nothing. Commits are made durable in the order of their calls.
 */

import type { ConfState } from "../../shared/raft/conf-state.ts";
import type { Entry, ReplicaId } from "../../shared/raft/entry.ts";
import type { HardState } from "../../shared/raft/hard-state.ts";
import type { KeyValue, KeyValueWriter } from "../../shared/range/key-value.ts";
import type { RangeDescriptor, RangeId } from "../../shared/range/range-descriptor.ts";
import type { ServiceId } from "../../shared/range/service-id.ts";
import type { Clearing } from "./clear-damaged.ts";
import type { PageLimits } from "./row-page.ts";
import type { StateDamage } from "./state-seal.ts";
import type { StoreUsage } from "./store-engine.ts";

/** Everything about a range that is neither log nor state; one record, written as a whole. */
export interface RangeRecord {
  readonly descriptor: RangeDescriptor;
  /** This node's member of the group. */
  readonly replicaId: ReplicaId;
  readonly hardState: HardState;
  /** The members at `appliedIndex`. */
  readonly conf: ConfState;
  /** The log begins behind this entry. */
  readonly compactedIndex: number;
  readonly compactedTerm: number;
  /** The state in the store is that after this entry. */
  readonly appliedIndex: number;
  /** Time of the last applied batch: batches of a range never go back in time. */
  readonly appliedMs: number;
}

/** A run of log entries of one term: `firstIndex` up to the next run's. */
export interface TermRun {
  readonly firstIndex: number;
  readonly term: number;
}

/** A range as found when the store was opened. */
export interface OpenedRange {
  readonly id: RangeId;
  /** Null only when the record itself cannot be read. */
  readonly record: RangeRecord | null;
  readonly lastIndex: number;
  readonly termRuns: readonly TermRun[];
  /**
   * Not null: the file of a snapshot that was being installed; the state is neither the old nor the
   * new one. The range cannot be served before `installSnapshot` has been through.
   */
  readonly installing: string | null;
  /**
   * Not null: damaged, and how (which record, which check). It is set aside: nothing of it is
   * deleted, nothing of it is served.
   */
  readonly damage: string | null;
}

export interface LogStore {
  /** As found by `open`, sorted by id. */
  readonly opened: readonly OpenedRange[];
  /** Not null: the whole store is damaged, and how. Nothing is to be written. */
  readonly damage: string | null;

  /**
   * Brings what an older version has written into today's form, a slice per commit; at once when
   * there is nothing of it. Before anything else is gathered, and before state is read.
   */
  upgrade(): Promise<void>;

  // Gathering: no read sees anything of it before its commit.

  /** Replaces the range's record; the first one of a range comes before its first entry. */
  putRecord(record: RangeRecord): void;
  /** Appends; entries of the log at or above the first one's index are removed with them. */
  append(id: RangeId, entries: readonly Entry[]): void;
  /** Removes entry `fromIndex` and everything behind it: a snapshot does not match the log. */
  truncate(id: RangeId, fromIndex: number): void;
  /**
   * Removes up to `maxEntries` of the log's oldest entries, none above `throughIndex`, which is at
   * most the `compactedIndex` of the record put last.
   */
  trim(id: RangeId, throughIndex: number, maxEntries: number): void;
  /** Where the state of ranges of `service` is written. */
  state(service: ServiceId): KeyValueWriter;
  /**
   * Removes the range's record and, by and by, its log; the state under its keys stays (another
   * range's now). Its id cannot be used again.
   */
  forget(id: RangeId): void;
  readonly gatheredBytes: number;

  /**
   * Makes everything gathered durable. Resolves when it is; rejects when it failed, and then the
   * process must end: nobody knows what the disk holds (raft pitfall 11). A second commit may be
   * called while one is under way; a third may not. With nothing gathered it resolves when the
   * earlier ones are durable.
   */
  commit(): Promise<void>;

  /**
   * From here to `endInstall` the range's state is being replaced by that of a snapshot file: noted
   * with the record, which is put again, so that a crash in between is seen. See
   * snapshot-install.ts.
   */
  beginInstall(record: RangeRecord, snapshotName: string): void;
  /** The state is whole again: that after `record.appliedIndex`. */
  endInstall(record: RangeRecord): void;

  // Reading: every durable commit is seen; of one under way the log, the records and the state each
  // whole or not at all.

  /**
   * Entries low..high-1 as far as they are there without a gap and fit into `maxBytes`, at least
   * one if there is one. Throws when the first of them is damaged.
   */
  readEntries(id: RangeId, low: number, high: number, maxBytes: number): readonly Entry[];
  /** The record as it is stored; null when there is none, or it is damaged. */
  readRecord(id: RangeId): RangeRecord | null;
  /** See KeyValueReader. Both throw StateDamage when a row is not as it was written. */
  get(service: ServiceId, key: Uint8Array): Uint8Array | null;
  scan(
    service: ServiceId,
    start: Uint8Array,
    end: Uint8Array | null,
    limits: PageLimits,
  ): readonly KeyValue[];

  /**
   * A row of the range is damaged: at the next start it is set aside, unless the row is whole then.
   * Durable when it returns.
   */
  noteDamage(id: RangeId, damage: StateDamage): void;
  /**
   * The range's machine failed over a log entry, and its thread ends. When that happens at the same
   * entry again, the range is set aside at the next start. Durable when it returns.
   */
  noteFailure(id: RangeId, entry: number, how: string): void;
  /** In this life the range is not served, and counts as damaged. */
  setAside(id: RangeId): void;
  /**
   * Moves everything of a damaged range into a file; see clear-damaged.ts. `range` says what
   * belongs to it. Resolves with the file's path when the range can be put and opened anew, and is
   * noted as damaged until `forgetDamage`.
   */
  clearDamaged(clearing: Clearing): Promise<string>;
  /**
   * Tells `onState` of every state row in the range's bounds, as `clearDamaged` does, and changes
   * nothing.
   */
  seeState(range: RangeDescriptor, onState: Clearing["onState"]): Promise<void>;
  /**
   * The range, whose record is put with this, has not got what it must have: a start that finds it
   * so sets it aside. Durable when it returns.
   */
  noteRenewal(id: RangeId): void;
  /** The range is whole; durable when it returns. */
  forgetDamage(id: RangeId): void;

  /** What it costs so far; a few microseconds. */
  usage(): StoreUsage;
  /** Waits for commits under way and closes. */
  close(): Promise<void>;
}
