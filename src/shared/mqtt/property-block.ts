/**
 * Reads one property block: checks every rule that holds for a property by itself (type, range,
 * packet, repetition, text), and notes where each value lies. Values are made into strings and
 * copies only when somebody asks.
 *
 * One mutable block serves a thread (`propertyBlock`): it is filled and read within one synchronous
 * decode, and no decoder calls another one in between. Flow: publish 2/8, inside the decoder.
 * Thread: any.
 */

import { ownedCopy } from "../bytes/copy-bytes.ts";
import { decodeUtf8, scanUtf8, UTF8_NUL, UTF8_WILDCARD } from "../bytes/utf8.ts";
import { readVarint, varintSizeOf, varintValue } from "../bytes/varint.ts";
import { DECODED, fault } from "./decode-fault.ts";
import { PacketType } from "./packet-type.ts";
import type { PacketView, UserProperty } from "./packet-view.ts";
import {
  PROPERTY_PACKETS,
  PROPERTY_SLOT,
  PROPERTY_SLOTS,
  PROPERTY_TYPE,
  PropertyId,
  PropertyType,
} from "./property.ts";
import { ReasonCode } from "./reason-code.ts";

/**
 * User properties of one packet that are made into objects (all packets but PUBLISH, whose
 * properties stay bytes). Far above any use; bounds the heap that one packet of minimal five-byte
 * pairs can cost.
 */
const MAX_USER_PROPERTIES = 1000;

const NO_USER_PROPERTIES: readonly UserProperty[] = Object.freeze([]);

/** ZERO_FAULT[identifier byte]: the reason code for value 0, where 0 is not allowed. */
const ZERO_FAULT = new Uint8Array(256);
ZERO_FAULT[PropertyId.RECEIVE_MAXIMUM] = ReasonCode.PROTOCOL_ERROR; // MQTT5 §3.1.2.11.3
ZERO_FAULT[PropertyId.MAXIMUM_PACKET_SIZE] = ReasonCode.PROTOCOL_ERROR; // MQTT5 §3.1.2.11.4
ZERO_FAULT[PropertyId.SUBSCRIPTION_IDENTIFIER] = ReasonCode.PROTOCOL_ERROR; // MQTT5 §3.8.2.1.2
ZERO_FAULT[PropertyId.TOPIC_ALIAS] = ReasonCode.TOPIC_ALIAS_INVALID; // [MQTT-3.3.2-8]

export class PropertyBlock {
  /** The block itself, without its length prefix. */
  start = 0;
  end = 0;
  #bytes: Uint8Array = new Uint8Array(0);
  /** Bit n set = slot n was seen. */
  #seen = 0;
  /** Number types: the value. */
  readonly #numbers = new Float64Array(PROPERTY_SLOTS);
  /** Text and binary: where the content lies. */
  readonly #offsets = new Uint32Array(PROPERTY_SLOTS);
  readonly #lengths = new Uint32Array(PROPERTY_SLOTS);
  #userCount = 0;

  /**
   * Reads length prefix and block at `at`, within a packet of `packetType` (or WILL_PROPERTIES)
   * that ends at `packetEnd`. DECODED, or a fault; afterwards `end` is the offset behind the block.
   */
  read(
    view: PacketView,
    bytes: Uint8Array,
    at: number,
    packetEnd: number,
    packetType: number,
  ): number {
    const length = readVarint(bytes, at, packetEnd);
    if (length < 0) return fault(view, ReasonCode.MALFORMED_PACKET, "malformed property length");
    this.start = at + varintSizeOf(length);
    this.end = this.start + varintValue(length);
    if (this.end > packetEnd) {
      return fault(view, ReasonCode.MALFORMED_PACKET, "property length goes beyond the packet");
    }
    this.#bytes = bytes;
    this.#seen = 0;
    this.#userCount = 0;
    let position = this.start;
    while (position < this.end) {
      const next = this.#readProperty(view, position, packetType);
      if (next < 0) return next;
      position = next;
    }
    return DECODED;
  }

