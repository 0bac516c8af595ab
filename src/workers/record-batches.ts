/**
 * Entries gathered per target thread during a duty cycle, so that each target gets one record of a
 * type per cycle.
 * Thread: worker. Scope: one per record type of a service.
 */

import { RecordWriter } from "../shared/bytes/record-writer.ts";
import type { RecordType } from "../shared/protocol/ring-message.ts";
import type { RingEndpoint } from "../shared/ring/ring-endpoint.ts";

/**
 * Bytes after which a batch leaves at once. 16 KiB: large enough that the cost of a record
 * vanishes, small enough to travel through a 1 MiB ring without being split.
 */
export const BATCH_FULL_BYTES = 16 * 1024;

export class RecordBatches {
  readonly #endpoint: RingEndpoint;
  readonly #type: RecordType;
  readonly #writers: RecordWriter[] = [];

  constructor(endpoint: RingEndpoint, type: RecordType) {
    this.#endpoint = endpoint;
    this.#type = type;
    for (let thread = 0; thread < endpoint.threadCount; thread++) {
      this.#writers.push(new RecordWriter());
    }
  }

  /** Where to append the next entry for `target`. */
  writer(target: number): RecordWriter {
    return this.#writers[target]!;
  }

  isFull(target: number): boolean {
    return this.#writers[target]!.size >= BATCH_FULL_BYTES;
  }

  /** Sends what waits for `target`. */
  flushTarget(target: number): void {
    const writer = this.#writers[target]!;
    if (writer.size === 0) return;
    this.#endpoint.enqueue(target, this.#type, writer.bytes, 0, writer.size);
    writer.clear();
  }

  flush(): void {
    for (let target = 0; target < this.#writers.length; target++) this.flushTarget(target);
  }

  /** Forgets what waits for a thread that died. */
  drop(target: number): void {
    this.#writers[target]!.clear();
  }
}
