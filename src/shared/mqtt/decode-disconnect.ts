/**
 * DISCONNECT and AUTH (MQTT5 §3.14, §3.15): a reason code and properties, both of which may be left
 * out.
 *
 * Flow: end of a connection, extended authentication. Thread: worker. Cold: it makes one object.
 */

import { DECODED, fault } from "./decode-fault.ts";
import type { DecodeOptions } from "./decode-options.ts";
import { type PacketType, ProtocolVersion } from "./packet-type.ts";
import type { DisconnectPacket, PacketView } from "./packet-view.ts";
import { PropertyId } from "./property.ts";
import { propertyBlock } from "./property-block.ts";
import { isClientReasonCode, ReasonCode } from "./reason-code.ts";

const NORMAL_DISCONNECT: DisconnectPacket = Object.freeze({
  reasonCode: ReasonCode.NORMAL_DISCONNECTION,
  sessionExpirySeconds: -1,
  reasonString: null,
  userProperties: Object.freeze([]),
});

/** Decodes the body bytes[start, end) of a DISCONNECT into view.cold. */
export function decodeDisconnect(
  view: PacketView,
  bytes: Uint8Array,
  start: number,
  end: number,
  options: DecodeOptions,
): number {
  if (start === end) {
    view.cold = NORMAL_DISCONNECT; // MQTT5 §3.14.2.1, and the only form of MQTT 3.x
    return DECODED;
  }
  if (options.protocolVersion !== ProtocolVersion.V5) {
    return fault(view, ReasonCode.MALFORMED_PACKET, "DISCONNECT is not empty");
  }
  const result = readReason(view, bytes, start, end);
  if (result < 0) return result;
  view.cold = {
    reasonCode: view.reasonCode,
    sessionExpirySeconds: propertyBlock.numberOr(PropertyId.SESSION_EXPIRY_INTERVAL, -1),
    reasonString: propertyBlock.text(PropertyId.REASON_STRING),
    userProperties: propertyBlock.userProperties(),
  };
  return DECODED;
}

/** Decodes the body bytes[start, end) of an AUTH into view.cold. */
export function decodeAuth(
  view: PacketView,
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  // An empty AUTH says "success", which only a server may say (MQTT5 §3.15.2.1).
  if (start === end) return fault(view, ReasonCode.PROTOCOL_ERROR, "AUTH without a method");
  const result = readReason(view, bytes, start, end); // [MQTT-4.12.0-3]
  if (result < 0) return result;
  const authenticationMethod = propertyBlock.text(PropertyId.AUTHENTICATION_METHOD);
  if (authenticationMethod === null) {
    return fault(view, ReasonCode.PROTOCOL_ERROR, "AUTH without a method"); // [MQTT-4.12.0-5]
  }
  view.cold = {
    reasonCode: view.reasonCode,
    authenticationMethod,
    authenticationData: propertyBlock.binary(PropertyId.AUTHENTICATION_DATA),
    reasonString: propertyBlock.text(PropertyId.REASON_STRING),
    userProperties: propertyBlock.userProperties(),
  };
  return DECODED;
}

/** Reason code and, when present, properties up to the packet's end. */
function readReason(view: PacketView, bytes: Uint8Array, start: number, end: number): number {
  view.reasonCode = bytes[start]!;
  if (!isClientReasonCode(view.type as PacketType, view.reasonCode)) {
    return fault(view, ReasonCode.PROTOCOL_ERROR, "reason code is not one of this packet's");
  }
  propertyBlock.clear(start + 1);
  if (start + 1 === end) return DECODED; // MQTT5 §3.14.2.2.1
  const result = propertyBlock.read(view, bytes, start + 1, end, view.type);
  if (result < 0) return result;
  return propertyBlock.end === end
    ? DECODED
    : fault(view, ReasonCode.MALFORMED_PACKET, "bytes after the properties");
}
