/**
 * A set of dots, each the name of one write: (replica, sequence number from 1).
 *
 * Stands for what a replica has seen (its causal history), for what is alive in it, and for what a
 * delta is about. Kept per replica as ascending runs of numbers, neither overlapping nor touching:
 *
 * ```
 *   seen 1..7 and 9 of "a", 3..4 of "b":      a: [1,7] [9,9]     b: [3,4]
 * ```
 *
 * A complete history is one run per replica, whatever its length: gaps close by themselves as the
 * missing dots arrive, which is the compaction of Almeida, Shoker, Baquero, "Delta State Replicated
 * Data Types" (2018), §7.2, vector and dot cloud in one form.
 */

/** Names one life of one node; an ended life never writes again. 1..255 bytes of UTF-8. */
export type ReplicaId = string;

export interface Dot {
  readonly replica: ReplicaId;
  /** 1..2^48-1 */
  readonly sequence: number;
}

/** Both ends belong to it. */
export interface Run {
  readonly from: number;
  readonly to: number;
}

export class CausalContext {
  readonly #runs = new Map<ReplicaId, Run[]>();

  get isEmpty(): boolean {
    return this.#runs.size === 0;
  }

  /** Runs of all replicas: the memory that it takes. */
  get runCount(): number {
    let count = 0;
    for (const runs of this.#runs.values()) count += runs.length;
    return count;
  }

  replicas(): IterableIterator<ReplicaId> {
    return this.#runs.keys();
  }

  /** Ascending. */
  runsOf(replica: ReplicaId): readonly Run[] {
    return this.#runs.get(replica) ?? [];
  }

  /** The greatest number of a replica, 0 when there is none. */
  lastOf(replica: ReplicaId): number {
    return this.#runs.get(replica)?.at(-1)?.to ?? 0;
  }

  has(replica: ReplicaId, sequence: number): boolean {
    const runs = this.#runs.get(replica);
    if (runs === undefined) return false;
    const index = firstEndingAtOrAfter(runs, sequence);
    return index < runs.length && runs[index]!.from <= sequence;
  }

  add(replica: ReplicaId, sequence: number): void {
    this.addRun(replica, sequence, sequence);
  }

  /** O(log runs) to find the place, plus the runs that it swallows. */
  addRun(replica: ReplicaId, from: number, to: number): void {
    const runs = this.#runs.get(replica);
    if (runs === undefined) {
      this.#runs.set(replica, [{ from, to }]);
      return;
    }
    // Runs that touch or overlap [from, to] become one with it.
    const begin = firstEndingAtOrAfter(runs, from - 1);
    let end = begin;
    let first = from;
    let last = to;
    while (end < runs.length && runs[end]!.from <= to + 1) {
      first = Math.min(first, runs[end]!.from);
      last = Math.max(last, runs[end]!.to);
      end += 1;
    }
    runs.splice(begin, end - begin, { from: first, to: last });
  }

  addAll(other: CausalContext): void {
    for (const [replica, runs] of other.#runs) {
      for (const { from, to } of runs) this.addRun(replica, from, to);
    }
  }

  /** What is here and not in `other`. */
  without(other: CausalContext): CausalContext {
    const rest = new CausalContext();
    for (const [replica, runs] of this.#runs) {
      const taken = other.runsOf(replica);
      for (const run of runs) addUncovered(rest, replica, run, taken);
    }
    return rest;
  }

  /** Forgets all dots of a replica. */
  forget(replica: ReplicaId): void {
    this.#runs.delete(replica);
  }

  /** Takes one dot out. */
  remove(replica: ReplicaId, sequence: number): void {
    const runs = this.#runs.get(replica);
    if (runs === undefined) return;
    const index = firstEndingAtOrAfter(runs, sequence);
    const run = runs[index];
    if (run === undefined || run.from > sequence) return;
    const parts: Run[] = [];
    if (run.from < sequence) parts.push({ from: run.from, to: sequence - 1 });
    if (run.to > sequence) parts.push({ from: sequence + 1, to: run.to });
    runs.splice(index, 1, ...parts);
    if (runs.length === 0) this.#runs.delete(replica);
  }
}

/** Index of the first run that ends at `sequence` or later; runs.length when none does. */
function firstEndingAtOrAfter(runs: readonly Run[], sequence: number): number {
  let low = 0;
  let high = runs.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (runs[middle]!.to < sequence) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Adds the parts of `run` that no run of `taken` covers. */
function addUncovered(
  rest: CausalContext,
  replica: ReplicaId,
  run: Run,
  taken: readonly Run[],
): void {
  let from = run.from;
  for (let i = firstEndingAtOrAfter(taken, run.from); i < taken.length; i++) {
    const cover = taken[i]!;
    if (cover.from > run.to) break;
    if (cover.from > from) rest.addRun(replica, from, cover.from - 1);
    from = cover.to + 1;
  }
  if (from <= run.to) rest.addRun(replica, from, run.to);
}
