/**
 * A replica of one range on one node: the real Raft core, and the machine that its log is applied
 * to.
 */

import { type Entry, NO_REPLICA } from "../../../../src/shared/raft/entry.ts";
import type { RaftCore } from "../../../../src/shared/raft/raft-core.ts";
import { type ApplyBatch, Role } from "../../../../src/shared/raft/ready.ts";
import type { HostedMachine } from "../host/hosted-machine.ts";

export class RangeSeat {
  readonly core: RaftCore;
  hosted: HostedMachine;
  /** The half of a range that this node led: its sessions go on unless another one leads it. */
  isHeir = false;
  /** Another one has led the range since. */
  #isOusted = false;
  /** It has served, and does no more: the machine is to be made anew. */
  isStale = false;
  /** Once that is applied, a leader serves; 0: it does not lead. */
  #leadsFrom = 0;
  readonly #committed: ApplyBatch[] = [];
  #position = 0;

  constructor(core: RaftCore, hosted: HostedMachine) {
    this.core = core;
    this.hosted = hosted;
  }

  get isLeader(): boolean {
    return this.core.role === Role.LEADER;
  }

  /** It serves, and another replica may. */
  get isDeposed(): boolean {
    const { leader, id } = this.core;
    if (!this.hosted.isLive) return false;
    if (this.#isOusted) return true;
    return this.isHeir ? leader !== NO_REPLICA && leader !== id : !this.isLeader;
  }

  /** It leads, and has applied what others may have answered. */
  get mayServe(): boolean {
    if (!this.isLeader) {
      this.#leadsFrom = 0;
      return false;
    }
    this.isHeir = false;
    if (this.#leadsFrom === 0) this.#leadsFrom = this.core.lastIndex;
    const { isLive, applied } = this.hosted;
    return !isLive && !this.isStale && applied >= this.#leadsFrom;
  }

  /** Another node serves now. A leader learns that by itself. */
  oust(): void {
    this.#isOusted = this.isHeir;
  }

  /** It serves no more. */
  depose(): void {
    this.isStale = true;
    this.isHeir = false;
    this.#isOusted = false;
    this.hosted.isLive = false;
  }

  commit(batch: ApplyBatch): void {
    this.#committed.push(batch);
  }

  /** The entry to apply next; null: none. */
  nextEntry(): Entry | null {
    for (;;) {
      const entry = this.#committed[0]?.entries[this.#position] ?? null;
      // A snapshot may have overtaken it.
      if (entry === null || entry.index > this.hosted.applied) return entry;
      this.shift();
    }
  }

  /** It is applied. */
  shift(): void {
    this.#position += 1;
    const batch = this.#committed[0]!;
    if (this.#position < batch.entries.length) return;
    this.#position = 0;
    this.#committed.shift();
    this.core.applyDone(batch);
  }
}
