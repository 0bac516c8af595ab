/**
 * The envelope of everything Raft writes to a disk or a wire: a version in front, a checksum
 * behind.
 *
 *   version u8 | fields ... | crc32 u32 of all before it
 *
 * The length is known to whoever stores or frames the record. Versions differ by kind of record; a
 * reader refuses what it does not know, so a new form needs a new number and an old reader in
 * between.
 */

import type { RecordWriter } from "../bytes/record-writer.ts";
import { WireReader } from "../bytes/wire-reader.ts";
import { crc32 } from "./crc32.ts";

const VERSION_BYTES = 1;
const CHECKSUM_BYTES = 4;

/** Appends one record to `writer`; `writeFields` writes what lies between version and checksum. */
export function writeSealed(
  writer: RecordWriter,
  version: number,
  writeFields: (writer: RecordWriter) => void,
): void {
  const start = writer.size;
  writer.u8(version);
  writeFields(writer);
  writer.u32(crc32(writer.bytes, start, writer.size));
}

/**
 * What `readFields` makes of the record bytes[start, end); null if it is torn, altered, of another
 * version, longer or shorter than its fields.
 */
export function readSealed<Value>(
  bytes: Uint8Array,
  start: number,
  end: number,
  version: number,
  readFields: (reader: WireReader) => Value | null,
): Value | null {
  const fieldsEnd = end - CHECKSUM_BYTES;
  if (fieldsEnd < start + VERSION_BYTES || bytes[start] !== version) return null;
  const checksum = new WireReader(bytes, fieldsEnd, end).u32();
  if (crc32(bytes, start, fieldsEnd) !== checksum) return null;
  const reader = new WireReader(bytes, start + VERSION_BYTES, fieldsEnd);
  const value = readFields(reader);
  return reader.isMalformed || reader.remaining > 0 ? null : value;
}
