/**
 * What must hold for one replica over its whole life, across processes: terms, votes and commits
 * only move forward, promises that left the node bind its later processes, and a log is cut only
 * behind what is committed.
 */

import { type Entry, EntryType } from "../../../../src/shared/raft/entry.ts";
import type { Ledger } from "./ledger.ts";
import { type DiskView, isOnDisk, type ReplicaView } from "./views.ts";
import { violate } from "./violation.ts";

export class ReplicaWatch {
  readonly #ledger: Ledger;
  readonly #diskOf: (replica: number) => DiskView;
  /** Of the present process. */
  #term = 0;
  #vote = 0;
  #commitIndex = 0;
  #isLeader = false;
  /** Of all processes so far, as far as others can know. */
  #promisedTerm = 0;
  readonly #promisedVotes = new Map<number, number>();
  /** Index of the last entry handed to the disk by this process. */
  #submittedLast = 0;
  /** Terms of the log behind `#writtenOffset`, as handed to the disk by this process. */
  #writtenTerms: number[] = [];
  #writtenOffset = 0;
  /** Entries that change the configuration, in the log as handed to the disk. */
  #confIndexes: number[] = [];

  constructor(ledger: Ledger, diskOf: (replica: number) => DiskView) {
    this.#ledger = ledger;
    this.#diskOf = diskOf;
  }

  get isLeader(): boolean {
    return this.#isLeader;
  }

  /** A process begins with what the disk gave it. */
  noteStart(view: ReplicaView, confIndexes: readonly number[]): void {
    if (view.term < this.#promisedTerm) {
      const text = `restarts in term ${view.term}, has promised ${this.#promisedTerm}`;
      violate("monotoneState", `replica ${view.replica} ${text}`);
    }
    if (view.termAt(view.lastIndex) > view.term) {
      const text = `restarts in term ${view.term} with an entry of ${view.termAt(view.lastIndex)}`;
      violate("monotoneState", `replica ${view.replica} ${text}`);
    }
    this.#term = view.term;
    this.#vote = view.vote;
    this.#commitIndex = view.commitIndex;
    this.#isLeader = false;
    this.#submittedLast = view.lastIndex;
    this.#forgetWritten(view.lastIndex);
    this.#confIndexes = [...confIndexes];
  }

