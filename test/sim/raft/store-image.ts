/**
 * One replica's disk: log, hard state, newest snapshot, state machine. What lies here survives
 * every crash; nothing else of a node does.
 *
 * It plays three parts. The simulated disk writes operations to it, the core reads it as its
 * storage, the checkers read it as the truth about durability. The state machine runs when its
 * operation is written, because its state and the applied index are one transaction (raft pitfall
 * 14): an applied entry is never applied again by a later process.
 *
 *   log   | snapshot covers 1..offset | entries offset+1 .. lastIndex |
 */

import { NO_BYTES } from "../../../src/shared/bytes/copy-bytes.ts";
import { type ConfState, EMPTY_CONF } from "../../../src/shared/raft/conf-state.ts";
import { countWithin, type Entry, EntryType } from "../../../src/shared/raft/entry.ts";
import { type HardState, INITIAL_HARD_STATE } from "../../../src/shared/raft/hard-state.ts";
import type { ApplyBatch, StorageAppend } from "../../../src/shared/raft/ready.ts";
import type { Snapshot } from "../../../src/shared/raft/snapshot.ts";
import {
  COMPACTED,
  NOT_YET,
  type RaftStorage,
  TERM_COMPACTED,
  TERM_UNKNOWN,
} from "../../../src/shared/raft/storage.ts";
import type { DiskImage, DiskOperation } from "../kernel/sim-disk.ts";
import type { DiskView } from "./checkers/views.ts";
import { KvMachine } from "./kv-machine.ts";

export type StoreOperation = DiskOperation &
  (
    | { readonly kind: "append"; readonly append: StorageAppend }
    | { readonly kind: "apply"; readonly batch: ApplyBatch }
    | { readonly kind: "snapshot"; readonly keepEntries: number }
  );

/** Is told of everything that the state machine goes through. */
export interface StoreObserver {
  noteApplied(image: StoreImage, entry: Entry): void;
  noteInstalled(image: StoreImage, snapshot: Snapshot): void;
  /** What the entry makes of the configuration. */
  confAfter(conf: ConfState, entry: Entry): ConfState;
}

export class StoreImage implements DiskImage<StoreOperation>, DiskView, RaftStorage {
  readonly replica: number;
  readonly machine = new KvMachine();
  readonly #observer: StoreObserver;
  hardState: HardState = INITIAL_HARD_STATE;
  conf: ConfState = EMPTY_CONF;
  appliedIndex = 0;
  #snapshot: Snapshot | null = null;
  #offset = 0;
  #offsetTerm = 0;
  #entries: Entry[] = [];
  /** Asked by the core's reads: true makes one of them come later. */
  isLate: () => boolean = () => false;
  /**
   * Called when the core wants a snapshot and the state has moved on since the newest: its
   * configuration may not list the member that needs one.
   */
  wantsSnapshot: () => void = () => undefined;

  constructor(replica: number, conf: ConfState, observer: StoreObserver) {
    this.replica = replica;
    this.conf = conf;
    this.#observer = observer;
  }

  get hardTerm(): number {
    return this.hardState.term;
  }

  get snapshotIndex(): number {
    return this.#snapshot?.index ?? 0;
  }

  get entryCount(): number {
    return this.#entries.length;
  }

  /** The hard state as a process may start with it: the commit index is a hint (raft pitfall 9). */
  startState(): HardState {
    const commit = Math.min(this.hardState.commit, this.lastIndex());
    return { ...this.hardState, commit: Math.max(commit, this.appliedIndex) };
  }

  firstIndex(): number {
    return this.#offset + 1;
  }

  lastIndex(): number {
    return this.#offset + this.#entries.length;
  }

  term(index: number): number {
    if (index < this.#offset) return TERM_COMPACTED;
    if (index === this.#offset) return this.#offsetTerm;
    return this.#entries[index - this.#offset - 1]?.term ?? TERM_UNKNOWN;
  }

  entryTerm(index: number): number {
    return this.#entries[index - this.#offset - 1]?.term ?? 0;
  }

  /** Indexes of the log's entries that change the configuration. */
  confIndexes(): number[] {
    return this.#entries
      .filter(({ type }) => type === EntryType.CONF_CHANGE)
      .map(({ index }) => index);
  }

  entries(low: number, high: number, maxBytes: number) {
    if (low <= this.#offset) return COMPACTED;
    if (this.isLate()) return NOT_YET;
    const wanted = this.#entries.slice(low - this.#offset - 1, high - this.#offset - 1);
    return wanted.slice(0, countWithin(wanted, maxBytes));
  }

  snapshot(): Snapshot | typeof NOT_YET {
    if (this.appliedIndex > this.snapshotIndex) this.wantsSnapshot();
    if (this.#snapshot === null || this.isLate()) return NOT_YET;
    return this.#snapshot;
  }

  write(operation: StoreOperation, partCount: number): void {
    switch (operation.kind) {
      case "append":
        this.#writeAppend(operation.append, partCount);
        return;
      case "apply":
        this.#writeApply(operation.batch);
        return;
      case "snapshot":
        this.#writeSnapshot(operation.keepEntries);
        return;
    }
  }

  /**
   * The hard state is the first part, so no entry is ever there before its term (pitfall 3); but
   * for the commit index, which is the last: it may speak of these entries (pitfall 9).
   */
  #writeAppend(append: StorageAppend, partCount: number): void {
    const isWhole = partCount > append.entries.length;
    if (append.hardState !== null) this.#writeHardState(append.hardState, isWhole);
    if (append.snapshot !== null) this.#install(append.snapshot);
    const first = append.entries[0];
    if (first === undefined || partCount < 2) return;
    // What lay there belonged to another leader: cut off, never to be seen again (pitfall 10).
    this.#entries.length = Math.min(this.#entries.length, first.index - this.#offset - 1);
    for (const entry of append.entries.slice(0, partCount - 1)) this.#entries.push(entry);
  }

  #writeHardState(hardState: HardState, isWhole: boolean): void {
    const { commit } = this.hardState;
    this.hardState = isWhole ? hardState : { ...hardState, commit };
  }

  #install(snapshot: Snapshot): void {
    if (snapshot.index <= this.appliedIndex) return;
    this.#snapshot = snapshot;
    this.#offset = snapshot.index;
    this.#offsetTerm = snapshot.term;
    this.#entries = [];
    this.machine.restore(snapshot.data);
    this.appliedIndex = snapshot.index;
    this.conf = snapshot.conf;
    this.#observer.noteInstalled(this, snapshot);
  }

  #writeApply(batch: ApplyBatch): void {
    for (const entry of batch.entries) {
      if (entry.type === EntryType.CONF_CHANGE) {
        this.conf = this.#observer.confAfter(this.conf, entry);
        this.machine.apply(NO_BYTES);
      } else {
        this.machine.apply(entry.data);
      }
      this.appliedIndex = entry.index;
      this.#observer.noteApplied(this, entry);
    }
  }

  /** Made of the state as it is now, with the configuration as it is now (raft pitfall 66). */
  #writeSnapshot(keepEntries: number): void {
    const index = this.appliedIndex;
    if (index <= this.snapshotIndex) return;
    const data = this.machine.image();
    this.#snapshot = { index, term: this.term(index), conf: this.conf, data };
    const offset = Math.max(this.#offset, index - keepEntries);
    this.#offsetTerm = this.term(offset);
    this.#entries = this.#entries.slice(offset - this.#offset);
    this.#offset = offset;
  }
}
