/**
 * A rate limit that delays instead of refusing: `take` may overdraw, and `waitMs` says how long
 * until the debt is paid. Time is an argument. Bursts up to one second's worth pass at once.
 */
export class TokenBucket {
  #tokens: number;
  #refilledAtMs: number;
  #perSecond: number;

  constructor(perSecond: number, nowMs: number) {
    this.#perSecond = perSecond;
    this.#tokens = perSecond;
    this.#refilledAtMs = nowMs;
  }

  /** A new rate takes effect at once; saved tokens are cut to it. */
  setRate(perSecond: number, nowMs: number): void {
    if (perSecond === this.#perSecond) return;
    this.#refill(nowMs);
    this.#perSecond = perSecond;
    this.#tokens = Math.min(this.#tokens, perSecond);
  }

  take(amount: number, nowMs: number): void {
    this.#refill(nowMs);
    this.#tokens -= amount;
  }

  /** Milliseconds until the bucket is out of debt; 0 when it is. */
  waitMs(nowMs: number): number {
    this.#refill(nowMs);
    return this.#tokens >= 0 ? 0 : Math.ceil((-this.#tokens / this.#perSecond) * 1000);
  }

  #refill(nowMs: number): void {
    const elapsedMs = Math.max(0, nowMs - this.#refilledAtMs);
    this.#refilledAtMs = nowMs;
    this.#tokens = Math.min(this.#perSecond, this.#tokens + (elapsedMs * this.#perSecond) / 1000);
  }
}
