/**
 * Raft's disk records: an entry, the hard state, a snapshot's description, a configuration. Sealed,
 * so that a torn or rotten record is told from a good one; what to do about it is the store's
 * decision.
 *
 *   entry       as in entry-codec.ts; the index is in it although it is in the key too, so that a
 *               record under the wrong key is found
 *   hard state  term u64 | vote u64 | commit u64 | epoch u64 | epochIndex u64
 *   snapshot    as in entry-codec.ts
 *   conf        as in conf-change-codec.ts
 */

import { RecordWriter } from "../bytes/record-writer.ts";
import type { WireReader } from "../bytes/wire-reader.ts";
import { readConf, writeConf } from "./conf-change-codec.ts";
import type { ConfState } from "./conf-state.ts";
import type { Entry } from "./entry.ts";
import { readEntry, readSnapshot, writeEntry, writeSnapshot } from "./entry-codec.ts";
import type { HardState } from "./hard-state.ts";
import { readSealed, writeSealed } from "./sealed-record.ts";
import type { Snapshot } from "./snapshot.ts";

const ENTRY_VERSION = 1;
const HARD_STATE_VERSION = 1;
const SNAPSHOT_VERSION = 1;
const CONF_VERSION = 1;

// Cleared before each use and copied from after it; synchronous, one per thread.
const scratch = new RecordWriter();

export function encodeEntryRecord(entry: Entry): Uint8Array {
  return sealed(ENTRY_VERSION, (writer) => writeEntry(writer, entry));
}

/** The same bytes, behind what `target` holds. */
export function writeEntryRecord(target: RecordWriter, entry: Entry): void {
  writeSealed(target, ENTRY_VERSION, (writer) => writeEntry(writer, entry));
}

/** Null unless these are the bytes of an entry. */
export function decodeEntryRecord(bytes: Uint8Array): Entry | null {
  return readSealed(bytes, 0, bytes.length, ENTRY_VERSION, readEntry);
}

export function encodeHardState(hardState: HardState): Uint8Array {
  return sealed(HARD_STATE_VERSION, (writer) => writeHardState(writer, hardState));
}

/** Null unless these are the bytes of a hard state. */
export function decodeHardState(bytes: Uint8Array): HardState | null {
  return readSealed(bytes, 0, bytes.length, HARD_STATE_VERSION, readHardState);
}

export function encodeSnapshotRecord(snapshot: Snapshot): Uint8Array {
  return sealed(SNAPSHOT_VERSION, (writer) => writeSnapshot(writer, snapshot));
}

/** Null unless these are the bytes of a snapshot's description. */
export function decodeSnapshotRecord(bytes: Uint8Array): Snapshot | null {
  return readSealed(bytes, 0, bytes.length, SNAPSHOT_VERSION, readSnapshot);
}

export function encodeConfRecord(conf: ConfState): Uint8Array {
  return sealed(CONF_VERSION, (writer) => writeConf(writer, conf));
}

/** Null unless these are the bytes of a configuration that could have come about. */
export function decodeConfRecord(bytes: Uint8Array): ConfState | null {
  return readSealed(bytes, 0, bytes.length, CONF_VERSION, readConf);
}

/** The fields alone, for records that hold more than a hard state. */
export function writeHardState(writer: RecordWriter, hardState: HardState): void {
  writer.u64(hardState.term);
  writer.u64(hardState.vote);
  writer.u64(hardState.commit);
  writer.u64(hardState.epoch);
  writer.u64(hardState.epochIndex);
}

export function readHardState(reader: WireReader): HardState {
  return {
    term: reader.u64(),
    vote: reader.u64(),
    commit: reader.u64(),
    epoch: reader.u64(),
    epochIndex: reader.u64(),
  };
}

function sealed(version: number, writeFields: (writer: RecordWriter) => void): Uint8Array {
  scratch.clear();
  writeSealed(scratch, version, writeFields);
  return scratch.bytes.slice(0, scratch.size);
}
