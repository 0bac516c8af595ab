/**
 * Records of the retain service that go straight to the worker of a range; what goes through the
 * log stands in retain-log-command.ts. A command record holds one entry, a reply record one or
 * more.
 *
 * ```
 *  RETAIN_COMMAND   OWN     u8 1 · message
 *                   OPEN    u8 2 · u32 scan · u32 most messages · u8 RetainForm · text tenant · text filter
 *                   NEXT    u8 3 · u32 scan · u32 most messages · u8 RetainForm
 *                   CANCEL  u8 4 · u32 scan
 *  RETAIN_REPLY     STORED  u8 1 · u32 request · u8 RetainStatus
 *                   BATCH   u8 2 · u32 scan · u8 end · u32 n · n × message
 *                   PACKETS u8 3 · u32 scan · u8 end · u32 n · u32 bytes of payload · u32 bytes · n × packet
 * ```
 *
 * OWN: a statistic of the broker itself, which is retained in memory only. OPEN asks for the first
 * batch too.
 */

import { assert } from "../base/assert.ts";
import type { RecordReader } from "../bytes/record-reader.ts";
import type { RecordWriter } from "../bytes/record-writer.ts";
import type { Message } from "../mqtt/message.ts";
import { writeMessage } from "../mqtt/message-codec.ts";
import { RetainForm, type RetainStatus } from "./retain-types.ts";
import { RetainedBatch } from "./retained-batch.ts";

const OWN = 1;
const OPEN = 2;
const NEXT = 3;
const CANCEL = 4;

const STORED = 1;
const BATCH = 2;
const PACKETS = 3;
/** From the place that `beginBatch` returns to the first packet. */
const PACKETS_HEAD_SIZE = 13;

export function writeOwn(writer: RecordWriter, message: Message): void {
  writer.u8(OWN);
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

export interface RetainCommandHandler {
  /** `record` is owned: the message as message-codec.ts writes it. */
  storeOwn(record: Uint8Array): void;
  scanOpen(scan: ScanRequest): void;
  scanNext(scanId: number, maxMessages: number, form: RetainForm): void;
  scanCancel(scanId: number): void;
}

export function readRetainCommand(reader: RecordReader, handler: RetainCommandHandler): void {
  const kind = reader.u8();
  assert(kind >= OWN && kind <= CANCEL, "known retain command");
  if (kind === OWN) {
    handler.storeOwn(reader.rest());
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
  if (form === RetainForm.MESSAGES) return place;
  writer.u32(0);
  writer.u32(0);
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
  if (form === RetainForm.MESSAGES) return;
  writer.patchU32(place + 5, sum.payloadBytes);
  writer.patchU32(place + 9, writer.size - place - PACKETS_HEAD_SIZE);
}

export interface RetainReplyHandler {
  handleStored(request: number, status: RetainStatus): void;
  /** The batch is borrowed until the call returns. */
  handleBatch(scanId: number, batch: RetainedBatch, isEnd: boolean): void;
}

// One thread, never re-entrant: handlers of a batch send, but read no further record.
const batch = new RetainedBatch();

/** Reads all entries of one record. */
export function readRetainReplies(reader: RecordReader, handler: RetainReplyHandler): void {
  while (!reader.isAtEnd) readRetainReply(reader, handler);
}

function readRetainReply(reader: RecordReader, handler: RetainReplyHandler): void {
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
  else readPackets(reader, count);
  handler.handleBatch(number, batch, isEnd);
  batch.finish();
}

function readPackets(reader: RecordReader, count: number): void {
  const payloadBytes = reader.u32();
  const size = reader.u32();
  batch.resetPackets(reader, count, payloadBytes, size);
}
