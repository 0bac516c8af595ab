/**
 * Keeps one kind of log event from drowning the others: a token bucket per event name. What was
 * held back is counted and reported with the next event of that name that passes, or by
 * `takeSilenced` when none follows.
 *
 * Pure: time is an argument. Scope: one per logger, so one per thread.
 */

/**
 * Events of one name that may follow each other at once: enough for a start with many listeners.
 */
export const EVENT_BURST = 40;
/** Events of one name per second in the long run. */
export const EVENTS_PER_SECOND = 4;

/**
 * Never held back: each stands for something that is said once and by nothing else. A session's
 * missed messages are: at most one event per reason when a session that has lost messages is
 * resumed or ends, which costs a command in a log on disk anyway.
 */
const UNLIMITED: ReadonlySet<string> = new Set(["inbox_overflowed"]);

interface Bucket {
  tokens: number;
  refilledAtMs: number;
  suppressed: number;
}

export class EventLimiter {
  // Event names are constants of the source, so this map has no more entries than there are log
  // statements.
  readonly #buckets = new Map<string, Bucket>();

  /**
   * Asks for one event of this name: the number held back since the last that passed, or -1 = hold
   * it back too.
   */
  admit(event: string, nowMs: number): number {
    if (UNLIMITED.has(event)) return 0;
    const bucket = this.#bucket(event, nowMs);
    const earned = ((nowMs - bucket.refilledAtMs) / 1000) * EVENTS_PER_SECOND;
    // A clock set back earns nothing, and does not stop later refills either.
    bucket.tokens = Math.min(EVENT_BURST, bucket.tokens + Math.max(0, earned));
    bucket.refilledAtMs = nowMs;
    if (bucket.tokens < 1) {
      bucket.suppressed++;
      return -1;
    }
    bucket.tokens--;
    const suppressed = bucket.suppressed;
    bucket.suppressed = 0;
    return suppressed;
  }

  /** Names and counts of events held back and not reported yet; forgets them. */
  takeSilenced(): { readonly event: string; readonly suppressed: number }[] {
    const silenced = [];
    for (const [event, bucket] of this.#buckets) {
      if (bucket.suppressed === 0) continue;
      silenced.push({ event, suppressed: bucket.suppressed });
      bucket.suppressed = 0;
    }
    return silenced;
  }

  #bucket(event: string, nowMs: number): Bucket {
    let bucket = this.#buckets.get(event);
    if (bucket === undefined) {
      bucket = { tokens: EVENT_BURST, refilledAtMs: nowMs, suppressed: 0 };
      this.#buckets.set(event, bucket);
    }
    return bucket;
  }
}
