/**
 * Tells when a voter has been missing for so long that its group may go on without it (raft pitfall
 * 82). A removal makes the quorum smaller, so it must never be what lets a minority decide: it is
 * proposed like every change and counts when the old quorum has committed it, and it is not even
 * proposed when no majority lives. Nor may a rolling restart, which takes away one voter after the
 * other, eat up the group: patience is longer than a restart, and while somebody else has just gone
 * missing nobody is removed.
 *
 * Scope: one per replica; used by leaders. Pure: the host asks once per tick, and proposes.
 */

import { type ConfState, isJoint } from "./conf-state.ts";
import { NO_REPLICA, type ReplicaId } from "./entry.ts";

/** Five minutes of ticks of 100 ms: a host that restarts with its checks of disks and all. */
export const DEFAULT_REMOVAL_PATIENCE_TICKS = 3_000;

export class VoterRemoval {
  readonly #patienceTicks: number;
  readonly #missingTicks = new Map<ReplicaId, number>();

  constructor(patienceTicks: number = DEFAULT_REMOVAL_PATIENCE_TICKS) {
    this.#patienceTicks = patienceTicks;
  }

  /**
   * Leader's tick: the voter to remove now, NO_REPLICA for none. `isAlive`: what membership says of
   * a voter's node. Names the same one until it is removed or back.
   */
  tick(conf: ConfState, isAlive: (voter: ReplicaId) => boolean): ReplicaId {
    const { voters } = conf;
    this.#count(voters, isAlive);
    const missing = [...this.#missingTicks];
    // One change at a time (raft pitfall 51).
    if (missing.length === 0 || isJoint(conf)) return NO_REPLICA;
    if (2 * missing.length >= voters.length) return NO_REPLICA;
    if (missing.some(([, ticks]) => ticks < this.#patienceTicks)) return NO_REPLICA;
    const [longest] = missing.sort(([, left], [, right]) => right - left);
    return longest?.[0] ?? NO_REPLICA;
  }

  /** No longer leads: whoever does counts for itself. */
  reset(): void {
    this.#missingTicks.clear();
  }

  #count(voters: readonly ReplicaId[], isAlive: (voter: ReplicaId) => boolean): void {
    for (const voter of this.#missingTicks.keys()) {
      if (!voters.includes(voter)) this.#missingTicks.delete(voter);
    }
    for (const voter of voters) {
      if (isAlive(voter)) this.#missingTicks.delete(voter);
      else this.#missingTicks.set(voter, (this.#missingTicks.get(voter) ?? 0) + 1);
    }
  }
}
