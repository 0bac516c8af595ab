/**
 * Waiting with an end: every wait in the black-box tests names what it waits for and gives up with
 * that name. A stop of the test's own process is nobody's delay.
 */

import { PatientTimer } from "../../src/platform/patient-timer.ts";
import { LiveClock } from "../../src/shared/base/live-clock.ts";

/** Long enough for a loaded two-core machine, short enough that a broken test still ends. */
export const DEFAULT_WAIT_MS = 4_000;

/** Rejects with "timed out after N ms waiting for WHAT" when `promise` is not settled in time. */
export async function withDeadline<T>(
  promise: Promise<T>,
  what: string,
  waitMs: number = DEFAULT_WAIT_MS,
): Promise<T> {
  let giveUp = (): void => {};
  const late = new Promise<never>((_resolve, reject) => {
    const error = new Error(`timed out after ${waitMs} ms waiting for ${what}`);
    giveUp = () => reject(error);
  });
  const timer = new PatientTimer(giveUp, waitMs);
  try {
    return await Promise.race([promise, late]);
  } finally {
    timer.cancel();
  }
}

/** Polls `isTrue` until it holds: for conditions that only another process knows. */
export async function until(
  isTrue: () => boolean | Promise<boolean>,
  what: string,
  waitMs: number = DEFAULT_WAIT_MS,
): Promise<void> {
  const clock = new LiveClock(performance.now());
  const endMs = clock.nowMs + waitMs;
  while (!(await isTrue())) {
    clock.advance(performance.now());
    if (clock.nowMs > endMs) {
      throw new Error(`timed out after ${waitMs} ms waiting for ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
