/**
 * Raft messages on the wire, one sealed record each; which group and which node they are for is the
 * frame's business. Heartbeats and their answers usually travel in heartbeat-frame.ts instead.
 *
 *   type u8 | flags u8 | from u64 | to u64 | term u64 | epoch u64 | logTerm u64 | index u64
 *   | commit u64 | hint u64 | context u64 | entries | [ snapshot ]
 *
 *   flags: 1 isRejected, 2 isForced, 4 a snapshot follows
 */

import type { RecordWriter } from "../bytes/record-writer.ts";
import type { WireReader } from "../bytes/wire-reader.ts";
import { isOneOf, numbersOf } from "./codec-fields.ts";
import { readEntries, readSnapshot, writeEntries, writeSnapshot } from "./entry-codec.ts";
import { createMessage, MessageType, type RaftMessage } from "./message.ts";
import { readSealed, writeSealed } from "./sealed-record.ts";

const VERSION = 1;
const MESSAGE_TYPES = numbersOf(MessageType);
const REJECTED = 1;
const FORCED = 2;
const HAS_SNAPSHOT = 4;
const ALL_FLAGS = REJECTED | FORCED | HAS_SNAPSHOT;

/** Appends `message` to what `writer` holds. */
export function encodeMessage(writer: RecordWriter, message: RaftMessage): void {
  writeSealed(writer, VERSION, () => {
    const { isRejected, isForced, snapshot } = message;
    writer.u8(message.type);
    writer.u8(
      (isRejected ? REJECTED : 0) | (isForced ? FORCED : 0) | (snapshot ? HAS_SNAPSHOT : 0),
    );
    writer.u64(message.from);
    writer.u64(message.to);
    writer.u64(message.term);
    writer.u64(message.epoch);
    writer.u64(message.logTerm);
    writer.u64(message.index);
    writer.u64(message.commit);
    writer.u64(message.hint);
    writer.u64(message.context);
    writeEntries(writer, message.entries);
    if (snapshot !== null) writeSnapshot(writer, snapshot);
  });
}

/** The message in bytes[start, end), none of which it keeps; null if there is none. */
export function decodeMessage(bytes: Uint8Array, start: number, end: number): RaftMessage | null {
  return readSealed(bytes, start, end, VERSION, readMessage);
}

function readMessage(reader: WireReader): RaftMessage | null {
  const type = reader.u8();
  const flags = reader.u8();
  if (!isOneOf(MESSAGE_TYPES, type) || flags > ALL_FLAGS) return null;
  const message = createMessage(type, 0);
  message.isRejected = (flags & REJECTED) !== 0;
  message.isForced = (flags & FORCED) !== 0;
  message.from = reader.u64();
  message.to = reader.u64();
  message.term = reader.u64();
  message.epoch = reader.u64();
  message.logTerm = reader.u64();
  message.index = reader.u64();
  message.commit = reader.u64();
  message.hint = reader.u64();
  message.context = reader.u64();
  message.entries = readEntries(reader);
  if ((flags & HAS_SNAPSHOT) !== 0) message.snapshot = readSnapshot(reader);
  return message;
}
