/**
 * When a dead worker may start again. The first death of a quiet time is followed by a start at
 * once, so that its clients find a broker when they reconnect; deaths in a row wait longer and
 * longer; too many in a short time mean that restarting does not help, and the process ends so that
 * its supervisor and operator take notice.
 *
 * Pure: time is an argument. Scope: one per process, because workers share their fate: a message
 * that kills one worker is sent again to the next.
 */

/** This many deaths within CRASH_LOOP_WINDOW_MS end the process. */
export const CRASH_LOOP_DEATHS = 5;
export const CRASH_LOOP_WINDOW_MS = 30_000;
/** Waits before the second and later starts in a row. The last one repeats. */
const BACKOFF_MS = [0, 250, 500, 1000] as const;

export class RestartPolicy {
  #deathTimes: number[] = [];

  /** A worker died at `nowMs`: milliseconds to wait before its next start, or -1 = give up. */
  recordDeath(nowMs: number): number {
    this.#deathTimes = this.#deathTimes.filter((at) => nowMs - at < CRASH_LOOP_WINDOW_MS);
    this.#deathTimes.push(nowMs);
    const deaths = this.#deathTimes.length;
    if (deaths >= CRASH_LOOP_DEATHS) return -1;
    return BACKOFF_MS[Math.min(deaths, BACKOFF_MS.length) - 1]!;
  }
}
