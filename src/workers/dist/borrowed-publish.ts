/**
 * One publish on its way through match and fan-out, without owning any memory: the parts lie in a socket chunk, in a
 * ring record, or in a Message. One object per worker, loaded anew for each publish.
 *
 * QoS 0 deliveries are encoded once per (protocol, RETAIN) into scratch memory and copied from there. Who needs the
 * message beyond the call (QoS 1 and 2 windows, queues, inboxes) calls `own()`: one copy, shared by all of them.
 * Borrowed until the next `load…`. Flow: publish 5/8. Thread: worker.
 */

import { copyBytes, NO_BYTES } from "../../shared/bytes/copy-bytes.ts";
import { varintSize, writeVarint } from "../../shared/bytes/varint.ts";
import { copyForwardProperties } from "../../shared/mqtt/encode-publish.ts";
import { Message } from "../../shared/mqtt/message.ts";
import type { PacketView } from "../../shared/mqtt/packet-view.ts";

const PUBLISH_HEADER = 0x30;
const RETAIN_FLAG = 0x01;
const MESSAGE_EXPIRY_PROPERTY = 0x02;
const MESSAGE_EXPIRY_SIZE = 5;
const FIRST_SCRATCH_SIZE = 256 * 1024;
const VARIANTS = 4;

export class BorrowedPublish {
  tenantId = "";
  /** Client identifier of the publisher, for No Local; empty for the broker's own messages. */
  publisherId = "";
  topicBytes: Uint8Array = NO_BYTES;
  topicOffset = 0;
  topicLength = 0;
  forwardBytes: Uint8Array = NO_BYTES;
  forwardOffset = 0;
  forwardLength = 0;
  payloadBytes: Uint8Array = NO_BYTES;
  payloadOffset = 0;
  payloadLength = 0;
  qos = 0;
  retain = false;
  /** Seconds as published; -1 = never expires. */
  expirySeconds = -1;
  receivedAtMs = 0;
  #nowMs = 0;
  /** The packet as it arrived, when it can be sent on unchanged; size 0 otherwise. */
  #packetOffset = 0;
  #packetSize = 0;
  #packetIsV5 = false;
  #message: Message | null = null;
  readonly #wires: (Uint8Array | null)[] = new Array<Uint8Array | null>(VARIANTS).fill(null);
  #scratch = new Uint8Array(FIRST_SCRATCH_SIZE);
  #scratchUsed = 0;

