/**
 * Commands that go through the log of an inbox range. A batch holds one or more, one after the
 * other. A stored format: what is in a log is applied again at start.
 *
 * ```
 *  ATTACH       u8 1 · u32 token · u64 epoch
 *               u8 flags (bit 0 clean start, bit 1 has will, bit 2 sessions are limited)
 *               u32 session expiry · u16 receive maximum · u32 window bytes · [u32 sessions that fit]
 *               text tenant · text client · text user · [u32 will delay · message]
 *  DETACH       u8 2 · u16 bucket · u32 token · u32 request (0 = no reply)
 *               u8 flags (bit 0 discard will, bit 1 has expiry) · [u32 session expiry]
 *  SUBSCRIBE    u8 3 · u16 bucket · u32 token · u32 request · u32 most subscriptions (0 = no limit)
 *               options · text filter
 *  UNSUBSCRIBE  u8 4 · u16 bucket · u32 token · u32 request · text filter
 *  COMMIT       u8 5 · u16 bucket · u32 token · u32 request · u8 InboxOp · u16 packet identifier
 *  INSERT       u8 6 · u32 request · u32 most messages · u64 session bytes · u64 room of
 *               the tenant · u64 room of all tenants · origin (repeats/origin-codec.ts) · insert (insert-codec.ts)
 *  LOST         u8 7 · u16 bucket · u64 boot · u32 last token
 *  DUE          u8 8 · u64 incarnation
 *  OUTBOX_DONE  u8 9 · u64 record
 *  SUBSCRIBE_REPLAY  u8 10 · as SUBSCRIBE; its retained messages are owed
 *  REPLAY       u8 11 · u16 bucket · u32 token · u32 0 · u8 ReplayStep · text filter
 * ```
 *
 * `token` is the number that the session's worker gave its attach; with the proposer's life it
 * names the attachment. `bucket` says which range a command belongs to (range/inbox-key.ts), where
 * nothing else in it does.
 */

import { assert } from "../base/assert.ts";
import type { RecordReader } from "../bytes/record-reader.ts";
import type { RecordWriter } from "../bytes/record-writer.ts";
import { readMessage, writeMessage } from "../mqtt/message-codec.ts";
import type { PublishOrigin } from "../mqtt/publish-origin.ts";
import { readSubscriptionOptions, writeSubscriptionOptions } from "../mqtt/subscription-options.ts";
import { readOrigin, writeOrigin } from "../repeats/origin-codec.ts";
import type {
  AttachRequest,
  InboxOp,
  InboxWill,
  InsertLimits,
  ReplayStep,
  WantedSubscription,
} from "./inbox-types.ts";
import { type InsertHandler, readInsert } from "./insert-codec.ts";

const ATTACH = 1;
const DETACH = 2;
const SUBSCRIBE = 3;
const UNSUBSCRIBE = 4;
const COMMIT = 5;
const INSERT = 6;
const LOST = 7;
const DUE = 8;
const OUTBOX_DONE = 9;
const SUBSCRIBE_REPLAY = 10;
const REPLAY = 11;

const ATTACH_CLEAN_START = 1;
const ATTACH_HAS_WILL = 2;
const ATTACH_IS_LIMITED = 4;
const DETACH_DISCARD_WILL = 1;
const DETACH_HAS_EXPIRY = 2;

/** A tenant without a limit. */
export const UNLIMITED_SESSIONS = Number.POSITIVE_INFINITY;

/** Which attachment a command is about, and where it lives. */
export interface Attached {
  readonly bucket: number;
  readonly token: number;
}

/** How an attachment ends. */
export interface Detaching {
  /** -1 keeps the value from attach. */
  readonly sessionExpirySeconds: number;
  readonly discardWill: boolean;
}

