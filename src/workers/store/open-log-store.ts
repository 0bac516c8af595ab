/**
 * Opens the log store in a folder: the one place that says which implementation a broker uses.
 */

import { FileDamageNotes } from "./damage-notes.ts";
import { EngineLogStore } from "./engine-log-store.ts";
import { LmdbEngine, type LmdbOptions } from "./lmdb-engine.ts";
import type { LogStore } from "./log-store.ts";
import { MemoryDisk, MemoryEngine } from "./memory-engine.ts";

/**
 * Reads and checks all ranges; see `opened`. Throws when the database itself cannot be opened. One
 * store per folder and process.
 */
export function openLogStore(options: LmdbOptions): LogStore {
  return new EngineLogStore(new LmdbEngine(options), new FileDamageNotes(options.folder));
}

/** A store that ends with the process. */
export function openMemoryLogStore(): LogStore {
  return new EngineLogStore(new MemoryEngine(new MemoryDisk()));
}
