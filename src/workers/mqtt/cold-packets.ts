/**
 * The packets a server sends rarely (CONNACK, SUBACK, UNSUBACK, DISCONNECT, AUTH, and
 * acknowledgements with a reason string) from plain objects, per protocol version. mqtt-packet
 * writes them; here is what it leaves to its caller: order of user properties, MQTT 3.x return
 * codes, what may be left out to fit the client's Maximum Packet Size.
 *
 * Flow: connect, subscribe, end of a connection. Thread: worker. Cold: allocates freely.
 */

import { generate, type Packet, writeToStream } from "mqtt-packet";
import { assert } from "../../shared/base/assert.ts";
import { ProtocolVersion } from "../../shared/mqtt/packet-type.ts";
import type { UserProperty } from "../../shared/mqtt/packet-view.ts";
import { connackReturnCode, ReasonCode } from "../../shared/mqtt/reason-code.ts";

// Its cache of all 65,536 two-byte numbers would cost every worker megabytes to save nanoseconds.
writeToStream.cacheNumbers = false;

/** Of MQTT 3.x: type and flags, and the rest in bytes (MQTT 3.1.1 §3.2). */
const CONNACK_HEADER = 0x20;
const CONNACK_LENGTH = 2;

/** What may be left out: first the user properties, then the reason string. */
interface Reasoned {
  readonly reasonString?: string | null;
  /** Order is kept [MQTT-3.3.2-18]. */
  readonly userProperties?: readonly UserProperty[];
}

/** Absent and null are the same: the property is not sent. */
export interface ConnackFields extends Reasoned {
  readonly type: "connack";
  readonly sessionPresent: boolean;
  /** An MQTT 5 code; mapped to a return code for MQTT 3.x. */
  readonly reasonCode: number;
  readonly sessionExpirySeconds?: number | null;
  readonly receiveMaximum?: number | null;
  /** 0 or 1; 2 is what absence says [MQTT-3.2.2-9]. */
  readonly maximumQos?: number | null;
  readonly retainAvailable?: boolean | null;
  readonly maximumPacketSize?: number | null;
  readonly assignedClientIdentifier?: string | null;
  readonly topicAliasMaximum?: number | null;
  readonly wildcardAvailable?: boolean | null;
  readonly subscriptionIdentifiersAvailable?: boolean | null;
  readonly sharedAvailable?: boolean | null;
  readonly serverKeepAlive?: number | null;
  readonly responseInformation?: string | null;
  readonly serverReference?: string | null;
  readonly authenticationMethod?: string | null;
  readonly authenticationData?: Uint8Array | null;
}

/** `reasonCodes`: one per filter, in their order [MQTT-3.8.4-6] [MQTT-3.9.3-1] [MQTT-3.11.3-1]. */
interface SubscriptionAckFields extends Reasoned {
  readonly type: "suback" | "unsuback";
  readonly packetId: number;
  readonly reasonCodes: readonly number[];
}

interface AckFields extends Reasoned {
  readonly type: "puback" | "pubrec" | "pubrel" | "pubcomp";
  readonly packetId: number;
  readonly reasonCode: number;
}

/** MQTT 5 only. A server's DISCONNECT has no session expiry interval [MQTT-3.14.2-2]. */
interface DisconnectFields extends Reasoned {
  readonly type: "disconnect";
  readonly reasonCode: number;
  readonly serverReference?: string | null;
}

/** MQTT 5 only. */
interface AuthFields extends Reasoned {
  readonly type: "auth";
  readonly reasonCode: number;
  readonly authenticationMethod: string;
  readonly authenticationData?: Uint8Array | null;
}

export type ColdServerPacket =
  | ConnackFields
  | SubscriptionAckFields
  | AckFields
  | DisconnectFields
  | AuthFields;

type PropertyValues = Record<string, unknown>;

/** Largest string or binary value that its two length bytes can announce. */
const MAX_FIELD_SIZE = 0xffff;

/**
 * The bytes of `packet` for a client of `protocolVersion` whose Maximum Packet Size is
 * `maximumPacketSize` bytes (0 = no limit). Null when the version has no such packet, or when it
 * does not fit even without what may be left out: then nothing is sent [MQTT-3.1.2-24].
 * `problemInformation`: the client's Request Problem Information; false keeps reason string and
 * user properties out of all packets but CONNACK and DISCONNECT [MQTT-3.1.2-29].
 */
