/**
 * Ranges and entries for store tests, and folders for them to lie in.
 */

import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { type Entry, EntryType } from "../../../src/shared/raft/entry.ts";
import type { RangeId } from "../../../src/shared/range/range-descriptor.ts";
import { ServiceId } from "../../../src/shared/range/service-id.ts";
import type { RangeRecord } from "../../../src/workers/store/log-store.ts";

const MEMORY_FOLDER = "/dev/shm";

/**
 * A folder that is removed with the test; in memory where the system has such a place, because what
 * is under test is what we do, not how fast a shared disk flushes.
 */
export function scratchFolder(t: TestContext): string {
  const parent = existsSync(MEMORY_FOLDER) ? MEMORY_FOLDER : tmpdir();
  const folder = mkdtempSync(join(parent, "ratatosk-store-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export function rangeRecord(id: RangeId, changes: Partial<RangeRecord> = {}): RangeRecord {
  return {
    descriptor: {
      id,
      service: ServiceId.INBOX,
      start: new Uint8Array(0),
      end: null,
      boundaryVersion: 1,
      storeId: 1,
      mergingInto: 0,
      absorbedId: 0,
    },
    replicaId: 1,
    hardState: { term: 1, vote: 1, commit: 0, epoch: 0, epochIndex: 0 },
    conf: { voters: [1], outgoing: [], learners: [], learnersNext: [], autoLeave: false },
    compactedIndex: 0,
    compactedTerm: 0,
    appliedIndex: 0,
    appliedMs: 0,
    ...changes,
  };
}

/** A record of a range whose log is committed, applied and compacted to these indexes. */
export function recordAt(
  id: RangeId,
  pointers: { commit?: number; applied?: number; compacted?: number; term?: number },
): RangeRecord {
  const { commit = 0, applied = 0, compacted = 0, term = 1 } = pointers;
  return rangeRecord(id, {
    hardState: { term, vote: 1, commit, epoch: 0, epochIndex: 0 },
    appliedIndex: applied,
    compactedIndex: compacted,
    compactedTerm: compacted > 0 ? term : 0,
  });
}

export function entry(index: number, term = 1, data: Uint8Array = patterned(32, index)): Entry {
  return { index, term, type: EntryType.NORMAL, data };
}

/** Entries low..high. */
export function entries(low: number, high: number, term = 1): Entry[] {
  return Array.from({ length: high - low + 1 }, (_, at) => entry(low + at, term));
}

/** Bytes that tell where they were written. */
export function patterned(size: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at++) bytes[at] = (at * 31 + seed * 7) & 0xff;
  return bytes;
}

export function indexesOf(log: readonly Entry[]): number[] {
  return log.map(({ index }) => index);
}
