/**
 * Local health: how much this member doubts itself (Lifeguard, Local Health Multiplier).
 *
 * A member that is slow, overloaded or badly connected sees acks late and would accuse healthy
 * ones. It notices by its own missed nacks, by having to refute, and by waking up late; each raises
 * the score, each prompt ack lowers it. Its probe intervals and timeouts stretch by score + 1, so a
 * sick member accuses slowly while the healthy ones keep their pace.
 */

import { scaledByAwareness } from "./formulas.ts";

export class Awareness {
  readonly #scoreMax: number;
  #score = 0;

  /** `factorMax` >= 1: intervals stretch at most by it. */
  constructor(factorMax: number) {
    this.#scoreMax = factorMax - 1;
  }

  /** 0 is healthy. */
  get score(): number {
    return this.#score;
  }

  /** A probe was acked in time. */
  handleAck(): void {
    this.#add(-1);
  }

  /**
   * A probe failed: `missedNacks` of `askedHelpers` said nothing at all, so the fault may be here.
   * Without helpers every failed probe counts.
   */
  handleFailedProbe(askedHelpers: number, missedNacks: number): void {
    this.#add(askedHelpers > 0 ? missedNacks : 1);
  }

  /** Somebody suspected this member: it must have been slow. */
  handleRefutation(): void {
    this.#add(1);
  }

  /** This member was late itself: its timers were due long before they ran. */
  handleStall(): void {
    this.#add(1);
  }

  scale(intervalMs: number): number {
    return scaledByAwareness(intervalMs, this.#score);
  }

  #add(delta: number): void {
    this.#score = Math.min(this.#scoreMax, Math.max(0, this.#score + delta));
  }
}
