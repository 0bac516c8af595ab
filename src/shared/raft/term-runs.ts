/**
 * The term of every index of a log, in memory: terms change only with leaders, so a log of millions
 * of entries is a handful of runs. A store keeps one per group, because the core wants terms at
 * once (storage.ts).
 *
 *   runs   [ from 1, term 1 ] [ from 57, term 3 ] [ from 60, term 4 ] ... last
 *
 * The first run begins at the snapshot's index. Looking up is a search in the runs from the end,
 * where nearly all questions aim.
 */

import { assert } from "../base/assert.ts";
import type { Entry } from "./entry.ts";
import { TERM_COMPACTED, TERM_UNKNOWN } from "./storage.ts";

interface Run {
  readonly from: number;
  readonly term: number;
}

export class TermRuns {
  #runs: Run[];
  #last: number;

  /** An empty log behind the entry (`index`, `term`), which is 0, 0 or a snapshot's. */
  constructor(index: number, term: number) {
    this.#runs = [{ from: index, term }];
    this.#last = index;
  }

  get lastIndex(): number {
    return this.#last;
  }

  /** The entry before the first: known, though it is not there. */
  get snapshotIndex(): number {
    return this.#runs[0]!.from;
  }

  term(index: number): number {
    if (index > this.#last) return TERM_UNKNOWN;
    return this.#runs[this.#runAt(index)]?.term ?? TERM_COMPACTED;
  }

  /** Entries were written; they replace what was at their indexes and behind. */
  append(entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    assert(first.index <= this.#last + 1, "term runs: no gap");
    assert(first.index > this.snapshotIndex, "term runs: the snapshot stays");
    while (this.#runs[this.#runs.length - 1]!.from >= first.index) this.#runs.pop();
    for (const { index, term } of entries) {
      if (this.#runs[this.#runs.length - 1]!.term !== term) this.#runs.push({ from: index, term });
    }
    this.#last = entries[entries.length - 1]!.index;
  }

  /** Entries up to and with `index` are gone. */
  compactTo(index: number): void {
    const at = this.#runAt(index);
    const run = this.#runs[at];
    assert(run !== undefined && index <= this.#last, "term runs: compacted within the log");
    this.#runs = [{ from: index, term: run.term }, ...this.#runs.slice(at + 1)];
  }

  /** Position of the run that holds `index`; -1 if it lies before the first. */
  #runAt(index: number): number {
    let at = this.#runs.length - 1;
    while (at >= 0 && this.#runs[at]!.from > index) at--;
    return at;
  }
}
