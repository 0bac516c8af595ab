/**
 * Folders that this process must not leave behind, however it ends: by itself, by an exception, or
 * because somebody is tired of waiting and presses Ctrl-C. Its child processes are killed first
 * (child-process.ts), as they write into them.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A child that has just been killed may still add a file while the folder is being emptied. */
const RETRIES = { maxRetries: 20, retryDelay: 10 };

const folders = new Set<string>();

/** A new folder of a name that begins with `prefix`. */
export function temporaryFolder(prefix: string): string {
  const folder = mkdtempSync(join(tmpdir(), prefix));
  folders.add(folder);
  return folder;
}

export function removeFolder(folder: string): void {
  folders.delete(folder);
  rmSync(folder, { recursive: true, force: true, ...RETRIES });
}

/** It outlives this process: somebody is to look at what is in it. */
export function keepFolder(folder: string): void {
  folders.delete(folder);
}

/** All that are left. */
export function removeFolders(): void {
  for (const folder of [...folders]) removeFolder(folder);
}
