/**
 * The size of libuv's thread pool, which all threads of the process share. Each store's commits
 * occupy one of its threads while the disk works, two where LMDB flushes behind them; with too few,
 * stores wait for each other, and so do file reads and password hashes.
 *
 * Node 22 and later make the pool when it is first used, so the process can still set its size;
 * Node 20 has made it before any code of ours runs, and reads the size from the environment alone.
 */

import { availableParallelism } from "node:os";

const VARIABLE = "UV_THREADPOOL_SIZE";
/** What libuv makes when nobody says otherwise. */
const DEFAULT_SIZE = 4;
/** From here on the size can be set by the process itself. */
const LATE_POOL_MAJOR = 22;

/** As the process was started. */
const given = process.env[VARIABLE];

/** Pool threads that so many stores need, with some for everything else. */
export function poolThreadsFor(stores: number): number {
  return 2 * stores + 4;
}

/** Before anything else: the first use of the pool makes it. */
export function growThreadPool(): void {
  process.env[VARIABLE] ??= String(poolThreadsFor(availableParallelism()));
}

/** What the pool has, after `growThreadPool`. */
export function poolThreads(): number {
  const major = Number(process.versions.node.split(".", 1)[0]);
  const effective = major >= LATE_POOL_MAJOR ? process.env[VARIABLE] : given;
  const size = Number.parseInt(effective ?? "", 10);
  return Number.isInteger(size) && size > 0 ? size : DEFAULT_SIZE;
}
