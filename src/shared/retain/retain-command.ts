/**
 * Records of the retain service, one entry each.
 *
 * ```
 *  RETAIN_COMMAND   STORE   u8 1 · u32 request (0 = no reply) · message
 *                   OPEN    u8 2 · u32 scan · u32 most messages · u8 RetainForm · text tenant · text filter
 *                   NEXT    u8 3 · u32 scan · u32 most messages · u8 RetainForm
 *                   CANCEL  u8 4 · u32 scan
 *                   USAGE   u8 5 · text tenant · u64 topics · u64 bytes
 *  RETAIN_REPLY     STORED  u8 1 · u32 request · u8 RetainStatus
 *                   BATCH   u8 2 · u32 scan · u8 end · u32 n · n × message
 *                   PACKETS u8 3 · u32 scan · u8 end · u32 n · u32 bytes of payload · n × packet
 * ```
 *
 * OPEN asks for the first batch too. USAGE goes from one partition to another.
 */

import { assert } from "../base/assert.ts";
import type { RecordReader } from "../bytes/record-reader.ts";
import type { RecordWriter } from "../bytes/record-writer.ts";
import type { Message } from "../mqtt/message.ts";
import { writeMessage } from "../mqtt/message-codec.ts";
import { RetainForm, type RetainStatus } from "./retain-types.ts";
import type { Usage } from "./retain-usage.ts";
import { RetainedBatch } from "./retained-batch.ts";

const STORE = 1;
const OPEN = 2;
const NEXT = 3;
const CANCEL = 4;
const USAGE = 5;

const STORED = 1;
const BATCH = 2;
const PACKETS = 3;

export function writeStore(writer: RecordWriter, request: number, message: Message): void {
  writer.u8(STORE);
  writer.u32(request);
  writeMessage(writer, message);
}

/** A scan to open; `filter` without share prefix. */
export interface ScanRequest {
  readonly scanId: number;
  readonly maxMessages: number;
  readonly form: RetainForm;
  readonly tenantId: string;
  readonly filter: string;
}

export function writeScanOpen(writer: RecordWriter, scan: ScanRequest): void {
  writer.u8(OPEN);
  writer.u32(scan.scanId);
  writer.u32(scan.maxMessages);
  writer.u8(scan.form);
  writer.text(scan.tenantId);
  writer.text(scan.filter);
}

export function writeScanNext(
  writer: RecordWriter,
  scanId: number,
  maxMessages: number,
  form: RetainForm,
): void {
  writer.u8(NEXT);
  writer.u32(scanId);
  writer.u32(maxMessages);
  writer.u8(form);
}

export function writeScanCancel(writer: RecordWriter, scanId: number): void {
  writer.u8(CANCEL);
  writer.u32(scanId);
}

export function writeUsage(writer: RecordWriter, tenantId: string, usage: Readonly<Usage>): void {
  writer.u8(USAGE);
  writer.text(tenantId);
  writer.u64(usage.topics);
  writer.u64(usage.bytes);
}

export interface RetainCommandHandler {
  /** `record` is owned: the message as message-codec.ts writes it. */
  storeMessage(request: number, record: Uint8Array): void;
  scanOpen(scan: ScanRequest): void;
  scanNext(scanId: number, maxMessages: number, form: RetainForm): void;
  scanCancel(scanId: number): void;
  learnUsage(tenantId: string, usage: Usage): void;
}

export function readRetainCommand(reader: RecordReader, handler: RetainCommandHandler): void {
  const kind = reader.u8();
  assert(kind >= STORE && kind <= USAGE, "known retain command");
  if (kind === STORE) {
    const request = reader.u32();
    handler.storeMessage(request, reader.rest());
  } else if (kind === USAGE) {
    const tenantId = reader.text();
    const topics = reader.u64();
    handler.learnUsage(tenantId, { topics, bytes: reader.u64() });
  } else {
    const scanId = reader.u32();
    if (kind === CANCEL) {
      handler.scanCancel(scanId);
      return;
    }
    const maxMessages = reader.u32();
    const form = reader.u8() as RetainForm;
    if (kind === NEXT) {
      handler.scanNext(scanId, maxMessages, form);
      return;
    }
    const tenantId = reader.text();
    handler.scanOpen({ scanId, maxMessages, form, tenantId, filter: reader.text() });
  }
}

export function writeStored(writer: RecordWriter, request: number, status: RetainStatus): void {
  writer.u8(STORED);
  writer.u32(request);
  writer.u8(status);
}

/**
 * Begins a batch: its messages or packets follow, then `finishBatch` with the returned place writes
 * what is known only then.
 */
export function beginBatch(writer: RecordWriter, scanId: number, form: RetainForm): number {
  writer.u8(form === RetainForm.MESSAGES ? BATCH : PACKETS);
  writer.u32(scanId);
  const place = writer.size;
  writer.u8(0);
  writer.u32(0);
  if (form !== RetainForm.MESSAGES) writer.u32(0);
  return place;
}

/** What a batch turned out to hold. */
export interface BatchSum {
  readonly count: number;
  /** Said of packets only. */
  readonly payloadBytes: number;
  readonly isEnd: boolean;
}

export function finishBatch(
  writer: RecordWriter,
  place: number,
  form: RetainForm,
  sum: BatchSum,
): void {
  writer.patchU8(place, sum.isEnd ? 1 : 0);
  writer.patchU32(place + 1, sum.count);
  if (form !== RetainForm.MESSAGES) writer.patchU32(place + 5, sum.payloadBytes);
}

export interface RetainReplyHandler {
  handleStored(request: number, status: RetainStatus): void;
  /** The batch is borrowed until the call returns. */
  handleBatch(scanId: number, batch: RetainedBatch, isEnd: boolean): void;
}

// One thread, never re-entrant: handlers of a batch send, but read no further record.
const batch = new RetainedBatch();

export function readRetainReply(reader: RecordReader, handler: RetainReplyHandler): void {
  const kind = reader.u8();
  assert(kind >= STORED && kind <= PACKETS, "known retain reply");
  const number = reader.u32();
  if (kind === STORED) {
    handler.handleStored(number, reader.u8() as RetainStatus);
    return;
  }
  const isEnd = reader.u8() === 1;
  const count = reader.u32();
  if (kind === BATCH) batch.reset(reader, count);
  else batch.resetPackets(reader, count, reader.u32());
  handler.handleBatch(number, batch, isEnd);
  batch.finish();
}
