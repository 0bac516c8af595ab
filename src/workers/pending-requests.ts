/**
 * Requests of one kind that wait for the owner's answer, by number; each knows its owner so that it
 * fails when that worker dies. Thread: worker. Scope: one per kind of request.
 */

import { nextRequest } from "./request-number.ts";

export interface PendingRequest {
  readonly owner: number;
}

export class PendingRequests<T extends PendingRequest> {
  readonly #waiting = new Map<number, T>();
  #lastRequest = 0;

  get size(): number {
    return this.#waiting.size;
  }

  /** Returns the number to send along. */
  add(pending: T): number {
    this.#lastRequest = nextRequest(this.#lastRequest, this.#waiting);
    this.#waiting.set(this.#lastRequest, pending);
    return this.#lastRequest;
  }

  /** Null: failed meanwhile because its owner died. */
  take(request: number): T | null {
    const pending = this.#waiting.get(request);
    if (pending === undefined) return null;
    this.#waiting.delete(request);
    return pending;
  }

  /**
   * Removes and returns those of one owner: collected first, because their callbacks may send new
   * requests.
   */
  takeOwner(owner: number): T[] {
    const taken: T[] = [];
    for (const [request, pending] of this.#waiting) {
      if (pending.owner !== owner) continue;
      this.#waiting.delete(request);
      taken.push(pending);
    }
    return taken;
  }
}
