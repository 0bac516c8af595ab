/**
 * Takes a storm of connects in portions: a duty cycle begins so many, the rest wait for the next
 * ones, and in between everybody else gets a turn. What waits has been decoded, and its input is
 * paused; nothing has been asked or claimed for it yet.
 *
 * Measured, 15,000 clients at once beside 1,000 that publish once a second: without it thousands
 * opened in a row, and a publish waited behind all of their CONNACKs.
 * Flow: connect, after decoder, before authentication. Thread: worker. Scope: one per worker.
 */

import { RingQueue } from "../../shared/collections/ring-queue.ts";

/** At some 60 µs from CONNECT to CONNACK about two milliseconds per duty cycle. */
export const CONNECTS_PER_CYCLE = 32;

export class ConnectQueue {
  readonly #waiting = new RingQueue<() => void>();
  readonly #schedule: () => void;
  #left = CONNECTS_PER_CYCLE;

  /** `schedule` makes sure that a duty cycle follows. */
  constructor(schedule: () => void) {
    this.#schedule = schedule;
  }

  /** Connects that wait for their turn. */
  get size(): number {
    return this.#waiting.size;
  }

  /** Calls `begin` at once or in a later duty cycle, first come, first served. */
  admit(begin: () => void): void {
    if (this.#left > 0) {
      this.#left -= 1;
      begin();
      return;
    }
    this.#waiting.push(begin);
    this.#schedule();
  }

  /** Called once per duty cycle. */
  handleCycle(): void {
    this.#left = CONNECTS_PER_CYCLE;
    while (this.#left > 0) {
      const begin = this.#waiting.shift();
      if (begin === undefined) return;
      this.#left -= 1;
      begin();
    }
    if (this.#waiting.size > 0) this.#schedule();
  }
}
