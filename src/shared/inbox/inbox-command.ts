/**
 * Commands to the owner of inboxes. One INBOX_COMMAND record holds one or more, one after the
 * other.
 *
 * ```
 *  ATTACH       u8 1 · u32 token · u64 epoch · u8 flags (bit 0 clean start, bit 1 has will)
 *               u32 session expiry · u16 receive maximum · text tenant · text client · text user
 *               [u32 will delay · message]
 *  DETACH       u8 2 · u32 token · u8 flags (bit 0 discard will, bit 1 has expiry)
 *               [u32 session expiry]
 *  SUBSCRIBE    u8 3 · u32 token · u32 request · options · text filter
 *  UNSUBSCRIBE  u8 4 · u32 token · u32 request · text filter
 *  COMMIT       u8 5 · u32 token · u32 request (0 = no reply) · u8 InboxOp · u16 packet identifier
 *  INSERT       u8 6 · u32 request (0 = no reply) · message · u32 count · count × receiver
 *  CREDIT       u8 7 · u32 token · u32 bytes of QoS 0 taken
 *
 *  options      u8 flags (bit 0-1 QoS, bit 2 no local, bit 3 retain as published)
 *               u32 subscription identifier
 *  receiver     u8 flags (bit 0-1 QoS, bit 2 retain, bit 3 shared) · u16 n · n × u32 identifier
 *               text client · [text share filter]
 * ```
 *
 * `token` is the number that the session's worker gave its attach; with the record's source it
 * names the attachment.
 */

import { assert } from "../base/assert.ts";
import type { RecordReader } from "../bytes/record-reader.ts";
import type { RecordWriter } from "../bytes/record-writer.ts";
import type { Message } from "../mqtt/message.ts";
import { readMessage, writeMessage } from "../mqtt/message-codec.ts";
import { readIdentifiers, readOptions, writeIdentifiers, writeOptions } from "./inbox-fields.ts";
import type {
  AttachRequest,
  InboxOp,
  InboxReceiver,
  InboxWill,
  StoredSubscription,
} from "./inbox-types.ts";

const ATTACH = 1;
const DETACH = 2;
const SUBSCRIBE = 3;
const UNSUBSCRIBE = 4;
const COMMIT = 5;
const INSERT = 6;
const CREDIT = 7;

const ATTACH_CLEAN_START = 1;
const ATTACH_HAS_WILL = 2;
const DETACH_DISCARD_WILL = 1;
const DETACH_HAS_EXPIRY = 2;
const RECEIVER_QOS = 0b11;
const RECEIVER_RETAIN = 0b100;
const RECEIVER_SHARED = 0b1000;

export function writeAttach(writer: RecordWriter, token: number, request: AttachRequest): void {
  const will = request.will;
  writer.u8(ATTACH);
  writer.u32(token);
  writer.u64(request.epoch);
  writer.u8((request.cleanStart ? ATTACH_CLEAN_START : 0) | (will === null ? 0 : ATTACH_HAS_WILL));
  writer.u32(request.sessionExpirySeconds);
  writer.u16(request.receiveMaximum);
  writer.text(request.tenantId);
  writer.text(request.clientId);
  writer.text(request.userId);
  if (will === null) return;
  writer.u32(will.delaySeconds);
  writeMessage(writer, will.message);
}

/** `sessionExpirySeconds` -1 keeps the value from attach. */
export function writeDetach(
  writer: RecordWriter,
  token: number,
  sessionExpirySeconds: number,
  discardWill: boolean,
): void {
  const hasExpiry = sessionExpirySeconds >= 0;
  writer.u8(DETACH);
  writer.u32(token);
  writer.u8((discardWill ? DETACH_DISCARD_WILL : 0) | (hasExpiry ? DETACH_HAS_EXPIRY : 0));
  if (hasExpiry) writer.u32(sessionExpirySeconds);
}

export function writeSubscribe(
  writer: RecordWriter,
  token: number,
  request: number,
  subscription: StoredSubscription,
): void {
  writer.u8(SUBSCRIBE);
  writer.u32(token);
  writer.u32(request);
  writeOptions(writer, subscription.options);
  writer.text(subscription.filter);
}

export function writeUnsubscribe(
  writer: RecordWriter,
  token: number,
  request: number,
  filter: string,
): void {
  writer.u8(UNSUBSCRIBE);
  writer.u32(token);
  writer.u32(request);
  writer.text(filter);
}

export function writeCommit(
  writer: RecordWriter,
  token: number,
  request: number,
  op: InboxOp,
  packetId: number,
): void {
  writer.u8(COMMIT);
  writer.u32(token);
  writer.u32(request);
  writer.u8(op);
  writer.u16(packetId);
}

