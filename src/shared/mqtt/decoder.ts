/**
 * One control packet from a client's bytes: fixed header here, body in one `decode-*.ts` per packet
 * type. Stateless and total: it never throws, never looks behind the packet, and allocates nothing
 * for PUBLISH, its acknowledgements and PINGREQ.
 *
 *   first byte: type (4 bits) | flags (4 bits)     remaining length: 1..4 bytes     body
 *
 * Flow: publish 2/8, after the frame assembler, before the session. Thread: worker.
 */

import { readVarint, VARINT_INCOMPLETE, varintSizeOf, varintValue } from "../bytes/varint.ts";
import { decodeAck } from "./decode-ack.ts";
import { decodeConnect } from "./decode-connect.ts";
import { decodeAuth, decodeDisconnect } from "./decode-disconnect.ts";
import { DECODED, fault } from "./decode-fault.ts";
import type { DecodeOptions } from "./decode-options.ts";
import { decodePublish } from "./decode-publish.ts";
import { decodeSubscribe, decodeUnsubscribe } from "./decode-subscribe.ts";
import { PacketType } from "./packet-type.ts";
import type { PacketView } from "./packet-view.ts";
import { ReasonCode } from "./reason-code.ts";

export type { DecodeOptions } from "./decode-options.ts";

/** The packet is not whole yet; nothing is wrong so far. */
export const DECODE_INCOMPLETE = 0;

/**
 * Versions 0 (before CONNECT), 3, 4, 5 of 256 first bytes each: the reason code of the fault, 0 =
 * legal.
 */
const FIRST_BYTE_FAULTS = new Uint8Array(6 * 256);
for (const version of [0, 3, 4, 5]) {
  for (let first = 0; first < 256; first++) {
    FIRST_BYTE_FAULTS[version * 256 + first] = firstByteFault(version, first >> 4, first & 15);
  }
}

function firstByteFault(version: number, type: number, flags: number): number {
  if (type === 0 || (type === PacketType.AUTH && version !== 5 && version !== 0)) {
    return ReasonCode.MALFORMED_PACKET; // reserved types
  }
  const isConnect = type === PacketType.CONNECT;
  // [MQTT-3.1.0-1] first of all CONNECT, [MQTT-3.1.0-2] and only once
  if (isConnect !== (version === 0)) return ReasonCode.PROTOCOL_ERROR;
  switch (type) {
    case PacketType.CONNACK:
    case PacketType.SUBACK:
    case PacketType.UNSUBACK:
    case PacketType.PINGRESP:
      return ReasonCode.PROTOCOL_ERROR; // a server's packets
    case PacketType.PUBLISH:
      if ((flags & 6) === 6) return ReasonCode.MALFORMED_PACKET; // [MQTT-3.3.1-4] QoS 3
      // [MQTT-3.3.1-2] DUP with QoS 0
      return (flags & 14) === 8 ? ReasonCode.PROTOCOL_ERROR : ReasonCode.SUCCESS;
    case PacketType.PUBREL: // [MQTT-3.6.1-1]
    case PacketType.SUBSCRIBE: // [MQTT-3.8.1-1]
    case PacketType.UNSUBSCRIBE: // [MQTT-3.10.1-1]
      // MQTT 3.1 §2.1: these are sent with QoS 1 there, so a repeated one has DUP set.
      if (version === 3 && flags === 10) return ReasonCode.SUCCESS;
      return flags === 2 ? ReasonCode.SUCCESS : ReasonCode.MALFORMED_PACKET;
    default:
      // [MQTT-2.1.3-1] [MQTT-3.14.1-1] [MQTT-3.15.1-1]
      return flags === 0 ? ReasonCode.SUCCESS : ReasonCode.MALFORMED_PACKET;
  }
}

/**
 * Size in bytes of the packet that starts at `start`, from its fixed header alone.
 * DECODE_INCOMPLETE while the remaining length is not whole; negative reason code when that is
 * malformed, or the packet is above `maxPacketSize`.
 */
