/**
 * Reason codes of MQTT 5 (MQTT5 §2.4): number, name, which packets may carry each and from whom,
 * and what it becomes in MQTT 3.x. Below 0x80 is success.
 */

import { PacketType } from "./packet-type.ts";

export const ReasonCode = {
  SUCCESS: 0x00,
  /** DISCONNECT: the same number as SUCCESS. */
  NORMAL_DISCONNECTION: 0x00,
  GRANTED_QOS_0: 0x00,
  GRANTED_QOS_1: 0x01,
  GRANTED_QOS_2: 0x02,
  DISCONNECT_WITH_WILL: 0x04,
  NO_MATCHING_SUBSCRIBERS: 0x10,
  NO_SUBSCRIPTION_EXISTED: 0x11,
  CONTINUE_AUTHENTICATION: 0x18,
  RE_AUTHENTICATE: 0x19,
  UNSPECIFIED_ERROR: 0x80,
  MALFORMED_PACKET: 0x81,
  PROTOCOL_ERROR: 0x82,
  IMPLEMENTATION_SPECIFIC_ERROR: 0x83,
  UNSUPPORTED_PROTOCOL_VERSION: 0x84,
  CLIENT_IDENTIFIER_NOT_VALID: 0x85,
  BAD_USER_NAME_OR_PASSWORD: 0x86,
  NOT_AUTHORIZED: 0x87,
  SERVER_UNAVAILABLE: 0x88,
  SERVER_BUSY: 0x89,
  BANNED: 0x8a,
  SERVER_SHUTTING_DOWN: 0x8b,
  BAD_AUTHENTICATION_METHOD: 0x8c,
  KEEP_ALIVE_TIMEOUT: 0x8d,
  SESSION_TAKEN_OVER: 0x8e,
  TOPIC_FILTER_INVALID: 0x8f,
  TOPIC_NAME_INVALID: 0x90,
  PACKET_IDENTIFIER_IN_USE: 0x91,
  PACKET_IDENTIFIER_NOT_FOUND: 0x92,
  RECEIVE_MAXIMUM_EXCEEDED: 0x93,
  TOPIC_ALIAS_INVALID: 0x94,
  PACKET_TOO_LARGE: 0x95,
  MESSAGE_RATE_TOO_HIGH: 0x96,
  QUOTA_EXCEEDED: 0x97,
  ADMINISTRATIVE_ACTION: 0x98,
  PAYLOAD_FORMAT_INVALID: 0x99,
  RETAIN_NOT_SUPPORTED: 0x9a,
  QOS_NOT_SUPPORTED: 0x9b,
  USE_ANOTHER_SERVER: 0x9c,
  SERVER_MOVED: 0x9d,
  SHARED_SUBSCRIPTIONS_NOT_SUPPORTED: 0x9e,
  CONNECTION_RATE_EXCEEDED: 0x9f,
  MAXIMUM_CONNECT_TIME: 0xa0,
  SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED: 0xa1,
  WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED: 0xa2,
} as const;
export type ReasonCode = (typeof ReasonCode)[keyof typeof ReasonCode];

/**
 * One row of the table. `packets`: bit n set = PacketType n may carry it, from either side unless
 * listed below.
 */
export interface ReasonCodeDefinition {
  readonly code: number;
  readonly name: string;
  readonly packets: number;
  readonly meaning: string;
}

const CONNACK = 1 << PacketType.CONNACK;
const PUBACK = 1 << PacketType.PUBACK;
const PUBREC = 1 << PacketType.PUBREC;
const PUBREL = 1 << PacketType.PUBREL;
const PUBCOMP = 1 << PacketType.PUBCOMP;
const SUBACK = 1 << PacketType.SUBACK;
const UNSUBACK = 1 << PacketType.UNSUBACK;
const DISCONNECT = 1 << PacketType.DISCONNECT;
const AUTH = 1 << PacketType.AUTH;

const PUBLISH_ANSWER = PUBACK | PUBREC;
const GOODBYE = CONNACK | DISCONNECT;
const REQUEST_ANSWER = PUBLISH_ANSWER | SUBACK | UNSUBACK;

function row(code: number, name: string, packets: number, meaning: string): ReasonCodeDefinition {
  return { code, name, packets, meaning };
}

