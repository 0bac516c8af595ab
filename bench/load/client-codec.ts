/**
 * The client's half of MQTT as far as a load generator needs it: build CONNECT, SUBSCRIBE, PUBLISH
 * and acknowledgements, and walk through what a broker sends without allocating anything per
 * packet.
 *
 * It trusts the broker's framing (the conformance tests do not): a load generator must cost less
 * than what it measures. The payload carries who published it and its sequence number:
 *
 *   0        4          8                payloadBytes
 *   | publisher | sequence | filler 0x2e ...   |        both big-endian, 32 bits
 */

import { PacketType } from "../../src/shared/mqtt/packet-type.ts";

/** Publisher and sequence number: the smallest payload. */
export const PAYLOAD_HEADER_BYTES = 8;

const ACK_BYTES = 4;
const KEEP_ALIVE_OFF = 0;
const PUBLISH_RETAIN_CLEAR = PacketType.PUBLISH << 4;
const PUBREL_HEADER = (PacketType.PUBREL << 4) | 0x02;

/**
 * Receives what `PacketWalker.walk` finds. One implementation, so that the calls stay monomorphic.
 */
export interface PacketSink {
  /** `bytes` is borrowed: the payload starts at `payloadOffset`. `packetId` is 0 at QoS 0. */
  handlePublish(bytes: Uint8Array, payloadOffset: number, qos: number, packetId: number): void;
  /** CONNACK, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK: everything else that the broker sends. */
  handleOther(type: number, bytes: Uint8Array, bodyOffset: number, bodyLength: number): void;
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
      walkPublish(bytes, body, (first >> 1) & 3, hasProperties, sink);
    } else {
      sink.handleOther(first >> 4, bytes, body, length);
    }
    position = body + length;
  }
  return position;
}

function walkPublish(
  bytes: Uint8Array,
  body: number,
  qos: number,
  hasProperties: boolean,
  sink: PacketSink,
): void {
  let offset = body + 2 + ((bytes[body]! << 8) | bytes[body + 1]!);
  let packetId = 0;
  if (qos > 0) {
    packetId = (bytes[offset]! << 8) | bytes[offset + 1]!;
    offset += 2;
  }
  if (hasProperties) {
    let propertiesLength = 0;
    let shift = 0;
    let next = 0x80;
    while (next >= 0x80) {
      next = bytes[offset]!;
      offset += 1;
      propertiesLength |= (next & 0x7f) << shift;
      shift += 7;
    }
    offset += propertiesLength;
  }
  sink.handlePublish(bytes, offset, qos, packetId);
}

export function readUint32(bytes: Uint8Array, offset: number): number {
  return (
    bytes[offset]! * 0x1_000_000 +
    ((bytes[offset + 1]! << 16) | (bytes[offset + 2]! << 8) | bytes[offset + 3]!)
  );
}

/**
 * CONNECT with a clean session, no keep alive; in MQTT 5 the largest receive maximum (the default).
 */
export function connectPacket(clientId: string, protocolVersion: 4 | 5): Buffer {
  const cleanSession = 0x02;
  const head = [0, 4, 0x4d, 0x51, 0x54, 0x54, protocolVersion, cleanSession, 0, KEEP_ALIVE_OFF];
  const properties = protocolVersion === 5 ? [0] : [];
  return packet(PacketType.CONNECT << 4, Buffer.from([...head, ...properties]), text(clientId));
}

export function subscribePacket(filter: string, qos: number, protocolVersion: 4 | 5): Buffer {
  const head = protocolVersion === 5 ? [0, 1, 0] : [0, 1];
  const first = (PacketType.SUBSCRIBE << 4) | 0x02;
  return packet(first, Buffer.from(head), text(filter), Buffer.of(qos));
}

/**
 * A PUBLISH to be sent many times: only the packet identifier and the payload's header differ.
 * Offsets are from the start of `bytes`; `packetIdOffset` is -1 at QoS 0.
 */
export interface PublishTemplate {
  readonly bytes: Buffer;
  readonly packetIdOffset: number;
  readonly payloadOffset: number;
}

export function publishTemplate(
  topic: string,
  qos: number,
  payloadBytes: number,
  protocolVersion: 4 | 5,
): PublishTemplate {
  const payload = Buffer.alloc(Math.max(payloadBytes, PAYLOAD_HEADER_BYTES), 0x2e);
  const id = Buffer.alloc(qos > 0 ? 2 : 0);
  const properties = Buffer.alloc(protocolVersion === 5 ? 1 : 0);
  const first = PUBLISH_RETAIN_CLEAR | (qos << 1);
  const bytes = packet(first, text(topic), id, properties, payload);
  const payloadOffset = bytes.length - payload.length;
  const packetIdOffset = qos > 0 ? payloadOffset - properties.length - id.length : -1;
  return { bytes, packetIdOffset, payloadOffset };
}

/**
 * Writes PUBACK, PUBREC, PUBREL or PUBCOMP in the short form that MQTT 3.1.1 and 5 share; returns
 * the new offset.
 */
export function writeAck(
  target: Uint8Array,
  offset: number,
  type: number,
  packetId: number,
): number {
  target[offset] = type === PacketType.PUBREL ? PUBREL_HEADER : type << 4;
  target[offset + 1] = 2;
  target[offset + 2] = packetId >> 8;
  target[offset + 3] = packetId & 0xff;
  return offset + ACK_BYTES;
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, "utf8");
  return Buffer.concat([Buffer.of(bytes.length >> 8, bytes.length & 0xff), bytes]);
}

function packet(firstByte: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const header = [firstByte];
  let rest = body.length;
  do {
    const low = rest & 0x7f;
    rest >>= 7;
    header.push(rest > 0 ? low | 0x80 : low);
  } while (rest > 0);
  return Buffer.concat([Buffer.from(header), body]);
}
