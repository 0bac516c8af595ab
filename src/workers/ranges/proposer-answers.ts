/**
 * What proposers are told about their batches: applied, or moved. Gathered in a duty cycle, one
 * record per proposer and kind; "done" is cumulative per range, so a busy range costs one entry.
 * Thread: worker. Scope: one per worker.
 */

import { RecordWriter } from "../../shared/bytes/record-writer.ts";
import { RecordType } from "../../shared/protocol/ring-message.ts";
import type { RangeId } from "../../shared/range/range-descriptor.ts";
import { writeProposal } from "../../shared/range/range-record.ts";
import type { RingEndpoint } from "../../shared/ring/ring-endpoint.ts";

export class ProposerAnswers {
  readonly #endpoint: RingEndpoint;
  /** [thread]: the highest proposal applied in this cycle, by range. */
  readonly #done: Map<RangeId, number>[];
  readonly #moved: RecordWriter[];
  readonly #writer = new RecordWriter();

  constructor(endpoint: RingEndpoint) {
    this.#endpoint = endpoint;
    this.#done = Array.from({ length: endpoint.threadCount }, () => new Map());
    this.#moved = Array.from({ length: endpoint.threadCount }, () => new RecordWriter(64));
  }

  done(thread: number, range: RangeId, proposal: number): void {
    this.#done[thread]?.set(range, proposal);
  }

  moved(thread: number, range: RangeId, proposal: number): void {
    const writer = this.#moved[thread];
    if (writer !== undefined) writeProposal(writer, range, proposal);
  }

  /** End of a duty cycle. */
  flush(): void {
    for (let thread = 0; thread < this.#done.length; thread++) {
      const moved = this.#moved[thread]!;
      if (moved.size > 0) {
        this.#endpoint.enqueue(thread, RecordType.RANGE_MOVED, moved.bytes, 0, moved.size);
        moved.clear();
      }
      const done = this.#done[thread]!;
      if (done.size === 0) continue;
      const writer = this.#writer;
      for (const [range, proposal] of done) writeProposal(writer, range, proposal);
      done.clear();
      this.#endpoint.enqueue(thread, RecordType.RANGE_DONE, writer.bytes, 0, writer.size);
      writer.clear();
    }
  }

  /** The thread died: nobody waits any more. */
  drop(thread: number): void {
    this.#done[thread]?.clear();
    this.#moved[thread]?.clear();
  }
}
