/**
 * An application message inside a ring record.
 *
 * ```
 *  u8  flags      bit 0-1 QoS · bit 2 RETAIN · bit 3 has expiry
 *  u64 receivedAtMs
 *  u32 expirySeconds                       only with bit 3
 *  text tenantId · text publisherId
 *  u32 topic size · u32 forward properties size · u32 payload size
 *  topic · forward properties · payload    one run of bytes
 * ```
 *
 * The three byte strings lie together so that the receiver copies them with one allocation.
 */

import { NO_BYTES } from "../bytes/copy-bytes.ts";
import { RecordReader } from "../bytes/record-reader.ts";
import { RecordWriter } from "../bytes/record-writer.ts";
import { Message } from "./message.ts";

const FLAG_QOS = 0b11;
const FLAG_RETAIN = 0b100;
const FLAG_EXPIRY = 0b1000;

export function writeMessage(writer: RecordWriter, message: Message): void {
  const hasExpiry = message.expirySeconds >= 0;
  const retain = message.retain ? FLAG_RETAIN : 0;
  writer.u8(message.qos | retain | (hasExpiry ? FLAG_EXPIRY : 0));
  writer.u64(Math.floor(message.receivedAtMs));
  if (hasExpiry) writer.u32(message.expirySeconds);
  writer.text(message.tenantId);
  writer.text(message.publisherId);
  writer.u32(message.topic.length);
  writer.u32(message.forwardProperties.length);
  writer.u32(message.payload.length);
  writer.raw(message.topic);
  writer.raw(message.forwardProperties);
  writer.raw(message.payload);
}

/**
 * A message where it lies in a record: borrowed as long as the record's memory. One object serves
 * all messages of a batch.
 */
export class MessageRecord {
  /** Topic, forward properties and payload follow one another in `bytes` from `offset` on. */
  bytes: Uint8Array = NO_BYTES;
  offset = 0;
  topicLength = 0;
  forwardLength = 0;
  payloadLength = 0;
  tenantId = "";
  publisherId = "";
  qos = 0;
  retain = false;
  expirySeconds = -1;
  receivedAtMs = 0;

  /** Takes the next message of `reader`. */
  read(reader: RecordReader): void {
    const flags = reader.u8();
    this.qos = flags & FLAG_QOS;
    this.retain = (flags & FLAG_RETAIN) !== 0;
    this.receivedAtMs = reader.u64();
    this.expirySeconds = (flags & FLAG_EXPIRY) === 0 ? -1 : reader.u32();
    this.tenantId = reader.text();
    this.publisherId = reader.text();
    this.topicLength = reader.u32();
    this.forwardLength = reader.u32();
    this.payloadLength = reader.u32();
    this.bytes = reader.bytes;
    this.offset = reader.skip(this.topicLength + this.forwardLength + this.payloadLength);
  }

  /** As `messageFootprint` of the message. */
  get footprint(): number {
    const content = this.topicLength + this.forwardLength + this.payloadLength;
    return content + MESSAGE_OVERHEAD_BYTES;
  }

  /** Lets go of the record's memory. */
  release(): void {
    this.bytes = NO_BYTES;
  }

  /** The message with memory of its own: nothing points into the record. */
  own(): Message {
    const { bytes, offset } = this;
    const size = this.topicLength + this.forwardLength + this.payloadLength;
    // Not `bytes.slice`: of a Buffer that would be a view, and this must be a copy.
    return this.#messageIn(Uint8Array.prototype.slice.call(bytes, offset, offset + size), 0);
  }

  /** The message as views of the record's memory, which must be the caller's own. */
  view(): Message {
    return this.#messageIn(this.bytes, this.offset);
  }

  #messageIn(memory: Uint8Array, start: number): Message {
    const topicEnd = start + this.topicLength;
    const forwardEnd = topicEnd + this.forwardLength;
    return new Message(
      this.tenantId,
      memory.subarray(start, topicEnd),
      memory.subarray(forwardEnd, forwardEnd + this.payloadLength),
      this.forwardLength === 0 ? NO_BYTES : memory.subarray(topicEnd, forwardEnd),
      this.qos,
      this.retain,
      this.expirySeconds,
      this.receivedAtMs,
      this.publisherId,
    );
  }
}

// One thread, never re-entrant: both functions run to their end before anybody else reads.
const scratch = new MessageRecord();
const scratchReader = new RecordReader();
const scratchWriter = new RecordWriter();

/** The message with memory of its own: nothing points into the record. */
export function readMessage(reader: RecordReader): Message {
  scratch.read(reader);
  const message = scratch.own();
  scratch.release();
  return message;
}

/** The next message of `reader` as a record of its own, owned. */
export function copyMessageRecord(reader: RecordReader): Uint8Array {
  const start = reader.skip(0);
  scratch.read(reader);
  const end = reader.skip(0);
  const record = Uint8Array.prototype.slice.call(reader.bytes, start, end);
  scratch.release();
  return record;
}

/** The one message in `record`, as views of it: whoever keeps the message keeps `record`. */
export function messageInRecord(record: Uint8Array): Message {
  scratchReader.reset(record, 0, record.length);
  scratch.read(scratchReader);
  scratchReader.release();
  const message = scratch.view();
  scratch.release();
  return message;
}

/** A record of this message alone. */
export function recordOfMessage(message: Message): Uint8Array {
  writeMessage(scratchWriter, message);
  const record = scratchWriter.bytes.slice(0, scratchWriter.size);
  scratchWriter.clear();
  return record;
}

/** Topic, payload and properties, in bytes: what gauges and quotas count. */
export function messageContentBytes(message: Message): number {
  return message.topic.length + message.payload.length + message.forwardProperties.length;
}

/** The objects around a message: it, three views, one buffer, about 400 bytes on 64-bit V8. */
export const MESSAGE_OVERHEAD_BYTES = 400;

/**
 * What holding a message costs, in bytes: its content and a flat sum for the objects around it.
 * Byte windows count this on both ends.
 */
export function messageFootprint(message: Message): number {
  return messageContentBytes(message) + MESSAGE_OVERHEAD_BYTES;
}
