/**
 * Membership packets from bytes to values, as swim-layout.ts draws them. Strict: a field out of its
 * range, an unknown kind or a byte too many makes the whole packet malformed, and no part of it is
 * believed. Nothing throws, and nothing is allocated beyond what the bytes can hold.
 */

import { WireReader } from "../bytes/wire-reader.ts";
import {
  type Claim,
  compareVersions,
  METADATA_BYTES_MAX,
  MemberStatus,
  type NodeDescription,
} from "./member.ts";
import {
  CLAIM_KIND,
  MAGIC_FIRST,
  MAGIC_SECOND,
  PROTOCOL_VERSION,
  ROW_BYTES_MIN,
  readNodeId,
  readShortText,
  readVersion,
  SYNC_REPLY_WANTED,
} from "./swim-layout.ts";
import {
  MessageKind,
  PacketFault,
  type SwimMessage,
  type SwimPacket,
  type Sync,
  type SyncRow,
} from "./swim-message.ts";

/**
 * The packet in `bytes`, or why it is none. What is returned owns its memory. Another cluster's
 * packet is told apart before its messages are looked at: clusters may differ in configuration.
 */
export function decodePacket(bytes: Uint8Array, clusterName: string): SwimPacket | PacketFault {
  const reader = new WireReader(bytes);
  const first = reader.u8();
  const second = reader.u8();
  if (first !== MAGIC_FIRST || second !== MAGIC_SECOND) return PacketFault.MALFORMED;
  const version = reader.u8();
  if (version > PROTOCOL_VERSION) return PacketFault.WRONG_VERSION;
  if (version === 0) return PacketFault.MALFORMED;
  const name = readShortText(reader);
  if (reader.isMalformed) return PacketFault.MALFORMED;
  if (name !== clusterName) return PacketFault.WRONG_CLUSTER;
  const sender = { nodeId: readNodeId(reader), address: readShortText(reader) };
  const messages: SwimMessage[] = [];
  while (!reader.isAtEnd) {
    const message = readMessage(reader);
    if (message === null) return PacketFault.MALFORMED;
    messages.push(message);
  }
  return reader.isMalformed ? PacketFault.MALFORMED : { sender, messages };
}

/** Null: unknown kind. A message of a malformed reader is of no use; the caller asks it. */
function readMessage(reader: WireReader): SwimMessage | null {
  const kind = reader.u8();
  switch (kind) {
    case MessageKind.PING:
      return { kind, sequence: reader.u32(), target: readNodeId(reader) };
    case MessageKind.PING_REQUEST: {
      const sequence = reader.u32();
      const target = readNodeId(reader);
      return { kind, sequence, target, targetAddress: readShortText(reader) };
    }
    case MessageKind.ACK:
    case MessageKind.NACK:
      return { kind, sequence: reader.u32() };
    case MessageKind.HEAL: {
      const expected = readNodeId(reader);
      return { kind, expected, ...readVersion(reader) };
    }
    case MessageKind.DIGEST: {
      const liveCount = reader.u32();
      const sumA = reader.u32();
      return { kind, liveCount, sumA, sumB: reader.u32() };
    }
    case MessageKind.SYNC:
      return readSync(reader);
    default: {
      const claim = readClaim(reader, kind - CLAIM_KIND);
      return claim === null ? null : { kind: MessageKind.CLAIM, claim };
    }
  }
}

function readSync(reader: WireReader): Sync {
  const flags = reader.u8();
  if ((flags & ~SYNC_REPLY_WANTED) !== 0) reader.refuse();
  const token = reader.u32();
  const count = reader.u16();
  if (count * ROW_BYTES_MIN > reader.remaining) reader.refuse();
  const rows: SyncRow[] = [];
  for (let i = 0; i < count && !reader.isMalformed; i++) rows.push(readRow(reader));
  const isReplyWanted = (flags & SYNC_REPLY_WANTED) !== 0;
  return { kind: MessageKind.SYNC, isReplyWanted, token, rows };
}

function readRow(reader: WireReader): SyncRow {
  const node = readDescription(reader);
  const status = asStatus(reader.u8());
  if (status === null) reader.refuse();
  const version = readVersion(reader);
  const order = compareVersions(version, node);
  // A status never belongs to an older version than the description; an alive one is its own.
  if (order < 0 || (status === MemberStatus.ALIVE && order > 0)) reader.refuse();
  const statusAgeMs = reader.u32();
  return { node, status: status ?? MemberStatus.ALIVE, ...version, statusAgeMs };
}

function readClaim(reader: WireReader, statusByte: number): Claim | null {
  const status = asStatus(statusByte);
  if (status === null) return null;
  if (status === MemberStatus.ALIVE) return { status, node: readDescription(reader) };
  const nodeId = readNodeId(reader);
  const version = readVersion(reader);
  return { status, nodeId, ...version, from: readNodeId(reader) };
}

function readDescription(reader: WireReader): NodeDescription {
  const nodeId = readNodeId(reader);
  const version = readVersion(reader);
  const protocolVersion = reader.u8();
  if (protocolVersion === 0) reader.refuse();
  const address = readShortText(reader);
  const metadataSize = reader.u16();
  if (metadataSize > METADATA_BYTES_MAX) reader.refuse();
  const metadata = reader.raw(metadataSize);
  return { nodeId, ...version, address, protocolVersion, metadata };
}

function asStatus(byte: number): MemberStatus | null {
  switch (byte) {
    case MemberStatus.ALIVE:
    case MemberStatus.SUSPECT:
    case MemberStatus.DEAD:
    case MemberStatus.LEFT:
      return byte;
    default:
      return null;
  }
}
