/**
 * What the store has of a session beside head and messages, and the records of a range as a whole.
 * A stored format; little-endian.
 *
 * ```
 *  will          u32 delay · message
 *  drops         u8 n · n × (u8 DropReason · u64 count · u64 first position · u64 first time
 *                            u64 last position · u64 last time)
 *  inbound       u16 n · n × u16 packet identifier
 *  subscription  options · text filter · [u8 1 when its retained messages are owed]
 *  replay        row 0: text filter, others: u32 n · n × text topic
 *  tenant        text tenant · u64 bytes · u64 count
 *  counters      u64 last number
 * ```
 */

import type { RecordReader } from "../../bytes/record-reader.ts";
import type { RecordWriter } from "../../bytes/record-writer.ts";
import { readMessage, writeMessage } from "../../mqtt/message-codec.ts";
import {
  readSubscriptionOptions,
  writeSubscriptionOptions,
} from "../../mqtt/subscription-options.ts";
import { readDrop, writeDrop } from "../inbox-fields.ts";
import type { InboxWill } from "../inbox-types.ts";
import { DropList } from "./drops.ts";
import type { Subscribed } from "./inbox.ts";
import type { TenantShare } from "./tenant-share.ts";

export function writeWill(writer: RecordWriter, will: InboxWill): void {
  writer.u32(will.delaySeconds);
  writeMessage(writer, will.message);
}

export function readWill(reader: RecordReader): InboxWill {
  const delaySeconds = reader.u32();
  return { delaySeconds, message: readMessage(reader) };
}

export function writeDrops(writer: RecordWriter, drops: DropList): void {
  writer.u8(drops.reports.length);
  for (const report of drops.reports) writeDrop(writer, report);
}

export function readDrops(reader: RecordReader): DropList {
  const drops = new DropList();
  for (let left = reader.u8(); left > 0; left--) drops.reports.push(readDrop(reader));
  return drops;
}

export function writeInbound(writer: RecordWriter, packetIds: ReadonlySet<number>): void {
  writer.u16(packetIds.size);
  for (const packetId of packetIds) writer.u16(packetId);
}

export function readInbound(reader: RecordReader): Set<number> {
  const packetIds = new Set<number>();
  for (let left = reader.u16(); left > 0; left--) packetIds.add(reader.u16());
  return packetIds;
}

export function writeSubscribed(writer: RecordWriter, subscribed: Subscribed): void {
  writeSubscriptionOptions(writer, subscribed.options);
  writer.text(subscribed.filter);
  if (subscribed.isReplayOwed) writer.u8(1);
}

export function readSubscribed(reader: RecordReader, slot: number): Subscribed {
  const options = readSubscriptionOptions(reader);
  const filter = reader.text();
  return { slot, filter, options, isReplayOwed: !reader.isAtEnd && reader.u8() === 1 };
}

export function writeReplayTopics(writer: RecordWriter, topics: readonly string[]): void {
  writer.u32(topics.length);
  for (const topic of topics) writer.text(topic);
}

export function readReplayTopics(reader: RecordReader): string[] {
  const topics: string[] = [];
  for (let left = reader.u32(); left > 0; left--) topics.push(reader.text());
  return topics;
}

export function writeTenantShare(writer: RecordWriter, tenant: TenantShare): void {
  writer.text(tenant.tenantId);
  writer.u64(tenant.shared.bytes);
  writer.u64(tenant.shared.count);
}

/** `tenantOf` finds or makes the tenant; its bytes are added. */
export function readTenantShare(
  reader: RecordReader,
  tenantOf: (tenantId: string) => TenantShare,
): TenantShare {
  const tenant = tenantOf(reader.text());
  tenant.shared.bytes += reader.u64();
  tenant.shared.count += reader.u64();
  return tenant;
}