export function encodeColdPacket(
  packet: ColdServerPacket,
  protocolVersion: number,
  maximumPacketSize: number,
  problemInformation = true,
): Uint8Array | null {
  if (protocolVersion !== ProtocolVersion.V5) return encodeV3(packet, protocolVersion);
  const isReasonAllowed =
    problemInformation || packet.type === "connack" || packet.type === "disconnect";
  const reason = isReasonAllowed ? (packet.reasonString ?? null) : null;
  const users = isReasonAllowed ? (packet.userProperties ?? []).filter(isWireProperty) : [];
  return fitToMaximumPacketSize(packet, reason, users, maximumPacketSize);
}

/**
 * Leaves out user properties, then the reason string, until the packet fits [MQTT-3.2.2-19]
 * [MQTT-3.2.2-20] [MQTT-3.4.2-2] [MQTT-3.4.2-3] [MQTT-3.5.2-2] [MQTT-3.5.2-3] [MQTT-3.6.2-2]
 * [MQTT-3.6.2-3] [MQTT-3.7.2-2] [MQTT-3.7.2-3] [MQTT-3.9.2-1] [MQTT-3.9.2-2] [MQTT-3.11.2-1]
 * [MQTT-3.11.2-2] [MQTT-3.14.2-3] [MQTT-3.14.2-4] [MQTT-3.15.2-2] [MQTT-3.15.2-3].
 */
function fitToMaximumPacketSize(
  packet: ColdServerPacket,
  reason: string | null,
  users: readonly UserProperty[],
  maximumPacketSize: number,
): Uint8Array | null {
  const limit = maximumPacketSize === 0 ? Number.POSITIVE_INFINITY : maximumPacketSize;
  const full = encodeV5(packet, reason, users);
  if (full.length <= limit) return full;
  const withoutUsers = encodeV5(packet, reason, []);
  if (withoutUsers.length <= limit) return withoutUsers;
  const bare = encodeV5(packet, null, []);
  return bare.length <= limit ? bare : null;
}

function encodeV5(
  packet: ColdServerPacket,
  reason: string | null,
  users: readonly UserProperty[],
): Uint8Array {
  const properties = propertiesOf(packet);
  putText(properties, "reasonString", reason);
  // One object per pair: as one object mqtt-packet would group pairs by name and lose their order.
  if (users.length > 0)
    properties["userProperties"] = users.map(({ name, value }) => ({ [name]: value }));
  const options = { protocolVersion: ProtocolVersion.V5 };
  return generate(plainPacket(packet, properties), options);
}

/** The packet in mqtt-packet's words. */
function plainPacket(packet: ColdServerPacket, properties: PropertyValues): Packet {
  switch (packet.type) {
    case "connack": {
      const { reasonCode } = packet;
      const sessionPresent = packet.sessionPresent && reasonCode === 0; // [MQTT-3.2.2-6]
      return { cmd: "connack", sessionPresent, reasonCode, properties };
    }
    case "suback":
    case "unsuback": {
      assert(packet.reasonCodes.length > 0, "a subscription packet has at least one filter");
      const granted = [...packet.reasonCodes];
      return { cmd: packet.type, messageId: packet.packetId, granted, properties };
    }
    case "puback":
    case "pubrec":
    case "pubrel":
    case "pubcomp": {
      const { type: cmd, packetId: messageId, reasonCode } = packet;
      // Without properties it writes the short form, but only when there is no object at all.
      const isShort = Object.keys(properties).length === 0;
      return isShort ? { cmd, messageId, reasonCode } : { cmd, messageId, reasonCode, properties };
    }
    case "disconnect":
    case "auth":
      return { cmd: packet.type, reasonCode: packet.reasonCode, properties };
  }
}

function propertiesOf(packet: ColdServerPacket): PropertyValues {
  switch (packet.type) {
    case "connack":
      return connackProperties(packet);
    case "disconnect": {
      const properties: PropertyValues = {};
      putText(properties, "serverReference", packet.serverReference);
      return properties;
    }
    case "auth": {
      const properties: PropertyValues = { authenticationMethod: packet.authenticationMethod };
      putBinary(properties, "authenticationData", packet.authenticationData);
      return properties;
    }
    default:
      return {};
  }
}

