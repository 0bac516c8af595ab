/**
 * Bytes of a range record, sealed like Raft's own records (shared/raft/sealed-record.ts).
 * Little-endian.
 *
 *   descriptor (range/descriptor-codec.ts) | replicaId u64 | hard state (raft/disk-codec.ts)
 *   | conf (raft/conf-change-codec.ts)
 *   | compactedIndex u64 | compactedTerm u64 | appliedIndex u64 | appliedMs u64
 *
 * A forgotten range leaves a tombstone, the empty value, until its log is swept: without it, a log
 * that has no record would have to be damage, or could be deleted by mistake.
 */

import { NO_BYTES } from "../../shared/bytes/copy-bytes.ts";
import type { RecordWriter } from "../../shared/bytes/record-writer.ts";
import type { WireReader } from "../../shared/bytes/wire-reader.ts";
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

export function writeRangeRecord(target: RecordWriter, record: RangeRecord): void {
  writeSealed(target, VERSION, (writer) => {
    writeDescriptor(writer, record.descriptor);
    writer.u64(record.replicaId);
    writeHardState(writer, record.hardState);
    writeConf(writer, record.conf);
    writer.u64(record.compactedIndex);
    writer.u64(record.compactedTerm);
    writer.u64(record.appliedIndex);
    writer.u64(record.appliedMs);
  });
}

/** Null unless these are the bytes of a range record. */
export function decodeRangeRecord(bytes: Uint8Array): RangeRecord | null {
  return readSealed(bytes, 0, bytes.length, VERSION, readRecord);
}

function readRecord(reader: WireReader): RangeRecord | null {
  const descriptor = readDescriptor(reader);
  if (descriptor === null) return null;
  return {
    descriptor,
    replicaId: reader.u64(),
    hardState: readHardState(reader),
    conf: readConf(reader),
    compactedIndex: reader.u64(),
    compactedTerm: reader.u64(),
    appliedIndex: reader.u64(),
    appliedMs: reader.u64(),
  };
}
