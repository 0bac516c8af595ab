/**
 * A range as one node's disk has it, to be sent to another one: what stands for all entries up to
 * one that are not in the log any more. The bytes of a snapshot's data:
 *
 *   descriptor (descriptor-codec.ts) | appliedMs u64 | rows u32 x (key u16, bytes | value blob)
 */

import { RecordWriter } from "../../../../src/shared/bytes/record-writer.ts";
import { WireReader } from "../../../../src/shared/bytes/wire-reader.ts";
import type { Snapshot } from "../../../../src/shared/raft/snapshot.ts";
import {
  readDescriptor,
  readKey,
  writeDescriptor,
  writeKey,
} from "../../../../src/shared/range/descriptor-codec.ts";
import type { KeyValue, KeyValueReader } from "../../../../src/shared/range/key-value.ts";
import type { RangeDescriptor } from "../../../../src/shared/range/range-descriptor.ts";
import type { StoredRange } from "./range-image.ts";

export interface RangeSnapshot extends StoredRange {
  readonly rows: readonly KeyValue[];
}

/** All rows within the bounds. */
export function rowsWithin(
  table: KeyValueReader,
  { start, end }: Pick<RangeDescriptor, "start" | "end">,
): readonly KeyValue[] {
  return table.scan(start, end, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
}

export function encodeSnapshot({ descriptor, appliedMs, rows }: RangeSnapshot): Uint8Array {
  const writer = new RecordWriter();
  writeDescriptor(writer, descriptor);
  writer.u64(appliedMs);
  writer.u32(rows.length);
  for (const { key, value } of rows) {
    writeKey(writer, key);
    writer.blob(value);
  }
  return writer.bytes.slice(0, writer.size);
}

export function decodeSnapshot({ index, data }: Snapshot): RangeSnapshot {
  const reader = new WireReader(data);
  const descriptor = readDescriptor(reader)!;
  const appliedMs = reader.u64();
  const rows: KeyValue[] = [];
  for (let left = reader.u32(); left > 0; left -= 1) {
    const key = readKey(reader).slice();
    rows.push({ key, value: reader.raw(reader.u32()).slice() });
  }
  return { descriptor, applied: index, appliedMs, rows };
}
