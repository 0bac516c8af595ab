/** What a node writes for its ranges: their state as it is now, and logs that become shorter. */

import { RecordReader } from "../../../../src/shared/bytes/record-reader.ts";
import type { Entry } from "../../../../src/shared/raft/entry.ts";
import { BATCH_HEADER_BYTES, BatchKind } from "../../../../src/shared/range/command-batch.ts";
import { readAbsorb } from "../../../../src/shared/range/range-change.ts";
import { NO_RANGE, type RangeId } from "../../../../src/shared/range/range-descriptor.ts";
import type { HostedMachine } from "../host/hosted-machine.ts";
import type { RangeImage, StoreCommit } from "../host/range-image.ts";
import type { RangeWorld } from "../range-world.ts";

/** Writes the range's state as it is now into a commit. */
export function gatherState(commit: StoreCommit, range: HostedMachine): void {
  const { machine, descriptor } = range;
  const isDirty = machine.isDirty;
  if (isDirty) {
    machine.collect(commit.writer(descriptor.service));
    range.isCollecting = true;
  }
  commit.records.push(range.record);
  range.collected = range.applied;
  commit.done.push(() => {
    if (!isDirty) return;
    range.isCollecting = false;
    machine.collected();
  });
}

/**
 * Entries go when the state behind them is on the disk: a process that starts applies those that
 * are left, and a member that needs the others gets a snapshot.
 */
export function compactLog(
  commit: StoreCommit,
  { profile, ledger }: RangeWorld,
  image: RangeImage,
  range: RangeId,
): void {
  const applied = Math.min(image.records.get(range)?.applied ?? 0, ledger.lastIndex(range));
  const index = applied - profile.keptEntries;
  const isLong = index >= image.log(range).firstIndex();
  if (isLong) commit.compactions.push({ range, index });
}

/** The range that an entry says is taken over; 0: it says something else. */
export function absorbedBy({ data }: Entry): RangeId {
  // Behind the version.
  if (data[1] !== BatchKind.ABSORB) return NO_RANGE;
  const reader = new RecordReader();
  reader.reset(data, BATCH_HEADER_BYTES, data.length - BATCH_HEADER_BYTES);
  return readAbsorb(reader).rightId;
}
