/**
 * The head of a session: all that a start reads of it. A stored format; little-endian.
 *
 * ```
 *  u8 version · u8 flags (bit 0 ended, bit 1 has drops, bit 2 has a will, bit 3 has a replay)
 *  text tenant · text client · text user
 *  u64 boot · u8 thread · u32 token · u64 epoch · u64 epoch's boot
 *  u16 receive maximum · u32 window bytes
 *  u32 session expiry · u64 end due · [u64 will due · u32 will delay]
 *  u64 first sequence · u64 next sequence · u64 waiting bytes · u64 earliest expiry · u64 swept
 *  u64 no search before (since version 2)
 *  u16 exchanges · u16 last packet identifier · u64 last order · u64 outstanding bytes
 *  u64 repeated order · u64 repeat end order · u16 repeats left
 *  u32 inline count · u64 inline bytes · u32 shared count
 *  u32 subscriptions · u32 last slot · u16 inbound identifiers
 * ```
 *
 * Times are wall-clock milliseconds, rounded up; 0 stands for never.
 */

import { assert } from "../../base/assert.ts";
import type { RecordReader } from "../../bytes/record-reader.ts";
import type { RecordWriter } from "../../bytes/record-writer.ts";
import { Inbox, NO_WILL } from "./inbox.ts";
import type { TenantShare } from "./tenant-share.ts";

/** The first had no `searchAfterMs`. */
const FIRST_VERSION = 1;
const VERSION = 2;
const ENDED = 1;
const HAS_DROPS = 2;
const HAS_WILL = 4;
const HAS_REPLAY = 8;

export function writeHead(writer: RecordWriter, inbox: Inbox): void {
  const hasWill = inbox.willDelaySeconds !== NO_WILL;
  let flags = inbox.isEnded ? ENDED : 0;
  if (inbox.hasDrops) flags |= HAS_DROPS;
  if (hasWill) flags |= HAS_WILL;
  if (inbox.hasReplay) flags |= HAS_REPLAY;
  writer.u8(VERSION);
  writer.u8(flags);
  writer.text(inbox.tenant.tenantId);
  writer.text(inbox.clientId);
  writer.text(inbox.userId);
  writer.u64(inbox.boot);
  writer.u8(inbox.thread);
  writer.u32(inbox.token);
  writer.u64(inbox.epoch);
  writer.u64(inbox.epochBoot);
  writer.u16(inbox.receiveMaximum);
  writer.u32(inbox.windowBytes);
  writer.u32(inbox.sessionExpirySeconds);
  writeTime(writer, inbox.endDueMs);
  if (hasWill) {
    writeTime(writer, inbox.willDueMs);
    writer.u32(inbox.willDelaySeconds);
  }
  writeMessageNumbers(writer, inbox);
  writer.u32(inbox.subscriptionCount);
  writer.u32(inbox.lastSlot);
  writer.u16(inbox.inboundCount);
}

function writeMessageNumbers(writer: RecordWriter, inbox: Inbox): void {
  writer.u64(inbox.firstSequence);
  writer.u64(inbox.nextSequence);
  writer.u64(inbox.waitingBytes);
  writeTime(writer, inbox.earliestExpiryMs);
  writer.u64(inbox.sweptMs);
  writer.u64(inbox.searchAfterMs);
  writer.u16(inbox.exchangeCount);
  writer.u16(inbox.lastPacketId);
  writer.u64(inbox.lastOrder);
  writer.u64(inbox.outstandingBytes);
  writer.u64(inbox.repeatedOrder);
  writer.u64(inbox.repeatEndOrder);
  writer.u16(inbox.repeatsLeft);
  writer.u32(inbox.inlineCount);
  writer.u64(inbox.inlineBytes);
  writer.u32(inbox.sharedCount);
}

/** `tenantOf` finds or makes the tenant. The inbox is in no table yet. */
export function readHead(
  reader: RecordReader,
  id: number,
  tenantOf: (tenantId: string) => TenantShare,
): Inbox {
  const version = reader.u8();
  assert(version >= FIRST_VERSION && version <= VERSION, "a head of a known form");
  const flags = reader.u8();
  const tenant = tenantOf(reader.text());
  const clientId = reader.text();
  const inbox = new Inbox(id, tenant, clientId, reader.text());
  inbox.isHeadStored = true;
  inbox.isEnded = (flags & ENDED) !== 0;
  inbox.hasDrops = (flags & HAS_DROPS) !== 0;
  inbox.hasReplay = (flags & HAS_REPLAY) !== 0;
  inbox.boot = reader.u64();
  inbox.thread = reader.u8();
  inbox.token = reader.u32();
  inbox.epoch = reader.u64();
  inbox.epochBoot = reader.u64();
  inbox.receiveMaximum = reader.u16();
  inbox.windowBytes = reader.u32();
  inbox.sessionExpirySeconds = reader.u32();
  inbox.endDueMs = readTime(reader);
  if ((flags & HAS_WILL) !== 0) {
    inbox.willDueMs = readTime(reader);
    inbox.willDelaySeconds = reader.u32();
    inbox.isWillStored = true;
  }
  readMessageNumbers(reader, inbox, version);
  inbox.subscriptionCount = reader.u32();
  inbox.lastSlot = reader.u32();
  inbox.inboundCount = reader.u16();
  return inbox;
}

function readMessageNumbers(reader: RecordReader, inbox: Inbox, version: number): void {
  inbox.firstSequence = reader.u64();
  inbox.nextSequence = reader.u64();
  inbox.waitingBytes = reader.u64();
  inbox.earliestExpiryMs = readTime(reader);
  inbox.sweptMs = reader.u64();
  if (version > FIRST_VERSION) inbox.searchAfterMs = reader.u64();
  inbox.exchangeCount = reader.u16();
  inbox.lastPacketId = reader.u16();
  inbox.lastOrder = reader.u64();
  inbox.outstandingBytes = reader.u64();
  inbox.repeatedOrder = reader.u64();
  inbox.repeatEndOrder = reader.u64();
  inbox.repeatsLeft = reader.u16();
  inbox.inlineCount = reader.u32();
  inbox.inlineBytes = reader.u64();
  inbox.sharedCount = reader.u32();
}

function writeTime(writer: RecordWriter, timeMs: number): void {
  writer.u64(timeMs === Number.POSITIVE_INFINITY ? 0 : Math.max(1, Math.ceil(timeMs)));
}

function readTime(reader: RecordReader): number {
  const timeMs = reader.u64();
  return timeMs === 0 ? Number.POSITIVE_INFINITY : timeMs;
}
