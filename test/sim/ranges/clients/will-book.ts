/**
 * Every will that was ever sent along, and what may become of it. Each has a payload of its own.
 */

import { demand } from "../range-invariants.ts";

export interface WillRecord {
  readonly payload: string;
  readonly delaySeconds: number;
  /** The shortest expiry of its session. */
  expirySeconds: number;
  /** Its attachment was alive then, by the clock of the log; 0: it may never have been. */
  seenMs: number;
  /** Its connection said goodbye, and was answered: certainly none; or was not, yet. */
  isDiscarded: boolean;
  mayBeDiscarded: boolean;
  /** Its session may have been ended by a clean start. */
  mayEnd: boolean;
  /** Its client came back, or tried to. */
  isReplaced: boolean;
  published: number;
}

export class WillBook {
  readonly #records = new Map<string, WillRecord>();

  get publishedCount(): number {
    return [...this.#records.values()].filter(({ published }) => published > 0).length;
  }

  add(delaySeconds: number, expirySeconds: number): WillRecord {
    const record: WillRecord = {
      payload: `will ${this.#records.size + 1}`,
      delaySeconds,
      expirySeconds,
      seenMs: 0,
      isDiscarded: false,
      mayBeDiscarded: false,
      mayEnd: false,
      isReplaced: false,
      published: 0,
    };
    this.#records.set(record.payload, record);
    return record;
  }

  /** A range owes it at this time of its log. */
  owed(payload: string, nowMs: number): void {
    const record = this.#records.get(payload);
    demand(record !== undefined, "will", () => `"${payload}" was never sent along`);
    const { seenMs, delaySeconds, expirySeconds, isDiscarded, mayEnd, published } = record!;
    const isForgotten = isDiscarded && published === 0;
    demand(!isForgotten, "will", () => `"${payload}" is published although it was discarded`);
    const dueMs = seenMs + Math.min(delaySeconds, expirySeconds) * 1000;
    const isDue = mayEnd || nowMs >= dueMs || published > 0;
    demand(isDue, "will", () => `"${payload}" is published at ${nowMs}, not due before ${dueMs}`);
    record!.published += 1;
  }

  /** All delays are over, and nobody came back since. */
  checkPublished(): void {
    for (const {
      payload,
      seenMs,
      mayBeDiscarded,
      isReplaced,
      published,
    } of this.#records.values()) {
      const isOwed = seenMs > 0 && !mayBeDiscarded && !isReplaced;
      demand(!isOwed || published > 0, "will", () => `"${payload}" was never published`);
    }
  }
}
