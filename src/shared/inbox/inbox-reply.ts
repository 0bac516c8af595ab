/**
 * Answers of an inbox owner, and its pushes to attached sessions. A record of either kind holds one
 * or more entries: an owner gathers them per session's worker and sends them once per duty cycle.
 *
 * ```
 *  INBOX_REPLY   ATTACHED      u8 1 · u32 token   · u8 AttachStatus
 *                              u8 flags (bit 0 session present, bit 1 after a restart)
 *                              u32 n · n × (options · text filter)
 *                              u32 m · m × u16 inbound identifier · u64 incarnation
 *                              u32 d · d × (u8 DropReason · u64 count · u64 first position
 *                              u64 first time · u64 last position · u64 last time)
 *                              u32 load · u32 r · r × (text filter · u32 t · t × text topic)
 *                SUBSCRIBED    u8 2 · u32 request · u8 InboxSubscribeStatus
 *                UNSUBSCRIBED  u8 3 · u32 request · u8 existed
 *                COMMITTED     u8 4 · u32 request · u8 stale
 *                INSERTED      u8 5 · u32 request · u32 pending · u32 n · n × u8 InsertStatus
 *                DETACHED      u8 6 · u32 request
 *                PROBED        u8 7 · u32 token   · u8 there may be a session
 *
 *  INBOX_PUSH    u8 flags · u32 token · u16 packet identifier
 *                u16 n · n × u32 subscription identifier · [message]
 *                flags: bit 0-1 QoS · bit 2 retain · bit 3 dup · bit 4-5 message: 0 none (PUBREL),
 *                       1 follows, 2 the same as in the entry before
 * ```
 *
 * A message pushed to many sessions of one worker travels once, and becomes one Message there: it
 * is encoded once.
 */

import { assert } from "../base/assert.ts";
import type { RecordReader } from "../bytes/record-reader.ts";
import type { RecordWriter } from "../bytes/record-writer.ts";
import type { Message } from "../mqtt/message.ts";
import { MessageRecord, writeMessage } from "../mqtt/message-codec.ts";
import { readSubscriptionOptions, writeSubscriptionOptions } from "../mqtt/subscription-options.ts";
import { readDrop, readIdentifiers, writeDrop, writeIdentifiers } from "./inbox-fields.ts";
import type {
  AttachReply,
  AttachStatus,
  DropReport,
  InboxPush,
  InboxSubscribeStatus,
  OwedReplay,
  StoredSubscription,
} from "./inbox-types.ts";

const ATTACHED = 1;
const SUBSCRIBED = 2;
const UNSUBSCRIBED = 3;
const COMMITTED = 4;
const INSERTED = 5;
const DETACHED = 6;
const PROBED = 7;

const ATTACHED_PRESENT = 1;
const ATTACHED_AFTER_RESTART = 2;

const PUSH_QOS = 0b11;
const PUSH_RETAIN = 0b100;
const PUSH_DUP = 0b1000;
const PUSH_MESSAGE_SHIFT = 4;
const MESSAGE_NONE = 0;
const MESSAGE_FOLLOWS = 1;
const MESSAGE_AS_BEFORE = 2;

export function writeAttached(writer: RecordWriter, token: number, reply: AttachReply): void {
  writer.u8(ATTACHED);
  writer.u32(token);
  writer.u8(reply.status);
  const presentFlag = reply.sessionPresent ? ATTACHED_PRESENT : 0;
  writer.u8(presentFlag | (reply.isAfterRestart ? ATTACHED_AFTER_RESTART : 0));
  writer.u32(reply.subscriptions.length);
  for (const { filter, options } of reply.subscriptions) {
    writeSubscriptionOptions(writer, options);
    writer.text(filter);
  }
  writer.u32(reply.inboundPacketIds.length);
  for (const packetId of reply.inboundPacketIds) writer.u16(packetId);
  writer.u64(reply.incarnation);
  writer.u32(reply.drops.length);
  for (const drop of reply.drops) writeDrop(writer, drop);
  writer.u32(reply.load);
  writer.u32(reply.replays.length);
  for (const { filter, handedTopics } of reply.replays) {
    writer.text(filter);
    writer.u32(handedTopics.length);
    for (const topic of handedTopics) writer.text(topic);
  }
}

