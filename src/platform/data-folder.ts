/**
 * The broker's data folder: one process, one identity, one format.
 *
 *   DATA/ratatosk.json   format version, node id, number of stores, what holds their logs,
 *                        whether all first ranges were there
 *   DATA/lock            held while a process uses the folder
 *   DATA/store/1 ..      one database per store, and its ballast
 *
 * The number of stores is fixed when the folder is made: a range lies in one of them, whatever
 * number of workers serves them. So is what holds the logs: format 1 knew LMDB only, and a folder
 * of that format stays so. Thread: main; workers get the paths.
 */

import { randomUUID } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { LogKind } from "../shared/config/config.ts";
import { makeFolder, replaceFile } from "./durable-file.ts";
import { kernelLock, lockFile, type TryLock } from "./folder-lock.ts";

/**
 * Grows when an older version could not read what this one writes. 3: state rows have checksums
 * (workers/store/state-seal.ts), and the manifest says what holds the logs. A folder of format 1
 * has its logs in LMDB, and gets its checksums when its stores are opened.
 */
const FORMAT = 3;
const FIRST_FORMAT = 1;
const STORES_MAX = 1024;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** What a folder is to be if it is made now. */
export interface DataFolderPlan {
  readonly stores: number;
  readonly log: LogKind;
}

export interface DataManifest extends DataFolderPlan {
  readonly format: typeof FORMAT;
  /** Who this node is, whatever its addresses are. */
  readonly nodeId: string;
  /** ISO 8601. */
  readonly created: string;
  /** All first ranges were there once: what is not there now is missing. */
  readonly bootstrapped: boolean;
}

/** Why the folder cannot be used; the message says what to do. */
export const DataFolderFault = {
  /** Another process uses it. */
  IN_USE: "in use",
  /** A newer version wrote it, or it is not what it should be. */
  UNREADABLE: "unreadable",
  /** The system does not let us. */
  SYSTEM: "system",
} as const;
export type DataFolderFault = (typeof DataFolderFault)[keyof typeof DataFolderFault];

export class DataFolderError extends Error {
  override readonly name = "DataFolderError";
  readonly fault: DataFolderFault;

  constructor(fault: DataFolderFault, message: string, options?: ErrorOptions) {
    super(message, options);
    this.fault = fault;
  }
}

export interface DataFolder {
  readonly path: string;
  readonly manifest: DataManifest;
  /** It was made just now. */
  readonly isNew: boolean;
  /** Has `bootstrapped` written, unless it is. */
  noteBootstrapped(): void;
  /** Lets other processes have it. The end of the process does the same. */
  release(): void;
}

/** Folder of a store, 1..stores. */
export function storeFolder(dataPath: string, storeId: number): string {
  return join(dataPath, "store", String(storeId));
}

/**
 * Takes the folder for this process, and makes it by `plan` if it is not there. Throws
 * DataFolderError.
 */
export function openDataFolder(
  path: string,
  plan: DataFolderPlan,
  tryLock: TryLock | null = kernelLock(),
): DataFolder {
  try {
    makeFolder(path);
    const release = lock(path, tryLock);
    try {
      const { manifest, isNew } = readOrMake(path, plan);
      let isNoted = manifest.bootstrapped;
      const noteBootstrapped = () => {
        if (!isNoted) write(manifestFile(path), { ...manifest, bootstrapped: true });
        isNoted = true;
      };
      return { path, release, manifest, isNew, noteBootstrapped };
    } catch (error) {
      release();
      throw error;
    }
  } catch (error) {
    if (error instanceof DataFolderError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    const text = `cannot use the data folder ${path}: ${reason}`;
    throw new DataFolderError(DataFolderFault.SYSTEM, text, { cause: error });
  }
}

function manifestFile(path: string): string {
  return join(path, "ratatosk.json");
}

function lock(path: string, tryLock: TryLock | null): () => void {
  const file = join(path, "lock");
  const outcome = lockFile(file, tryLock);
  if ("release" in outcome) return outcome.release;
  const holder = outcome.holder === 0 ? "another process" : `process ${outcome.holder}`;
  const remedy =
    tryLock === null
      ? `; if that is no Ratatosk, delete ${file}`
      : "; stop it or choose another folder";
  throw new DataFolderError(
    DataFolderFault.IN_USE,
    `the data folder ${path} is in use by ${holder}${remedy}`,
  );
}

function readOrMake(
  path: string,
  plan: DataFolderPlan,
): { readonly manifest: DataManifest; readonly isNew: boolean } {
  const file = manifestFile(path);
  if (existsSync(file)) return { manifest: upToDate(file, parse(file)), isNew: false };
  if (existsSync(join(path, "store"))) {
    throw unreadable(`${path} holds stores, but ${file} is missing; restore it from a backup`);
  }
  const created = new Date().toISOString();
  const known = { format: FORMAT, nodeId: randomUUID(), ...plan } as const;
  const manifest: DataManifest = { ...known, created, bootstrapped: false };
  write(file, manifest);
  return { manifest, isNew: true };
}

/** Said before the first row is in the new form: who knows format 1 only must not miss its rows. */
function upToDate(file: string, found: FoundManifest): DataManifest {
  const manifest: DataManifest = { ...found, format: FORMAT };
  if (found.format !== FORMAT) write(file, manifest);
  return manifest;
}

function write(file: string, manifest: DataManifest): void {
  replaceFile(file, Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`));
}

type FoundManifest = Omit<DataManifest, "format"> & { readonly format: number };

function parse(file: string): FoundManifest {
  let found: unknown;
  try {
    found = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw unreadable(`${file} is damaged (${error.message}); restore it from a backup`);
  }
  const { format, nodeId, stores, log: namedLog, created, bootstrapped } = asObject(found);
  if (typeof format === "number" && Number.isSafeInteger(format) && format > FORMAT) {
    throw unreadable(
      `${file} says format ${format}, and this version knows ${FORMAT}: ` +
        "start the version that wrote it, or a newer one",
    );
  }
  const isKnown = format === FORMAT || format === FIRST_FORMAT;
  const log = format === FIRST_FORMAT ? "lmdb" : namedLog;
  const isValid = isKnown && isNodeId(nodeId) && isStoreCount(stores) && isLogKind(log);
  if (!isValid || typeof created !== "string" || typeof bootstrapped !== "boolean") {
    throw unreadable(`${file} is damaged (a field is missing or wrong); restore it from a backup`);
  }
  return { format, nodeId, stores, log, created, bootstrapped };
}

function asObject(value: unknown): Record<keyof DataManifest, unknown> {
  const object = typeof value === "object" && value !== null ? value : {};
  const none = { format: null, nodeId: null, stores: null, log: null, created: null };
  // Earlier versions did not say it.
  return { ...none, bootstrapped: false, ...object };
}

function isNodeId(value: unknown): value is string {
  return typeof value === "string" && UUID.test(value);
}

function isLogKind(value: unknown): value is LogKind {
  return value === "segments" || value === "lmdb";
}

function isStoreCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= STORES_MAX;
}

function unreadable(text: string): DataFolderError {
  return new DataFolderError(DataFolderFault.UNREADABLE, text);
}
