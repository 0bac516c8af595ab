/**
 * What one range adds to its worker's row of the counter table. It takes back what it has added
 * when it leaves the worker, so the row is right with any number of ranges.
 */

import { Counter } from "../../metrics/counter-table.ts";
import { MESSAGE_OVERHEAD_BYTES } from "../../mqtt/message-codec.ts";

export class InboxGauges {
  /** This thread's row. */
  readonly counters: Float64Array;
  #sessions = 0;
  #messages = 0;
  #bytes = 0;

  constructor(counters: Float64Array) {
    this.counters = counters;
  }

  sessions(change: number): void {
    this.#sessions += change;
    this.counters[Counter.PERSISTENT_SESSIONS]! += change;
  }

  /** Deliveries that hold a message. */
  messages(change: number): void {
    this.#messages += change;
    this.counters[Counter.INBOX_MESSAGES]! += change;
  }

  /** `count` messages with a footprint of `bytes` in all; the gauge shows their content. */
  bytes(bytes: number, count: number): void {
    const change = bytes - count * MESSAGE_OVERHEAD_BYTES;
    this.#bytes += change;
    this.counters[Counter.INBOX_BYTES]! += change;
  }

  close(): void {
    this.sessions(-this.#sessions);
    this.messages(-this.#messages);
    this.counters[Counter.INBOX_BYTES]! -= this.#bytes;
    this.#bytes = 0;
  }
}
