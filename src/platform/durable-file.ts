/**
 * Files that are either the old one or the new one, whatever happens in between: written under
 * another name, flushed, renamed, and the folder flushed, without which the name may be lost.
 * Thread: any; synchronous, for small files and for rare moments.
 */

import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname, resolve } from "node:path";

export function replaceFile(path: string, bytes: Uint8Array): void {
  const temporary = `${path}.tmp`;
  const file = openSync(temporary, "w", 0o600);
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
  syncFolder(dirname(path));
}

/** Makes the names in a folder durable: after a file was made, renamed or removed. */
export function syncFolder(folder: string): void {
  const file = openSync(folder, "r");
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/**
 * Makes a folder, and those above it that are missing, for this user only. Node's own way to do so
 * never returns where the system denies that the folder above is there although it is, as under
 * /proc: it makes that one again and again.
 */
export function makeFolder(path: string): void {
  const missing: string[] = [];
  let folder = resolve(path);
  for (; !isFolder(folder); folder = dirname(folder)) missing.push(folder);
  for (const name of missing.reverse()) {
    try {
      mkdirSync(name, { mode: 0o700 });
    } catch (error) {
      // Another thread may have been faster.
      if (!isFolder(name)) throw error;
    }
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
