/**
 * Membership packets from values to bytes, as swim-layout.ts draws them.
 *
 * Claims are encoded once, when they enter the dissemination queue, and copied into each packet as
 * bytes. The writer is module-level scratch: every function runs to its end before another begins,
 * and what leaves is a copy.
 */

import { assert, unreachable } from "../base/assert.ts";
import { RecordWriter } from "../bytes/record-writer.ts";
import { type Claim, METADATA_BYTES_MAX, MemberStatus, type NodeDescription } from "./member.ts";
import {
  CLAIM_KIND,
  CLUSTER_NAME_BYTES_MAX,
  MAGIC_FIRST,
  MAGIC_SECOND,
  PACKET_VERSION,
  SYNC_REPLY_WANTED,
  writeNodeId,
  writeShortText,
  writeVersion,
} from "./swim-layout.ts";
import {
  MessageKind,
  type Sender,
  type SwimMessage,
  type Sync,
  type SyncRow,
} from "./swim-message.ts";

/** 49 days: twice as long as anything is remembered, so nothing is lost. */
const AGE_MS_MAX = 0xffff_ffff;

const writer = new RecordWriter(2_048);

/** Header of every packet of one member, to be made once. `clusterName` has at most 64 bytes. */
export function encodeHeader(clusterName: string, sender: Sender): Uint8Array {
  writer.clear();
  writer.u8(MAGIC_FIRST);
  writer.u8(MAGIC_SECOND);
  writer.u8(PACKET_VERSION);
  writeShortText(writer, clusterName);
  assert(writer.size <= 4 + CLUSTER_NAME_BYTES_MAX, "the cluster name fits a header");
  writeNodeId(writer, sender.nodeId);
  writeShortText(writer, sender.address);
  return written();
}

export function encodeClaim(claim: Claim): Uint8Array {
  writer.clear();
  writeClaim(claim);
  return written();
}

export function encodeMessage(message: SwimMessage): Uint8Array {
  writer.clear();
  writeMessage(message);
  return written();
}

/** A packet of parts that are encoded already: header, messages, claims. */
export function joinParts(parts: readonly Uint8Array[]): Uint8Array {
  let size = 0;
  for (const part of parts) size += part.length;
  const packet = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    packet.set(part, at);
    at += part.length;
  }
  return packet;
}

function written(): Uint8Array {
  return writer.bytes.slice(0, writer.size);
}

function writeMessage(message: SwimMessage): void {
  if (message.kind === MessageKind.CLAIM) {
    writeClaim(message.claim);
    return;
  }
  writer.u8(message.kind);
  switch (message.kind) {
    case MessageKind.PING:
      writer.u32(message.sequence);
      writeNodeId(writer, message.target);
      return;
    case MessageKind.PING_REQUEST:
      writer.u32(message.sequence);
      writeNodeId(writer, message.target);
      writeShortText(writer, message.targetAddress);
      return;
    case MessageKind.ACK:
    case MessageKind.NACK:
      writer.u32(message.sequence);
      return;
    case MessageKind.HEAL:
      writeNodeId(writer, message.expected);
      writeVersion(writer, message);
      return;
    case MessageKind.DIGEST:
      writer.u32(message.liveCount);
      writer.u32(message.sumA);
      writer.u32(message.sumB);
      return;
    case MessageKind.SYNC:
      writeSync(message);
      return;
    default:
      unreachable(message);
  }
}

function writeSync(sync: Sync): void {
  assert(sync.rows.length <= 0xffff, "the row count has 16 bits");
  writer.u8(sync.isReplyWanted ? SYNC_REPLY_WANTED : 0);
  writer.u32(sync.token);
  writer.u16(sync.rows.length);
  for (const row of sync.rows) writeRow(row);
}

function writeRow(row: SyncRow): void {
  writeDescription(row.node);
  writer.u8(row.status);
  writeVersion(writer, row);
  writer.u32(Math.min(row.statusAgeMs, AGE_MS_MAX));
}

function writeClaim(claim: Claim): void {
  writer.u8(CLAIM_KIND + claim.status);
  if (claim.status === MemberStatus.ALIVE) {
    writeDescription(claim.node);
    return;
  }
  writeNodeId(writer, claim.nodeId);
  writeVersion(writer, claim);
  writeNodeId(writer, claim.from);
}

function writeDescription(node: NodeDescription): void {
  assert(node.metadata.length <= METADATA_BYTES_MAX, "metadata has its limit");
  writeNodeId(writer, node.nodeId);
  writeVersion(writer, node);
  writer.u8(node.protocolVersion);
  writeShortText(writer, node.address);
  writer.u16(node.metadata.length);
  writer.raw(node.metadata);
}
