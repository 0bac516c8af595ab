/**
 * PUBLISH towards subscribers: encoded once per variant of a message, then copied and patched per
 * receiver. A variant is what subscribers can have in common: protocol, QoS, RETAIN, form of the
 * topic alias, subscription identifiers.
 *
 *   first byte | remaining length | topic | packet identifier (QoS > 0)
 *   MQTT 5: property length | message expiry | topic alias | subscription identifiers | forwarded properties
 *   payload
 *
 * Patched per receiver: DUP, packet identifier, remaining expiry, alias number.
 * Flow: publish 8/8. Thread: worker.
 */

import { copyBytes, NO_BYTES } from "../bytes/copy-bytes.ts";
import { varintSize, writeVarint } from "../bytes/varint.ts";
import type { Message } from "./message.ts";
import { PacketType } from "./packet-type.ts";
import type { PacketView } from "./packet-view.ts";
import { PropertyId } from "./property.ts";
import { copyForwarded } from "./property-forward.ts";

/** How topic and topic alias appear in a packet [MQTT-3.3.2-7]. */
export const AliasForm = {
  /** Topic, no alias. */
  NONE: 0,
  /** Topic and alias: the receiver is to remember it. */
  SET: 1,
  /** Alias and an empty topic. */
  USE: 2,
} as const;
export type AliasForm = (typeof AliasForm)[keyof typeof AliasForm];

/** Bits of a variant: RETAIN and QoS stand where the first byte has them. */
const VARIANT_FLAGS = 0x07;
const VARIANT_ALIAS_SHIFT = 3;
const VARIANT_V5 = 0x20;

const FIRST_BYTE = PacketType.PUBLISH << 4;
const DUP_FLAG = 0x08;

const EXPIRY_PROPERTY_SIZE = 5;
const ALIAS_PROPERTY_SIZE = 3;

export const NO_SUBSCRIPTION_IDENTIFIERS: readonly number[] = Object.freeze([]);

/**
 * The variant of `protocolVersion` (3, 4, 5), `qos` (0..2), RETAIN and alias form (NONE below MQTT
 * 5).
 */
export function publishVariant(
  protocolVersion: number,
  qos: number,
  retain: boolean,
  aliasForm: AliasForm,
): number {
  const flags = (qos << 1) | (retain ? 1 : 0);
  return protocolVersion === 5 ? VARIANT_V5 | (aliasForm << VARIANT_ALIAS_SHIFT) | flags : flags;
}

/**
 * One encoded form of one message. Never changed after construction: receivers patch their copies.
 */
export class EncodedPublish {
  /** The whole packet, exactly; packet identifier and alias are 0, the expiry is as published. */
  readonly bytes: Uint8Array;
  /** Where to patch, relative to the packet's start; -1 = not part of this form. */
  readonly packetIdOffset: number;
  readonly expiryOffset: number;
  readonly aliasOffset: number;
  /** What it was encoded for. */
  readonly variant: number;
  readonly subscriptionIdentifiers: readonly number[];

  /** Encodes; O(size). */
  constructor(message: Message, variant: number, subscriptionIdentifiers: readonly number[]) {
    const isV5 = (variant & VARIANT_V5) !== 0;
    const aliasForm = isV5 ? (variant >> VARIANT_ALIAS_SHIFT) & 3 : AliasForm.NONE;
    const hasExpiry = isV5 && message.expirySeconds >= 0;
    const hasPacketId = (variant & VARIANT_FLAGS) > 1; // [MQTT-2.2.1-2] not for QoS 0
    const topic = aliasForm === AliasForm.USE ? NO_BYTES : message.topic;

    const blockSize = isV5
      ? (hasExpiry ? EXPIRY_PROPERTY_SIZE : 0) +
        (aliasForm === AliasForm.NONE ? 0 : ALIAS_PROPERTY_SIZE) +
        identifiersSize(subscriptionIdentifiers) +
        message.forwardProperties.length
      : 0;
    const headSize =
      2 + topic.length + (hasPacketId ? 2 : 0) + (isV5 ? varintSize(blockSize) : 0) + blockSize;
    const remaining = headSize + message.payload.length;
    const bytes = new Uint8Array(1 + varintSize(remaining) + remaining);

    bytes[0] = FIRST_BYTE | (variant & VARIANT_FLAGS);
    let at = writeVarint(bytes, 1, remaining);
    bytes[at] = topic.length >> 8; // [MQTT-3.3.2-1]
    bytes[at + 1] = topic.length;
    bytes.set(topic, at + 2);
    at += 2 + topic.length;
    this.packetIdOffset = hasPacketId ? at : -1;
    if (hasPacketId) at += 2;
    if (isV5) at = writeVarint(bytes, at, blockSize); // [MQTT-2.2.2-1] 0 without properties
    this.expiryOffset = hasExpiry ? at + 1 : -1;
    if (hasExpiry) {
      bytes[at] = PropertyId.MESSAGE_EXPIRY_INTERVAL;
      writeUint32(bytes, at + 1, message.expirySeconds);
      at += EXPIRY_PROPERTY_SIZE;
    }
    this.aliasOffset = aliasForm === AliasForm.NONE ? -1 : at + 1;
    if (aliasForm !== AliasForm.NONE) {
      bytes[at] = PropertyId.TOPIC_ALIAS;
      at += ALIAS_PROPERTY_SIZE;
    }
    if (isV5) {
      at = writeIdentifiers(bytes, at, subscriptionIdentifiers);
      bytes.set(message.forwardProperties, at); // [MQTT-3.3.2-17] [MQTT-3.3.2-18]
      at += message.forwardProperties.length;
    }
    bytes.set(message.payload, at);

    this.bytes = bytes;
    this.variant = variant;
    this.subscriptionIdentifiers = subscriptionIdentifiers;
  }
}

