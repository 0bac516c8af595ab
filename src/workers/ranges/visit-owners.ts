/** Whose batches these entries hold: for telling them that nothing of it will be applied. */

import { RecordReader } from "../../shared/bytes/record-reader.ts";
import { type Entry, EntryType } from "../../shared/raft/entry.ts";
import {
  BATCH_HEADER_BYTES,
  blankHeader,
  readBatchHeader,
} from "../../shared/range/command-batch.ts";

export function visitOwners(
  entries: readonly Entry[],
  visit: (boot: number, thread: number, proposal: number) => void,
): void {
  const reader = new RecordReader();
  const header = blankHeader();
  for (const { type, data } of entries) {
    if (type !== EntryType.NORMAL || data.length < BATCH_HEADER_BYTES) continue;
    reader.reset(data, 0, BATCH_HEADER_BYTES);
    if (readBatchHeader(reader, header)) visit(header.boot, header.thread, header.proposal);
  }
}
