/**
 * Payloads of the ring records between proposers and ranges. Little-endian; threads of one process
 * only.
 *
 *   RANGE_PROPOSE   range u32 | proposal u64 | batch (command-batch.ts), which main does not look at
 *   RANGE_REFUSED   { range u32 | proposal u64 | reason u8 } ...
 *   RANGE_DONE      { range u32 | first u64 | last u64 } ...   these and all between are applied
 *   RANGE_MOVED     { range u32 | proposal u64 } ...
 *
 * An answer is about the proposals that it names and no others: main refuses some, a range's worker
 * answers the rest, and what the two say overtakes each other.
 */

import type { RecordReader } from "../bytes/record-reader.ts";
import type { RecordWriter } from "../bytes/record-writer.ts";
import { BATCH_HEADER_BYTES } from "./command-batch.ts";
import type { RangeId } from "./range-descriptor.ts";
import type { RefusalReason } from "./refusal-reason.ts";

/** Bytes of a RANGE_PROPOSE record before its batch. */
export const PROPOSE_PREFIX_BYTES = 12;
/** Bytes of a RANGE_PROPOSE record before its commands. */
export const COMMANDS_AT = PROPOSE_PREFIX_BYTES + BATCH_HEADER_BYTES;

/** Where the number stands in it: it is known only when the batch leaves. */
export const PROPOSAL_AT = 4;

/** In RANGE_REFUSED: everything that is open on the range. Proposals count from 1. */
export const ALL_PROPOSALS = 0;

export function writeProposal(writer: RecordWriter, range: RangeId, proposal: number): void {
  writer.u32(range);
  writer.u64(proposal);
}

export function writeRefusal(
  writer: RecordWriter,
  range: RangeId,
  proposal: number,
  reason: RefusalReason,
): void {
  writeProposal(writer, range, proposal);
  writer.u8(reason);
}

export function writeRun(writer: RecordWriter, range: RangeId, first: number, last: number): void {
  writer.u32(range);
  writer.u64(first);
  writer.u64(last);
}

/** Calls `visit` for each run of a RANGE_DONE record. */
export function readRuns(
  reader: RecordReader,
  visit: (range: RangeId, first: number, last: number) => void,
): void {
  while (!reader.isAtEnd) {
    const range = reader.u32();
    const first = reader.u64();
    visit(range, first, reader.u64());
  }
}

/** Calls `visit` for each proposal of a RANGE_MOVED record. */
export function readProposals(
  reader: RecordReader,
  visit: (range: RangeId, proposal: number) => void,
): void {
  while (!reader.isAtEnd) {
    const range = reader.u32();
    visit(range, reader.u64());
  }
}

export function readRefusals(
  reader: RecordReader,
  visit: (range: RangeId, proposal: number, reason: RefusalReason) => void,
): void {
  while (!reader.isAtEnd) {
    const range = reader.u32();
    const proposal = reader.u64();
    visit(range, proposal, reader.u8() as RefusalReason);
  }
}
