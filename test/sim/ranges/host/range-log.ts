/**
 * The durable log of one range on one disk. It begins behind an entry that was never written,
 * because every founder has it; later behind what was compacted, or behind a snapshot. A node that
 * is to get the range by a snapshot begins with nothing.
 *
 *   | offset: applied, and gone | entries offset+1 .. lastIndex |
 */

import { countWithin, type Entry } from "../../../../src/shared/raft/entry.ts";
import { type HardState, INITIAL_HARD_STATE } from "../../../../src/shared/raft/hard-state.ts";
import type { StorageAppend } from "../../../../src/shared/raft/ready.ts";
import type { Snapshot } from "../../../../src/shared/raft/snapshot.ts";
import {
  COMPACTED,
  NOT_YET,
  type RaftStorage,
  TERM_COMPACTED,
  TERM_UNKNOWN,
} from "../../../../src/shared/raft/storage.ts";

/** Of the entry that was never written. */
export const FOUNDING_INDEX = 1;
const FOUNDING_TERM = 1;

export class RangeLog implements RaftStorage {
  hardState: HardState = INITIAL_HARD_STATE;
  /** Of the state as it is on the disk; called when a member needs it. */
  makeSnapshot: () => Snapshot | null = () => null;
  #entries: Entry[] = [];
  #offset = 0;
  #offsetTerm = 0;

  /** The range begins here: on every founder alike, and it may have been heard of before. */
  found(): void {
    const { term, vote } = this.hardState;
    const isKnown = term >= FOUNDING_TERM;
    this.hardState = {
      ...this.hardState,
      term: isKnown ? term : FOUNDING_TERM,
      vote: isKnown ? vote : 0,
      commit: FOUNDING_INDEX,
    };
    this.#offset = FOUNDING_INDEX;
    this.#offsetTerm = FOUNDING_TERM;
  }

  /** What a process starts from: the stored commit index is a hint. */
  startState(applied: number): HardState {
    const commit = Math.max(applied, Math.min(this.hardState.commit, this.lastIndex()));
    return { ...this.hardState, commit };
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
    return this.entry(index)?.term ?? TERM_UNKNOWN;
  }

  entry(index: number): Entry | null {
    return this.#entries[index - this.#offset - 1] ?? null;
  }

  /** Is the entry of that index and term here, or in the state that stands for it? */
  covers(index: number, term: number): boolean {
    return index <= this.#offset || this.entry(index)?.term === term;
  }

  entries(low: number, high: number, maxBytes: number) {
    if (low <= this.#offset) return COMPACTED;
    const wanted = this.#entries.slice(low - this.firstIndex(), high - this.firstIndex());
    return wanted.slice(0, countWithin(wanted, maxBytes));
  }

  snapshot(): Snapshot | typeof NOT_YET {
    return this.makeSnapshot() ?? NOT_YET;
  }

  write({ hardState, snapshot, entries }: StorageAppend): void {
    if (hardState !== null) this.hardState = hardState;
    if (snapshot !== null) this.#begin(snapshot.index, snapshot.term);
    const first = entries[0];
    if (first === undefined) return;
    // What lay there was another leader's.
    this.#entries.length = Math.min(this.#entries.length, first.index - this.firstIndex());
    for (const entry of entries) this.#entries.push(entry);
  }

  /** Entries up to `index`, which are applied, go. */
  compact(index: number): void {
    if (index <= this.#offset) return;
    const term = this.term(index);
    const left = this.#entries.slice(index - this.#offset);
    this.#begin(index, term);
    this.#entries = left;
  }

  #begin(offset: number, term: number): void {
    this.#offset = offset;
    this.#offsetTerm = term;
    this.#entries = [];
  }
}
