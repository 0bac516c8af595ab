/**
 * The two times of a crash run, in milliseconds. `nowMs` is everybody's; `liveMs` is how much of it
 * the broker and this process could use: while one of them is stopped (SIGSTOP, a suspended
 * machine), nobody can keep a promise or see that it was kept.
 *
 *     what must have happened by now:   liveMs, the shorter one
 *     what must not have happened yet:  nowMs, the longer one
 */

import { readFileSync } from "node:fs";
import { LiveClock } from "../../src/shared/base/live-clock.ts";

const LOOK_MS = 50;
/** Of this process, between two looks: more is a stop, less is a busy machine. */
const LONGEST_STEP_MS = 250;

export class RunClock {
  readonly #live = new LiveClock(performance.now());
  #watched = 0;
  #isStopped = false;
  #timer: NodeJS.Timeout | null = null;

  get nowMs(): number {
    return performance.now();
  }

  get liveMs(): number {
    this.#live.advance(this.nowMs, this.#isStopped ? 0 : LONGEST_STEP_MS);
    return this.#live.nowMs;
  }

  /** Looks by itself from now on. */
  start(): void {
    this.#timer = setInterval(() => this.look(), LOOK_MS);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  /** The process that is the broker; 0 = there is none. */
  watch(pid: number): void {
    this.#watched = pid;
    this.look();
  }

  /** Whether the broker stands still; it does so by itself, a few times per second. */
  look(): void {
    // Up to here it was as it was seen last.
    void this.liveMs;
    this.#isStopped = this.#watched > 0 && isStopped(this.#watched);
  }
}

/** False where there is no such file system: then stops of the broker count as time. */
function isStopped(pid: number): boolean {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    return text.charAt(text.lastIndexOf(")") + 2) === "T";
  } catch {
    return false;
  }
}