  /** Makes the block empty: for packets that end before their property length. */
  clear(at: number): void {
    this.start = at;
    this.end = at;
    this.#seen = 0;
    this.#userCount = 0;
  }

  has(id: PropertyId): boolean {
    return (this.#seen & (1 << PROPERTY_SLOT[id]!)) !== 0;
  }

  numberOr(id: PropertyId, absent: number): number {
    return this.has(id) ? this.#numbers[PROPERTY_SLOT[id]!]! : absent;
  }

  /** Null when absent. */
  text(id: PropertyId): string | null {
    if (!this.has(id)) return null;
    const offset = this.#offsets[PROPERTY_SLOT[id]!]!;
    return decodeUtf8(this.#bytes, offset, offset + this.#lengths[PROPERTY_SLOT[id]!]!);
  }

  /** An owned copy; null when absent. */
  binary(id: PropertyId): Uint8Array | null {
    if (!this.has(id)) return null;
    const offset = this.#offsets[PROPERTY_SLOT[id]!]!;
    return ownedCopy(this.#bytes, offset, offset + this.#lengths[PROPERTY_SLOT[id]!]!);
  }

  /** All user properties in the order received [MQTT-3.1.3-10]. */
  userProperties(): readonly UserProperty[] {
    if (this.#userCount === 0) return NO_USER_PROPERTIES;
    const pairs: UserProperty[] = [];
    for (let at = this.start; at < this.end; at += propertySize(this.#bytes, at)) {
      if (this.#bytes[at] !== PropertyId.USER_PROPERTY) continue;
      const nameEnd = at + 3 + readUint16(this.#bytes, at + 1);
      const valueEnd = nameEnd + 2 + readUint16(this.#bytes, nameEnd);
      pairs.push({
        name: decodeUtf8(this.#bytes, at + 3, nameEnd),
        value: decodeUtf8(this.#bytes, nameEnd + 2, valueEnd),
      });
    }
    return pairs;
  }

  /** Returns the offset behind the property at `at`, or a fault. */
  #readProperty(view: PacketView, at: number, packetType: number): number {
    // An identifier of several bytes is either not the shortest form or not an identifier of this
    // protocol.
    const id = this.#bytes[at]!;
    if ((PROPERTY_PACKETS[id]! & (1 << packetType)) === 0)
      return illegalProperty(view, id, packetType);
    if (id === PropertyId.USER_PROPERTY) return this.#readUserProperty(view, at, packetType);
    const seen = 1 << PROPERTY_SLOT[id]!;
    if ((this.#seen & seen) !== 0) {
      return fault(view, ReasonCode.PROTOCOL_ERROR, "property included more than once");
    }
    this.#seen |= seen;
    const type = PROPERTY_TYPE[id]!;
    return type >= PropertyType.TEXT
      ? this.#readContent(view, at, id, type)
      : this.#readNumber(view, at, id, type);
  }

  #readNumber(view: PacketView, at: number, id: number, type: number): number {
    const bytes = this.#bytes;
    let next = at + 1;
    let value = 0;
    if (type === PropertyType.VARINT) {
      const result = readVarint(bytes, next, this.end);
      if (result < 0) return fault(view, ReasonCode.MALFORMED_PACKET, "malformed property value");
      value = varintValue(result);
      next += varintSizeOf(result);
    } else {
      next += type === PropertyType.BYTE ? 1 : type === PropertyType.TWO_BYTES ? 2 : 4;
      if (next > this.end) return truncated(view);
      for (let i = at + 1; i < next; i++) value = value * 256 + bytes[i]!;
    }
    // All one-byte properties of a client are flags: payload format and the two "request …
    // information".
    if (type === PropertyType.BYTE && value > 1) {
      return fault(view, ReasonCode.PROTOCOL_ERROR, "property value is neither 0 nor 1");
    }
    if (value === 0 && ZERO_FAULT[id] !== 0) {
      return fault(view, ZERO_FAULT[id]!, "property value is 0");
    }
    this.#numbers[PROPERTY_SLOT[id]!] = value;
    return next;
  }

  #readContent(view: PacketView, at: number, id: number, type: number): number {
    const next = this.#contentEnd(at + 1);
    if (next < 0) return truncated(view);
    if (type === PropertyType.TEXT) {
      const flags = scanUtf8(this.#bytes, at + 3, next);
      if (flags < 0 || (flags & UTF8_NUL) !== 0) return badText(view);
      if (id === PropertyId.RESPONSE_TOPIC && ((flags & UTF8_WILDCARD) !== 0 || next === at + 3)) {
        // [MQTT-3.3.2-14] no wildcards; [MQTT-4.7.3-1] a topic name has at least one character
        return fault(view, ReasonCode.PROTOCOL_ERROR, "response topic is not a topic name");
      }
    }
    this.#offsets[PROPERTY_SLOT[id]!] = at + 3;
    this.#lengths[PROPERTY_SLOT[id]!] = next - at - 3;
    return next;
  }

  #readUserProperty(view: PacketView, at: number, packetType: number): number {
    const nameEnd = this.#contentEnd(at + 1);
    if (nameEnd < 0) return truncated(view);
    const next = this.#contentEnd(nameEnd);
    if (next < 0) return truncated(view);
    const flags = scanUtf8(this.#bytes, at + 3, nameEnd); // [MQTT-1.5.7-1]
    if (flags < 0 || (flags & UTF8_NUL) !== 0) return badText(view);
    const valueFlags = scanUtf8(this.#bytes, nameEnd + 2, next);
    if (valueFlags < 0 || (valueFlags & UTF8_NUL) !== 0) return badText(view);
    this.#userCount++;
    if (this.#userCount > MAX_USER_PROPERTIES && packetType !== PacketType.PUBLISH) {
      return fault(view, ReasonCode.QUOTA_EXCEEDED, "too many user properties");
    }
    return next;
  }

  /** End of the length-prefixed content at `at`; -1 when it goes beyond the block. */
  #contentEnd(at: number): number {
    if (at + 2 > this.end) return -1;
    const next = at + 2 + readUint16(this.#bytes, at);
    return next > this.end ? -1 : next;
  }
}

/** The block of this thread: filled by `read`, valid until the next `read` or `clear`. */
export const propertyBlock = new PropertyBlock();

function readUint16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

/**
 * Size in bytes, identifier included, of the property at `at` of a block that was read without
 * fault.
 */
export function propertySize(bytes: Uint8Array, at: number): number {
  switch (PROPERTY_TYPE[bytes[at]!]) {
    case PropertyType.BYTE:
      return 2;
    case PropertyType.TWO_BYTES:
      return 3;
    case PropertyType.FOUR_BYTES:
      return 5;
    case PropertyType.VARINT:
      return 1 + varintSizeOf(readVarint(bytes, at + 1, bytes.length));
    case PropertyType.TEXT_PAIR: {
      const nameEnd = at + 3 + readUint16(bytes, at + 1);
      return nameEnd + 2 + readUint16(bytes, nameEnd) - at;
    }
    default:
      return 3 + readUint16(bytes, at + 1);
  }
}

function illegalProperty(view: PacketView, id: number, packetType: number): number {
  if (id === PropertyId.SUBSCRIPTION_IDENTIFIER && packetType === PacketType.PUBLISH) {
    // [MQTT-3.3.4-6]
    return fault(view, ReasonCode.PROTOCOL_ERROR, "subscription identifier in a client's PUBLISH");
  }
  return fault(view, ReasonCode.MALFORMED_PACKET, "property is not valid for this packet"); // MQTT5 §2.2.2.2
}

function truncated(view: PacketView): number {
  return fault(view, ReasonCode.MALFORMED_PACKET, "property goes beyond the property length");
}

function badText(view: PacketView): number {
  // [MQTT-1.5.4-1] [MQTT-1.5.4-2] [MQTT-3.3.2-13] [MQTT-3.3.2-19]
  return fault(view, ReasonCode.MALFORMED_PACKET, "property text is not well-formed UTF-8");
}
