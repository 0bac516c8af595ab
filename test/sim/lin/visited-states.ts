/**
 * Where the search has been: pairs of (set of operations placed so far, state of the object).
 *
 * Two orders of the same operations that lead to the same state have the same future, so the second
 * need not be tried; this is what makes the search feasible (Lowe's addition to Wing and Gong). The
 * set is hashed by an exclusive-or of one random word per operation, so adding or removing an
 * operation costs O(1); entries are compared in full, a collision costs time and never correctness.
 */

interface Visit {
  readonly members: Uint32Array;
  readonly state: number;
}

/** Fractional part of the golden ratio in 32 bits: spreads consecutive numbers over all words. */
const GOLDEN_WORD = 0x9e3779b9;

/** A well mixed word for each operation (the finalizer of MurmurHash3). */
function wordOf(operation: number): number {
  let word = Math.imul(operation + 1, GOLDEN_WORD);
  word = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35);
  return word ^ (word >>> 16);
}

export class VisitedStates {
  readonly #members: Uint32Array;
  readonly #visits = new Map<number, Visit[]>();
  #hash = 0;

  constructor(operationCount: number) {
    this.#members = new Uint32Array((operationCount + 31) >>> 5);
  }

  /** Adds the operation to the current set, or takes it out. */
  toggle(operation: number): void {
    const position = operation >>> 5;
    this.#members[position] = (this.#members[position] ?? 0) ^ (1 << (operation & 31));
    this.#hash ^= wordOf(operation);
  }

  /** Remembers the current set with `state`; false when it was known already. */
  enter(state: number): boolean {
    const key = this.#hash ^ Math.imul(state | 0, GOLDEN_WORD);
    const visits = this.#visits.get(key);
    const visit = { members: this.#members.slice(), state };
    if (visits === undefined) {
      this.#visits.set(key, [visit]);
      return true;
    }
    if (visits.some((known) => known.state === state && this.#equals(known.members))) return false;
    visits.push(visit);
    return true;
  }

  #equals(members: Uint32Array): boolean {
    for (let position = 0; position < members.length; position += 1) {
      if (members[position] !== this.#members[position]) return false;
    }
    return true;
  }
}
