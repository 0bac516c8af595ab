/**
 * One batch of commands at its proposer, from its first command until it is settled: its bytes are
 * kept, because they may have to be routed again. Scope: one per batch; the memory is reused.
 */

import { RecordWriter } from "../../shared/bytes/record-writer.ts";
import { BatchKind, patchBatchHeader, writeBatchHeader } from "../../shared/range/command-batch.ts";
import type { RangeDescriptor } from "../../shared/range/range-descriptor.ts";
import {
  COMMANDS_AT,
  PROPOSAL_AT,
  PROPOSE_PREFIX_BYTES,
  writeProposal,
} from "../../shared/range/range-record.ts";

/** Memory of so many batches stays allocated: those of a busy duty cycle to a few dozen ranges. */
const KEPT_WRITERS = 64;

export interface BatchOrigin {
  readonly boot: number;
  readonly thread: number;
}

export class SentBatch {
  /** Whose it is; another descriptor of the same range means that its bounds have changed. */
  readonly range: RangeDescriptor;
  /** Batches of all ranges in the order in which they were begun. */
  readonly sequence: number;
  /** Holds a RANGE_PROPOSE record. */
  readonly writer: RecordWriter;
  proposal = 0;

  constructor(range: RangeDescriptor, sequence: number, writer: RecordWriter) {
    this.range = range;
    this.sequence = sequence;
    this.writer = writer;
  }

  get hasCommands(): boolean {
    return this.writer.size > COMMANDS_AT;
  }

  get bytes(): number {
    return this.writer.size;
  }

  /** Gives the batch its number, right before it leaves. */
  seal(proposal: number): void {
    this.proposal = proposal;
    this.writer.patchU64(PROPOSAL_AT, proposal);
    patchBatchHeader(this.writer, PROPOSE_PREFIX_BYTES, this.range.boundaryVersion, proposal);
  }
}

/** Makes batches out of memory that earlier ones have left. */
export class BatchPool {
  readonly #origin: BatchOrigin;
  readonly #writers: RecordWriter[] = [];
  #begun = 0;

  constructor(origin: BatchOrigin) {
    this.#origin = origin;
  }

  /** Sequence of the batch begun last. */
  get begun(): number {
    return this.#begun;
  }

  begin(range: RangeDescriptor, nowMs: number): SentBatch {
    const writer = this.#writers.pop() ?? new RecordWriter();
    writeProposal(writer, range.id, 0);
    writeBatchHeader(writer, {
      kind: BatchKind.COMMANDS,
      nowMs,
      boundaryVersion: range.boundaryVersion,
      boot: this.#origin.boot,
      thread: this.#origin.thread,
      proposal: 0,
    });
    this.#begun += 1;
    return new SentBatch(range, this.#begun, writer);
  }

  /** The batch is settled; nobody may look at it any more. */
  end(batch: SentBatch): void {
    batch.writer.clear();
    if (this.#writers.length < KEPT_WRITERS) this.#writers.push(batch.writer);
  }
}
