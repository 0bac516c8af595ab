/**
 * At most one process per data folder: two would overwrite each other's logs.
 *
 * The lock is the kernel's (flock), on a file that also names the holder's process id, so it ends
 * with the process however that ends. Where flock cannot be had, the process id alone decides,
 * which a process that got the number of a dead one can deceive: the message says what to do then.
 * Thread: main.
 */

import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { loadCLibrary } from "./c-library.ts";
import { isNoSpace } from "./no-space.ts";

/** The same on every system that has flock. */
const LOCK_EX = 2;
const LOCK_NB = 4;

/** Takes the lock of an open file without waiting; false when another process has it. */
export type TryLock = (fd: number) => boolean;

export type LockOutcome =
  | { readonly release: () => void }
  /** Held by this process; 0 when it is unknown. */
  | { readonly holder: number };

/** The kernel's lock, or null where there is none. */
export function kernelLock(): TryLock | null {
  const library = loadCLibrary();
  if (library === null) return null;
  const flock = library.bind("int flock(int fd, int operation)");
  return (fd) => {
    if (flock(fd, LOCK_EX | LOCK_NB) === 0) return true;
    const code = library.errorCode();
    // EAGAIN and EWOULDBLOCK are one number on Linux.
    if (code === "EWOULDBLOCK" || code === "EAGAIN") return false;
    throw new Error(`flock failed: ${code}`);
  };
}

export function lockFile(path: string, tryLock: TryLock | null): LockOutcome {
  const fd = openSync(path, "a+", 0o600);
  const holder = readHolder(path);
  const isFree = tryLock === null ? !isAlive(holder) : tryLock(fd);
  if (!isFree) {
    closeSync(fd);
    return { holder };
  }
  ftruncateSync(fd);
  try {
    writeSync(fd, `${process.pid}\n`);
  } catch (error) {
    // On a full disk: the kernel's lock holds without a number to show.
    if (tryLock === null || !isNoSpace(error)) throw error;
  }
  const release = () => {
    // Emptied, not removed: who opened it meanwhile would lock a file that has no name.
    ftruncateSync(fd);
    closeSync(fd);
  };
  return { release };
}

function readHolder(path: string): number {
  const pid = Number.parseInt(readFileSync(path, "latin1"), 10);
  return Number.isSafeInteger(pid) && pid > 0 ? pid : 0;
}

function isAlive(pid: number): boolean {
  // In a container the broker is always process 1: its own number is that of its predecessor.
  if (pid === 0 || pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
