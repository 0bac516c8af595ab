/**
 * A log in memory behind the core's storage interface, with the writes a real store offers. For
 * tests of one replica, and for the vectors; the simulator has a disk that fails.
 */

import { assert } from "../../src/shared/base/assert.ts";
import { NO_BYTES } from "../../src/shared/bytes/copy-bytes.ts";
import { type ConfState, EMPTY_CONF } from "../../src/shared/raft/conf-state.ts";
import { countWithin, type Entry } from "../../src/shared/raft/entry.ts";
import { type HardState, INITIAL_HARD_STATE } from "../../src/shared/raft/hard-state.ts";
import type { StorageAppend } from "../../src/shared/raft/ready.ts";
import type { Snapshot } from "../../src/shared/raft/snapshot.ts";
import {
  COMPACTED,
  NOT_YET,
  type RaftStorage,
  TERM_COMPACTED,
  TERM_UNKNOWN,
} from "../../src/shared/raft/storage.ts";

export class MemoryStorage implements RaftStorage {
  hardState: HardState = INITIAL_HARD_STATE;
  /** What `snapshot()` answers; compacting moves it only when it must. */
  newestSnapshot: () => Snapshot | typeof NOT_YET;
  /** Answer NOT_YET to `entries`. */
  isFetching = false;
  #entries: Entry[] = [];
  #snapshot: Snapshot;

  constructor(conf: ConfState = EMPTY_CONF, index = 0, term = 0) {
    this.#snapshot = { index, term, conf, data: NO_BYTES };
    this.newestSnapshot = () => this.#snapshot;
  }

  /** The configuration at the snapshot that the log begins with. */
  get conf(): ConfState {
    return this.#snapshot.conf;
  }

  get all(): readonly Entry[] {
    return this.#entries;
  }

  firstIndex(): number {
    return this.#snapshot.index + 1;
  }

  lastIndex(): number {
    return this.#snapshot.index + this.#entries.length;
  }

  term(index: number): number {
    if (index === this.#snapshot.index) return this.#snapshot.term;
    if (index < this.#snapshot.index) return TERM_COMPACTED;
    return this.#entries[index - this.firstIndex()]?.term ?? TERM_UNKNOWN;
  }

  entries(
    low: number,
    high: number,
    maxBytes: number,
  ): readonly Entry[] | typeof NOT_YET | typeof COMPACTED {
    if (low < this.firstIndex()) return COMPACTED;
    assert(high <= this.lastIndex() + 1, "storage is asked for what it has");
    if (this.isFetching) return NOT_YET;
    const wanted = this.#entries.slice(low - this.firstIndex(), high - this.firstIndex());
    return wanted.slice(0, countWithin(wanted, maxBytes));
  }

  snapshot(): Snapshot | typeof NOT_YET {
    return this.newestSnapshot();
  }

  /** One atomic write. */
  write(append: Pick<StorageAppend, "hardState" | "entries" | "snapshot">): void {
    if (append.hardState !== null) this.hardState = append.hardState;
    if (append.snapshot !== null) {
      this.#snapshot = append.snapshot;
      this.#entries = [];
    }
    const first = append.entries[0];
    if (first === undefined) return;
    const kept = first.index - this.firstIndex();
    assert(kept >= 0 && kept <= this.#entries.length, "appends leave no gap");
    this.#entries = [...this.#entries.slice(0, kept), ...append.entries];
  }

  /** Drops all entries up to and with `index`. */
  compact(index: number, conf: ConfState): void {
    const term = this.term(index);
    assert(term >= 0, "only what is there is compacted");
    this.#entries = this.#entries.slice(index + 1 - this.firstIndex());
    this.#snapshot = { index, term, conf, data: NO_BYTES };
  }
}
