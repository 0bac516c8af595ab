/**
 * The durable log of one range on one disk. It begins behind an entry that was never written,
 * because every replica has it, and is never cut at its front: how logs are compacted is tested
 * where the cores are (test/sim/raft).
 */

import { countWithin, type Entry } from "../../../../src/shared/raft/entry.ts";
import type { HardState } from "../../../../src/shared/raft/hard-state.ts";
import type { StorageAppend } from "../../../../src/shared/raft/ready.ts";
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
  readonly #entries: Entry[] = [];
  hardState: HardState = {
    term: FOUNDING_TERM,
    vote: 0,
    commit: FOUNDING_INDEX,
    epoch: 0,
    epochIndex: 0,
  };

  /** What a process starts from: the stored commit index is a hint. */
  startState(applied: number): HardState {
    const commit = Math.max(applied, Math.min(this.hardState.commit, this.lastIndex()));
    return { ...this.hardState, commit };
  }

  firstIndex(): number {
    return FOUNDING_INDEX + 1;
  }

  lastIndex(): number {
    return FOUNDING_INDEX + this.#entries.length;
  }

  term(index: number): number {
    if (index < FOUNDING_INDEX) return TERM_COMPACTED;
    return index === FOUNDING_INDEX ? FOUNDING_TERM : (this.entry(index)?.term ?? TERM_UNKNOWN);
  }

  entry(index: number): Entry | null {
    return this.#entries[index - FOUNDING_INDEX - 1] ?? null;
  }

  entries(low: number, high: number, maxBytes: number) {
    if (low <= FOUNDING_INDEX) return COMPACTED;
    const from = FOUNDING_INDEX + 1;
    const wanted = this.#entries.slice(low - from, high - from);
    return wanted.slice(0, countWithin(wanted, maxBytes));
  }

  /** Never needed: no log lacks its beginning. */
  snapshot(): typeof NOT_YET {
    return NOT_YET;
  }

  write({ hardState, entries }: StorageAppend): void {
    if (hardState !== null) this.hardState = hardState;
    const first = entries[0];
    if (first === undefined) return;
    // What lay there was another leader's.
    this.#entries.length = Math.min(this.#entries.length, first.index - FOUNDING_INDEX - 1);
    this.#entries.push(...entries);
  }
}