/** MQTT5 §2.4, in order of number. */
export const REASON_CODES: readonly ReasonCodeDefinition[] = [
  row(
    0x00,
    "Success",
    CONNACK | PUBLISH_ANSWER | PUBREL | PUBCOMP | SUBACK | UNSUBACK | DISCONNECT | AUTH,
    "done; in SUBACK granted QoS 0; in DISCONNECT a normal end",
  ),
  row(0x01, "Granted QoS 1", SUBACK, "subscribed with QoS 1 at most"),
  row(0x02, "Granted QoS 2", SUBACK, "subscribed with QoS 2 at most"),
  row(0x04, "Disconnect with will message", DISCONNECT, "a wanted end, but publish the will"),
  row(0x10, "No matching subscribers", PUBLISH_ANSWER, "accepted, but nobody subscribes to it"),
  row(0x11, "No subscription existed", UNSUBACK, "nothing to remove"),
  row(0x18, "Continue authentication", AUTH, "one more step of the exchange"),
  row(0x19, "Re-authenticate", AUTH, "a new exchange on a live connection"),
  row(0x80, "Unspecified error", GOODBYE | REQUEST_ANSWER, "failed, without saying why"),
  row(0x81, "Malformed packet", GOODBYE, "a packet that cannot be parsed"),
  row(0x82, "Protocol error", GOODBYE, "a packet that is not allowed, or not at this moment"),
  row(0x83, "Implementation specific error", GOODBYE | REQUEST_ANSWER, "valid, but not taken here"),
  row(0x84, "Unsupported protocol version", CONNACK, "not MQTT 3.1, 3.1.1 or 5"),
  row(0x85, "Client identifier not valid", CONNACK, "a client identifier that is not allowed"),
  row(0x86, "Bad user name or password", CONNACK, "the server does not know these credentials"),
  row(0x87, "Not authorized", GOODBYE | REQUEST_ANSWER, "the client may not do this"),
  row(0x88, "Server unavailable", CONNACK, "not serving now"),
  row(0x89, "Server busy", GOODBYE, "try again later"),
  row(0x8a, "Banned", CONNACK, "this client is locked out"),
  row(0x8b, "Server shutting down", DISCONNECT, "the server is ending"),
  row(0x8c, "Bad authentication method", GOODBYE, "a method that is unknown or not the agreed one"),
  row(0x8d, "Keep alive timeout", DISCONNECT, "silent for one and a half keep alive intervals"),
  row(0x8e, "Session taken over", DISCONNECT, "a newer connection has this client identifier"),
  row(0x8f, "Topic filter invalid", SUBACK | UNSUBACK | DISCONNECT, "a filter not accepted here"),
  row(0x90, "Topic name invalid", GOODBYE | PUBLISH_ANSWER, "a topic not accepted here"),
  row(0x91, "Packet identifier in use", REQUEST_ANSWER, "the identifier is already taken"),
  row(0x92, "Packet identifier not found", PUBREL | PUBCOMP, "no exchange has this identifier"),
  row(0x93, "Receive maximum exceeded", DISCONNECT, "more publishes in flight than announced"),
  row(0x94, "Topic alias invalid", DISCONNECT, "0 or above the announced maximum"),
  row(0x95, "Packet too large", GOODBYE, "above the announced maximum packet size"),
  row(0x96, "Message rate too high", DISCONNECT, "too much, too fast"),
  row(0x97, "Quota exceeded", GOODBYE | PUBLISH_ANSWER | SUBACK, "an imposed limit is reached"),
  row(0x98, "Administrative action", DISCONNECT, "closed by an operator"),
  row(0x99, "Payload format invalid", GOODBYE | PUBLISH_ANSWER, "not the announced UTF-8"),
  row(0x9a, "Retain not supported", GOODBYE, "this server keeps no retained messages"),
  row(0x9b, "QoS not supported", GOODBYE, "above the announced maximum QoS"),
  row(0x9c, "Use another server", GOODBYE, "go elsewhere for now"),
  row(0x9d, "Server moved", GOODBYE, "go elsewhere for good"),
  row(0x9e, "Shared subscriptions not supported", SUBACK | DISCONNECT, "switched off here"),
  row(0x9f, "Connection rate exceeded", GOODBYE, "too many connections per second"),
  row(0xa0, "Maximum connect time", DISCONNECT, "the permitted connection time is over"),
  row(0xa1, "Subscription identifiers not supported", SUBACK | DISCONNECT, "switched off here"),
  row(0xa2, "Wildcard subscriptions not supported", SUBACK | DISCONNECT, "switched off here"),
];

const DEFINITIONS = new Map(REASON_CODES.map((definition) => [definition.code, definition]));

/**
 * Codes that a client never sends although the packet may carry them (MQTT5 §3.14.2.1, §3.15.2.1).
 */
