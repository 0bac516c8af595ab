/**
 * The bytes of membership packets, drawn once. Integers are little-endian; text is UTF-8 without
 * U+0000; a node id is the 16 bytes of its UUID. The whole is what the shell's seal encloses.
 *
 * ```
 *  packet       'R' 't'  packet version u8  clusterName(u8 size)  sender id 16  sender address(u8 size)
 *               message ...                                to the end of the packet
 *
 *  message      kind u8, then
 *    1 PING          sequence u32  target id 16
 *    2 PING_REQUEST  sequence u32  target id 16  target address(u8 size)
 *    3 ACK           sequence u32
 *    4 NACK          sequence u32
 *    5 HEAL          expected id 16  version
 *    6 DIGEST        live count u32  sum A u32  sum B u32
 *    7 SYNC          flags u8 (bit 0: reply wanted)  token u32  rows u16  row ...
 *   16 ALIVE         description
 *   17 SUSPECT, 18 DEAD, 19 LEFT      id 16  version  from id 16
 *
 *  version      start epoch u48  incarnation u32
 *  description  id 16  version  protocol version u8  address(u8 size)  metadata(u16 size)
 *  row          description  status u8  version (of the status; not below the description's)  age ms u32
 * ```
 *
 * Versions side by side, as in a rolling upgrade: a packet carries the version that its reader must
 * speak, a description the highest that its node speaks. A build with a new message sends it only
 * to members that speak it, and marks only those packets. Whatever is above a reader's own version
 * is dropped unread and counted, so nodes that no longer understand each other do not see each
 * other.
 *
 * Largest: header 2 + 1 + 65 + 16 + 256 = 340, alive claim 1 + 16 + 10 + 1 + 256 + 514 = 798; so
 * any one claim fits a packet of 1,400 bytes with 262 to spare for the seal.
 */

import { assert } from "../base/assert.ts";
import type { RecordWriter } from "../bytes/record-writer.ts";
import type { WireReader } from "../bytes/wire-reader.ts";
import {
  ADDRESS_BYTES_MAX,
  INCARNATION_MAX,
  METADATA_BYTES_MAX,
  type NodeId,
  START_EPOCH_MAX,
  type Version,
} from "./member.ts";

/** The highest version that this build speaks. */
export const PROTOCOL_VERSION = 1;
/** What a reader must speak to understand the packets that this build writes. */
export const PACKET_VERSION = 1;

export const MAGIC_FIRST = 0x52;
export const MAGIC_SECOND = 0x74;
export const CLUSTER_NAME_BYTES_MAX = 64;
export const SYNC_REPLY_WANTED = 1;
/** Kind byte of a claim: this plus its status. */
export const CLAIM_KIND = 16;
/** An alive claim with an address of one byte and no metadata. */
export const CLAIM_BYTES_MIN = 1 + 16 + 10 + 1 + 2 + 2;
/** An alive claim with the longest address and metadata. */
export const CLAIM_BYTES_MAX = CLAIM_BYTES_MIN - 1 + ADDRESS_BYTES_MAX + METADATA_BYTES_MAX;
/** As CLAIM_BYTES_MIN, plus status, version and age. No row is smaller: bounds a row count. */
export const ROW_BYTES_MIN = CLAIM_BYTES_MIN - 1 + 15;

const TWO_POW_32 = 0x1_0000_0000;
const UUID_TEXT = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const HEX_DIGITS = "0123456789abcdef";
const UUID_BYTES = 16;
/** Bytes of a UUID in front of which its text has a hyphen. */
const HYPHEN_BEFORE = new Set([4, 6, 8, 10]);

const encoder = new TextEncoder();

/** True for the one text form that the codec can carry and give back. */
export function isNodeId(text: string): boolean {
  return UUID_TEXT.test(text);
}

export function writeNodeId(writer: RecordWriter, nodeId: NodeId): void {
  let at = 0;
  for (let i = 0; i < UUID_BYTES; i++) {
    if (HYPHEN_BEFORE.has(i)) at += 1;
    writer.u8((hexValue(nodeId.charCodeAt(at)) << 4) | hexValue(nodeId.charCodeAt(at + 1)));
    at += 2;
  }
}

export function readNodeId(reader: WireReader): NodeId {
  let text = "";
  for (let i = 0; i < UUID_BYTES; i++) {
    if (HYPHEN_BEFORE.has(i)) text += "-";
    const byte = reader.u8();
    text += HEX_DIGITS[byte >>> 4]! + HEX_DIGITS[byte & 15]!;
  }
  return text;
}

export function writeVersion(writer: RecordWriter, version: Version): void {
  const { startEpoch, incarnation } = version;
  assert(startEpoch >= 0 && startEpoch <= START_EPOCH_MAX, "the start epoch has 48 bits");
  assert(incarnation >= 0 && incarnation <= INCARNATION_MAX, "the incarnation has 32 bits");
  writer.u32(startEpoch % TWO_POW_32);
  writer.u16(Math.floor(startEpoch / TWO_POW_32));
  writer.u32(incarnation);
}

export function readVersion(reader: WireReader): Version {
  const low = reader.u32();
  const startEpoch = reader.u16() * TWO_POW_32 + low;
  return { startEpoch, incarnation: reader.u32() };
}

/** Text of at most 255 bytes behind its size. */
export function writeShortText(writer: RecordWriter, text: string): void {
  const bytes = encoder.encode(text);
  assert(bytes.length <= ADDRESS_BYTES_MAX, "short text has a size of one byte");
  writer.u8(bytes.length);
  writer.raw(bytes);
}

/** 1..255 bytes: nothing in this format has an empty name. */
export function readShortText(reader: WireReader): string {
  const size = reader.u8();
  if (size === 0) reader.refuse();
  return reader.text(size);
}

/** Of '0'..'9', 'a'..'f'. */
function hexValue(code: number): number {
  return code <= 0x39 ? code - 0x30 : code - 0x57;
}
