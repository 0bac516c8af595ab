/**
 * What the linearizability checker is told: operations of concurrent clients on one object, and how
 * that object behaves when they come one after the other.
 *
 * States are numbers, because the search compares millions of them: a model packs what it needs
 * into one.
 */

/** One operation as its client saw it. Only the order of the times counts, not their unit. */
export interface Operation {
  readonly calledAt: number;
  /** Infinity when no answer ever came: it may have taken effect at any time since, or never. */
  readonly returnedAt: number;
}

/** What a model answers when the operation cannot have had this outcome in this state. */
export const REFUSED = Number.NEGATIVE_INFINITY;

export interface SequentialModel<Op extends Operation> {
  readonly initialState: number;
  /** The state after `operation`, or REFUSED. Must not depend on anything else. */
  apply(state: number, operation: Op): number;
}

/** An order was found, there is provably none, or the search reached its limit of steps. */
export type Verdict = "linearizable" | "violated" | "unknown";

export interface CheckResult {
  readonly verdict: Verdict;
  /** Positions of operations, in order: the longest explanation found. For reports. */
  readonly longestOrder: readonly number[];
}