const SERVER_ONLY: Readonly<Record<number, readonly number[]>> = {
  [PacketType.DISCONNECT]: [
    0x87, 0x89, 0x8b, 0x8c, 0x8d, 0x8e, 0x8f, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2,
  ],
  [PacketType.AUTH]: [0x00],
};

/** CLIENT_CODES[code] has bit n set when a client may send `code` in PacketType n. */
const CLIENT_CODES = new Uint16Array(256);
for (const { code, packets } of REASON_CODES) CLIENT_CODES[code] = packets;
for (const [type, codes] of Object.entries(SERVER_ONLY)) {
  for (const code of codes) CLIENT_CODES[code] = CLIENT_CODES[code]! & ~(1 << Number(type));
}

/**
 * True when a client may send `code` (0..255) in a packet of `type`
 * [MQTT-3.4.2-1] [MQTT-3.5.2-1] [MQTT-3.6.2-1] [MQTT-3.7.2-1] [MQTT-3.14.2-1] [MQTT-3.15.2-1].
 */
export function isClientReasonCode(type: PacketType, code: number): boolean {
  return (CLIENT_CODES[code]! & (1 << type)) !== 0;
}

/**
 * The reason code of a CONNACK that refuses [MQTT-3.2.2-8]: an authentication provider may name any
 * number.
 */
export function connackReasonCode(code: number): ReasonCode {
  const { packets = 0 } = DEFINITIONS.get(code) ?? {};
  const isRefusal = code >= ReasonCode.UNSPECIFIED_ERROR && (packets & CONNACK) !== 0;
  return isRefusal ? (code as ReasonCode) : ReasonCode.UNSPECIFIED_ERROR;
}

/**
 * The reason code of a server's DISCONNECT for a cause that CONNACK names with `code`
 * [MQTT-3.14.2-1]: what is said of credentials becomes "not authorized", "not available" becomes
 * "busy", both of which make a client try again alike.
 */
export function disconnectReasonCode(code: number): ReasonCode {
  const { packets = 0 } = DEFINITIONS.get(code) ?? {};
  if ((packets & DISCONNECT) !== 0) return code as ReasonCode;
  switch (code) {
    case ReasonCode.CLIENT_IDENTIFIER_NOT_VALID:
    case ReasonCode.BAD_USER_NAME_OR_PASSWORD:
    case ReasonCode.BANNED:
      return ReasonCode.NOT_AUTHORIZED;
    case ReasonCode.SERVER_UNAVAILABLE:
      return ReasonCode.SERVER_BUSY;
    default:
      return ReasonCode.UNSPECIFIED_ERROR;
  }
}

/** What CONNACK can say in MQTT 3.1 and 3.1.1 (MQTT 3.1.1 §3.2.2.3). */
export const ReturnCode = {
  ACCEPTED: 0,
  UNACCEPTABLE_PROTOCOL_VERSION: 1,
  IDENTIFIER_REJECTED: 2,
  SERVER_UNAVAILABLE: 3,
  BAD_USER_NAME_OR_PASSWORD: 4,
  NOT_AUTHORIZED: 5,
} as const;
export type ReturnCode = (typeof ReturnCode)[keyof typeof ReturnCode];

/**
 * The MQTT 3.x return code for a CONNACK reason code. Everything that is not the client's identity
 * or permission becomes "server unavailable", the only refusal that makes a 3.x client try again
 * later.
 */
export function connackReturnCode(reasonCode: number): ReturnCode {
  switch (reasonCode) {
    case ReasonCode.SUCCESS:
      return ReturnCode.ACCEPTED;
    case ReasonCode.UNSUPPORTED_PROTOCOL_VERSION:
      return ReturnCode.UNACCEPTABLE_PROTOCOL_VERSION;
    case ReasonCode.CLIENT_IDENTIFIER_NOT_VALID:
      return ReturnCode.IDENTIFIER_REJECTED;
    case ReasonCode.BAD_USER_NAME_OR_PASSWORD:
      return ReturnCode.BAD_USER_NAME_OR_PASSWORD;
    case ReasonCode.NOT_AUTHORIZED:
    case ReasonCode.BANNED:
    case ReasonCode.BAD_AUTHENTICATION_METHOD:
    case ReasonCode.QOS_NOT_SUPPORTED:
    case ReasonCode.RETAIN_NOT_SUPPORTED:
    case ReasonCode.TOPIC_NAME_INVALID:
      return ReturnCode.NOT_AUTHORIZED;
    default:
      return ReturnCode.SERVER_UNAVAILABLE;
  }
}
