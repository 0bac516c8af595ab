/**
 * Bytes of a snapshot file: the state of one range after one entry. Little-endian.
 *
 *   header   magic u32 | size u32 | sealed { descriptor | index u64 | term u64 | conf | appliedMs u64 }
 *   block    size u32 | rows u32 | { key size u16 | key | value size u32 | value } ... | crc32 u32
 *   ...      in key order, about 256 KiB each; a row is never cut
 *   footer   0 u32 | sealed { blocks u32 | rows u64 | sha256 of everything before the footer }
 *
 * A block's checksum covers everything between its size and itself; the size counts it. The hash
 * finds what checksums cannot: blocks that are missing, twice there, or from another file.
 */

import { RecordWriter } from "../../shared/bytes/record-writer.ts";
import { WireReader } from "../../shared/bytes/wire-reader.ts";
import { readConf, writeConf } from "../../shared/raft/conf-change-codec.ts";
import type { ConfState } from "../../shared/raft/conf-state.ts";
import { crc32 } from "../../shared/raft/crc32.ts";
import { readSealed, writeSealed } from "../../shared/raft/sealed-record.ts";
import {
  readDescriptor,
  readKey,
  writeDescriptor,
  writeKey,
} from "../../shared/range/descriptor-codec.ts";
import type { KeyValue } from "../../shared/range/key-value.ts";
import { compareKeys, type RangeDescriptor } from "../../shared/range/range-descriptor.ts";
import { STATE_KEY_MAX_BYTES } from "./store-schema.ts";

/** "RTSN". */
const MAGIC = 0x4e535452;
const HEADER_VERSION = 1;
const FOOTER_VERSION = 1;
const HASH_BYTES = 32;

export const HEADER_PREFIX_BYTES = 8;
/** Two keys, some members: far more than any header has. */
export const HEADER_MAX_BYTES = 1024 * 1024;
/** Rows gathered in one block. */
export const BLOCK_BYTES = 256 * 1024;
/** Rows count and checksum. */
export const BLOCK_MIN_BYTES = 8;
/** Without its leading zero. */
export const FOOTER_BYTES = 1 + 4 + 8 + HASH_BYTES + 4;

export interface SnapshotHeader {
  readonly descriptor: RangeDescriptor;
  /** The state is that after this entry. */
  readonly index: number;
  readonly term: number;
  readonly conf: ConfState;
  readonly appliedMs: number;
}

export interface SnapshotFooter {
  readonly blocks: number;
  readonly rows: number;
  readonly hash: Uint8Array;
}

export function encodeHeader(header: SnapshotHeader): Uint8Array {
  const writer = new RecordWriter();
  writer.u32(MAGIC);
  writer.u32(0);
  writeSealed(writer, HEADER_VERSION, () => {
    writeDescriptor(writer, header.descriptor);
    writer.u64(header.index);
    writer.u64(header.term);
    writeConf(writer, header.conf);
    writer.u64(header.appliedMs);
  });
  writer.patchU32(4, writer.size - HEADER_PREFIX_BYTES);
  return written(writer);
}

/** Size of the header behind its prefix; -1 if this is no snapshot. */
export function headerSize(prefix: Uint8Array): number {
  const reader = new WireReader(prefix);
  const isSnapshot = reader.u32() === MAGIC;
  const size = reader.u32();
  return isSnapshot && !reader.isMalformed && size <= HEADER_MAX_BYTES ? size : -1;
}

export function decodeHeader(bytes: Uint8Array): SnapshotHeader | null {
  return readSealed(bytes, 0, bytes.length, HEADER_VERSION, (reader) => {
    const descriptor = readDescriptor(reader);
    if (descriptor === null) return null;
    const index = reader.u64();
    const term = reader.u64();
    return { descriptor, index, term, conf: readConf(reader), appliedMs: reader.u64() };
  });
}

export function encodeBlock(rows: readonly KeyValue[]): Uint8Array {
  const writer = new RecordWriter();
  writer.u32(0);
  writer.u32(rows.length);
  for (const { key, value } of rows) {
    writeKey(writer, key);
    writer.blob(value);
  }
  writer.u32(crc32(writer.bytes, 4, writer.size));
  writer.patchU32(0, writer.size - 4);
  return written(writer);
}

/** `bytes`: without the size. Null if the block is damaged or its keys are not in order. */
export function decodeBlock(bytes: Uint8Array): KeyValue[] | null {
  const end = bytes.length - 4;
  if (bytes.length < BLOCK_MIN_BYTES) return null;
  if (crc32(bytes, 0, end) !== new WireReader(bytes, end).u32()) return null;
  const reader = new WireReader(bytes, 0, end);
  const rows: KeyValue[] = [];
  for (let left = reader.u32(); left > 0 && !reader.isAtEnd; left--) {
    const key = readKey(reader);
    const value = reader.raw(reader.u32());
    const isKey = key.length > 0 && key.length <= STATE_KEY_MAX_BYTES;
    const before = rows[rows.length - 1];
    const isInOrder = before === undefined || compareKeys(before.key, key) < 0;
    if (!isKey || !isInOrder) reader.refuse();
    rows.push({ key, value });
  }
  const isWhole = !reader.isMalformed && reader.isAtEnd;
  return isWhole && rows.length === new WireReader(bytes).u32() ? rows : null;
}

/** With its leading zero. */
export function encodeFooter(footer: SnapshotFooter): Uint8Array {
  const writer = new RecordWriter();
  writer.u32(0);
  writeSealed(writer, FOOTER_VERSION, () => {
    writer.u32(footer.blocks);
    writer.u64(footer.rows);
    writer.raw(footer.hash);
  });
  return written(writer);
}

/** `bytes`: without the leading zero. */
export function decodeFooter(bytes: Uint8Array): SnapshotFooter | null {
  return readSealed(bytes, 0, bytes.length, FOOTER_VERSION, (reader) => {
    return { blocks: reader.u32(), rows: reader.u64(), hash: reader.raw(HASH_BYTES) };
  });
}

function written(writer: RecordWriter): Uint8Array {
  return writer.bytes.slice(0, writer.size);
}
