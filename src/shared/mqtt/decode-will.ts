/**
 * The will inside a CONNECT's payload (MQTT5 §3.1.3.2 to §3.1.3.4): properties (MQTT 5), topic,
 * payload. Becomes a message like any other, so its properties are kept in the form in which
 * PUBLISH forwards them.
 */

import { ownedCopy } from "../bytes/copy-bytes.ts";
import { decodeUtf8 } from "../bytes/utf8.ts";
import { ProtocolVersion } from "./packet-type.ts";
import type { PacketView, WillPacket } from "./packet-view.ts";
import { PropertyId, WILL_PROPERTIES } from "./property.ts";
import { propertyBlock } from "./property-block.ts";
import { copyForwarded } from "./property-forward.ts";
import { checkBinary, checkTopicField, FIELD_PREFIX } from "./validate.ts";

/** What CONNECT's flags say about the will. */
export interface WillFlags {
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly protocolVersion: ProtocolVersion;
}

interface DecodedWill {
  readonly will: WillPacket;
  /** Offset behind the will. */
  readonly end: number;
}

/** Reads the will at `start`, within a packet that ends at `end`; a number is a fault. */
export function decodeWill(
  view: PacketView,
  start: number,
  end: number,
  flags: WillFlags,
): DecodedWill | number {
  const { bytes } = view;
  if (flags.protocolVersion === ProtocolVersion.V5) {
    const result = propertyBlock.read(view, bytes, start, end, WILL_PROPERTIES);
    if (result < 0) return result;
  } else {
    propertyBlock.clear(start);
  }
  const topicOffset = propertyBlock.end;
  const payloadOffset = checkTopicField(view, bytes, topicOffset, end); // [MQTT-3.1.3-11]
  if (payloadOffset < 0) return payloadOffset;
  const willEnd = checkBinary(view, bytes, payloadOffset, end);
  if (willEnd < 0) return willEnd;
  const will: WillPacket = {
    topic: decodeUtf8(bytes, topicOffset + FIELD_PREFIX, payloadOffset),
    payload: ownedCopy(bytes, payloadOffset + FIELD_PREFIX, willEnd),
    qos: flags.qos,
    retain: flags.retain,
    delaySeconds: propertyBlock.numberOr(PropertyId.WILL_DELAY_INTERVAL, 0),
    messageExpirySeconds: propertyBlock.numberOr(PropertyId.MESSAGE_EXPIRY_INTERVAL, -1),
    forwardProperties: forwardProperties(bytes),
    payloadFormat: propertyBlock.numberOr(PropertyId.PAYLOAD_FORMAT_INDICATOR, 0),
  };
  return { will, end: willEnd };
}

/** The will's own properties without delay and expiry, in the order received [MQTT-3.1.3-10]. */
function forwardProperties(bytes: Uint8Array): Uint8Array {
  const { start, end } = propertyBlock;
  const whole = new Uint8Array(end - start);
  return ownedCopy(whole, 0, copyForwarded(bytes, start, end, whole, 0));
}
