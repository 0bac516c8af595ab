/**
 * Bytes of a range's descriptor, the same on disk and between threads. Little-endian.
 *
 *   version=1 u8 | id u32 | service u8 | boundaryVersion u32 | storeId u16 | mergingInto u32
 *   | absorbedId u32 | start: length u16, bytes | hasEnd u8 | end: length u16, bytes
 */

import type { RecordWriter } from "../bytes/record-writer.ts";
import type { WireReader } from "../bytes/wire-reader.ts";
import { compareKeys, NO_RANGE, type RangeDescriptor } from "./range-descriptor.ts";
import { ServiceId } from "./service-id.ts";

const VERSION = 1;
const SERVICES: ReadonlySet<number> = new Set(Object.values(ServiceId));

export function writeDescriptor(writer: RecordWriter, range: RangeDescriptor): void {
  writer.u8(VERSION);
  writer.u32(range.id);
  writer.u8(range.service);
  writer.u32(range.boundaryVersion);
  writer.u16(range.storeId);
  writer.u32(range.mergingInto);
  writer.u32(range.absorbedId);
  writeKey(writer, range.start);
  writer.u8(range.end === null ? 0 : 1);
  if (range.end !== null) writeKey(writer, range.end);
}

/** Makes the reader malformed, and answers null, if these are not the bytes of a descriptor. */
export function readDescriptor(reader: WireReader): RangeDescriptor | null {
  if (reader.u8() !== VERSION) reader.refuse();
  const id = reader.u32();
  const service = reader.u8();
  const boundaryVersion = reader.u32();
  const storeId = reader.u16();
  const mergingInto = reader.u32();
  const absorbedId = reader.u32();
  const start = readKey(reader);
  const hasEnd = reader.u8();
  const end = hasEnd === 1 ? readKey(reader) : null;
  const isEmpty = end !== null && compareKeys(start, end) >= 0;
  if (hasEnd > 1 || id === NO_RANGE || storeId === 0 || isEmpty) reader.refuse();
  if (reader.isMalformed || !isService(service)) {
    reader.refuse();
    return null;
  }
  return { id, service, start, end, boundaryVersion, storeId, mergingInto, absorbedId };
}

/** A key: its length (u16), then its bytes. */
export function writeKey(writer: RecordWriter, key: Uint8Array): void {
  writer.u16(key.length);
  writer.raw(key);
}

export function readKey(reader: WireReader): Uint8Array {
  return reader.raw(reader.u16());
}

export function isService(value: number): value is ServiceId {
  return SERVICES.has(value);
}