  /** Takes a decoded PUBLISH. `aliasTopic`: the topic that the packet's alias stands for, when it carries none. */
  loadView(
    view: PacketView,
    isV5: boolean,
    aliasTopic: Uint8Array | null,
    tenantId: string,
    publisherId: string,
    nowMs: number,
  ): void {
    this.#reset(tenantId, publisherId, nowMs, nowMs);
    const bytes = view.bytes;
    this.topicBytes = aliasTopic ?? bytes;
    this.topicOffset = aliasTopic === null ? view.topicOffset : 0;
    this.topicLength = aliasTopic === null ? view.topicLength : aliasTopic.length;
    this.payloadBytes = bytes;
    this.payloadOffset = view.payloadOffset;
    this.payloadLength = view.payloadLength;
    this.qos = view.qos;
    this.retain = view.retain;
    this.expirySeconds = view.messageExpirySeconds;
    const isPlain = view.forwardLength === view.propertiesLength;
    if (isPlain) {
      this.forwardBytes = bytes;
      this.forwardOffset = view.propertiesOffset;
      this.forwardLength = view.forwardLength;
    } else {
      const start = this.#claimScratch(view.forwardLength);
      copyForwardProperties(view, this.#scratch, start);
      this.forwardBytes = this.#scratch;
      this.forwardOffset = start;
      this.forwardLength = view.forwardLength;
    }
    const isVerbatim = isPlain && aliasTopic === null && view.qos === 0 && !view.retain;
    this.#packetOffset = view.packetOffset;
    this.#packetSize = isVerbatim ? view.packetSize : 0;
    this.#packetIsV5 = isV5;
  }

  loadMessage(message: Message, nowMs: number): void {
    this.#reset(message.tenantId, message.publisherId, message.receivedAtMs, nowMs);
    this.topicBytes = message.topic;
    this.topicOffset = 0;
    this.topicLength = message.topic.length;
    this.forwardBytes = message.forwardProperties;
    this.forwardOffset = 0;
    this.forwardLength = message.forwardProperties.length;
    this.payloadBytes = message.payload;
    this.payloadOffset = 0;
    this.payloadLength = message.payload.length;
    this.qos = message.qos;
    this.retain = message.retain;
    this.expirySeconds = message.expirySeconds;
    this.#message = message;
  }

  /** For records from a ring: the caller sets the parts afterwards. */
  loadRecord(tenantId: string, publisherId: string, receivedAtMs: number, nowMs: number): void {
    this.#reset(tenantId, publisherId, receivedAtMs, nowMs);
  }

  /** The message in memory of its own; one copy however often it is asked for. */
  own(): Message {
    if (this.#message !== null) return this.#message;
    const total = this.topicLength + this.forwardLength + this.payloadLength;
    const memory = new Uint8Array(total);
    copyBytes(memory, 0, this.topicBytes, this.topicOffset, this.topicLength);
    const forwardStart = this.topicLength;
    copyBytes(memory, forwardStart, this.forwardBytes, this.forwardOffset, this.forwardLength);
    const payloadStart = forwardStart + this.forwardLength;
    copyBytes(memory, payloadStart, this.payloadBytes, this.payloadOffset, this.payloadLength);
    this.#message = new Message(
      this.tenantId,
      memory.subarray(0, forwardStart),
      memory.subarray(payloadStart),
      this.forwardLength === 0 ? NO_BYTES : memory.subarray(forwardStart, payloadStart),
      this.qos,
      this.retain,
      this.expirySeconds,
      this.receivedAtMs,
      this.publisherId,
    );
    return this.#message;
  }

  /** The whole QoS 0 packet, exact length, borrowed like everything here. */
  qos0Packet(isV5: boolean, retain: boolean): Uint8Array {
    const variant = (isV5 ? 2 : 0) + (retain ? 1 : 0);
    return this.#wires[variant] ?? this.#encodeQos0(variant, isV5, retain);
  }

  #encodeQos0(variant: number, isV5: boolean, retain: boolean): Uint8Array {
    let packet: Uint8Array;
    if (this.#packetSize > 0 && this.#packetIsV5 === isV5 && !retain) {
      const end = this.#packetOffset + this.#packetSize;
      packet = this.payloadBytes.subarray(this.#packetOffset, end);
    } else {
      packet = this.#writeQos0(isV5, retain);
    }
    this.#wires[variant] = packet;
    return packet;
  }

  #writeQos0(isV5: boolean, retain: boolean): Uint8Array {
    const hasExpiry = isV5 && this.expirySeconds >= 0;
    const propertiesLength = isV5 ? this.forwardLength + (hasExpiry ? MESSAGE_EXPIRY_SIZE : 0) : 0;
    const propertiesSize = isV5 ? varintSize(propertiesLength) + propertiesLength : 0;
    const remaining = 2 + this.topicLength + propertiesSize + this.payloadLength;
    const start = this.#claimScratch(1 + varintSize(remaining) + remaining);
    const target = this.#scratch;
    target[start] = PUBLISH_HEADER | (retain ? RETAIN_FLAG : 0);
    let at = writeVarint(target, start + 1, remaining);
    target[at] = this.topicLength >>> 8;
    target[at + 1] = this.topicLength & 0xff;
    copyBytes(target, at + 2, this.topicBytes, this.topicOffset, this.topicLength);
    at += 2 + this.topicLength;
    if (isV5) {
      at = writeVarint(target, at, propertiesLength);
      if (hasExpiry) at = this.#writeExpiry(target, at);
      copyBytes(target, at, this.forwardBytes, this.forwardOffset, this.forwardLength);
      at += this.forwardLength;
    }
    copyBytes(target, at, this.payloadBytes, this.payloadOffset, this.payloadLength);
    return target.subarray(start, at + this.payloadLength);
  }

  /** What is left of the lifetime [MQTT-3.3.2-6]. */
  #writeExpiry(target: Uint8Array, at: number): number {
    const waitedSeconds = Math.max(0, Math.floor((this.#nowMs - this.receivedAtMs) / 1000));
    const left = Math.max(1, this.expirySeconds - waitedSeconds);
    target[at] = MESSAGE_EXPIRY_PROPERTY;
    target[at + 1] = left >>> 24;
    target[at + 2] = (left >>> 16) & 0xff;
    target[at + 3] = (left >>> 8) & 0xff;
    target[at + 4] = left & 0xff;
    return at + MESSAGE_EXPIRY_SIZE;
  }

  #claimScratch(size: number): number {
    const start = this.#scratchUsed;
    if (start + size > this.#scratch.length) {
      // What was written for this publish keeps pointing into the old memory.
      this.#scratch = new Uint8Array(Math.max(this.#scratch.length, size * 2));
      this.#scratchUsed = size;
      return 0;
    }
    this.#scratchUsed = start + size;
    return start;
  }

  #reset(tenantId: string, publisherId: string, receivedAtMs: number, nowMs: number): void {
    this.tenantId = tenantId;
    this.publisherId = publisherId;
    this.receivedAtMs = receivedAtMs;
    this.#nowMs = nowMs;
    this.#packetSize = 0;
    this.#message = null;
    this.#scratchUsed = 0;
    for (let variant = 0; variant < VARIANTS; variant += 1) this.#wires[variant] = null;
  }
}
