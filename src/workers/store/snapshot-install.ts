/**
 * Replaces a range's state by that of a snapshot file, in slices, each one commit. The first commit
 * notes the file with the range's record, the last one takes the note away together with the new
 * applied index: a crash in between leaves a state that is neither, but says so, and the
 * installation is begun again from the file when the store is opened. Nothing of the range may be
 * served, and the file not be removed, until it is through.
 *
 * Thread: worker.
 */

import { NO_REPLICA } from "../../shared/raft/entry.ts";
import type { HardState } from "../../shared/raft/hard-state.ts";
import type { LogStore, RangeRecord } from "./log-store.ts";
import type { SnapshotHeader } from "./snapshot-codec.ts";
import type { SnapshotReader } from "./snapshot-reader.ts";

/** Keys deleted per commit, about what a block of rows costs. */
const SLICE_KEYS = 2000;

export interface SnapshotInstallation {
  readonly store: LogStore;
  readonly snapshot: SnapshotReader;
  /** Its file, below the folder of snapshots. */
  readonly name: string;
  /**
   * The range's newest record, or the first one of a new range: asked for at the beginning and at
   * the end, because votes go on in between.
   */
  readonly current: () => RangeRecord;
  /** False: the log does not contain the snapshot's last entry, and is dropped. */
  readonly keepsLog: boolean;
  /** Commits what is gathered, with whatever else is gathered in the same turn. */
  readonly commit: () => Promise<void>;
}

/** Resolves with the new record when everything is durable. Can be repeated from the beginning. */
export async function installSnapshot(installation: SnapshotInstallation): Promise<RangeRecord> {
  const { store, snapshot, name, current, commit } = installation;
  store.beginInstall(current(), name);
  await commit();
  await deleteState(installation);
  await writeRows(installation);
  const after = recordAfter(current(), snapshot);
  // What lies below is trimmed by and by, as after every compaction.
  if (!installation.keepsLog) store.truncate(after.descriptor.id, after.compactedIndex + 1);
  store.endInstall(after);
  await commit();
  return after;
}

async function deleteState({ store, snapshot, commit }: SnapshotInstallation): Promise<void> {
  const { service, start, end } = snapshot.header.descriptor;
  const limits = { maxEntries: SLICE_KEYS, maxBytes: Number.MAX_SAFE_INTEGER };
  for (;;) {
    const rows = store.scan(service, start, end, limits);
    if (rows.length === 0) return;
    for (const { key } of rows) store.state(service).delete(key);
    await commit();
  }
}

async function writeRows({ store, snapshot, commit }: SnapshotInstallation): Promise<void> {
  const { service } = snapshot.header.descriptor;
  snapshot.rewind();
  for (;;) {
    const rows = await snapshot.nextBlock();
    if (rows === null) return;
    for (const { key, value } of rows) store.state(service).put(key, value);
    await commit();
  }
}

function recordAfter(current: RangeRecord, { header }: SnapshotReader): RangeRecord {
  return {
    ...current,
    descriptor: { ...header.descriptor, storeId: current.descriptor.storeId },
    hardState: hardStateAfter(current.hardState, header),
    conf: header.conf,
    compactedIndex: header.index,
    compactedTerm: header.term,
    appliedIndex: header.index,
    appliedMs: header.appliedMs,
  };
}

function hardStateAfter(hardState: HardState, { index, term }: SnapshotHeader): HardState {
  const commit = Math.max(hardState.commit, index);
  // A vote counts for its term only.
  if (term > hardState.term) return { ...hardState, term, vote: NO_REPLICA, commit };
  return { ...hardState, commit };
}
