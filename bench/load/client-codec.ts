/**
 * The client's half of MQTT as far as a load generator needs it: build CONNECT, SUBSCRIBE and
 * PUBLISH, and walk through what a broker sends without allocating anything per packet.
 * Acknowledgements, variable byte integers and property types are the broker's own
 * (src/shared/mqtt).
 *
 * It trusts the broker's framing (the conformance tests do not): a load generator must cost less
 * than what it measures.
 */

import {
  readVarint,
  varintSizeOf,
  varintValue,
  writeVarint,
} from "../../src/shared/bytes/varint.ts";
import { PacketType } from "../../src/shared/mqtt/packet-type.ts";
import { PROPERTY_TYPE, PropertyId, PropertyType } from "../../src/shared/mqtt/property.ts";

const KEEP_ALIVE_OFF = [0, 0];
const CLEAN_SESSION = 0x02;
const MAX_VARINT_BYTES = 4;
const MAX_RECEIVE_MAXIMUM = 65_535;
/** An hour: longer than any run, short enough that nothing stays behind. */
const STORED_SESSION_SECONDS = [0, 0, 0x0e, 0x10];

/** Receives what `walkPackets` finds. */
export interface PacketSink {
  /** bytes[offset..end) is the payload, borrowed. `packetId` is 0 at QoS 0. */
  handlePublish(
    bytes: Uint8Array,
    offset: number,
    end: number,
    qos: number,
    packetId: number,
  ): void;
  /** Everything else that a broker sends: CONNACK, PUBACK, SUBACK, ... */
  handleOther(type: number, bytes: Uint8Array, bodyOffset: number, bodyLength: number): void;
  /** For a sink that does not want every packet walked; `walkPackets` where it is missing. */
  takeChunk?(bytes: Buffer, range: { start: number; end: number }): number;
}

/**
 * Walks over all whole packets in bytes[start..end) and returns where the first incomplete one
 * starts.
 */
export function walkPackets(
  bytes: Uint8Array,
  range: { start: number; end: number },
  hasProperties: boolean,
  sink: PacketSink,
): number {
  const end = range.end;
  let position = range.start;
  while (position + 2 <= end) {
    let body = position + 2;
    let length = bytes[position + 1]!;
    if (length >= 0x80) {
      length &= 0x7f;
      let shift = 7;
      let next = 0x80;
      while (next >= 0x80) {
        if (body >= end) return position;
        next = bytes[body]!;
        body += 1;
        length |= (next & 0x7f) << shift;
        shift += 7;
      }
    }
    if (body + length > end) return position;
    const first = bytes[position]!;
    if (first >> 4 === PacketType.PUBLISH) {
      walkPublish(bytes, { body, end: body + length }, (first >> 1) & 3, hasProperties, sink);
    } else {
      sink.handleOther(first >> 4, bytes, body, length);
    }
    position = body + length;
  }
  return position;
}

function walkPublish(
  bytes: Uint8Array,
  range: { body: number; end: number },
  qos: number,
  hasProperties: boolean,
  sink: PacketSink,
): void {
  const body = range.body;
  let offset = body + 2 + ((bytes[body]! << 8) | bytes[body + 1]!);
  let packetId = 0;
  if (qos > 0) {
    packetId = (bytes[offset]! << 8) | bytes[offset + 1]!;
    offset += 2;
  }
  if (hasProperties) {
    const length = readVarint(bytes, offset, range.end);
    offset += varintSizeOf(length) + varintValue(length);
  }
  sink.handlePublish(bytes, offset, range.end, qos, packetId);
}

/** True when the CONNACK in bytes[bodyOffset..) accepts the connection. */
export function isAccepted(bytes: Uint8Array, bodyOffset: number): boolean {
  return bytes[bodyOffset + 1] === 0;
}

/** Receive Maximum of a CONNACK of MQTT 5: publishes above QoS 0 that the broker takes at once. */
export function receiveMaximumOf(
  bytes: Uint8Array,
  bodyOffset: number,
  bodyLength: number,
): number {
  const propertiesAt = bodyOffset + 2;
  const length = readVarint(bytes, propertiesAt, bodyOffset + bodyLength);
  let offset = propertiesAt + varintSizeOf(length);
  const end = offset + varintValue(length);
  while (offset < end) {
    const id = bytes[offset]!;
    if (id === PropertyId.RECEIVE_MAXIMUM) return (bytes[offset + 1]! << 8) | bytes[offset + 2]!;
    const size = propertySize(bytes, offset);
    if (size === 0) break;
    offset += size;
  }
  return MAX_RECEIVE_MAXIMUM;
}