export function writeInsert(
  writer: RecordWriter,
  request: number,
  message: Message,
  receivers: readonly InboxReceiver[],
): void {
  writer.u8(INSERT);
  writer.u32(request);
  writeMessage(writer, message);
  writer.u32(receivers.length);
  for (let i = 0; i < receivers.length; i++) writeReceiver(writer, receivers[i]!);
}

function writeReceiver(writer: RecordWriter, receiver: InboxReceiver): void {
  const { shareFilter } = receiver;
  const retain = receiver.retain ? RECEIVER_RETAIN : 0;
  writer.u8(receiver.qos | retain | (shareFilter === null ? 0 : RECEIVER_SHARED));
  writeIdentifiers(writer, receiver.subscriptionIdentifiers);
  writer.text(receiver.clientId);
  if (shareFilter !== null) writer.text(shareFilter);
}

export function writeCredit(writer: RecordWriter, token: number, bytes: number): void {
  writer.u8(CREDIT);
  writer.u32(token);
  writer.u32(bytes);
}

/**
 * One call per command, in record order; `insertReceiver` once per receiver between `insertBegin`
 * and `insertEnd`.
 */
export interface InboxCommandHandler {
  attach(token: number, request: AttachRequest): void;
  detach(token: number, sessionExpirySeconds: number, discardWill: boolean): void;
  subscribe(token: number, request: number, subscription: StoredSubscription): void;
  unsubscribe(token: number, request: number, filter: string): void;
  commit(token: number, request: number, op: InboxOp, packetId: number): void;
  insertBegin(request: number, message: Message, receiverCount: number): void;
  /** `receiver` is borrowed until the call returns. */
  insertReceiver(receiver: InboxReceiver): void;
  insertEnd(): void;
  credit(token: number, bytes: number): void;
}

/** Reads all commands of one record. */
export function readInboxCommands(reader: RecordReader, handler: InboxCommandHandler): void {
  while (!reader.isAtEnd) readInboxCommand(reader, handler);
}

function readInboxCommand(reader: RecordReader, handler: InboxCommandHandler): void {
  const kind = reader.u8();
  assert(kind >= ATTACH && kind <= CREDIT, "known inbox command");
  if (kind === INSERT) {
    readInsert(reader, handler);
    return;
  }
  const token = reader.u32();
  if (kind === COMMIT) {
    const request = reader.u32();
    const op = reader.u8() as InboxOp;
    handler.commit(token, request, op, reader.u16());
  } else if (kind === CREDIT) {
    handler.credit(token, reader.u32());
  } else if (kind === ATTACH) {
    handler.attach(token, readAttach(reader));
  } else if (kind === DETACH) {
    const flags = reader.u8();
    const expirySeconds = (flags & DETACH_HAS_EXPIRY) === 0 ? -1 : reader.u32();
    handler.detach(token, expirySeconds, (flags & DETACH_DISCARD_WILL) !== 0);
  } else if (kind === SUBSCRIBE) {
    const request = reader.u32();
    const options = readOptions(reader);
    handler.subscribe(token, request, { filter: reader.text(), options });
  } else {
    const request = reader.u32();
    handler.unsubscribe(token, request, reader.text());
  }
}

function readAttach(reader: RecordReader): AttachRequest {
  const epoch = reader.u64();
  const flags = reader.u8();
  const sessionExpirySeconds = reader.u32();
  const receiveMaximum = reader.u16();
  const tenantId = reader.text();
  const clientId = reader.text();
  const userId = reader.text();
  let will: InboxWill | null = null;
  if ((flags & ATTACH_HAS_WILL) !== 0) {
    const delaySeconds = reader.u32();
    will = { message: readMessage(reader), delaySeconds };
  }
  const cleanStart = (flags & ATTACH_CLEAN_START) !== 0;
  return {
    tenantId,
    clientId,
    userId,
    epoch,
    cleanStart,
    sessionExpirySeconds,
    receiveMaximum,
    will,
  };
}

/** Refilled per receiver: an insert may have thousands. One thread, never re-entrant. */
const receiverView = {
  clientId: "",
  qos: 0,
  retain: false,
  subscriptionIdentifiers: [] as readonly number[],
  shareFilter: null as string | null,
};

function readInsert(reader: RecordReader, handler: InboxCommandHandler): void {
  const request = reader.u32();
  const message = readMessage(reader);
  const count = reader.u32();
  handler.insertBegin(request, message, count);
  for (let i = 0; i < count; i++) {
    const flags = reader.u8();
    receiverView.qos = flags & RECEIVER_QOS;
    receiverView.retain = (flags & RECEIVER_RETAIN) !== 0;
    receiverView.subscriptionIdentifiers = readIdentifiers(reader);
    receiverView.clientId = reader.text();
    receiverView.shareFilter = (flags & RECEIVER_SHARED) === 0 ? null : reader.text();
    handler.insertReceiver(receiverView);
  }
  handler.insertEnd();
}
