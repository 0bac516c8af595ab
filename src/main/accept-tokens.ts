/**
 * Fills the token bucket from which all workers pay for accepting connections (shared-words.ts).
 * Workers only take; main adds a few times per second, so that a worker's accept path needs one
 * atomic subtraction and no clock.
 *
 * Thread: main. Scope: one per process.
 */

import type { LimitsConfig } from "../shared/config/config.ts";
import { WORD_ACCEPT_TOKENS } from "../shared/metrics/shared-words.ts";

const REFILL_INTERVAL_MS = 50;
/** Without a limit the bucket is kept at a level that no interval can empty. */
const UNLIMITED_TOKENS = 0x3fff_ffff;

export class AcceptTokens {
  readonly #words: Int32Array;
  #limits: LimitsConfig;
  #refilledAtMs: number;
  /** Parts of a token, so that slow rates add up too. */
  #fraction = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(words: SharedArrayBuffer, limits: LimitsConfig, nowMs: number) {
    this.#words = new Int32Array(words);
    this.#limits = limits;
    this.#refilledAtMs = nowMs;
    Atomics.store(this.#words, WORD_ACCEPT_TOKENS, this.#capacity);
  }

  /** `now` in milliseconds, from a clock that is never set back. */
  start(now: () => number): void {
    this.#timer = setInterval(() => this.refill(now()), REFILL_INTERVAL_MS).unref();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** Takes new limits into use; a smaller burst holds at once. */
  reload(limits: LimitsConfig): void {
    this.#limits = limits;
    Atomics.store(this.#words, WORD_ACCEPT_TOKENS, this.#capacity);
  }

  /** Adds what the time since the last call has earned. */
  refill(nowMs: number): void {
    const elapsedSeconds = (nowMs - this.#refilledAtMs) / 1000;
    this.#refilledAtMs = nowMs;
    const rate = this.#limits.acceptRatePerSecond;
    const earned = rate === 0 ? UNLIMITED_TOKENS : elapsedSeconds * rate + this.#fraction;
    const whole = Math.floor(earned);
    this.#fraction = rate === 0 ? 0 : earned - whole;
    for (;;) {
      const tokens = Atomics.load(this.#words, WORD_ACCEPT_TOKENS);
      // Workers that found the bucket empty may have taken it below zero; that debt is not theirs
      // to keep.
      const filled = Math.min(this.#capacity, Math.max(0, tokens) + whole);
      const seen = Atomics.compareExchange(this.#words, WORD_ACCEPT_TOKENS, tokens, filled);
      if (seen === tokens) return;
    }
  }

  get #capacity(): number {
    return this.#limits.acceptRatePerSecond === 0 ? UNLIMITED_TOKENS : this.#limits.acceptBurst;
  }
}
