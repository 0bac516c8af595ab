/**
 * Tells of a commit that does not end: everything that must be durable waits for it, CONNECTs of
 * stored sessions too, and the broker looks dead although its threads run. How long is measured by
 * a live clock: while nobody looked, a commit may have ended unnoticed.
 *
 * Pure: a clock and a listener. Thread: worker. Scope: one per store.
 */

import { LiveClock } from "../../shared/base/live-clock.ts";

/** A hundred times what a busy disk takes; most clients still wait. */
export const SLOW_COMMIT_MS = 5000;

export class SlowCommits {
  readonly #clockMs: () => number;
  readonly #onSlow: (waitingMs: number) => void;
  readonly #live: LiveClock;
  /** When the commits under way began; they end in this order. */
  readonly #begunMs: number[] = [];
  #tellAfterMs = SLOW_COMMIT_MS;

  /** `onSlow` is called again and again while one commit is under way. */
  constructor(clockMs: () => number, onSlow: (waitingMs: number) => void) {
    this.#clockMs = clockMs;
    this.#onSlow = onSlow;
    this.#live = new LiveClock(clockMs());
  }

  began(): void {
    this.#live.advance(this.#clockMs());
    this.#begunMs.push(this.#live.nowMs);
  }

  ended(): void {
    this.#begunMs.shift();
    this.#tellAfterMs = SLOW_COMMIT_MS;
  }

  /** In each duty cycle. */
  look(): void {
    const oldestMs = this.#begunMs[0];
    if (oldestMs === undefined) return;
    this.#live.advance(this.#clockMs());
    const waitingMs = this.#live.nowMs - oldestMs;
    if (waitingMs < this.#tellAfterMs) return;
    this.#tellAfterMs = waitingMs + SLOW_COMMIT_MS;
    this.#onSlow(waitingMs);
  }
}