export function writeDetached(writer: RecordWriter, request: number): void {
  writer.u8(DETACHED);
  writer.u32(request);
}

/** `mayExist` false: there is no such session, and an attach that creates none finds none. */
export function writeProbed(writer: RecordWriter, token: number, mayExist: boolean): void {
  writer.u8(PROBED);
  writer.u32(token);
  writer.u8(mayExist ? 1 : 0);
}

export function writeSubscribed(
  writer: RecordWriter,
  request: number,
  status: InboxSubscribeStatus,
): void {
  writer.u8(SUBSCRIBED);
  writer.u32(request);
  writer.u8(status);
}

export function writeUnsubscribed(writer: RecordWriter, request: number, existed: boolean): void {
  writer.u8(UNSUBSCRIBED);
  writer.u32(request);
  writer.u8(existed ? 1 : 0);
}

export function writeCommitted(writer: RecordWriter, request: number, isStale: boolean): void {
  writer.u8(COMMITTED);
  writer.u32(request);
  writer.u8(isStale ? 1 : 0);
}

/** Writes statuses[0, count). */
export function writeInserted(
  writer: RecordWriter,
  request: number,
  statuses: Uint8Array,
  count: number,
  pending: number,
): void {
  writer.u8(INSERTED);
  writer.u32(request);
  writer.u32(pending);
  writer.u32(count);
  for (let i = 0; i < count; i++) writer.u8(statuses[i]!);
}

/** The session's worker's side of the answers. */
export interface InboxReplyHandler {
  handleAttached(token: number, reply: AttachReply): void;
  handleDetached(request: number): void;
  handleProbed(token: number, mayExist: boolean): void;
  handleSubscribed(request: number, status: InboxSubscribeStatus): void;
  handleUnsubscribed(request: number, existed: boolean): void;
  handleCommitted(request: number, isStale: boolean): void;
  /** `statuses` is owned. */
  handleInserted(request: number, statuses: Uint8Array, pending: number): void;
}

/** Reads all answers of one record. */
export function readInboxReplies(reader: RecordReader, handler: InboxReplyHandler): void {
  while (!reader.isAtEnd) {
    const kind = reader.u8();
    assert(kind >= ATTACHED && kind <= PROBED, "known inbox reply");
    const request = reader.u32();
    if (kind === INSERTED) {
      const pending = reader.u32();
      handler.handleInserted(request, reader.blob(), pending);
    } else if (kind === COMMITTED) {
      handler.handleCommitted(request, reader.u8() === 1);
    } else if (kind === SUBSCRIBED) {
      handler.handleSubscribed(request, reader.u8() as InboxSubscribeStatus);
    } else if (kind === UNSUBSCRIBED) {
      handler.handleUnsubscribed(request, reader.u8() === 1);
    } else if (kind === DETACHED) {
      handler.handleDetached(request);
    } else if (kind === PROBED) {
      handler.handleProbed(request, reader.u8() === 1);
    } else {
      handler.handleAttached(request, readAttached(reader));
    }
  }
}

function readAttached(reader: RecordReader): AttachReply {
  const status = reader.u8() as AttachStatus;
  const flags = reader.u8();
  const sessionPresent = (flags & ATTACHED_PRESENT) !== 0;
  const isAfterRestart = (flags & ATTACHED_AFTER_RESTART) !== 0;
  const subscriptions: StoredSubscription[] = [];
  for (let left = reader.u32(); left > 0; left--) {
    const options = readSubscriptionOptions(reader);
    subscriptions.push({ filter: reader.text(), options });
  }
  const inboundPacketIds: number[] = [];
  for (let left = reader.u32(); left > 0; left--) inboundPacketIds.push(reader.u16());
  const incarnation = reader.u64();
  const drops: DropReport[] = [];
  for (let left = reader.u32(); left > 0; left--) drops.push(readDrop(reader));
  const load = reader.u32();
  const replays: OwedReplay[] = [];
  for (let left = reader.u32(); left > 0; left--) replays.push(readReplay(reader));
  const stored = { subscriptions, inboundPacketIds, incarnation, drops, load, replays };
  return { status, sessionPresent, isAfterRestart, ...stored };
}

