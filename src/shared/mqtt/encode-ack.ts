/**
 * PUBACK, PUBREC, PUBREL, PUBCOMP and PINGRESP, in their shortest forms, straight into the output
 * buffer.
 *
 *   first byte | remaining length 2 or 3 | packet identifier u16 | MQTT 5, unless 0: reason code u8
 *
 * A property length never follows: with a remaining length below 4 there are none (MQTT5
 * §3.4.2.2.1). Forms with a reason string come from workers/mqtt/cold-packets.ts. Flow: publish
 * 8/8. Thread: worker. Allocates nothing.
 */

import { PacketType } from "./packet-type.ts";
import { ReasonCode } from "./reason-code.ts";

export type AckType =
  | typeof PacketType.PUBACK
  | typeof PacketType.PUBREC
  | typeof PacketType.PUBREL
  | typeof PacketType.PUBCOMP;

export const PINGRESP_SIZE = 2;

const SHORT_ACK_SIZE = 4;
const REASONED_ACK_SIZE = 5;
const PUBREL_FLAGS = 2; // [MQTT-3.6.1-1]

/** Bytes that `writeAck` writes. MQTT 3.x has no reason codes: pass 0. */
export function ackSize(reasonCode: number): number {
  return reasonCode === ReasonCode.SUCCESS ? SHORT_ACK_SIZE : REASONED_ACK_SIZE;
}

/**
 * Writes at target[offset ...) with room for ackSize(reasonCode) bytes; returns that size
 * [MQTT-2.2.1-5].
 */
export function writeAck(
  target: Uint8Array,
  offset: number,
  type: AckType,
  packetId: number,
  reasonCode: number,
): number {
  const size = ackSize(reasonCode);
  target[offset] = (type << 4) | (type === PacketType.PUBREL ? PUBREL_FLAGS : 0);
  target[offset + 1] = size - 2;
  target[offset + 2] = packetId >> 8;
  target[offset + 3] = packetId;
  if (size === REASONED_ACK_SIZE) target[offset + 4] = reasonCode;
  return size;
}

/** Writes PINGRESP_SIZE bytes at target[offset ...); returns that size [MQTT-3.12.4-1]. */
export function writePingresp(target: Uint8Array, offset: number): number {
  target[offset] = PacketType.PINGRESP << 4;
  target[offset + 1] = 0;
  return PINGRESP_SIZE;
}
