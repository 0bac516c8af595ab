/**
 * What the group as a whole has decided, as an all-knowing observer sees it: which entry is
 * committed at each index, what the state is behind it, who led which term. A replica that
 * contradicts the ledger breaks safety, however long nobody else notices.
 */

import { type ConfState, sameConf } from "../../../../src/shared/raft/conf-state.ts";
import { confFault } from "../../../../src/shared/raft/config-change.ts";
import { type DiskView, isOnDisk, type ReplicaView } from "./views.ts";
import { violate } from "./violation.ts";

const UNKNOWN = -1;
/** Sequences per session stay far below; session and sequence make one number. */
const SEQUENCES = 2 ** 24;

export class Ledger {
  readonly #leaders = new Map<number, ReplicaView>();
  /** By index: term of the committed entry, term of the leader that committed it. */
  readonly #terms: number[] = [0];
  readonly #committedIn: number[] = [0];
  /** By index, UNKNOWN until some replica has applied it. */
  readonly #entryHashes: number[] = [UNKNOWN];
  readonly #stateHashes: number[] = [UNKNOWN];
  readonly #confs: { index: number; conf: ConfState }[] = [];
  readonly #effects = new Map<number, number>();

  constructor(initialConf: ConfState) {
    this.#confs.push({ index: 0, conf: initialConf });
  }

  get commitIndex(): number {
    return this.#terms.length - 1;
  }

  get conf(): ConfState {
    return this.#confs.at(-1)?.conf as ConfState;
  }

  get leaderCount(): number {
    return this.#leaders.size;
  }

  confAt(index: number): ConfState {
    return this.#confs.findLast((known) => known.index <= index)?.conf as ConfState;
  }

  isCommitted(index: number, term: number): boolean {
    return this.#terms[index] === term;
  }

  /** A replica has become leader: invariants 1 and 3. */
  noteLeader(view: ReplicaView): void {
    const { term, replica } = view;
    const known = this.#leaders.get(term);
    if (known !== undefined) {
      // A process that forgot that it led is as bad as another replica.
      const text = `process ${view.process} of replica ${replica} leads term ${term}`;
      const other = `process ${known.process} of replica ${known.replica}`;
      violate("electionSafety", `${text}, which ${other} has led`);
    }
    this.#leaders.set(term, view);
    for (let index = 1; index <= this.commitIndex; index += 1) {
      // What a later leader committed need not be known to a belated winner of an earlier term.
      if ((this.#committedIn[index] as number) >= term) continue;
      this.#expectEntry(view, index, "leaderCompleteness");
    }
  }

  /**
   * A replica's commit index has moved from `from` to its present one: invariants 2 and 4. `diskOf`
   * gives the disk of any replica.
   */
  noteCommit(view: ReplicaView, from: number, diskOf: (replica: number) => DiskView): void {
    const { commitIndex } = view;
    const known = Math.min(commitIndex, this.commitIndex);
    for (let index = from + 1; index <= known; index += 1) {
      this.#expectEntry(view, index, "committedAgree");
    }
    if (commitIndex <= this.commitIndex) return;
    if (!view.isLeader) {
      const text = `replica ${view.replica} has committed ${commitIndex}, no leader has`;
      violate("committedAgree", text);
    }
    this.#expectDurable(view, diskOf);
    while (this.commitIndex < commitIndex) {
      this.#terms.push(view.termAt(this.commitIndex + 1));
      this.#committedIn.push(view.term);
      this.#entryHashes.push(UNKNOWN);
      this.#stateHashes.push(UNKNOWN);
    }
  }

  /** A replica has applied an entry: invariants 2 and 12. */
  noteApplied(
    replica: number,
    entry: { index: number; term: number },
    hashes: { entry: number; state: number },
  ): void {
    const { index, term } = entry;
    if (index > this.commitIndex) {
      violate("committedAgree", `replica ${replica} has applied ${index}, which nobody committed`);
    }
    if (this.#terms[index] !== term) {
      const text = `replica ${replica} applies term ${term} at ${index}`;
      violate("committedAgree", `${text}, committed is ${this.#terms[index]}`);
    }
    if (this.#entryHashes[index] === UNKNOWN) this.#entryHashes[index] = hashes.entry;
    if (this.#stateHashes[index] === UNKNOWN) this.#stateHashes[index] = hashes.state;
    if (this.#entryHashes[index] !== hashes.entry) {
      violate("committedAgree", `replica ${replica} applies other bytes at ${index}`);
    }
    this.expectState(replica, index, hashes.state);
  }

  /** The state at an index is the same wherever it is reached, also by a snapshot: invariant 12. */
  expectState(replica: number, index: number, stateHash: number): void {
    const known = this.#stateHashes[index] ?? UNKNOWN;
    if (index > 0 && known !== UNKNOWN && known !== stateHash) {
      violate("sameState", `replica ${replica} differs from the others at ${index}`);
    }
  }

  /** A command took effect at an index of some replica: invariant 13. */
  noteEffect(session: number, sequence: number, index: number): void {
    const key = session * SEQUENCES + sequence;
    const known = this.#effects.get(key);
    if (known === undefined) this.#effects.set(key, index);
    else if (known !== index) {
      const text = `command ${sequence} of session ${session}`;
      violate("exactlyOnce", `${text} takes effect at ${known} and at ${index}`);
    }
  }

  /** A replica has applied the configuration of an entry: invariant 9. */
  noteConf(replica: number, index: number, conf: ConfState): void {
    const fault = confFault(conf);
    if (fault !== null) violate("oneConfChange", `configuration at ${index}: ${fault}`);
    const last = this.#confs.at(-1)?.index ?? 0;
    if (index > last) this.#confs.push({ index, conf });
    this.expectConf(replica, index, conf);
  }

  /** Invariant 9, for configurations that come with snapshots or are rebuilt from the log. */
  expectConf(replica: number, index: number, conf: ConfState): void {
    if (sameConf(conf, this.confAt(index))) return;
    const text = `${JSON.stringify(conf)}, the others have ${JSON.stringify(this.confAt(index))}`;
    violate("oneConfChange", `replica ${replica} at ${index} has ${text}`);
  }

  #expectEntry(
    view: ReplicaView,
    index: number,
    invariant: "leaderCompleteness" | "committedAgree",
  ) {
    const term = view.termAt(index);
    if (term === this.#terms[index] || (term === 0 && index <= view.commitIndex)) return;
    const text = `replica ${view.replica} in term ${view.term} has term ${term} at ${index}`;
    violate(invariant, `${text}, committed is ${this.#terms[index]}`);
  }

  /** Both halves of a joint configuration must have it (raft pitfall 30). */
  #expectDurable(view: ReplicaView, diskOf: (replica: number) => DiskView): void {
    const { commitIndex, conf } = view;
    const term = view.termAt(commitIndex);
    for (const voters of [conf.voters, conf.outgoing]) {
      if (voters.length === 0) continue;
      const holders = voters.filter((voter) => isOnDisk(diskOf(voter), commitIndex, term));
      if (holders.length * 2 > voters.length) continue;
      const text = `replica ${view.replica} commits ${commitIndex} of term ${term}`;
      violate("durableQuorum", `${text}; of ${voters} only ${holders} have it on disk`);
    }
  }
}
