/**
 * What must hold in every world. The number is the one in the simulator's README; the name is what
 * a failing seed and the table of mutants show.
 */

export const INVARIANTS = {
  electionSafety: "1 one leader per term",
  committedAgree: "2 committed entries agree",
  leaderCompleteness: "3 a new leader holds what is committed",
  durableQuorum: "4 committed is on the disks of a quorum, applied on one's own",
  leaderAppendOnly: "5 a leader never rewrites its log",
  monotoneState: "6 terms, votes and commits are kept",
  committedKept: "7 nothing committed is cut off",
  durableMatch: "8 what counts as matched is durable",
  oneConfChange: "9 configurations change one at a time",
  freshRead: "10 a read sees all that was acknowledged before it",
  linearizable: "11 the history of every key is linearizable",
  sameState: "12 equal applied index, equal state",
  exactlyOnce: "13 a command takes effect once",
  boundedMemory: "14 what is held in memory is bounded",
  liveness: "15 without faults the group recovers",
  assertion: "16 the core's own assertions hold",
  promptCommit: "17 a leader commits what a quorum has",
  ownLog: "18 a replica's log is what it wrote last",
} as const;

export type Invariant = keyof typeof INVARIANTS;

export class Violation extends Error {
  override readonly name = "Violation";
  readonly invariant: Invariant;

  constructor(invariant: Invariant, text: string) {
    super(`${INVARIANTS[invariant]}: ${text}`);
    this.invariant = invariant;
  }
}

export function violate(invariant: Invariant, text: string): never {
  throw new Violation(invariant, text);
}
