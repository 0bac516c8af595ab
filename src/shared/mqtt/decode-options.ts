/**
 * What the decoder must know of a connection. One object per connection, whose fields its owner
 * changes.
 */
export interface DecodeOptions {
  /**
   * 0 before CONNECT: nothing but CONNECT is legal, and the packet names the version itself
   * [MQTT-3.1.0-1].
   */
  readonly protocolVersion: 0 | 3 | 4 | 5;
  /** Bytes of a whole packet, fixed header included. */
  readonly maxPacketSize: number;
  /** Highest topic alias the client may use: what CONNACK told it [MQTT-3.3.2-9]. 0 = none. */
  readonly topicAliasMaximum: number;
}