/** Bytes of the property at `offset`, its identifier included; 0 when it is none that we know. */
function propertySize(bytes: Uint8Array, offset: number): number {
  const lengthAt = (at: number) => 2 + ((bytes[at]! << 8) | bytes[at + 1]!);
  switch (PROPERTY_TYPE[bytes[offset]!]) {
    case PropertyType.BYTE:
      return 2;
    case PropertyType.TWO_BYTES:
      return 3;
    case PropertyType.FOUR_BYTES:
      return 5;
    case PropertyType.TEXT:
    case PropertyType.BINARY:
      return 1 + lengthAt(offset + 1);
    case PropertyType.TEXT_PAIR: {
      const name = lengthAt(offset + 1);
      return 1 + name + lengthAt(offset + 1 + name);
    }
    default:
      return 0;
  }
}

/**
 * CONNECT without keep alive; receive maximum and packet size stay at their defaults, the largest.
 */
export function connectPacket(
  clientId: string,
  protocolVersion: 4 | 5,
  isPersistent = false,
): Buffer {
  const flags = isPersistent ? 0 : CLEAN_SESSION;
  const head = [0, 4, 0x4d, 0x51, 0x54, 0x54, protocolVersion, flags, ...KEEP_ALIVE_OFF];
  const expiry = isPersistent
    ? [PropertyId.SESSION_EXPIRY_INTERVAL, ...STORED_SESSION_SECONDS]
    : [];
  const properties = protocolVersion === 5 ? [expiry.length, ...expiry] : [];
  return packet(PacketType.CONNECT << 4, Buffer.from([...head, ...properties]), text(clientId));
}

export function subscribePacket(
  filters: readonly string[],
  qos: number,
  protocolVersion: 4 | 5,
): Buffer {
  const head = protocolVersion === 5 ? [0, 1, 0] : [0, 1];
  const first = (PacketType.SUBSCRIBE << 4) | 0x02;
  const entries = filters.flatMap((filter) => [text(filter), Buffer.of(qos)]);
  return packet(first, Buffer.from(head), ...entries);
}

export const DISCONNECT_PACKET: Buffer = Buffer.of(PacketType.DISCONNECT << 4, 0);

/**
 * A PUBLISH to be sent many times: only the packet identifier, the payload's header and perhaps
 * digits of the topic differ. Offsets are from the start of `bytes`; `packetIdOffset` is -1 at QoS
 * 0.
 */
export interface PublishTemplate {
  readonly bytes: Buffer;
  readonly topicOffset: number;
  readonly packetIdOffset: number;
  readonly payloadOffset: number;
}

export function publishTemplate(
  topic: string,
  payload: Buffer,
  options: { qos: number; protocolVersion: 4 | 5; isRetained?: boolean },
): PublishTemplate {
  const topicBytes = text(topic);
  const id = Buffer.alloc(options.qos > 0 ? 2 : 0);
  const properties = Buffer.alloc(options.protocolVersion === 5 ? 1 : 0);
  const retain = options.isRetained === true ? 1 : 0;
  const first = (PacketType.PUBLISH << 4) | (options.qos << 1) | retain;
  const bytes = packet(first, topicBytes, id, properties, payload);
  const payloadOffset = bytes.length - payload.length;
  const idOffset = payloadOffset - properties.length - id.length;
  return {
    bytes,
    topicOffset: idOffset - topicBytes.length + 2,
    packetIdOffset: options.qos > 0 ? idOffset : -1,
    payloadOffset,
  };
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, "utf8");
  return Buffer.concat([Buffer.of(bytes.length >> 8, bytes.length & 0xff), bytes]);
}

function packet(firstByte: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const length = Buffer.alloc(MAX_VARINT_BYTES);
  const lengthBytes = writeVarint(length, 0, body.length);
  return Buffer.concat([Buffer.of(firstByte), length.subarray(0, lengthBytes), body]);
}
