/** The running core as the invariants look at it. Scope: one per process of a node. */

import type { ConfState } from "../../../src/shared/raft/conf-state.ts";
import type { RaftCore } from "../../../src/shared/raft/raft-core.ts";
import { Role } from "../../../src/shared/raft/ready.ts";
import type { ReplicaView } from "./checkers/views.ts";

export class CoreView implements ReplicaView {
  readonly replica: number;
  readonly process: number;
  readonly #core: RaftCore;

  constructor(core: RaftCore, process: number) {
    this.replica = core.id;
    this.process = process;
    this.#core = core;
  }

  get isLeader(): boolean {
    return this.#core.role === Role.LEADER;
  }

  get isCandidate(): boolean {
    return this.#core.role === Role.CANDIDATE;
  }

  get term(): number {
    return this.#core.term;
  }

  get vote(): number {
    return this.#core.vote;
  }

  get commitIndex(): number {
    return this.#core.committed;
  }

  get lastIndex(): number {
    return this.#core.lastIndex;
  }

  get conf(): ConfState {
    return this.#core.conf;
  }

  termAt(index: number): number {
    // The sentinels for compacted and unknown are negative.
    return Math.max(0, this.#core.termAt(index));
  }

  matchOf(replica: number): number {
    return this.#core.matchOf(replica);
  }
}
