/**
 * Append messages that were sent to one follower and not yet acknowledged, limited by number and by
 * bytes. A sliding window: messages enter at the end in index order and leave from the start.
 * Scope: one per progress. Memory grows with what is really in flight, not with the limit.
 */

import { RingQueue } from "../collections/ring-queue.ts";

interface Inflight {
  /** Index of the message's last entry. */
  readonly lastIndex: number;
  readonly bytes: number;
}

export class Inflights {
  readonly #maxCount: number;
  readonly #maxBytes: number;
  readonly #window = new RingQueue<Inflight>();
  #bytes = 0;

  constructor(maxCount: number, maxBytes: number) {
    this.#maxCount = maxCount;
    this.#maxBytes = maxBytes;
  }

  get count(): number {
    return this.#window.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The bytes may pass their limit by one message: a message is made before its size is known. */
  get isFull(): boolean {
    return this.#window.size >= this.#maxCount || this.#bytes >= this.#maxBytes;
  }

  add(lastIndex: number, bytes: number): void {
    this.#window.push({ lastIndex, bytes });
    this.#bytes += bytes;
  }

  /** Drops all messages whose last entry is at or below `index`. */
  freeUpTo(index: number): void {
    for (;;) {
      const oldest = this.#window.peek();
      if (oldest === undefined || oldest.lastIndex > index) return;
      this.#window.shift();
      this.#bytes -= oldest.bytes;
    }
  }

  clear(): void {
    if (this.#window.size > 0) this.#window.clear();
    this.#bytes = 0;
  }
}
