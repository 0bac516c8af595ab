/**
 * One application message inside a worker: made once per PUBLISH and shared by every subscriber of
 * that worker that needs it beyond the current call (QoS 1 and 2 windows, queues, retained
 * deliveries).
 *
 * Immutable except for its origin and the cache of encoded forms. All bytes are owned (copied out
 * of socket chunk or ring).
 */

import type { EncodedPublish } from "./encode-publish.ts";
import type { PublishOrigin } from "./publish-origin.ts";

export class Message {
  readonly tenantId: string;
  /** Topic name, UTF-8. */
  readonly topic: Uint8Array;
  readonly payload: Uint8Array;
  /**
   * MQTT 5 properties forwarded unchanged (see PacketView.forwardLength); empty when none
   * [MQTT-3.3.2-17].
   */
  readonly forwardProperties: Uint8Array;
  /** QoS of the publish, 0..2. */
  readonly qos: number;
  /** RETAIN flag as published. */
  readonly retain: boolean;
  /** Seconds as published; -1 = never expires. */
  readonly expirySeconds: number;
  /** Wall-clock milliseconds at which this broker accepted the message. */
  readonly receivedAtMs: number;
  /** Client identifier of the publisher, for No Local; empty for the broker's own messages. */
  readonly publisherId: string;
  /** A QoS 2 publish of a stored session; else null. Set once, by whoever makes the message. */
  origin: PublishOrigin | null = null;
  /**
   * Encoded forms, one slot per variant; filled lazily by `encodedPublish`. Null until the first is
   * needed.
   */
  encoded: (EncodedPublish | null)[] | null = null;

  constructor(
    tenantId: string,
    topic: Uint8Array,
    payload: Uint8Array,
    forwardProperties: Uint8Array,
    qos: number,
    retain: boolean,
    expirySeconds: number,
    receivedAtMs: number,
    publisherId: string,
  ) {
    this.tenantId = tenantId;
    this.topic = topic;
    this.payload = payload;
    this.forwardProperties = forwardProperties;
    this.qos = qos;
    this.retain = retain;
    this.expirySeconds = expirySeconds;
    this.receivedAtMs = receivedAtMs;
    this.publisherId = publisherId;
  }

  /** True when the message's lifetime is over at `nowMs` (wall clock) [MQTT-3.3.2-5]. */
  isExpired(nowMs: number): boolean {
    return this.expirySeconds >= 0 && nowMs - this.receivedAtMs >= this.expirySeconds * 1000;
  }

  /**
   * Seconds of lifetime left at `nowMs`, at least 1 while not expired; -1 = never expires
   * [MQTT-3.3.2-6].
   */
  remainingExpirySeconds(nowMs: number): number {
    if (this.expirySeconds < 0) return -1;
    const waitedSeconds = Math.max(0, Math.floor((nowMs - this.receivedAtMs) / 1000));
    return Math.max(1, this.expirySeconds - waitedSeconds);
  }
}

/** The same message as one that nobody will repeat. */
export function withoutOrigin(message: Message): Message {
  return message.origin === null ? message : publishedAt(message, message.receivedAtMs);
}

/** A copy, without an origin, that counts as received at `receivedAtMs`, wall clock. */
export function publishedAt(message: Message, receivedAtMs: number): Message {
  return new Message(
    message.tenantId,
    message.topic,
    message.payload,
    message.forwardProperties,
    message.qos,
    message.retain,
    message.expirySeconds,
    receivedAtMs,
    message.publisherId,
  );
}