/** `sessionRoom`: 0 if the tenant has room for no other session, so that none is created. */
export function writeAttach(
  writer: RecordWriter,
  token: number,
  request: AttachRequest,
  windowBytes: number,
  sessionRoom: number = UNLIMITED_SESSIONS,
): void {
  const will = request.will;
  const isLimited = sessionRoom !== UNLIMITED_SESSIONS;
  let flags = request.cleanStart ? ATTACH_CLEAN_START : 0;
  if (will !== null) flags |= ATTACH_HAS_WILL;
  if (isLimited) flags |= ATTACH_IS_LIMITED;
  writer.u8(ATTACH);
  writer.u32(token);
  writer.u64(request.epoch);
  writer.u8(flags);
  writer.u32(request.sessionExpirySeconds);
  writer.u16(request.receiveMaximum);
  writer.u32(windowBytes);
  if (isLimited) writer.u32(sessionRoom);
  writer.text(request.tenantId);
  writer.text(request.clientId);
  writer.text(request.userId);
  if (will === null) return;
  writer.u32(will.delaySeconds);
  writeMessage(writer, will.message);
}

export function writeDetach(
  writer: RecordWriter,
  { bucket, token }: Attached,
  request: number,
  { sessionExpirySeconds, discardWill }: Detaching,
): void {
  const hasExpiry = sessionExpirySeconds >= 0;
  writer.u8(DETACH);
  writer.u16(bucket);
  writer.u32(token);
  writer.u32(request);
  writer.u8((discardWill ? DETACH_DISCARD_WILL : 0) | (hasExpiry ? DETACH_HAS_EXPIRY : 0));
  if (hasExpiry) writer.u32(sessionExpirySeconds);
}

/** `limit`: most subscriptions of the session; 0 = no limit. */
export function writeSubscribe(
  writer: RecordWriter,
  { bucket, token }: Attached,
  request: number,
  limit: number,
  subscription: WantedSubscription,
): void {
  writer.u8(subscription.isReplayOwed === true ? SUBSCRIBE_REPLAY : SUBSCRIBE);
  writer.u16(bucket);
  writer.u32(token);
  writer.u32(request);
  writer.u32(limit);
  writeSubscriptionOptions(writer, subscription.options);
  writer.text(subscription.filter);
}

export function writeUnsubscribe(
  writer: RecordWriter,
  { bucket, token }: Attached,
  request: number,
  filter: string,
): void {
  writer.u8(UNSUBSCRIBE);
  writer.u16(bucket);
  writer.u32(token);
  writer.u32(request);
  writer.text(filter);
}

export function writeCommit(
  writer: RecordWriter,
  { bucket, token }: Attached,
  request: number,
  op: InboxOp,
  packetId: number,
): void {
  writer.u8(COMMIT);
  writer.u16(bucket);
  writer.u32(token);
  writer.u32(request);
  writer.u8(op);
  writer.u16(packetId);
}

export function writeReplay(
  writer: RecordWriter,
  { bucket, token }: Attached,
  step: ReplayStep,
  filter: string,
): void {
  writer.u8(REPLAY);
  writer.u16(bucket);
  writer.u32(token);
  writer.u32(0);
  writer.u8(step);
  writer.text(filter);
}

/** To be followed by `writeInsert`. */
export function writeInsertHeader(
  writer: RecordWriter,
  request: number,
  limits: InsertLimits,
  origin: PublishOrigin | null = null,
): void {
  writer.u8(INSERT);
  writer.u32(request);
  writer.u32(limits.sessionInboxSize);
  writer.u64(limits.sessionBytes);
  writer.u64(limits.tenantRoom);
  writer.u64(limits.processRoom);
  writeOrigin(writer, origin);
}

/** The attachments of a worker's life, with tokens up to `lastToken`, are served no more. */
export function writeLost(
  writer: RecordWriter,
  bucket: number,
  boot: number,
  lastToken: number,
): void {
  writer.u8(LOST);
  writer.u16(bucket);
  writer.u64(boot);
  writer.u32(lastToken);
}

/** What is due by itself for this session, is due. */
export function writeDue(writer: RecordWriter, incarnation: number): void {
  writer.u8(DUE);
  writer.u64(incarnation);
}

export function writeOutboxDone(writer: RecordWriter, record: number): void {
  writer.u8(OUTBOX_DONE);
  writer.u64(record);
}

