/**
 * PUBLISH towards one subscriber, straight from the ring record that the message came in: nothing
 * of it is made into an object or encoded for others. For QoS 1 and 2 and packets without
 * properties but those that are forwarded; all else goes through encode-publish.ts.
 *
 *   first byte | remaining length | topic | packet identifier | MQTT 5: properties | payload
 *
 * Flow: publish 8/8, of stored sessions. Thread: worker.
 */

import { copyBytes } from "../bytes/copy-bytes.ts";
import { varintSize, writeVarint } from "../bytes/varint.ts";
import type { MessageRecord } from "./message-codec.ts";
import { PacketType } from "./packet-type.ts";

const FIRST_BYTE = PacketType.PUBLISH << 4;
const DUP_FLAG = 0x08;
const QOS_SHIFT = 1;

/** The first byte of a PUBLISH. */
export function publishFirstByte(qos: number, retain: boolean, dup: boolean): number {
  return FIRST_BYTE | (dup ? DUP_FLAG : 0) | (qos << QOS_SHIFT) | (retain ? 1 : 0);
}

/** Bytes of the whole packet. */
export function recordPublishSize(record: MessageRecord, isV5: boolean): number {
  const remaining = remainingLength(record, isV5);
  return 1 + varintSize(remaining) + remaining;
}

/** Writes `recordPublishSize` bytes at target[offset ..]. */
// biome-ignore lint/complexity/useMaxParams: one call per delivery; an object for the arguments would be one too.
export function writeRecordPublish(
  target: Uint8Array,
  offset: number,
  record: MessageRecord,
  isV5: boolean,
  firstByte: number,
  packetId: number,
): void {
  const { bytes, topicLength, forwardLength, payloadLength } = record;
  const forwardAt = record.offset + topicLength;
  target[offset] = firstByte;
  let at = writeVarint(target, offset + 1, remainingLength(record, isV5));
  target[at] = topicLength >>> 8; // [MQTT-3.3.2-1]
  target[at + 1] = topicLength;
  copyBytes(target, at + 2, bytes, record.offset, topicLength);
  at += 2 + topicLength;
  target[at] = packetId >>> 8;
  target[at + 1] = packetId;
  at += 2;
  if (isV5) {
    at = writeVarint(target, at, forwardLength); // [MQTT-2.2.2-1] 0 without properties
    copyBytes(target, at, bytes, forwardAt, forwardLength); // [MQTT-3.3.2-17] [MQTT-3.3.2-18]
    at += forwardLength;
  }
  copyBytes(target, at, bytes, forwardAt + forwardLength, payloadLength);
}

function remainingLength(record: MessageRecord, isV5: boolean): number {
  const { topicLength, forwardLength, payloadLength } = record;
  const properties = isV5 ? varintSize(forwardLength) + forwardLength : 0;
  return 2 + topicLength + 2 + properties + payloadLength;
}
