/**
 * Judges deliveries to one subscriber: damaged, repeated, out of order, lost, or fine.
 *
 * The expected sequence number of each publisher is known (routes.ts), so the common case is one
 * comparison. What was skipped is remembered: when it comes later it was out of order, when it
 * never comes it is lost, and what comes twice is a repeat.
 */

import { readClock } from "./clock.ts";
import { isPayloadIntact, payloadAgeMicros, payloadPublisher, payloadSequence } from "./payload.ts";
import type { HeardRoute } from "./routes.ts";

/** Skipped sequence numbers remembered one by one; beyond, a later arrival counts as a repeat. */
const MAX_SKIPPED = 1_000_000;

/** Keeps count of what the judges of a process say. */
export interface DeliveryTally {
  /** `ageMicros`: since the publish was meant to be sent. */
  takeDelivery(publisher: number, sequence: number, ageMicros: number): void;
  takeRepeat(): void;
  takeDisorder(): void;
  takeCorrupt(): void;
}

export class DeliveryJudge {
  readonly #tally: DeliveryTally;
  readonly #heard: HeardRoute;
  readonly #payloadBytes: number;
  /** Next expected sequence number by publisher slot. */
  readonly #next: Int32Array;
  /** Skipped sequence numbers that have not come yet, as sequence * slots + slot. */
  readonly #skipped = new Set<number>();

  constructor(tally: DeliveryTally, heard: HeardRoute, payloadBytes: number) {
    this.#tally = tally;
    this.#heard = heard;
    this.#payloadBytes = payloadBytes;
    const { publisherSlots, firstSequence, firstPublisher, publisherStep } = heard;
    this.#next = Int32Array.from({ length: publisherSlots }, (_none, slot) =>
      firstSequence(firstPublisher + slot * publisherStep),
    );
  }

  /** Next expected sequence number of the publisher in `slot`. */
  next(slot: number): number {
    return this.#next[slot]!;
  }

  /** Deliveries up to, not including `next` arrived in order; only where every one is heard. */
  moveTo(slot: number, next: number): void {
    this.#next[slot] = next;
  }

  /** bytes[offset..end) is the payload of a delivery that arrived at `readClock.micros`. */
  judge(bytes: Uint8Array, offset: number, end: number): void {
    if (!isPayloadIntact(bytes, offset, end, this.#payloadBytes)) {
      this.#tally.takeCorrupt();
      return;
    }
    const publisher = payloadPublisher(bytes, offset);
    const sequence = payloadSequence(bytes, offset);
    const slot = (publisher - this.#heard.firstPublisher) / this.#heard.publisherStep;
    const expected = this.#next[slot];
    if (expected === undefined) {
      // Intact, but of a publisher that this subscriber has not subscribed to.
      this.#tally.takeCorrupt();
      return;
    }
    const { stride } = this.#heard;
    if (sequence === expected) this.#next[slot] = sequence + (stride === 0 ? 1 : stride);
    else if (!this.#isWelcome(slot, sequence, expected)) return;
    const age = payloadAgeMicros(bytes, offset, readClock.micros);
    this.#tally.takeDelivery(publisher, sequence, age);
  }

  /**
   * Sorts out a sequence number that was not the next one; false when it is no delivery to count.
   */
  #isWelcome(slot: number, sequence: number, expected: number): boolean {
    const { stride } = this.#heard;
    if (sequence > expected) {
      this.#next[slot] = sequence + (stride === 0 ? 1 : stride);
      if (stride > 0) this.#skip(slot, expected, sequence);
      return true;
    }
    if (stride === 0) {
      // A member of a shared subscription hears any part of the stream; whether another one has had
      // it already is for the publisher to say.
      this.#tally.takeDisorder();
      return true;
    }
    if (!this.#skipped.delete(sequence * this.#next.length + slot)) {
      this.#tally.takeRepeat();
      return false;
    }
    this.#tally.takeDisorder();
    return true;
  }

  #skip(slot: number, from: number, to: number): void {
    for (let sequence = from; sequence < to; sequence += this.#heard.stride) {
      if (this.#skipped.size >= MAX_SKIPPED) return;
      this.#skipped.add(sequence * this.#next.length + slot);
    }
  }
}
