/**
 * A timer for patience with others. After a stop of the whole process timers are called before
 * anything that came meanwhile is read, and an answer that lies in a ring or a socket would come
 * too late: so one that is called much too late waits a moment longer, once.
 */

import { LONGEST_STEP_MS } from "../shared/base/live-clock.ts";

/** Enough to read what has come. */
const MOMENT_MS = 1000;

export class PatientTimer {
  readonly #act: () => void;
  #timer: NodeJS.Timeout;
  #isUnref = false;

  constructor(act: () => void, delayMs: number) {
    this.#act = act;
    const dueMs = performance.now() + delayMs;
    this.#timer = setTimeout(() => this.#handle(performance.now() - dueMs), delayMs);
  }

  /** The process may end before it is called. */
  unref(): this {
    this.#isUnref = true;
    this.#timer.unref();
    return this;
  }

  cancel(): void {
    clearTimeout(this.#timer);
  }

  #handle(lateMs: number): void {
    if (lateMs <= LONGEST_STEP_MS) {
      this.#act();
      return;
    }
    this.#timer = setTimeout(this.#act, MOMENT_MS);
    if (this.#isUnref) this.#timer.unref();
  }
}
