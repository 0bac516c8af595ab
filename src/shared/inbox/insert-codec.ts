/**
 * One message for one or more inboxes, as it travels in commands: through the log at QoS 1 and 2
 * (log-command.ts), straight to the range's worker at QoS 0 (direct-command.ts). Part of a stored
 * format.
 *
 * ```
 *  insert     message · u32 count · count × receiver
 *
 *  receiver   u8 flags (bit 0-1 QoS, bit 2 retain, bit 3 shared, bit 4 has identifiers,
 *                       bit 5 owed for a subscription)
 *             u64 incarnation · [u16 n · n × u32 identifier] · [text share filter]
 * ```
 */

import type { RecordReader } from "../bytes/record-reader.ts";
import type { RecordWriter } from "../bytes/record-writer.ts";
import type { Message } from "../mqtt/message.ts";
import { readMessage, writeMessage } from "../mqtt/message-codec.ts";
import { readIdentifiers, writeIdentifiers } from "./inbox-fields.ts";
import type { InboxReceiver } from "./inbox-types.ts";

const QOS = 0b11;
const RETAIN = 0b100;
const SHARED = 0b1000;
const HAS_IDENTIFIERS = 0b10000;
const REPLAY = 0b100000;

const NO_IDENTIFIERS: readonly number[] = Object.freeze([]);

export function writeInsert(
  writer: RecordWriter,
  message: Message,
  receivers: readonly InboxReceiver[],
): void {
  writeMessage(writer, message);
  writer.u32(receivers.length);
  for (let i = 0; i < receivers.length; i++) writeReceiver(writer, receivers[i]!);
}

function writeReceiver(writer: RecordWriter, receiver: InboxReceiver): void {
  const { shareFilter, subscriptionIdentifiers } = receiver;
  const hasIdentifiers = subscriptionIdentifiers.length > 0;
  const retain = receiver.retain ? RETAIN : 0;
  const shared = shareFilter === null ? 0 : SHARED;
  const replay = receiver.isReplay === true ? REPLAY : 0;
  const identifiers = hasIdentifiers ? HAS_IDENTIFIERS : 0;
  writer.u8(receiver.qos | retain | shared | identifiers | replay);
  writer.u64(receiver.incarnation);
  if (hasIdentifiers) writeIdentifiers(writer, subscriptionIdentifiers);
  if (shareFilter !== null) writer.text(shareFilter);
}

/** `insertReceiver` is called once per receiver, between `insertBegin` and `insertEnd`. */
export interface InsertHandler {
  insertBegin(message: Message, count: number): void;
  /** `receiver` is borrowed until the call returns. */
  insertReceiver(receiver: InboxReceiver): void;
  insertEnd(): void;
}

/** Refilled per receiver: an insert may have thousands. One thread, never re-entrant. */
const receiverView = {
  incarnation: 0,
  qos: 0,
  retain: false,
  subscriptionIdentifiers: NO_IDENTIFIERS,
  shareFilter: null as string | null,
  isReplay: false,
};

export function readInsert(reader: RecordReader, handler: InsertHandler): void {
  const message = readMessage(reader);
  const count = reader.u32();
  handler.insertBegin(message, count);
  for (let i = 0; i < count; i++) {
    const flags = reader.u8();
    receiverView.qos = flags & QOS;
    receiverView.retain = (flags & RETAIN) !== 0;
    receiverView.isReplay = (flags & REPLAY) !== 0;
    receiverView.incarnation = reader.u64();
    receiverView.subscriptionIdentifiers =
      (flags & HAS_IDENTIFIERS) === 0 ? NO_IDENTIFIERS : readIdentifiers(reader);
    receiverView.shareFilter = (flags & SHARED) === 0 ? null : reader.text();
    handler.insertReceiver(receiverView);
  }
  handler.insertEnd();
}
