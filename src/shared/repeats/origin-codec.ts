/**
 * Which QoS 2 publish of a stored session a command is about. Part of stored formats.
 *
 * ```
 *  origin   u8 flags (bit 0 has origin, bit 1 repeat) · [u64 publisher · u64 epoch
 *           u16 packet identifier · u32 sequence · u32 settled · u32 fingerprint]
 * ```
 */

import type { RecordReader } from "../bytes/record-reader.ts";
import type { RecordWriter } from "../bytes/record-writer.ts";
import type { PublishOrigin } from "../mqtt/publish-origin.ts";

const HAS_ORIGIN = 1;
const IS_REPEAT = 2;

/** Null: the publish cannot be repeated, or nobody would know it again. */
export function writeOrigin(writer: RecordWriter, origin: PublishOrigin | null): void {
  if (origin === null) {
    writer.u8(0);
    return;
  }
  writer.u8(HAS_ORIGIN | (origin.isRepeat ? IS_REPEAT : 0));
  writer.u64(origin.publisher);
  writer.u64(origin.epoch);
  writer.u16(origin.packetId);
  writer.u32(origin.sequence);
  writer.u32(origin.settled);
  writer.u32(origin.fingerprint);
}

export function readOrigin(reader: RecordReader): PublishOrigin | null {
  const flags = reader.u8();
  if ((flags & HAS_ORIGIN) === 0) return null;
  return {
    publisher: reader.u64(),
    epoch: reader.u64(),
    packetId: reader.u16(),
    sequence: reader.u32(),
    settled: reader.u32(),
    fingerprint: reader.u32(),
    isRepeat: (flags & IS_REPEAT) !== 0,
    isForStored: false,
  };
}
