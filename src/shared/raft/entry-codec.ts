/**
 * Bytes of entries and snapshots, the same in messages and in disk records. Little-endian.
 *
 *   entry      index u64 | term u64 | type u8 | length u32 | data
 *   snapshot   index u64 | term u64 | conf (conf-change-codec.ts) | length u32 | data
 */

import type { RecordWriter } from "../bytes/record-writer.ts";
import type { WireReader } from "../bytes/wire-reader.ts";
import { isOneOf, numbersOf, readBlob, readCount } from "./codec-fields.ts";
import { readConf, writeConf } from "./conf-change-codec.ts";
import { ENTRY_OVERHEAD_BYTES, type Entry, EntryType, emptyEntry } from "./entry.ts";
import type { Snapshot } from "./snapshot.ts";

const ENTRY_TYPES = numbersOf(EntryType);

export function writeEntry(writer: RecordWriter, { index, term, type, data }: Entry): void {
  writer.u64(index);
  writer.u64(term);
  writer.u8(type);
  writer.blob(data);
}

export function readEntry(reader: WireReader): Entry {
  const index = reader.u64();
  const term = reader.u64();
  const type = reader.u8();
  const data = readBlob(reader);
  if (isOneOf(ENTRY_TYPES, type)) return { index, term, type, data };
  reader.refuse();
  return emptyEntry(index, term);
}

/** A count, then so many entries. */
export function writeEntries(writer: RecordWriter, entries: readonly Entry[]): void {
  writer.u32(entries.length);
  for (const entry of entries) writeEntry(writer, entry);
}

export function readEntries(reader: WireReader): readonly Entry[] {
  const entries: Entry[] = [];
  for (let left = readCount(reader, ENTRY_OVERHEAD_BYTES); left > 0; left--) {
    entries.push(readEntry(reader));
    if (reader.isMalformed) break;
  }
  return entries;
}

export function writeSnapshot(writer: RecordWriter, snapshot: Snapshot): void {
  writer.u64(snapshot.index);
  writer.u64(snapshot.term);
  writeConf(writer, snapshot.conf);
  writer.blob(snapshot.data);
}

export function readSnapshot(reader: WireReader): Snapshot {
  const index = reader.u64();
  const term = reader.u64();
  const conf = readConf(reader);
  return { index, term, conf, data: readBlob(reader) };
}
