/**
 * The open QoS 1 and 2 exchanges of a session that re-sends (resend.ts), the one that waits longest
 * first: all have the same timeout, and what is sent again goes to the end. Thread: worker. Scope:
 * one per session that re-sends.
 */

import type { Delivery } from "./deliver.ts";

export interface OpenExchange {
  readonly packetId: number;
  /** Null once the client has the message: only PUBREL is owed. */
  readonly delivery: Delivery | null;
  sentAtMs: number;
  resendCount: number;
}

export class ResendQueue {
  /** By packet identifier, in order of `sentAtMs`. */
  readonly #exchanges = new Map<number, OpenExchange>();

  get size(): number {
    return this.#exchanges.size;
  }

  /** `delivery` null: PUBREL was sent. Replaces what was open under this identifier. */
  sent(packetId: number, delivery: Delivery | null, nowMs: number): void {
    this.#exchanges.delete(packetId);
    this.#exchanges.set(packetId, { packetId, delivery, sentAtMs: nowMs, resendCount: 0 });
  }

  finished(packetId: number): void {
    this.#exchanges.delete(packetId);
  }

  /** When the next one is due; Infinity when none is open. */
  nextDueMs(timeoutMs: number): number {
    const [first] = this.#exchanges.values();
    return first === undefined ? Number.POSITIVE_INFINITY : first.sentAtMs + timeoutMs;
  }

  /** The exchange that is due, or null. It is due again after `restart`. */
  peekDue(nowMs: number, timeoutMs: number): OpenExchange | null {
    if (this.nextDueMs(timeoutMs) > nowMs) return null;
    const [first] = this.#exchanges.values();
    return first ?? null;
  }

  /** The exchange waits from now on. */
  restart(exchange: OpenExchange, nowMs: number): void {
    exchange.sentAtMs = nowMs;
    this.#exchanges.delete(exchange.packetId);
    this.#exchanges.set(exchange.packetId, exchange);
  }
}