function connackProperties(packet: ConnackFields): PropertyValues {
  const properties: PropertyValues = {};
  put(properties, "sessionExpiryInterval", packet.sessionExpirySeconds);
  put(properties, "receiveMaximum", packet.receiveMaximum);
  put(properties, "maximumQoS", packet.maximumQos);
  put(properties, "retainAvailable", packet.retainAvailable);
  put(properties, "maximumPacketSize", packet.maximumPacketSize);
  putText(properties, "assignedClientIdentifier", packet.assignedClientIdentifier);
  put(properties, "topicAliasMaximum", packet.topicAliasMaximum);
  put(properties, "wildcardSubscriptionAvailable", packet.wildcardAvailable);
  put(properties, "subscriptionIdentifiersAvailable", packet.subscriptionIdentifiersAvailable);
  put(properties, "sharedSubscriptionAvailable", packet.sharedAvailable);
  put(properties, "serverKeepAlive", packet.serverKeepAlive);
  putText(properties, "responseInformation", packet.responseInformation);
  putText(properties, "serverReference", packet.serverReference);
  putText(properties, "authenticationMethod", packet.authenticationMethod);
  putBinary(properties, "authenticationData", packet.authenticationData);
  return properties;
}

function put(
  properties: PropertyValues,
  name: string,
  value: number | boolean | null | undefined,
): void {
  if (value !== null && value !== undefined) properties[name] = value;
}

/**
 * Texts come from operators and authentication services too: one that MQTT cannot carry is not
 * sent.
 */
function putText(properties: PropertyValues, name: string, text: string | null | undefined): void {
  if (text !== null && text !== undefined && isWireText(text)) properties[name] = text;
}

function putBinary(
  properties: PropertyValues,
  name: string,
  content: Uint8Array | null | undefined,
): void {
  if (content === null || content === undefined) return;
  assert(content.length <= MAX_FIELD_SIZE, "binary property fits its length field");
  properties[name] = Buffer.from(content.buffer, content.byteOffset, content.length);
}

/** No U+0000 [MQTT-1.5.4-2], and not above the 65,535 bytes that a length can say. */
function isWireText(text: string): boolean {
  return Buffer.byteLength(text) <= MAX_FIELD_SIZE && !text.includes("\0");
}

function isWireProperty({ name, value }: UserProperty): boolean {
  return isWireText(name) && isWireText(value);
}

/**
 * No client of MQTT 3.x states a Maximum Packet Size; its packets have nothing to leave out either.
 */
function encodeV3(packet: ColdServerPacket, protocolVersion: number): Uint8Array | null {
  const options = { protocolVersion };
  switch (packet.type) {
    case "connack": {
      const returnCode = connackReturnCode(packet.reasonCode);
      // MQTT 3.1 has no Session Present: the byte is reserved there.
      const sessionPresent =
        packet.sessionPresent && returnCode === 0 && protocolVersion >= ProtocolVersion.V311;
      // By hand: every client waits for it, and it never has more than these four bytes.
      return Uint8Array.of(CONNACK_HEADER, CONNACK_LENGTH, sessionPresent ? 1 : 0, returnCode);
    }
    case "suback": {
      const granted = packet.reasonCodes.map((code) => subackReturnCode(code, protocolVersion));
      assert(granted.length > 0, "a subscription packet has at least one filter");
      return generate({ cmd: "suback", messageId: packet.packetId, granted }, options);
    }
    case "unsuback":
      return generate({ cmd: "unsuback", messageId: packet.packetId, granted: [] }, options);
    case "puback":
    case "pubrec":
    case "pubrel":
    case "pubcomp":
      return generate({ cmd: packet.type, messageId: packet.packetId }, options);
    case "disconnect":
    case "auth":
      return null;
  }
}

/**
 * MQTT 3.1.1 knows one failure, 0x80. MQTT 3.1 knows none: what a server refuses there it still has
 * to acknowledge as granted (MQTT 3.1 §3.8), and QoS 0 promises least.
 */
function subackReturnCode(reasonCode: number, protocolVersion: number): number {
  if (reasonCode < ReasonCode.UNSPECIFIED_ERROR) return reasonCode;
  return protocolVersion === ProtocolVersion.V31
    ? ReasonCode.GRANTED_QOS_0
    : ReasonCode.UNSPECIFIED_ERROR;
}
