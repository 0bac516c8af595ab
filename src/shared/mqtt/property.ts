/**
 * Properties of MQTT 5 (MQTT5 §2.2.2.2): identifier, type, and the packets that may hold each.
 *
 * Every identifier fits one byte although the wire form is a variable byte integer. `slot` numbers
 * the properties densely: the highest identifier is 42, and a set of seen properties must fit the
 * 32 bits of a small integer.
 */

import { PacketType } from "./packet-type.ts";

export const PropertyId = {
  PAYLOAD_FORMAT_INDICATOR: 0x01,
  MESSAGE_EXPIRY_INTERVAL: 0x02,
  CONTENT_TYPE: 0x03,
  RESPONSE_TOPIC: 0x08,
  CORRELATION_DATA: 0x09,
  SUBSCRIPTION_IDENTIFIER: 0x0b,
  SESSION_EXPIRY_INTERVAL: 0x11,
  ASSIGNED_CLIENT_IDENTIFIER: 0x12,
  SERVER_KEEP_ALIVE: 0x13,
  AUTHENTICATION_METHOD: 0x15,
  AUTHENTICATION_DATA: 0x16,
  REQUEST_PROBLEM_INFORMATION: 0x17,
  WILL_DELAY_INTERVAL: 0x18,
  REQUEST_RESPONSE_INFORMATION: 0x19,
  RESPONSE_INFORMATION: 0x1a,
  SERVER_REFERENCE: 0x1c,
  REASON_STRING: 0x1f,
  RECEIVE_MAXIMUM: 0x21,
  TOPIC_ALIAS_MAXIMUM: 0x22,
  TOPIC_ALIAS: 0x23,
  MAXIMUM_QOS: 0x24,
  RETAIN_AVAILABLE: 0x25,
  USER_PROPERTY: 0x26,
  MAXIMUM_PACKET_SIZE: 0x27,
  WILDCARD_SUBSCRIPTION_AVAILABLE: 0x28,
  SUBSCRIPTION_IDENTIFIER_AVAILABLE: 0x29,
  SHARED_SUBSCRIPTION_AVAILABLE: 0x2a,
} as const;
export type PropertyId = (typeof PropertyId)[keyof typeof PropertyId];

/** How a property's value is written. */
export const PropertyType = {
  BYTE: 1,
  TWO_BYTES: 2,
  FOUR_BYTES: 3,
  VARINT: 4,
  TEXT: 5,
  BINARY: 6,
  TEXT_PAIR: 7,
} as const;
export type PropertyType = (typeof PropertyType)[keyof typeof PropertyType];

/**
 * Stands for the will's properties inside CONNECT wherever a packet type is asked for: type 0 is
 * never sent.
 */
export const WILL_PROPERTIES = 0;

interface PropertyDefinition {
  readonly id: PropertyId;
  readonly type: PropertyType;
  /** Packets that a client sends it in; the others are illegal for a server to receive. */
  readonly clientPackets: readonly number[];
}

const { CONNECT, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP } = PacketType;
const { SUBSCRIBE, UNSUBSCRIBE, DISCONNECT, AUTH } = PacketType;
const MESSAGE = [PUBLISH, WILL_PROPERTIES];
const ACKNOWLEDGEMENTS = [PUBACK, PUBREC, PUBREL, PUBCOMP];
const REASONED = [...ACKNOWLEDGEMENTS, DISCONNECT, AUTH];

function define(
  id: PropertyId,
  type: PropertyType,
  clientPackets: readonly number[],
): PropertyDefinition {
  return { id, type, clientPackets };
}

const P = PropertyId;
const T = PropertyType;

/** In order of identifier; the position is the slot. */
const DEFINITIONS: readonly PropertyDefinition[] = [
  define(P.PAYLOAD_FORMAT_INDICATOR, T.BYTE, MESSAGE),
  define(P.MESSAGE_EXPIRY_INTERVAL, T.FOUR_BYTES, MESSAGE),
  define(P.CONTENT_TYPE, T.TEXT, MESSAGE),
  define(P.RESPONSE_TOPIC, T.TEXT, MESSAGE),
  define(P.CORRELATION_DATA, T.BINARY, MESSAGE),
  define(P.SUBSCRIPTION_IDENTIFIER, T.VARINT, [SUBSCRIBE]), // not in PUBLISH [MQTT-3.3.4-6]
  define(P.SESSION_EXPIRY_INTERVAL, T.FOUR_BYTES, [CONNECT, DISCONNECT]),
  define(P.ASSIGNED_CLIENT_IDENTIFIER, T.TEXT, []),
  define(P.SERVER_KEEP_ALIVE, T.TWO_BYTES, []),
  define(P.AUTHENTICATION_METHOD, T.TEXT, [CONNECT, AUTH]),
  define(P.AUTHENTICATION_DATA, T.BINARY, [CONNECT, AUTH]),
  define(P.REQUEST_PROBLEM_INFORMATION, T.BYTE, [CONNECT]),
  define(P.WILL_DELAY_INTERVAL, T.FOUR_BYTES, [WILL_PROPERTIES]),
  define(P.REQUEST_RESPONSE_INFORMATION, T.BYTE, [CONNECT]),
  define(P.RESPONSE_INFORMATION, T.TEXT, []),
  define(P.SERVER_REFERENCE, T.TEXT, [DISCONNECT]),
  define(P.REASON_STRING, T.TEXT, REASONED),
  define(P.RECEIVE_MAXIMUM, T.TWO_BYTES, [CONNECT]),
  define(P.TOPIC_ALIAS_MAXIMUM, T.TWO_BYTES, [CONNECT]),
  define(P.TOPIC_ALIAS, T.TWO_BYTES, [PUBLISH]),
  define(P.MAXIMUM_QOS, T.BYTE, []),
  define(P.RETAIN_AVAILABLE, T.BYTE, []),
  define(P.USER_PROPERTY, T.TEXT_PAIR, [CONNECT, SUBSCRIBE, UNSUBSCRIBE, ...MESSAGE, ...REASONED]),
  define(P.MAXIMUM_PACKET_SIZE, T.FOUR_BYTES, [CONNECT]),
  define(P.WILDCARD_SUBSCRIPTION_AVAILABLE, T.BYTE, []),
  define(P.SUBSCRIPTION_IDENTIFIER_AVAILABLE, T.BYTE, []),
  define(P.SHARED_SUBSCRIPTION_AVAILABLE, T.BYTE, []),
];

/** Number of properties, 27: slots are 0..26. */
export const PROPERTY_SLOTS = DEFINITIONS.length;

/** PROPERTY_TYPE[identifier byte]: a PropertyType, 0 = no such property. */
export const PROPERTY_TYPE = new Uint8Array(256);
/** PROPERTY_SLOT[identifier byte]: its slot; meaningless where the type is 0. */
export const PROPERTY_SLOT = new Uint8Array(256);
/**
 * PROPERTY_PACKETS[identifier byte]: bit n set = a client may send it in PacketType n (bit 0: the
 * will).
 */
export const PROPERTY_PACKETS = new Uint16Array(256);

DEFINITIONS.forEach(({ id, type, clientPackets }, slot) => {
  PROPERTY_TYPE[id] = type;
  PROPERTY_SLOT[id] = slot;
  PROPERTY_PACKETS[id] = clientPackets.reduce((bits, packet) => bits | (1 << packet), 0);
});
