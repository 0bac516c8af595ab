/**
 * What a Raft log consists of. A replica is one member of one group, known by a number that is
 * never given to anybody else again (raft pitfall 61): an address is not an identity.
 *
 * Indexes and terms are JavaScript numbers up to 2^53-1; a group that appends a million entries a
 * second reaches that after 285 years. Entries and their bytes are never changed once made, so that
 * log, outbox and storage can share them.
 */

import { NO_BYTES } from "../bytes/copy-bytes.ts";

/** Positive; NO_REPLICA stands for "nobody": no vote, no known leader. */
export type ReplicaId = number;

export const NO_REPLICA: ReplicaId = 0;

/** Stands for "no limit" where a limit counts bytes, messages or ticks. */
export const UNLIMITED = Number.MAX_SAFE_INTEGER;

export const EntryType = {
  /** A command of the state machine, or nothing: a new leader's first entry is empty. */
  NORMAL: 0,
  /** A change of the members; the data is what conf-change-codec.ts writes. */
  CONF_CHANGE: 1,
} as const;

export type EntryType = (typeof EntryType)[keyof typeof EntryType];

export interface Entry {
  readonly index: number;
  readonly term: number;
  readonly type: EntryType;
  readonly data: Uint8Array;
}

/**
 * What an entry costs on the wire and on disk beside its data: 8 index, 8 term, 1 type, 4 length
 * (entry-codec.ts).
 */
export const ENTRY_OVERHEAD_BYTES = 21;

export const NO_ENTRIES: readonly Entry[] = [];

export function emptyEntry(index: number, term: number): Entry {
  return { index, term, type: EntryType.NORMAL, data: NO_BYTES };
}

export function entryBytes(entry: Entry): number {
  return entry.data.length + ENTRY_OVERHEAD_BYTES;
}

export function entriesBytes(entries: readonly Entry[]): number {
  let bytes = 0;
  for (const entry of entries) bytes += entryBytes(entry);
  return bytes;
}

/** Bytes of the data alone: an empty entry is free, so no quota can ever refuse it. */
export function payloadBytes(entries: readonly Entry[]): number {
  let bytes = 0;
  for (const entry of entries) bytes += entry.data.length;
  return bytes;
}

/**
 * How many of `entries`, from the first, fit into `maxBytes`; at least one if there is one, or an
 * entry above the limit would stop the log for ever (raft pitfall 45).
 */
export function countWithin(entries: readonly Entry[], maxBytes: number): number {
  let bytes = 0;
  for (let count = 0; count < entries.length; count++) {
    bytes += entryBytes(entries[count]!);
    if (bytes > maxBytes && count > 0) return count;
  }
  return entries.length;
}
