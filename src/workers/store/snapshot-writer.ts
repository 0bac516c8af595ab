/**
 * Writes the state of a range into a file, a block per turn of the event loop. No read transaction
 * is held between blocks: a long one keeps every page that is freed meanwhile, and the database
 * grows. Instead each block is read together with the range's applied index; if that has not moved
 * from the first block to the last, the blocks belong together, because nothing changes a range's
 * state without moving it. Whoever wants a snapshot of a busy range therefore collects nothing from
 * it while it is written; the log is durable anyway.
 *
 * Thread: worker.
 */

import { createHash } from "node:crypto";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { syncFolder } from "../../platform/durable-file.ts";
import { behind } from "../../shared/range/key-bytes.ts";
import type { KeyValue } from "../../shared/range/key-value.ts";
import type { RangeDescriptor, RangeId } from "../../shared/range/range-descriptor.ts";
import type { LogStore, RangeRecord } from "./log-store.ts";
import {
  BLOCK_BYTES,
  encodeBlock,
  encodeFooter,
  encodeHeader,
  type SnapshotHeader,
} from "./snapshot-codec.ts";
import { pruneSnapshots, snapshotName } from "./snapshot-folder.ts";

/** Keys are small, so rows are limited too: a slice must not take longer than some milliseconds. */
const BLOCK_ROWS = 2000;

export type SnapshotOutcome =
  | { readonly isWritten: true; readonly name: string; readonly header: SnapshotHeader }
  /** The range moved on while it was read, or is gone. Try again while nothing is collected. */
  | { readonly isWritten: false };

/** Writes the range's durable state below `folder`, and removes snapshots that it replaces. */
export async function writeSnapshot(
  store: LogStore,
  id: RangeId,
  folder: string,
): Promise<SnapshotOutcome> {
  const record = store.readRecord(id);
  const header = record === null ? null : headerOf(store, record);
  if (header === null) return { isWritten: false };
  const name = snapshotName(id, header.index, header.term);
  const temporary = join(folder, `${name}.tmp`);
  const file = await open(temporary, "w", 0o600);
  let isWhole = false;
  try {
    isWhole = await writeState(file, store, header);
    if (isWhole) await file.sync();
  } finally {
    await file.close();
    if (!isWhole) await rm(temporary, { force: true });
  }
  if (!isWhole) return { isWritten: false };
  await rename(temporary, join(folder, name));
  syncFolder(folder);
  await pruneSnapshots(folder, id);
  return { isWritten: true, name, header };
}

function headerOf(store: LogStore, record: RangeRecord): SnapshotHeader | null {
  const { descriptor, conf, appliedMs, appliedIndex: index } = record;
  const isCompacted = index === record.compactedIndex;
  const [entry] = isCompacted ? [] : store.readEntries(descriptor.id, index, index + 1, 1);
  const term = isCompacted ? record.compactedTerm : entry?.term;
  return term === undefined ? null : { descriptor, index, term, conf, appliedMs };
}

/** False when the range moved on. */
async function writeState(
  file: FileHandle,
  store: LogStore,
  header: SnapshotHeader,
): Promise<boolean> {
  const hash = createHash("sha256");
  const write = async (bytes: Uint8Array) => {
    hash.update(bytes);
    await file.appendFile(bytes);
  };
  await write(encodeHeader(header));
  let blocks = 0;
  let rows = 0;
  for (let from = header.descriptor.start; ; ) {
    const block = readBlock(store, header, from);
    if (block === null) return false;
    const last = block[block.length - 1];
    if (last === undefined) break;
    await write(encodeBlock(block));
    blocks += 1;
    rows += block.length;
    from = behind(last.key);
  }
  await file.appendFile(encodeFooter({ blocks, rows, hash: hash.digest() }));
  return true;
}

/** Rows and record are of one moment: nothing here waits. */
function readBlock(store: LogStore, header: SnapshotHeader, from: Uint8Array): KeyValue[] | null {
  const { descriptor, index } = header;
  const record = store.readRecord(descriptor.id);
  const isSame = record?.appliedIndex === index && isSameRange(record.descriptor, descriptor);
  if (!isSame) return null;
  const limits = { maxEntries: BLOCK_ROWS, maxBytes: BLOCK_BYTES };
  return [...store.scan(descriptor.service, from, descriptor.end, limits)];
}

function isSameRange(left: RangeDescriptor, right: RangeDescriptor): boolean {
  return left.boundaryVersion === right.boundaryVersion;
}
