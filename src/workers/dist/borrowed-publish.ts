/**
 * One publish on its way through match and fan-out, without owning any memory: the parts lie in a
 * socket chunk, in a ring record, or in a Message. One object per worker, loaded anew for each
 * publish.
 *
 * Deliveries are encoded once per (protocol, QoS, RETAIN) into scratch memory and copied from
 * there; often the packet can go on as it came, and nothing is encoded at all. Who needs the
 * message beyond the call (queues, shared groups, inboxes) calls `own()`: one copy, shared by all
 * of them. Borrowed until the next `load…`. Flow: publish 5/8. Thread: worker.
 */

import { copyBytes, NO_BYTES } from "../../shared/bytes/copy-bytes.ts";
import { varintSize, writeVarint } from "../../shared/bytes/varint.ts";
import { copyForwardProperties } from "../../shared/mqtt/encode-publish.ts";
import { Message } from "../../shared/mqtt/message.ts";
import type { PacketView } from "../../shared/mqtt/packet-view.ts";
import type { PublishOrigin } from "../../shared/mqtt/publish-origin.ts";

const PUBLISH_HEADER = 0x30;
const RETAIN_FLAG = 0x01;
const QOS_SHIFT = 1;
const MESSAGE_EXPIRY_PROPERTY = 0x02;
const MESSAGE_EXPIRY_SIZE = 5;
const FIRST_SCRATCH_SIZE = 256 * 1024;
/** One publish of 256 MiB must not stay allocated for ever; 4 MiB per worker may. */
const KEPT_SCRATCH_SIZE = 4 * 1024 * 1024;
/** Protocol (2) × QoS (3) × RETAIN (2). */
const VARIANTS = 12;
const V5_VARIANT = 6;

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
  /** Transient subscribers have got it before, or are to be spared. */
  isForStored = false;
  #origin: PublishOrigin | null = null;
  #nowMs = 0;
  /** The packet as it arrived, when it can be sent on unchanged; -1 otherwise. */
  #verbatimVariant = -1;
  #verbatimOffset = 0;
  #verbatimSize = 0;
  #message: Message | null = null;
  /** Bit n: #packets[n] and #packetIdOffsets[n] belong to this publish. */
  #encoded = 0;
  readonly #packets: Uint8Array[] = new Array<Uint8Array>(VARIANTS).fill(NO_BYTES);
  readonly #packetIdOffsets = new Int32Array(VARIANTS);
  #scratch = new Uint8Array(FIRST_SCRATCH_SIZE);
  #scratchUsed = 0;

  /**
   * Takes a decoded PUBLISH. `aliasTopic`: the topic that the packet's alias stands for, when it
   * carries none.
   */
  // biome-ignore lint/complexity/useMaxParams: one call per publish; an object for the arguments would be one too.
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
    // [MQTT-3.3.1-3] The publisher's DUP is not passed on.
    if (isPlain && aliasTopic === null && !view.retain && !view.dup) {
      this.#verbatimVariant = variantOf(isV5, view.qos, false);
      this.#verbatimOffset = view.packetOffset;
      this.#verbatimSize = view.packetSize;
    }
  }

  /**
   * QoS 0, no flags, no properties, the topic in the packet: what follows may be alike, see
   * publish-run.ts.
   */
  get isRepeatable(): boolean {
    return this.#verbatimVariant >= 0 && this.qos === 0 && this.forwardLength === 0;
  }

  /** Goes on to another packet in the same bytes that differs from this one in its payload only. */
  moveTo(packetOffset: number, packetSize: number, payloadOffset: number): void {
    const variant = this.#verbatimVariant;
    this.#reset(this.tenantId, this.publisherId, this.receivedAtMs, this.#nowMs);
    this.#verbatimVariant = variant;
    this.#verbatimOffset = packetOffset;
    this.#verbatimSize = packetSize;
    this.payloadOffset = payloadOffset;
    this.payloadLength = packetOffset + packetSize - payloadOffset;
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
    this.#origin = message.origin;
    this.isForStored = message.origin?.isForStored === true;
  }

  /** For records from a ring: the caller sets the parts afterwards. */
  loadRecord(tenantId: string, publisherId: string, receivedAtMs: number, nowMs: number): void {
    this.#reset(tenantId, publisherId, receivedAtMs, nowMs);
  }

  /** A QoS 2 publish of a stored session; else null. */
  get origin(): PublishOrigin | null {
    return this.#origin;
  }

  set origin(origin: PublishOrigin | null) {
    this.#origin = origin;
    this.isForStored = origin?.isForStored === true;
    if (this.#message !== null) this.#message.origin = origin;
  }

  /** True when it has waited on its way for longer than it was to live [MQTT-3.3.2-5]. */
  get isExpired(): boolean {
    return this.expirySeconds >= 0 && this.#nowMs - this.receivedAtMs > this.expirySeconds * 1000;
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
    this.#message.origin = this.#origin;
    return this.#message;
  }

  /**
   * The whole packet, exact length, borrowed like everything here. With QoS 1 and 2 the receiver's
   * packet identifier goes to `packetIdOffset` of its copy.
   */
  packet(isV5: boolean, qos: number, retain: boolean): Uint8Array {
    const variant = variantOf(isV5, qos, retain);
    if ((this.#encoded & (1 << variant)) === 0) this.#encode(variant, isV5, qos, retain);
    return this.#packets[variant]!;
  }

  /**
   * Where the packet identifier stands in `packet` of the same form, which must have been asked
   * for. QoS 1 and 2.
   */
  packetIdOffset(isV5: boolean, qos: number, retain: boolean): number {
    return this.#packetIdOffsets[variantOf(isV5, qos, retain)]!;
  }

  #encode(variant: number, isV5: boolean, qos: number, retain: boolean): void {
    this.#encoded |= 1 << variant;
    if (variant !== this.#verbatimVariant) {
      this.#packets[variant] = this.#write(variant, isV5, qos, retain);
      return;
    }
    const bytes = this.payloadBytes;
    const start = bytes.byteOffset + this.#verbatimOffset;
    this.#packets[variant] = new Uint8Array(bytes.buffer, start, this.#verbatimSize);
    this.#packetIdOffsets[variant] = this.topicOffset + this.topicLength - this.#verbatimOffset;
  }

  #write(variant: number, isV5: boolean, qos: number, retain: boolean): Uint8Array {
    const hasExpiry = isV5 && this.expirySeconds >= 0;
    const propertiesLength = isV5 ? this.forwardLength + (hasExpiry ? MESSAGE_EXPIRY_SIZE : 0) : 0;
    const propertiesSize = isV5 ? varintSize(propertiesLength) + propertiesLength : 0;
    const headSize = 2 + this.topicLength + (qos > 0 ? 2 : 0) + propertiesSize;
    const remaining = headSize + this.payloadLength;
    const start = this.#claimScratch(1 + varintSize(remaining) + remaining);
    const target = this.#scratch;
    // DUP 0 [MQTT-4.3.1-1]
    target[start] = PUBLISH_HEADER | (qos << QOS_SHIFT) | (retain ? RETAIN_FLAG : 0);
    let at = writeVarint(target, start + 1, remaining);
    target[at] = this.topicLength >>> 8;
    target[at + 1] = this.topicLength;
    copyBytes(target, at + 2, this.topicBytes, this.topicOffset, this.topicLength);
    at += 2 + this.topicLength;
    this.#packetIdOffsets[variant] = at - start;
    if (qos > 0) at += 2;
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
    this.#verbatimVariant = -1;
    this.#message = null;
    this.#origin = null;
    this.isForStored = false;
    this.#scratchUsed = 0;
    // What was encoded keeps the memory of its publish alive.
    for (let rest = this.#encoded; rest !== 0; rest &= rest - 1) {
      this.#packets[31 - Math.clz32(rest & -rest)] = NO_BYTES;
    }
    this.#encoded = 0;
    if (this.#scratch.length > KEPT_SCRATCH_SIZE) {
      this.#scratch = new Uint8Array(FIRST_SCRATCH_SIZE);
    }
  }
}

function variantOf(isV5: boolean, qos: number, retain: boolean): number {
  return (isV5 ? V5_VARIANT : 0) + (qos << 1) + (retain ? 1 : 0);
}
