/**
 * Bytes of a range record, sealed like Raft's own records (shared/raft/sealed-record.ts).
 * Little-endian.
 *
 *   descriptor (range/descriptor-codec.ts) | replicaId u64 | hard state (raft/disk-codec.ts)
 *   | conf (raft/conf-change-codec.ts)
 *   | compactedIndex u64 | compactedTerm u64 | appliedIndex u64 | appliedMs u64
 *   | hasSnapshot u8 | name of the snapshot file being installed, if there is one: length u32, bytes
 *
 * A forgotten range leaves a tombstone, the empty value, until its log is swept: without it, a log
 * that has no record would have to be damage, or could be deleted by mistake.
 */

import { NO_BYTES } from "../../shared/bytes/copy-bytes.ts";
import type { RecordWriter } from "../../shared/bytes/record-writer.ts";
import type { WireReader } from "../../shared/bytes/wire-reader.ts";
import { readFlag } from "../../shared/raft/codec-fields.ts";
import { readConf, writeConf } from "../../shared/raft/conf-change-codec.ts";
import { readHardState, writeHardState } from "../../shared/raft/disk-codec.ts";
import { readSealed, writeSealed } from "../../shared/raft/sealed-record.ts";
import { readDescriptor, writeDescriptor } from "../../shared/range/descriptor-codec.ts";
import type { RangeRecord } from "./log-store.ts";

const VERSION = 1;

export const TOMBSTONE = NO_BYTES;

export function isTombstone(bytes: Uint8Array): boolean {
  return bytes.length === TOMBSTONE.length;
}

export interface StoredRange {
  readonly record: RangeRecord;
  /** File of the snapshot that is replacing the range's state; null: the state is whole. */
  readonly installing: string | null;
}

export function writeRangeRecord(target: RecordWriter, { record, installing }: StoredRange): void {
  writeSealed(target, VERSION, (writer) => {
    writeDescriptor(writer, record.descriptor);
    writer.u64(record.replicaId);
    writeHardState(writer, record.hardState);
    writeConf(writer, record.conf);
    writer.u64(record.compactedIndex);
    writer.u64(record.compactedTerm);
    writer.u64(record.appliedIndex);
    writer.u64(record.appliedMs);
    writer.u8(installing === null ? 0 : 1);
    if (installing !== null) writer.text(installing);
  });
}

/** Null unless these are the bytes of a range record. */
export function decodeRangeRecord(bytes: Uint8Array): StoredRange | null {
  return readSealed(bytes, 0, bytes.length, VERSION, readStored);
}

function readStored(reader: WireReader): StoredRange | null {
  const descriptor = readDescriptor(reader);
  if (descriptor === null) return null;
  const record = {
    descriptor,
    replicaId: reader.u64(),
    hardState: readHardState(reader),
    conf: readConf(reader),
    compactedIndex: reader.u64(),
    compactedTerm: reader.u64(),
    appliedIndex: reader.u64(),
    appliedMs: reader.u64(),
  };
  return { record, installing: readFlag(reader) ? reader.text(reader.u32()) : null };
}
