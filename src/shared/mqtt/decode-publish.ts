/**
 * PUBLISH (MQTT5 §3.3): the hot packet. Writes offsets into the view, copies and allocates nothing.
 *
 *   topic length u16 | topic | packet identifier u16 (QoS > 0) | property block (MQTT 5) | payload
 *
 * DUP, QoS and RETAIN were read from the first byte by the decoder. Flow: publish 2/8. Thread:
 * worker.
 */

import { scanUtf8, UTF8_NUL } from "../bytes/utf8.ts";
import { DECODED, fault } from "./decode-fault.ts";
import type { DecodeOptions } from "./decode-options.ts";
import { PacketType, ProtocolVersion } from "./packet-type.ts";
import type { PacketView } from "./packet-view.ts";
import { PropertyId } from "./property.ts";
import { propertyBlock } from "./property-block.ts";
import { ReasonCode } from "./reason-code.ts";

/** Wire sizes of the two properties that are not forwarded. */
const TOPIC_ALIAS_SIZE = 3;
const MESSAGE_EXPIRY_SIZE = 5;

/** Decodes the body bytes[start, end) of a PUBLISH. */
export function decodePublish(
  view: PacketView,
  bytes: Uint8Array,
  start: number,
  end: number,
  options: DecodeOptions,
): number {
  if (start + 2 > end) return fault(view, ReasonCode.MALFORMED_PACKET, "PUBLISH without a topic");
  const topicOffset = start + 2;
  let at = topicOffset + ((bytes[start]! << 8) | bytes[start + 1]!);
  if (at > end) return fault(view, ReasonCode.MALFORMED_PACKET, "topic goes beyond the packet");
  const flags = scanUtf8(bytes, topicOffset, at);
  if (flags !== 0) return badTopic(view, flags);
  view.topicOffset = topicOffset;
  view.topicLength = at - topicOffset;
  view.packetId = 0; // [MQTT-2.2.1-2] QoS 0 has none
  if (view.qos > 0) {
    if (at + 2 > end) return fault(view, ReasonCode.MALFORMED_PACKET, "packet identifier missing");
    view.packetId = (bytes[at]! << 8) | bytes[at + 1]!;
    if (view.packetId === 0) {
      return fault(view, ReasonCode.PROTOCOL_ERROR, "packet identifier 0"); // [MQTT-2.2.1-3]
    }
    at += 2;
  }
  view.propertiesOffset = at;
  view.propertiesLength = 0;
  view.forwardLength = 0;
  view.topicAlias = 0;
  view.messageExpirySeconds = -1;
  view.payloadFormat = 0;
  if (options.protocolVersion === ProtocolVersion.V5) {
    if (at < end && bytes[at] === 0) {
      view.propertiesOffset = ++at;
    } else {
      const result = readProperties(view, at, end, options.topicAliasMaximum);
      if (result < 0) return result;
      at = propertyBlock.end;
    }
  }
  if (view.topicLength === 0 && view.topicAlias === 0) {
    // MQTT5 §3.3.2.1, [MQTT-4.7.3-1]
    return fault(view, ReasonCode.PROTOCOL_ERROR, "empty topic without a topic alias");
  }
  view.payloadOffset = at;
  view.payloadLength = end - at;
  return DECODED;
}

function badTopic(view: PacketView, flags: number): number {
  if (flags < 0 || (flags & UTF8_NUL) !== 0) {
    // [MQTT-3.3.2-1] [MQTT-4.7.3-2]
    return fault(view, ReasonCode.MALFORMED_PACKET, "topic is not well-formed UTF-8");
  }
  return fault(view, ReasonCode.TOPIC_NAME_INVALID, "topic contains a wildcard"); // [MQTT-3.3.2-2]
}

function readProperties(view: PacketView, at: number, end: number, aliasMaximum: number): number {
  const result = propertyBlock.read(view, view.bytes, at, end, PacketType.PUBLISH);
  if (result < 0) return result;
  view.propertiesOffset = propertyBlock.start;
  view.propertiesLength = propertyBlock.end - propertyBlock.start;
  view.forwardLength = view.propertiesLength;
  view.payloadFormat = propertyBlock.numberOr(PropertyId.PAYLOAD_FORMAT_INDICATOR, 0);
  if (propertyBlock.has(PropertyId.TOPIC_ALIAS)) {
    view.topicAlias = propertyBlock.numberOr(PropertyId.TOPIC_ALIAS, 0);
    view.forwardLength -= TOPIC_ALIAS_SIZE;
    if (view.topicAlias > aliasMaximum) {
      // [MQTT-3.3.2-9] [MQTT-3.2.2-17] [MQTT-3.2.2-18]
      return fault(view, ReasonCode.TOPIC_ALIAS_INVALID, "topic alias above the maximum");
    }
  }
  if (propertyBlock.has(PropertyId.MESSAGE_EXPIRY_INTERVAL)) {
    view.messageExpirySeconds = propertyBlock.numberOr(PropertyId.MESSAGE_EXPIRY_INTERVAL, -1);
    view.forwardLength -= MESSAGE_EXPIRY_SIZE;
  }
  return DECODED;
}
