/**
 * Waits until everything that was under way between workers has arrived: each worker sends a marker
 * to every other one, and since rings keep order, a peer's marker means that all its earlier
 * records have been handled here.
 *
 * Used by drain: no new publishes are read by then, but a delivery may still have two hops to go
 * (publisher's worker → inbox owner → session's worker), so the barrier is passed several times.
 * Thread: worker. Scope: one per worker; all workers drain together.
 */

import { RecordType } from "../shared/protocol/ring-message.ts";
import type { RingEndpoint } from "../shared/ring/ring-endpoint.ts";

const NO_BYTES = new Uint8Array(0);

export class RingBarrier {
  readonly #endpoint: RingEndpoint;
  /** Markers received, by worker. */
  readonly #received: number[];
  #onMarker: (() => void) | null = null;

  constructor(endpoint: RingEndpoint) {
    this.#endpoint = endpoint;
    this.#received = new Array<number>(endpoint.threadCount).fill(0);
    endpoint.setHandler(RecordType.BARRIER, (_bytes, _offset, _length, source) => {
      this.#received[source]! += 1;
      this.#onMarker?.();
    });
  }

  /**
   * Resolves when `rounds` barriers are passed, or after `timeoutMs`: a peer that is gone answers
   * nothing. `wake` makes sure that a duty cycle follows.
   */
  async pass(rounds: number, timeoutMs: number, wake: () => void): Promise<void> {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      this.#onMarker?.();
    }, timeoutMs);
    for (let round = 1; round <= rounds && !isLate; round += 1) {
      this.#send();
      wake();
      await new Promise<void>((resolve) => {
        this.#onMarker = () => {
          if (isLate || this.#hasAll(round)) resolve();
        };
        this.#onMarker();
      });
    }
    this.#onMarker = null;
    clearTimeout(timer);
  }

  #send(): void {
    for (let thread = 1; thread < this.#endpoint.threadCount; thread += 1) {
      this.#endpoint.enqueue(thread, RecordType.BARRIER, NO_BYTES, 0, 0);
    }
  }

  #hasAll(round: number): boolean {
    for (let thread = 1; thread < this.#endpoint.threadCount; thread += 1) {
      if (this.#received[thread]! < round) return false;
    }
    return true;
  }
}
