/**
 * What the decoder found in one control packet: integers into the caller's bytes for hot packets
 * (PUBLISH and its acknowledgements, PINGREQ), a plain object in `cold` for the others.
 *
 * One mutable view per thread. It is borrowed: valid until the next `decode`, and only while
 * `bytes` is unchanged. Who keeps something longer copies it. Flow: publish 2/8, written by
 * decoder, read by session.
 */

/** A user property: a UTF-8 string pair; order and repetition are significant [MQTT-3.3.2-18]. */
export interface UserProperty {
  readonly name: string;
  readonly value: string;
}

export interface WillPacket {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  /** Seconds, 0..2^32-1; 0 when absent. */
  readonly delaySeconds: number;
  /** Seconds, 0..2^32-1; -1 when absent. */
  readonly messageExpirySeconds: number;
  /**
   * The properties to forward, encoded as in PUBLISH, in the order received: payload format,
   * content type, response topic, correlation data, user properties; without message expiry and
   * will delay. Owned (copied).
   */
  readonly forwardProperties: Uint8Array;
  /** 1 when the payload format indicator says UTF-8, else 0. */
  readonly payloadFormat: number;
}

export interface ConnectPacket {
  readonly protocolVersion: 3 | 4 | 5;
  readonly clientId: string;
  readonly cleanStart: boolean;
  readonly keepAliveSeconds: number;
  readonly username: string | null;
  readonly password: Uint8Array | null;
  readonly will: WillPacket | null;
  /** Seconds; 0 when absent; 0xFFFFFFFF = never. MQTT 3.x: 0, see `cleanStart`. */
  readonly sessionExpirySeconds: number;
  /** 1..65535; 65535 when absent. */
  readonly receiveMaximum: number;
  /** Bytes; 0 when absent = no limit. */
  readonly maximumPacketSize: number;
  readonly topicAliasMaximum: number;
  readonly requestResponseInformation: boolean;
  readonly requestProblemInformation: boolean;
  readonly userProperties: readonly UserProperty[];
  readonly authenticationMethod: string | null;
  readonly authenticationData: Uint8Array | null;
}

export interface SubscriptionRequest {
  /** As sent, `$share/group/…` included. */
  readonly filter: string;
  readonly qos: 0 | 1 | 2;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  readonly retainHandling: 0 | 1 | 2;
}

export interface SubscribePacket {
  readonly packetId: number;
  readonly subscriptions: readonly SubscriptionRequest[];
  /** 1..268435455; 0 when absent. */
  readonly subscriptionIdentifier: number;
  readonly userProperties: readonly UserProperty[];
}

export interface UnsubscribePacket {
  readonly packetId: number;
  readonly filters: readonly string[];
  readonly userProperties: readonly UserProperty[];
}

export interface DisconnectPacket {
  readonly reasonCode: number;
  /** Seconds; -1 when absent. */
  readonly sessionExpirySeconds: number;
  readonly reasonString: string | null;
  readonly userProperties: readonly UserProperty[];
}

export interface AuthPacket {
  readonly reasonCode: number;
  readonly authenticationMethod: string | null;
  readonly authenticationData: Uint8Array | null;
  readonly reasonString: string | null;
  readonly userProperties: readonly UserProperty[];
}

export type ColdPacket =
  | ConnectPacket
  | SubscribePacket
  | UnsubscribePacket
  | DisconnectPacket
  | AuthPacket;

const NO_BYTES = new Uint8Array(0);

export class PacketView {
  /** PacketType of the packet, 0 before the first decode. */
  type = 0;
  /** The buffer that all offsets below point into. */
  bytes: Uint8Array = NO_BYTES;
  /** Whole packet: fixed header's first byte and total size in bytes. */
  packetOffset = 0;
  packetSize = 0;
  /** Where the bytes that have arrived end; what follows the packet lies before. */
  bytesEnd = 0;
  /** On failure: why, a static English sentence for logs and reason strings. Empty on success. */
  faultText = "";
  /**
   * CONNECT, also a faulty one: the version to write a refusal in. 0 = close without an answer;
   * where the level is unknown, the version whose CONNACK such a client can be expected to read.
   */
  connectVersion: 0 | 3 | 4 | 5 = 0;

  // PUBLISH
  dup = false;
  qos = 0;
  retain = false;
  topicOffset = 0;
  /** Bytes; 0 only when a topic alias stands for the topic. */
  topicLength = 0;
  payloadOffset = 0;
  payloadLength = 0;
  /** The whole property block behind its length prefix; length 0 when empty or MQTT 3.x. */
  propertiesOffset = 0;
  propertiesLength = 0;
  /** Bytes of the block that are forwarded: all but topic alias and message expiry. */
  forwardLength = 0;
  /** 0 = absent. */
  topicAlias = 0;
  /** Seconds; -1 = absent. */
  messageExpirySeconds = -1;
  /** 1 when the payload format indicator says UTF-8, else 0. */
  payloadFormat = 0;

  // PUBLISH with QoS > 0, PUBACK, PUBREC, PUBREL, PUBCOMP
  packetId = 0;
  /** PUBACK, PUBREC, PUBREL, PUBCOMP: the reason code, 0 when left out. */
  reasonCode = 0;

  /** CONNECT, SUBSCRIBE, UNSUBSCRIBE, DISCONNECT, AUTH: the parsed packet; otherwise null. */
  cold: ColdPacket | null = null;
}
