/**
 * PUBACK, PUBREC, PUBREL, PUBCOMP (MQTT5 §3.4 to §3.7): one layout.
 *
 *   packet identifier u16 | MQTT 5, may be left out: reason code u8 | may be left out: property block
 *
 * Flow: acknowledgements of deliveries, and PUBREL of received QoS 2 publishes. Thread: worker.
 * Allocates nothing.
 */

import { DECODED, fault } from "./decode-fault.ts";
import type { DecodeOptions } from "./decode-options.ts";
import { type PacketType, ProtocolVersion } from "./packet-type.ts";
import type { PacketView } from "./packet-view.ts";
import { propertyBlock } from "./property-block.ts";
import { isClientReasonCode, ReasonCode } from "./reason-code.ts";

/** Decodes the body bytes[start, end) of the acknowledgement `view.type`. */
export function decodeAck(
  view: PacketView,
  bytes: Uint8Array,
  start: number,
  end: number,
  options: DecodeOptions,
): number {
  const size = end - start;
  if (size < 2) return fault(view, ReasonCode.MALFORMED_PACKET, "packet identifier missing");
  view.packetId = (bytes[start]! << 8) | bytes[start + 1]!;
  view.reasonCode = ReasonCode.SUCCESS;
  if (view.packetId === 0) return fault(view, ReasonCode.PROTOCOL_ERROR, "packet identifier 0");
  if (size === 2) return DECODED; // MQTT5 §3.4.2.1: a success may leave everything else out
  if (options.protocolVersion !== ProtocolVersion.V5) {
    return fault(view, ReasonCode.MALFORMED_PACKET, "acknowledgement is longer than two bytes");
  }
  const reasonCode = bytes[start + 2]!;
  if (!isClientReasonCode(view.type as PacketType, reasonCode)) {
    return fault(view, ReasonCode.PROTOCOL_ERROR, "reason code is not one of this packet's");
  }
  view.reasonCode = reasonCode;
  if (size === 3) return DECODED; // MQTT5 §3.4.2.2.1: no property length either
  const result = propertyBlock.read(view, bytes, start + 3, end, view.type);
  if (result < 0) return result;
  return propertyBlock.end === end
    ? DECODED
    : fault(view, ReasonCode.MALFORMED_PACKET, "bytes after the properties");
}
