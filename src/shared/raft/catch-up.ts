/**
 * Tells when a learner is close enough to its leader to become a voter (raft pitfall 58, Raft
 * thesis §4.2.1): its log is replicated in rounds, each up to what the leader had when the round
 * began; when a round took no longer than an election timeout, the learner would hold up a commit
 * no longer than an election would. Scope: one per replica; used by leaders. Time is ticks of the
 * leader.
 */

import type { ReplicaId } from "./entry.ts";
import { type Progress, ProgressState } from "./progress.ts";

interface Round {
  target: number;
  startedAt: number;
  /** Of the last finished round; Infinity before there is one. */
  ticks: number;
}

export class CatchUp {
  readonly #rounds = new Map<ReplicaId, Round>();
  #ticks = 0;

  /** Leader's tick: follows the learners among `members`. */
  tick(members: readonly Progress[], lastIndex: number): void {
    this.#ticks += 1;
    for (const { id, isLearner, match } of members) {
      if (isLearner) this.#follow(id, match, lastIndex);
      else this.#rounds.delete(id);
    }
  }

  /** Is this learner's last round, and the one under way, within `maxTicks`? */
  isCaughtUp(progress: Progress, maxTicks: number): boolean {
    const round = this.#rounds.get(progress.id);
    if (round === undefined || progress.state !== ProgressState.REPLICATE) return false;
    return round.ticks <= maxTicks && this.#ticks - round.startedAt <= maxTicks;
  }

  reset(): void {
    this.#rounds.clear();
  }

  #follow(id: ReplicaId, match: number, lastIndex: number): void {
    const round = this.#rounds.get(id);
    if (round === undefined) {
      const ticks = Number.POSITIVE_INFINITY;
      this.#rounds.set(id, { target: lastIndex, startedAt: this.#ticks, ticks });
    } else if (match >= round.target) {
      round.ticks = this.#ticks - round.startedAt;
      round.target = lastIndex;
      round.startedAt = this.#ticks;
    }
  }
}
