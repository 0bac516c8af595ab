/**
 * Opens the log store in a folder: the one place that says which implementation a broker uses.
 */

import type { LogKind } from "../../shared/config/config.ts";
import { FileDamageNotes } from "./damage-notes.ts";
import { EngineLogStore } from "./engine-log-store.ts";
import { LmdbEngine, type LmdbOptions } from "./lmdb-engine.ts";
import type { LogStore } from "./log-store.ts";
import { MemoryDisk, MemoryEngine } from "./memory-engine.ts";
import { SegmentEngine } from "./segment-engine.ts";

export interface LogStoreOptions extends LmdbOptions {
  /** As the folder was made: no store can read the other kind's log. */
  readonly log: LogKind;
}

/**
 * Reads and checks all ranges; see `opened`. Throws when the database itself cannot be opened. One
 * store per folder and process.
 */
export function openLogStore(options: LogStoreOptions): LogStore {
  const isInSegments = options.log === "segments";
  const engine = isInSegments ? new SegmentEngine(options) : new LmdbEngine(options);
  return new EngineLogStore(engine, new FileDamageNotes(options.folder));
}

/** A store that ends with the process. */
export function openMemoryLogStore(): LogStore {
  return new EngineLogStore(new MemoryEngine(new MemoryDisk()));
}