  /** After anything was handed to the replica. Cheap when nothing of interest has moved. */
  observe(view: ReplicaView): void {
    const { term, vote, commitIndex, isLeader } = view;
    if (term !== this.#term || vote !== this.#vote) this.#observeElection(view);
    if (commitIndex !== this.#commitIndex) this.#observeCommit(view);
    if (isLeader && (!this.#isLeader || term !== this.#term)) this.#ledger.noteLeader(view);
    this.#term = term;
    this.#vote = vote;
    this.#commitIndex = commitIndex;
    this.#isLeader = isLeader;
  }

  /**
   * A message that binds the replica has left it: a vote for `candidate`, or 0 for a term alone.
   */
  notePromise(replica: number, term: number, candidate: number): void {
    this.#promisedTerm = Math.max(this.#promisedTerm, term);
    if (candidate === 0) return;
    const known = this.#promisedVotes.get(term);
    if (known !== undefined && known !== candidate) {
      const text = `votes for ${known} and for ${candidate} in term ${term}`;
      violate("monotoneState", `replica ${replica} ${text}`);
    }
    this.#promisedVotes.set(term, candidate);
  }

  /** Entries on their way to the disk: invariants 5, 7 and 9. */
  noteAppend(view: ReplicaView, entries: readonly Entry[], appliedIndex: number): void {
    const first = entries[0];
    if (first === undefined) return;
    if (first.index <= this.#submittedLast) this.#noteCut(view, first);
    this.#checkCommitted(view, entries);
    this.#noteWritten(first.index, entries);
    this.#confIndexes = this.#confIndexes.filter((index) => index < first.index);
    for (const { index, term, type } of entries) {
      if (type !== EntryType.CONF_CHANGE) continue;
      const pending = this.#confIndexes.find((known) => known > appliedIndex);
      if (view.isLeader && term === view.term && pending !== undefined) {
        const text = `appends a configuration at ${index}, ${pending} is not applied`;
        violate("oneConfChange", `replica ${view.replica} ${text}`);
      }
      this.#confIndexes.push(index);
    }
    this.#submittedLast = entries.at(-1)?.index as number;
  }

  /** Is there an entry behind `from`, up to `to`, that changes the configuration? */
  hasChangeWithin(from: number, to: number): boolean {
    return this.#confIndexes.some((index) => index > from && index <= to);
  }

  /** The log was replaced by a snapshot: invariant 7. */
  noteSnapshot(view: ReplicaView, snapshotIndex: number): void {
    if (snapshotIndex < this.#commitIndex) {
      const text = `takes a snapshot at ${snapshotIndex}, has committed ${this.#commitIndex}`;
      violate("committedKept", `replica ${view.replica} ${text}`);
    }
    this.#submittedLast = snapshotIndex;
    this.#forgetWritten(snapshotIndex);
    this.#confIndexes = [];
  }

  /** What a leader believes of a member, after an answer of that member: invariant 8. */
  checkMatch(view: ReplicaView, member: number): void {
    if (!view.isLeader) return;
    const disk = this.#diskOf(member);
    // A member that has gone on to another term may have lost what it had in this one.
    if (disk.hardTerm > view.term) return;
    const match = view.matchOf(member);
    const term = view.termAt(match);
    if (match === 0 || term === 0 || isOnDisk(disk, match, term)) return;
    const text = `counts ${match} of term ${term} on replica ${member}`;
    violate(
      "durableMatch",
      `leader ${view.replica} ${text}, whose disk has ${disk.entryTerm(match)}`,
    );
  }

  /** A leader has no reason to wait when a quorum, of both halves, has an entry of its term. */
  checkCommit(view: ReplicaView): void {
    if (!view.isLeader) return;
    const { voters, outgoing } = view.conf;
    const reached = Math.min(reachedBy(view, voters), reachedBy(view, outgoing));
    if (reached <= view.commitIndex || view.termAt(reached) !== view.term) return;
    const text = `leader ${view.replica} has committed ${view.commitIndex}`;
    violate("promptCommit", `${text}, a quorum has ${reached}`);
  }

  /**
   * A write that begins at `index` has reached the disk. Another one for the same place may still
   * be on its way: until that is there too, the log must not be read from the disk (raft pitfall
   * 6).
   */
  checkWritten(view: ReplicaView, index: number): void {
    const written = this.#writtenTerms[index - this.#writtenOffset - 1];
    const term = view.termAt(index);
    if (written === undefined || term === 0 || term === written) return;
    const text = `replica ${view.replica} has term ${term} at ${index}`;
    violate("ownLog", `${text}, and has written ${written} there`);
  }

  /** Entries on their way to the state machine are on the replica's own disk (raft pitfall 8). */
  checkApplying(replica: number, entries: readonly Entry[]): void {
    const last = entries.at(-1);
    if (last === undefined || isOnDisk(this.#diskOf(replica), last.index, last.term)) return;
    violate("durableQuorum", `replica ${replica} applies ${last.index}, which its disk lacks`);
  }

  #observeElection(view: ReplicaView): void {
    const { replica, term, vote } = view;
    if (term < this.#term) {
      violate("monotoneState", `replica ${replica} falls from term ${this.#term} to ${term}`);
    }
    if (term === this.#term && this.#vote !== 0 && vote !== this.#vote) {
      const text = `changes its vote in term ${term} from ${this.#vote} to ${vote}`;
      violate("monotoneState", `replica ${replica} ${text}`);
    }
  }

  #observeCommit(view: ReplicaView): void {
    const { replica, commitIndex } = view;
    if (commitIndex < this.#commitIndex) {
      const text = `commit falls from ${this.#commitIndex} to ${commitIndex}`;
      violate("monotoneState", `replica ${replica}: ${text}`);
    }
    this.#ledger.noteCommit(view, this.#commitIndex, this.#diskOf);
  }

  #forgetWritten(lastIndex: number): void {
    this.#writtenTerms = [];
    this.#writtenOffset = lastIndex;
  }

  #noteWritten(firstIndex: number, entries: readonly Entry[]): void {
    if (firstIndex <= this.#writtenOffset) this.#forgetWritten(firstIndex - 1);
    this.#writtenTerms.length = firstIndex - this.#writtenOffset - 1;
    for (const { term } of entries) this.#writtenTerms.push(term);
  }

  #noteCut(view: ReplicaView, first: Entry): void {
    if (view.isLeader && this.#isLeader && first.term === view.term && view.term === this.#term) {
      violate("leaderAppendOnly", `leader ${view.replica} rewrites its entry ${first.index}`);
    }
  }

  /** What replaces committed entries must be the same, and all of it: invariant 7. */
  #checkCommitted(view: ReplicaView, entries: readonly Entry[]): void {
    const { replica, commitIndex } = view;
    for (const { index, term } of entries) {
      if (index > commitIndex || this.#ledger.isCommitted(index, term)) continue;
      violate(
        "committedKept",
        `replica ${replica} writes term ${term} at ${index}, committed before`,
      );
    }
    const last = entries.at(-1)?.index as number;
    if (last >= commitIndex) return;
    violate(
      "committedKept",
      `replica ${replica} cuts off behind ${last}, has committed ${commitIndex}`,
    );
  }
}

/** Up to where most of `voters` have the log, as far as the leader knows; nobody is everybody. */
function reachedBy(view: ReplicaView, voters: readonly number[]): number {
  if (voters.length === 0) return Number.POSITIVE_INFINITY;
  const matches = voters.map((voter) => view.matchOf(voter)).sort((left, right) => right - left);
  return matches[voters.length >>> 1] as number;
}
