/**
 * CONNECT (MQTT5 §3.1, MQTT 3.1.1 §3.1), the only packet that says which protocol it is written in.
 *
 *   protocol name | level u8 | flags u8 | keep alive u16 | properties (MQTT 5)
 *   client identifier | will properties (MQTT 5), will topic, will payload | user name | password
 *
 * Flow: connect 1. Thread: worker. Cold: it makes one object.
 */

import { ownedCopy } from "../bytes/copy-bytes.ts";
import { decodeUtf8 } from "../bytes/utf8.ts";
import { DECODED, fault } from "./decode-fault.ts";
import { decodeWill, type WillFlags } from "./decode-will.ts";
import { PacketType, ProtocolVersion } from "./packet-type.ts";
import type { ConnectPacket, PacketView, WillPacket } from "./packet-view.ts";
import { PropertyId } from "./property.ts";
import { propertyBlock } from "./property-block.ts";
import { ReasonCode } from "./reason-code.ts";
import { checkBinary, checkText, FIELD_PREFIX } from "./validate.ts";

const FLAG_RESERVED = 0x01;
const FLAG_CLEAN_START = 0x02;
const FLAG_WILL = 0x04;
const FLAG_WILL_QOS = 0x18;
const FLAG_WILL_RETAIN = 0x20;
const FLAG_PASSWORD = 0x40;
const FLAG_USERNAME = 0x80;

/** Receive Maximum when the client names none (MQTT5 §3.1.2.11.3). */
const DEFAULT_RECEIVE_MAXIMUM = 65_535;

/**
 * Level bytes with this bit are bridges of mosquitto asking for a private mode; they fall back when
 * refused.
 */
const BRIDGE_BIT = 0x80;

/** "MQTT" and "MQIsdp" with their length bytes. */
const NAME_MQTT = [0, 4, 0x4d, 0x51, 0x54, 0x54];
const NAME_MQISDP = [0, 6, 0x4d, 0x51, 0x49, 0x73, 0x64, 0x70];

/**
 * Where the decoder of a CONNECT stands, beside the view: module-level, because a decode is
 * synchronous.
 */
let position = 0;

function startsWith(bytes: Uint8Array, start: number, end: number, name: number[]): boolean {
  return end - start >= name.length && name.every((byte, i) => bytes[start + i] === byte);
}

/** Decodes the body bytes[start, end) of a CONNECT into view.cold. */
export function decodeConnect(
  view: PacketView,
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  const result = readProtocol(view, bytes, start, end);
  if (result < 0) return result;
  const version = result as ProtocolVersion;
  if (position + 3 > end) return fault(view, ReasonCode.MALFORMED_PACKET, "CONNECT ends too early");
  const flags = bytes[position]!;
  const flagFault = checkFlags(view, flags, version);
  if (flagFault < 0) return flagFault;
  const keepAliveSeconds = (bytes[position + 1]! << 8) | bytes[position + 2]!;
  position += 3;
  if (version === ProtocolVersion.V5) {
    const propertyFault = propertyBlock.read(view, bytes, position, end, PacketType.CONNECT);
    if (propertyFault < 0) return propertyFault;
    if (
      propertyBlock.has(PropertyId.AUTHENTICATION_DATA) &&
      !propertyBlock.has(PropertyId.AUTHENTICATION_METHOD)
    ) {
      // MQTT5 §3.1.2.11.10
      return fault(view, ReasonCode.PROTOCOL_ERROR, "authentication data without a method");
    }
    position = propertyBlock.end;
  } else {
    propertyBlock.clear(position);
  }
  const head = headOf(version, flags, keepAliveSeconds);
  return readPayload(view, end, flags, head);
}

/**
 * Protocol name and level: the version, or a fault. view.connectVersion becomes the form of a
 * refusal.
 */
function readProtocol(view: PacketView, bytes: Uint8Array, start: number, end: number): number {
  const nameEnd = checkText(view, bytes, start, end);
  if (nameEnd < 0) return nameEnd;
  const isMqtt = startsWith(bytes, start, end, NAME_MQTT);
  if (!isMqtt && !startsWith(bytes, start, end, NAME_MQISDP)) {
    // [MQTT-3.1.2-1] closed without an answer: whoever wrote this does not speak MQTT.
    return fault(view, ReasonCode.UNSUPPORTED_PROTOCOL_VERSION, "protocol name is not MQTT");
  }
  if (nameEnd === end) return fault(view, ReasonCode.MALFORMED_PACKET, "CONNECT ends too early");
  const level = bytes[nameEnd]!;
  position = nameEnd + 1;
  const isKnown = isMqtt
    ? level === ProtocolVersion.V311 || level === ProtocolVersion.V5
    : level === ProtocolVersion.V31;
  if (!isKnown) {
    const isNewer = isMqtt && level > ProtocolVersion.V5 && level < BRIDGE_BIT;
    view.connectVersion = isNewer ? ProtocolVersion.V5 : ProtocolVersion.V311;
    // [MQTT-3.1.2-2]
    return fault(view, ReasonCode.UNSUPPORTED_PROTOCOL_VERSION, "protocol level is not 3, 4 or 5");
  }
  view.connectVersion = level as ProtocolVersion;
  return level;
}

