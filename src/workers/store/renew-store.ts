/**
 * Puts an empty store in the place of one that nothing can be written to any more; all files of the
 * old one are kept under another name.
 *
 *   store/1          damaged   ── renamed ──▶ store/1-damaged (store/1-damaged-1 ...)
 *   store/1-anew     filled, closed, flushed ── renamed ──▶ store/1
 *
 * A crash between the two names leaves no store/1, but a new one that is complete: the next start
 * ends what was begun. At any other moment the old store is in its place, and what there is of a
 * new one is worth nothing. Thread: worker. Scope: one renewal at a time per store.
 */

import { existsSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { syncFolder } from "../../platform/durable-file.ts";
import type { LogStore } from "./log-store.ts";

export interface StoreRenewal {
  readonly folder: string;
  /** Opens the store in a folder, which is made if it is not there. */
  readonly open: (folder: string) => LogStore;
  /** Writes what the new store begins with. Resolves when that is committed. */
  readonly fill: (store: LogStore) => Promise<void>;
}

export interface RenewedStore {
  readonly store: LogStore;
  /** Where the old one's files are now. */
  readonly oldFolder: string;
}

/** Closes `old`. Rejects when the new one cannot be made; then nothing is changed. */
export async function renewStore(old: LogStore, renewal: StoreRenewal): Promise<RenewedStore> {
  const { folder, open, fill } = renewal;
  const anew = newFolder(folder);
  rmSync(anew, { recursive: true, force: true });
  const made = open(anew);
  try {
    await fill(made);
  } finally {
    await made.close();
  }
  syncFolder(anew);
  await old.close();
  const oldFolder = freePath(`${folder}-damaged`);
  renameSync(folder, oldFolder);
  renameSync(anew, folder);
  syncFolder(dirname(folder));
  // Nothing but space.
  rmSync(join(oldFolder, "ballast"), { recursive: true, force: true });
  return { store: open(folder), oldFolder };
}

/** Before a store is opened: ends, or forgets, a renewal that a crash has interrupted. */
export function endRenewal(folder: string): void {
  const anew = newFolder(folder);
  if (!existsSync(anew)) return;
  if (existsSync(folder)) rmSync(anew, { recursive: true, force: true });
  else renameSync(anew, folder);
  syncFolder(dirname(folder));
}

/** Without a dot: LMDB takes a name that has one for a file's. */
function newFolder(folder: string): string {
  return `${folder}-anew`;
}

function freePath(wanted: string): string {
  let path = wanted;
  for (let copy = 1; existsSync(path); copy++) path = `${wanted}-${copy}`;
  return path;
}
