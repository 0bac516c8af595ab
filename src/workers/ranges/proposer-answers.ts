/**
 * What proposers are told about their batches: applied, or moved. Gathered in a duty cycle, one
 * record per proposer and kind; batches that were applied one behind the other are one entry, so a
 * busy range costs one. Thread: worker. Scope: one per worker.
 */

import { RecordWriter } from "../../shared/bytes/record-writer.ts";
import { RecordType } from "../../shared/protocol/ring-message.ts";
import type { RangeId } from "../../shared/range/range-descriptor.ts";
import { writeProposal, writeRun } from "../../shared/range/range-record.ts";
import type { RingEndpoint } from "../../shared/ring/ring-endpoint.ts";

/** Proposals without a gap. */
interface Run {
  first: number;
  last: number;
}

export class ProposerAnswers {
  readonly #endpoint: RingEndpoint;
  /** [thread]: what was applied last in this cycle, by range. */
  readonly #runs: Map<RangeId, Run>[];
  /** [thread]: runs that a gap has ended. */
  readonly #done: RecordWriter[];
  readonly #moved: RecordWriter[];

  constructor(endpoint: RingEndpoint) {
    const { threadCount } = endpoint;
    this.#endpoint = endpoint;
    this.#runs = Array.from({ length: threadCount }, () => new Map());
    this.#done = Array.from({ length: threadCount }, () => new RecordWriter(64));
    this.#moved = Array.from({ length: threadCount }, () => new RecordWriter(64));
  }

  done(thread: number, range: RangeId, proposal: number): void {
    const runs = this.#runs[thread];
    if (runs === undefined) return;
    const run = runs.get(range);
    if (run === undefined) {
      runs.set(range, { first: proposal, last: proposal });
      return;
    }
    if (proposal !== run.last + 1) {
      writeRun(this.#done[thread]!, range, run.first, run.last);
      run.first = proposal;
    }
    run.last = proposal;
  }

  moved(thread: number, range: RangeId, proposal: number): void {
    const writer = this.#moved[thread];
    if (writer !== undefined) writeProposal(writer, range, proposal);
  }

  /** End of a duty cycle. */
  flush(): void {
    for (let thread = 0; thread < this.#runs.length; thread++) {
      const runs = this.#runs[thread]!;
      const done = this.#done[thread]!;
      for (const [range, { first, last }] of runs) writeRun(done, range, first, last);
      runs.clear();
      this.#send(thread, RecordType.RANGE_MOVED, this.#moved[thread]!);
      this.#send(thread, RecordType.RANGE_DONE, done);
    }
  }

  /** The thread died: nobody waits any more. */
  drop(thread: number): void {
    this.#runs[thread]?.clear();
    this.#done[thread]?.clear();
    this.#moved[thread]?.clear();
  }

  #send(thread: number, type: RecordType, writer: RecordWriter): void {
    if (writer.size === 0) return;
    this.#endpoint.enqueue(thread, type, writer.bytes, 0, writer.size);
    writer.clear();
  }
}