/** One call per command, in the order of the batch. Objects are borrowed until the call returns. */
export interface LogCommandHandler extends InsertHandler {
  attach(token: number, request: AttachRequest, windowBytes: number, sessionRoom: number): void;
  detach(attached: Attached, request: number, detaching: Detaching): void;
  subscribe(
    attached: Attached,
    request: number,
    limit: number,
    subscription: WantedSubscription,
  ): void;
  unsubscribe(attached: Attached, request: number, filter: string): void;
  commit(attached: Attached, request: number, op: InboxOp, packetId: number): void;
  replay(attached: Attached, step: ReplayStep, filter: string): void;
  /** Ahead of `insertBegin`; `limits` is borrowed until `insertEnd` has returned. */
  insertHeader(request: number, limits: InsertLimits, origin: PublishOrigin | null): void;
  lost(bucket: number, boot: number, lastToken: number): void;
  due(incarnation: number): void;
  outboxDone(record: number): void;
}

/** Reads all commands of one batch. */
export function readLogCommands(reader: RecordReader, handler: LogCommandHandler): void {
  while (!reader.isAtEnd) readLogCommand(reader, handler);
}

/** Refilled per command. One thread, never re-entrant. */
const attachedView = { bucket: 0, token: 0 };
const limitsView = { sessionInboxSize: 0, sessionBytes: 0, tenantRoom: 0, processRoom: 0 };

function readLogCommand(reader: RecordReader, handler: LogCommandHandler): void {
  const kind = reader.u8();
  assert(kind >= ATTACH && kind <= REPLAY, "known inbox command");
  if (kind === INSERT) {
    const request = reader.u32();
    limitsView.sessionInboxSize = reader.u32();
    limitsView.sessionBytes = reader.u64();
    limitsView.tenantRoom = reader.u64();
    limitsView.processRoom = reader.u64();
    handler.insertHeader(request, limitsView, readOrigin(reader));
    readInsert(reader, handler);
  } else if (kind === ATTACH) {
    readAttach(reader, handler);
  } else if (kind === LOST) {
    const bucket = reader.u16();
    const boot = reader.u64();
    handler.lost(bucket, boot, reader.u32());
  } else if (kind === DUE) {
    handler.due(reader.u64());
  } else if (kind === OUTBOX_DONE) {
    handler.outboxDone(reader.u64());
  } else {
    attachedView.bucket = reader.u16();
    attachedView.token = reader.u32();
    readOfAttached(kind, reader, handler);
  }
}

function readOfAttached(kind: number, reader: RecordReader, handler: LogCommandHandler): void {
  const request = reader.u32();
  if (kind === COMMIT) {
    const op = reader.u8() as InboxOp;
    handler.commit(attachedView, request, op, reader.u16());
  } else if (kind === DETACH) {
    const flags = reader.u8();
    handler.detach(attachedView, request, {
      sessionExpirySeconds: (flags & DETACH_HAS_EXPIRY) === 0 ? -1 : reader.u32(),
      discardWill: (flags & DETACH_DISCARD_WILL) !== 0,
    });
  } else if (kind === SUBSCRIBE || kind === SUBSCRIBE_REPLAY) {
    const limit = reader.u32();
    const options = readSubscriptionOptions(reader);
    const isReplayOwed = kind === SUBSCRIBE_REPLAY;
    const wanted = { filter: reader.text(), options, isReplayOwed };
    handler.subscribe(attachedView, request, limit, wanted);
  } else if (kind === REPLAY) {
    const step = reader.u8() as ReplayStep;
    handler.replay(attachedView, step, reader.text());
  } else {
    handler.unsubscribe(attachedView, request, reader.text());
  }
}

function readAttach(reader: RecordReader, handler: LogCommandHandler): void {
  const token = reader.u32();
  const epoch = reader.u64();
  const flags = reader.u8();
  const sessionExpirySeconds = reader.u32();
  const receiveMaximum = reader.u16();
  const windowBytes = reader.u32();
  const isLimited = (flags & ATTACH_IS_LIMITED) !== 0;
  const sessionRoom = isLimited ? reader.u32() : UNLIMITED_SESSIONS;
  const tenantId = reader.text();
  const clientId = reader.text();
  const userId = reader.text();
  let will: InboxWill | null = null;
  if ((flags & ATTACH_HAS_WILL) !== 0) {
    const delaySeconds = reader.u32();
    will = { message: readMessage(reader), delaySeconds };
  }
  const cleanStart = (flags & ATTACH_CLEAN_START) !== 0;
  const who = { tenantId, clientId, userId, epoch };
  const how = { cleanStart, sessionExpirySeconds, receiveMaximum, will };
  handler.attach(token, { ...who, ...how }, windowBytes, sessionRoom);
}
