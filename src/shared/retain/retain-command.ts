/**
 * Records of the retain service that go straight to the worker of a range; what goes through the
 * log stands in retain-log-command.ts. A command record holds one entry, a reply record one or
 * more.
 *
 * ```
 *  RETAIN_COMMAND   OWN     u8 1 · message
 *                   OPEN    u8 2 · u32 scan · u32 most messages · text tenant · text filter
 *                   NEXT    u8 3 · u32 scan · u32 most messages
 *                   CANCEL  u8 4 · u32 scan
 *                   USAGE   u8 5 · u32 range · text tenant · u64 topics · u64 bytes
 *  RETAIN_REPLY     STORED  u8 1 · u32 request · u8 RetainStatus
 *                   BATCH   u8 2 · u32 scan · u8 end · u32 n · n × message
 * ```
 *
 * OWN: a statistic of the broker itself, which is retained in memory only. OPEN asks for the first
 * batch too. USAGE tells the other workers what a range holds of a tenant.
 */

import { assert } from "../base/assert.ts";
import type { RecordReader } from "../bytes/record-reader.ts";
import type { RecordWriter } from "../bytes/record-writer.ts";
import type { Message } from "../mqtt/message.ts";
import { readMessage, writeMessage } from "../mqtt/message-codec.ts";
import type { RangeId } from "../range/range-descriptor.ts";
import type { RetainStatus } from "./retain-types.ts";
import type { Usage } from "./retain-usage.ts";

const OWN = 1;
const OPEN = 2;
const NEXT = 3;
const CANCEL = 4;
const USAGE = 5;

const STORED = 1;
const BATCH = 2;

export function writeOwn(writer: RecordWriter, message: Message): void {
  writer.u8(OWN);
  writeMessage(writer, message);
}

/** A scan to open; `filter` without share prefix. */
export interface ScanRequest {
  readonly scanId: number;
  readonly maxMessages: number;
  readonly tenantId: string;
  readonly filter: string;
}

export function writeScanOpen(writer: RecordWriter, scan: ScanRequest): void {
  writer.u8(OPEN);
  writer.u32(scan.scanId);
  writer.u32(scan.maxMessages);
  writer.text(scan.tenantId);
  writer.text(scan.filter);
}

export function writeScanNext(writer: RecordWriter, scanId: number, maxMessages: number): void {
  writer.u8(NEXT);
  writer.u32(scanId);
  writer.u32(maxMessages);
}

export function writeScanCancel(writer: RecordWriter, scanId: number): void {
  writer.u8(CANCEL);
  writer.u32(scanId);
}

/** `range` of the sender holds `usage` of the tenant. */
export function writeUsage(
  writer: RecordWriter,
  range: RangeId,
  tenantId: string,
  usage: Readonly<Usage>,
): void {
  writer.u8(USAGE);
  writer.u32(range);
  writer.text(tenantId);
  writer.u64(usage.topics);
  writer.u64(usage.bytes);
}

export interface RetainCommandHandler {
  storeOwn(message: Message): void;
  scanOpen(scan: ScanRequest): void;
  scanNext(scanId: number, maxMessages: number): void;
  scanCancel(scanId: number): void;
  learnUsage(range: RangeId, tenantId: string, usage: Usage): void;
}

export function readRetainCommand(reader: RecordReader, handler: RetainCommandHandler): void {
  const kind = reader.u8();
  assert(kind >= OWN && kind <= USAGE, "known retain command");
  if (kind === OWN) {
    handler.storeOwn(readMessage(reader));
  } else if (kind === USAGE) {
    const range = reader.u32();
    const tenantId = reader.text();
    const topics = reader.u64();
    handler.learnUsage(range, tenantId, { topics, bytes: reader.u64() });
  } else {
    const scanId = reader.u32();
    if (kind === CANCEL) {
      handler.scanCancel(scanId);
      return;
    }
    const maxMessages = reader.u32();
    if (kind === NEXT) {
      handler.scanNext(scanId, maxMessages);
      return;
    }
    const tenantId = reader.text();
    handler.scanOpen({ scanId, maxMessages, tenantId, filter: reader.text() });
  }
}

export function writeStored(writer: RecordWriter, request: number, status: RetainStatus): void {
  writer.u8(STORED);
  writer.u32(request);
  writer.u8(status);
}

/**
 * Begins a batch: the messages follow with `writeMessage`, then `finishBatch` with the returned
 * place writes what is known only then.
 */
export function beginBatch(writer: RecordWriter, scanId: number): number {
  writer.u8(BATCH);
  writer.u32(scanId);
  const place = writer.size;
  writer.u8(0);
  writer.u32(0);
  return place;
}

export function finishBatch(
  writer: RecordWriter,
  place: number,
  count: number,
  isEnd: boolean,
): void {
  writer.patchU8(place, isEnd ? 1 : 0);
  writer.patchU32(place + 1, count);
}

export interface RetainReplyHandler {
  handleStored(request: number, status: RetainStatus): void;
  handleBatch(scanId: number, messages: readonly Message[], isEnd: boolean): void;
}

/** Reads all entries of one record. */
export function readRetainReplies(reader: RecordReader, handler: RetainReplyHandler): void {
  while (!reader.isAtEnd) readRetainReply(reader, handler);
}

function readRetainReply(reader: RecordReader, handler: RetainReplyHandler): void {
  const kind = reader.u8();
  assert(kind === STORED || kind === BATCH, "known retain reply");
  const number = reader.u32();
  if (kind === STORED) {
    handler.handleStored(number, reader.u8() as RetainStatus);
    return;
  }
  const isEnd = reader.u8() === 1;
  const messages: Message[] = [];
  for (let left = reader.u32(); left > 0; left--) messages.push(readMessage(reader));
  handler.handleBatch(number, messages, isEnd);
}
