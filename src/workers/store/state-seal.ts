/**
 * A state row as it lies in the store, and what tells that it is still as it was written:
 *
 *   key     service u8 + 0x80 | key          (without 0x80: a row of format 1, which has no checksum)
 *   value   value | checksum u32
 *
 * The checksum is over the key as well, so that a good value under a wrong key is found too: CRC-32
 * of both, put together by exclusive or, because neither is copied behind the other.
 *
 * Thread: worker.
 */

import type { RecordWriter } from "../../shared/bytes/record-writer.ts";
import { crc32 } from "../../shared/raft/crc32.ts";

const CHECKSUM_BYTES = 4;

/** A stored row is not as it was written. */
export class StateDamage extends Error {
  override readonly name = "StateDamage";
  /** As stored. */
  readonly key: Uint8Array;

  constructor(key: Uint8Array) {
    super(`state row ${Buffer.from(key).toString("hex")}: its checksum is wrong`);
    this.key = key;
  }
}

/** Appends the value as it is to be stored under `key`. */
export function writeSealedState(writer: RecordWriter, key: Uint8Array, value: Uint8Array): void {
  writer.raw(value);
  writer.u32(checksumOf(key, value, value.length));
}

/** What was sealed, a view of `stored`; null when it is not as it was written. */
export function openSealedState(key: Uint8Array, stored: Uint8Array): Uint8Array | null {
  const size = stored.length - CHECKSUM_BYTES;
  if (size < 0) return null;
  const checksum = new DataView(stored.buffer, stored.byteOffset + size).getUint32(0, true);
  return checksumOf(key, stored, size) === checksum ? stored.subarray(0, size) : null;
}

function checksumOf(key: Uint8Array, value: Uint8Array, size: number): number {
  return (crc32(key, 0, key.length) ^ crc32(value, 0, size)) >>> 0;
}
