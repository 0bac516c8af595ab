/**
 * Fields that inbox commands, replies and pushes have in common; their layout is drawn in
 * log-command.ts.
 */

import type { RecordReader } from "../bytes/record-reader.ts";
import type { RecordWriter } from "../bytes/record-writer.ts";
import type { DropReason, DropReport } from "./inbox-types.ts";

const NO_IDENTIFIERS: readonly number[] = Object.freeze([]);

/**
 * u16 count, then u32 each: a session has at most 65,535 overlapping subscriptions of one message.
 */
export function writeIdentifiers(writer: RecordWriter, identifiers: readonly number[]): void {
  writer.u16(identifiers.length);
  for (let i = 0; i < identifiers.length; i++) writer.u32(identifiers[i]!);
}

export function readIdentifiers(reader: RecordReader): readonly number[] {
  const count = reader.u16();
  if (count === 0) return NO_IDENTIFIERS;
  const identifiers = new Array<number>(count);
  for (let i = 0; i < count; i++) identifiers[i] = reader.u32();
  return identifiers;
}

export function writeDrop(writer: RecordWriter, report: DropReport): void {
  writer.u8(report.reason);
  writer.u64(report.count);
  writer.u64(report.firstPosition);
  writer.u64(report.firstMs);
  writer.u64(report.lastPosition);
  writer.u64(report.lastMs);
}

export function readDrop(reader: RecordReader): DropReport {
  return {
    reason: reader.u8() as DropReason,
    count: reader.u64(),
    firstPosition: reader.u64(),
    firstMs: reader.u64(),
    lastPosition: reader.u64(),
    lastMs: reader.u64(),
  };
}