/** All identifiers of the matching subscriptions [MQTT-3.3.4-3] [MQTT-3.3.4-4]. */
function writeIdentifiers(
  target: Uint8Array,
  offset: number,
  identifiers: readonly number[],
): number {
  let at = offset;
  for (let i = 0; i < identifiers.length; i++) {
    target[at] = PropertyId.SUBSCRIPTION_IDENTIFIER;
    at = writeVarint(target, at + 1, identifiers[i]!);
  }
  return at;
}

function identifiersSize(identifiers: readonly number[]): number {
  let size = 0;
  for (let i = 0; i < identifiers.length; i++) size += 1 + varintSize(identifiers[i]!);
  return size;
}

/**
 * message.encoded[0]: the form with subscription identifiers that was used last. Plain forms
 * follow.
 */
const IDENTIFIED_SLOT = 0;
const FIRST_PLAIN_SLOT = 1;

/**
 * The form of `message` for `variant` (see publishVariant) and the given subscription identifiers
 * (MQTT 5; empty = none), encoded on first use and kept by the message. `subscriptionIdentifiers`
 * is kept too: do not change it.
 *
 * The message keeps a short list and not one slot per possible variant, since most messages need
 * one or two: a hit costs two or three comparisons, and the first use does not pay for 36 empty
 * slots.
 */
export function encodedPublish(
  message: Message,
  variant: number,
  subscriptionIdentifiers: readonly number[],
): EncodedPublish {
  const cache = message.encoded;
  if (subscriptionIdentifiers.length > 0) {
    return identifiedPublish(message, variant, subscriptionIdentifiers);
  }
  if (cache !== null) {
    for (let slot = FIRST_PLAIN_SLOT; slot < cache.length; slot++) {
      const known = cache[slot]!;
      if (known.variant === variant) return known;
    }
  }
  const encoded = new EncodedPublish(message, variant, NO_SUBSCRIPTION_IDENTIFIERS);
  if (cache === null) message.encoded = [null, encoded];
  else cache.push(encoded);
  return encoded;
}

function identifiedPublish(
  message: Message,
  variant: number,
  subscriptionIdentifiers: readonly number[],
): EncodedPublish {
  message.encoded ??= [null];
  const last = message.encoded[IDENTIFIED_SLOT] ?? null;
  if (
    last !== null &&
    last.variant === variant &&
    isSameList(last.subscriptionIdentifiers, subscriptionIdentifiers)
  ) {
    return last;
  }
  const encoded = new EncodedPublish(message, variant, subscriptionIdentifiers);
  message.encoded[IDENTIFIED_SLOT] = encoded;
  return encoded;
}

function isSameList(left: readonly number[], right: readonly number[]): boolean {
  if (left === right) return true;
  if (left.length !== right.length) return false;
  for (let i = 0; i < left.length; i++) {
    if (left[i] !== right[i]) return false;
  }
  return true;
}

/**
 * Writes one receiver's packet: encoded.bytes.length bytes at target[offset ...), with what is the
 * receiver's own. Values for which the form has no place are ignored. `packetId`: 1..65535 for QoS
 * 1 and 2. `dup`: a redelivery [MQTT-3.3.1-1]. `aliasValue`: 1..65535. `remainingExpirySeconds`:
 * see Message.remainingExpirySeconds [MQTT-3.3.2-6].
 */
// biome-ignore lint/complexity/useMaxParams: one call per delivery; an object for the four patched values would be filled and read back each time.
export function writePublish(
  target: Uint8Array,
  offset: number,
  encoded: EncodedPublish,
  packetId: number,
  dup: boolean,
  aliasValue: number,
  remainingExpirySeconds: number,
): void {
  target.set(encoded.bytes, offset);
  if (encoded.packetIdOffset >= 0) {
    if (dup) target[offset] = encoded.bytes[0]! | DUP_FLAG; // [MQTT-3.3.1-2] never with QoS 0
    writeUint16(target, offset + encoded.packetIdOffset, packetId);
  }
  if (encoded.expiryOffset >= 0) {
    writeUint32(target, offset + encoded.expiryOffset, remainingExpirySeconds);
  }
  if (encoded.aliasOffset >= 0) writeUint16(target, offset + encoded.aliasOffset, aliasValue);
}

function writeUint16(target: Uint8Array, offset: number, value: number): void {
  target[offset] = value >> 8;
  target[offset + 1] = value;
}

function writeUint32(target: Uint8Array, offset: number, value: number): void {
  target[offset] = value >>> 24;
  target[offset + 1] = value >>> 16;
  target[offset + 2] = value >>> 8;
  target[offset + 3] = value;
}

/**
 * Copies a decoded PUBLISH's properties without topic alias and message expiry, in their order, to
 * target[offset ...). Writes view.forwardLength bytes and returns that number.
 */
export function copyForwardProperties(
  view: PacketView,
  target: Uint8Array,
  offset: number,
): number {
  const start = view.propertiesOffset;
  if (view.forwardLength !== view.propertiesLength) {
    return copyForwarded(view.bytes, start, start + view.propertiesLength, target, offset);
  }
  copyBytes(target, offset, view.bytes, start, view.propertiesLength);
  return view.propertiesLength;
}
