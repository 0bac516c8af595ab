/**
 * Opens the log store in a folder: the one place that says which implementation a broker uses.
 */

import { makeFolder } from "../../platform/durable-file.ts";
import type { LogKind } from "../../shared/config/config.ts";
import { FileDamageNotes } from "./damage-notes.ts";
import { EngineLogStore } from "./engine-log-store.ts";
import { LmdbEngine } from "./lmdb-engine.ts";
import type { LogStore } from "./log-store.ts";
import { MemoryDisk, MemoryEngine } from "./memory-engine.ts";
import { SegmentEngine, type SegmentOptions } from "./segment-engine.ts";
import { SpaceGuard, type SpaceGuardOptions } from "./space-guard.ts";

export interface LogStoreOptions extends Omit<SegmentOptions, "space"> {
  /** Absent: a commit that finds the disk full has failed, instead of waiting for space. */
  readonly space?: Omit<SpaceGuardOptions, "folder">;
  /** As the folder was made: no store can read the other kind's log. */
  readonly log: LogKind;
}

/**
 * Reads and checks all ranges; see `opened`. Throws when the database itself cannot be opened. One
 * store per folder and process.
 */
export function openLogStore(options: LogStoreOptions): LogStore {
  const isInSegments = options.log === "segments";
  const { folder, space: events } = options;
  makeFolder(folder);
  const space = events === undefined ? null : new SpaceGuard({ folder, ...events });
  const engineOptions = { ...options, space };
  const engine = isInSegments ? new SegmentEngine(engineOptions) : new LmdbEngine(engineOptions);
  return new EngineLogStore(engine, new FileDamageNotes(folder), folder);
}

/** A store that ends with the process. */
export function openMemoryLogStore(): LogStore {
  return new EngineLogStore(new MemoryEngine(new MemoryDisk()));
}