function checkFlags(view: PacketView, flags: number, version: ProtocolVersion): number {
  if ((flags & FLAG_RESERVED) !== 0) {
    return fault(view, ReasonCode.MALFORMED_PACKET, "reserved CONNECT flag is set"); // [MQTT-3.1.2-3]
  }
  if ((flags & FLAG_WILL) === 0 && (flags & (FLAG_WILL_QOS | FLAG_WILL_RETAIN)) !== 0) {
    // [MQTT-3.1.2-11] [MQTT-3.1.2-13]
    return fault(view, ReasonCode.MALFORMED_PACKET, "will QoS or will retain without a will");
  }
  if ((flags & FLAG_WILL_QOS) === FLAG_WILL_QOS) {
    return fault(view, ReasonCode.MALFORMED_PACKET, "will QoS 3"); // [MQTT-3.1.2-12]
  }
  const isPasswordAlone = (flags & FLAG_PASSWORD) !== 0 && (flags & FLAG_USERNAME) === 0;
  if (isPasswordAlone && version !== ProtocolVersion.V5) {
    // MQTT 3.1.1 §3.1.2.9; MQTT 5 allows it.
    return fault(view, ReasonCode.MALFORMED_PACKET, "password without a user name");
  }
  return DECODED;
}

/** Everything before the payload. */
function headOf(version: ProtocolVersion, flags: number, keepAliveSeconds: number) {
  const number = (id: PropertyId, absent: number) => propertyBlock.numberOr(id, absent);
  return {
    protocolVersion: version,
    cleanStart: (flags & FLAG_CLEAN_START) !== 0,
    keepAliveSeconds,
    sessionExpirySeconds: number(PropertyId.SESSION_EXPIRY_INTERVAL, 0),
    receiveMaximum: number(PropertyId.RECEIVE_MAXIMUM, DEFAULT_RECEIVE_MAXIMUM),
    maximumPacketSize: number(PropertyId.MAXIMUM_PACKET_SIZE, 0),
    topicAliasMaximum: number(PropertyId.TOPIC_ALIAS_MAXIMUM, 0),
    requestResponseInformation: number(PropertyId.REQUEST_RESPONSE_INFORMATION, 0) === 1,
    requestProblemInformation: number(PropertyId.REQUEST_PROBLEM_INFORMATION, 1) === 1,
    userProperties: propertyBlock.userProperties(),
    authenticationMethod: propertyBlock.text(PropertyId.AUTHENTICATION_METHOD),
    authenticationData: propertyBlock.binary(PropertyId.AUTHENTICATION_DATA),
  };
}

/** The payload fields in their fixed order [MQTT-3.1.3-1]. */
function readPayload(
  view: PacketView,
  end: number,
  flags: number,
  head: ReturnType<typeof headOf>,
): number {
  const { bytes } = view;
  const clientIdOffset = position; // [MQTT-3.1.3-3]
  let at = checkText(view, bytes, clientIdOffset, end); // [MQTT-3.1.3-4]
  if (at < 0) return at;
  const clientId = decodeUtf8(bytes, clientIdOffset + FIELD_PREFIX, at);
  let will: WillPacket | null = null;
  if ((flags & FLAG_WILL) !== 0) {
    const decoded = decodeWill(view, at, end, willFlags(flags, head.protocolVersion)); // [MQTT-3.1.2-9]
    if (typeof decoded === "number") return decoded;
    will = decoded.will;
    at = decoded.end;
  }
  // MQTT 3.1 §3.1: the remaining length counts more than the flags; a missing user name or password
  // is none.
  const mayLack = head.protocolVersion === ProtocolVersion.V31;
  let username: string | null = null;
  if ((flags & FLAG_USERNAME) !== 0 && !(mayLack && at === end)) {
    const next = checkText(view, bytes, at, end); // [MQTT-3.1.2-17] [MQTT-3.1.3-12]
    if (next < 0) return next;
    username = decodeUtf8(bytes, at + FIELD_PREFIX, next);
    at = next;
  }
  let password: Uint8Array | null = null;
  if ((flags & FLAG_PASSWORD) !== 0 && !(mayLack && at === end)) {
    const next = checkBinary(view, bytes, at, end); // [MQTT-3.1.2-19]
    if (next < 0) return next;
    password = ownedCopy(bytes, at + FIELD_PREFIX, next);
    at = next;
  }
  if (at !== end) {
    // [MQTT-3.1.2-16] [MQTT-3.1.2-18]
    return fault(view, ReasonCode.MALFORMED_PACKET, "bytes after the last field of CONNECT");
  }
  view.cold = { ...head, clientId, username, password, will } satisfies ConnectPacket;
  return DECODED;
}

function willFlags(flags: number, protocolVersion: ProtocolVersion): WillFlags {
  const qos = ((flags & FLAG_WILL_QOS) >> 3) as 0 | 1 | 2;
  return { qos, retain: (flags & FLAG_WILL_RETAIN) !== 0, protocolVersion };
}