export function peekPacketSize(
  bytes: Uint8Array,
  start: number,
  end: number,
  maxPacketSize: number,
): number {
  const length = readVarint(bytes, start + 1, end); // [MQTT-1.5.5-1]
  if (length < 0) {
    return length === VARINT_INCOMPLETE ? DECODE_INCOMPLETE : -ReasonCode.MALFORMED_PACKET;
  }
  const size = 1 + varintSizeOf(length) + varintValue(length);
  return size > maxPacketSize ? -ReasonCode.PACKET_TOO_LARGE : size;
}

/**
 * Decodes the packet that starts at `start` of bytes[start, end) into `view`.
 *
 * Returns the bytes consumed; DECODE_INCOMPLETE when more are needed; or a negative reason code
 * with view.faultText set: the connection is over [MQTT-4.13.1-1]. A first byte, a length or a size
 * that is illegal is refused as soon as it is there. The view borrows `bytes`.
 */
export function decodePacket(
  view: PacketView,
  bytes: Uint8Array,
  start: number,
  end: number,
  options: DecodeOptions,
): number {
  if (start >= end) return DECODE_INCOMPLETE;
  view.faultText = "";
  view.cold = null;
  view.connectVersion = 0;
  const first = bytes[start]!;
  const type = first >> 4;
  view.type = type;
  const headerFault = FIRST_BYTE_FAULTS[options.protocolVersion * 256 + first]!;
  if (headerFault !== 0) return badFirstByte(view, headerFault);
  const size = peekPacketSize(bytes, start, end, options.maxPacketSize);
  if (size <= 0) return size === DECODE_INCOMPLETE ? DECODE_INCOMPLETE : badSize(view, -size);
  const packetEnd = start + size;
  if (packetEnd > end) return DECODE_INCOMPLETE;
  view.bytes = bytes;
  view.packetOffset = start;
  view.packetSize = size;
  view.bytesEnd = end;
  // Sizes 2..129 have one length byte, and so on: cheaper than keeping the varint's size beside its
  // value.
  const headerSize = size < 130 ? 2 : size < 16_387 ? 3 : size < 2_097_156 ? 4 : 5;
  const bodyStart = start + headerSize;
  let result: number;
  if (type === PacketType.PUBLISH) {
    view.dup = (first & 8) !== 0;
    view.qos = (first >> 1) & 3;
    view.retain = (first & 1) !== 0;
    result = decodePublish(view, bytes, bodyStart, packetEnd, options);
  } else if (type >= PacketType.PUBACK && type <= PacketType.PUBCOMP) {
    result = decodeAck(view, bytes, bodyStart, packetEnd, options);
  } else {
    result = decodeCold(view, bytes, bodyStart, packetEnd, options);
  }
  return result === DECODED ? size : result;
}

function decodeCold(
  view: PacketView,
  bytes: Uint8Array,
  start: number,
  end: number,
  options: DecodeOptions,
): number {
  switch (view.type) {
    case PacketType.CONNECT:
      return decodeConnect(view, bytes, start, end);
    case PacketType.SUBSCRIBE:
      return decodeSubscribe(view, bytes, start, end, options);
    case PacketType.UNSUBSCRIBE:
      return decodeUnsubscribe(view, bytes, start, end, options);
    case PacketType.DISCONNECT:
      return decodeDisconnect(view, bytes, start, end, options);
    case PacketType.AUTH:
      return decodeAuth(view, bytes, start, end);
    default: // PINGREQ: FIRST_BYTE_FAULTS has refused all others
      return start === end
        ? DECODED
        : fault(view, ReasonCode.MALFORMED_PACKET, "PINGREQ is not empty");
  }
}

function badFirstByte(view: PacketView, reasonCode: number): number {
  return reasonCode === ReasonCode.PROTOCOL_ERROR
    ? fault(view, reasonCode, "packet is not allowed here")
    : fault(view, reasonCode, "reserved packet type or flags");
}

function badSize(view: PacketView, reasonCode: number): number {
  return reasonCode === ReasonCode.PACKET_TOO_LARGE
    ? fault(view, reasonCode, "packet is larger than allowed")
    : fault(view, reasonCode, "malformed remaining length");
}