function readReplay(reader: RecordReader): OwedReplay {
  const filter = reader.text();
  const handedTopics: string[] = [];
  for (let left = reader.u32(); left > 0; left--) handedTopics.push(reader.text());
  return { filter, handedTopics };
}

/** A delivery as far as a push tells of it. */
export interface PushedDelivery {
  /** Null: send PUBREL. */
  readonly stored: { readonly message: Message | null } | null;
  readonly packetId: number;
  readonly qos: number;
  readonly retain: boolean;
  readonly subscriptionIdentifiers: readonly number[];
}

/**
 * Appends a push. `previous`: the message of the entry before it in the same record, null at its
 * start. Returns the message to pass as `previous` next time.
 */
export function writePush(
  writer: RecordWriter,
  token: number,
  delivery: PushedDelivery,
  dup: boolean,
  previous: Message | null,
): Message | null {
  const message = delivery.stored === null ? null : delivery.stored.message;
  let messageForm = MESSAGE_FOLLOWS;
  if (message === null) messageForm = MESSAGE_NONE;
  else if (message === previous) messageForm = MESSAGE_AS_BEFORE;
  const retain = delivery.retain ? PUSH_RETAIN : 0;
  const flags = delivery.qos | retain | (dup ? PUSH_DUP : 0);
  writer.u8(flags | (messageForm << PUSH_MESSAGE_SHIFT));
  writer.u32(token);
  writer.u16(delivery.packetId);
  writeIdentifiers(writer, delivery.subscriptionIdentifiers);
  if (message === null) return previous;
  if (messageForm === MESSAGE_FOLLOWS) writeMessage(writer, message);
  return message;
}

/** Refilled per push. One thread, never re-entrant. */
class PushView implements InboxPush {
  readonly record = new MessageRecord();
  hasMessage = false;
  packetId = 0;
  qos = 0;
  retain = false;
  dup = false;
  subscriptionIdentifiers: readonly number[] = [];
  #owned: Message | null = null;

  /** Several pushes of one message share it. */
  get message(): Message | null {
    if (!this.hasMessage) return null;
    this.#owned ??= this.record.own();
    return this.#owned;
  }

  /** Takes the next message of `reader`. */
  read(reader: RecordReader): void {
    this.#owned = null;
    this.record.read(reader);
  }

  /** Lets go of the record's memory. */
  release(): void {
    this.#owned = null;
    this.record.release();
  }
}

const pushView = new PushView();

/**
 * Reads all pushes of one record; the push handed to `handle` is borrowed until it returns, its
 * `message` is owned.
 */
export function readPushes(
  reader: RecordReader,
  handle: (token: number, push: InboxPush) => void,
): void {
  let hasPrevious = false;
  while (!reader.isAtEnd) {
    const flags = reader.u8();
    const token = reader.u32();
    pushView.qos = flags & PUSH_QOS;
    pushView.retain = (flags & PUSH_RETAIN) !== 0;
    pushView.dup = (flags & PUSH_DUP) !== 0;
    pushView.packetId = reader.u16();
    pushView.subscriptionIdentifiers = readIdentifiers(reader);
    const messageForm = flags >> PUSH_MESSAGE_SHIFT;
    if (messageForm === MESSAGE_FOLLOWS) {
      pushView.read(reader);
      hasPrevious = true;
    }
    assert(messageForm === MESSAGE_NONE || hasPrevious, "a message to repeat");
    pushView.hasMessage = messageForm !== MESSAGE_NONE;
    handle(token, pushView);
  }
  pushView.release();
}
