/**
 * Names of snapshot files, and which of them are kept.
 *
 *   snap-<range>-<index>-<term>.rts       a whole snapshot
 *   ....rts.tmp                           one that was being written when the process ended
 */

import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { RangeId } from "../../shared/range/range-descriptor.ts";

/** Per range: the newest, and one that somebody may still be reading. */
const KEPT = 2;
const NAME = /^snap-(\d{1,10})-(\d{1,16})-(\d{1,16})\.rts$/;

interface SnapshotName {
  readonly name: string;
  readonly range: RangeId;
  readonly index: number;
  readonly term: number;
}

export function snapshotName(range: RangeId, index: number, term: number): string {
  return `snap-${range}-${index}-${term}.rts`;
}

/** Removes what is no longer needed of the range; `inUse`: a name that stays anyway. */
export async function pruneSnapshots(
  folder: string,
  range: RangeId,
  inUse: string | null = null,
): Promise<void> {
  const newestFirst = (await snapshotsOf(folder, range)).reverse();
  for (const { name } of newestFirst.slice(KEPT)) {
    if (name !== inUse) await rm(join(folder, name), { force: true });
  }
}

/** Removes what crashes have left. To be called before the first snapshot is written. */
export async function removeUnfinished(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const name of await readdir(folder)) {
    const isUnfinished = name.endsWith(".tmp") && NAME.test(name.slice(0, -".tmp".length));
    if (isUnfinished) await rm(join(folder, name), { force: true });
  }
}

/** Oldest first. */
async function snapshotsOf(folder: string, range: RangeId): Promise<SnapshotName[]> {
  const names = (await readdir(folder)).map(parseName).filter((name) => name?.range === range);
  const found = names.filter((name): name is SnapshotName => name !== null);
  return found.sort((left, right) => left.index - right.index || left.term - right.term);
}

function parseName(name: string): SnapshotName | null {
  const match = NAME.exec(name);
  if (match === null) return null;
  const [range = 0, index = 0, term = 0] = match.slice(1).map(Number);
  return { name, range, index, term };
}
