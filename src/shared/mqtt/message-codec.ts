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

import type { RecordReader } from "../bytes/record-reader.ts";
import type { RecordWriter } from "../bytes/record-writer.ts";
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

/** The message with memory of its own: nothing points into the record. */
export function readMessage(reader: RecordReader): Message {
  const flags = reader.u8();
  const receivedAtMs = reader.u64();
  const expirySeconds = (flags & FLAG_EXPIRY) === 0 ? -1 : reader.u32();
  const tenantId = reader.text();
  const publisherId = reader.text();
  const topicEnd = reader.u32();
  const forwardEnd = topicEnd + reader.u32();
  const payloadEnd = forwardEnd + reader.u32();
  const owned = reader.raw(payloadEnd);
  return new Message(
    tenantId,
    owned.subarray(0, topicEnd),
    owned.subarray(forwardEnd, payloadEnd),
    owned.subarray(topicEnd, forwardEnd),
    flags & FLAG_QOS,
    (flags & FLAG_RETAIN) !== 0,
    expirySeconds,
    receivedAtMs,
    publisherId,
  );
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
