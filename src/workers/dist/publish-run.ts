/**
 * Several PUBLISH packets of one client that arrived together, one behind the other, and differ in
 * their payloads only: same topic, QoS 0, no properties. Decoded, checked, authorized and matched
 * once, and copied to each subscriber in one piece.
 *
 *     bytes   … | first: decoded by the session | 0x30 len topic payload | 0x30 len topic payload | …
 *               start                                                                          end
 *
 * Publishers send in bursts (sensors that gather, links that stall), and then the copy of 64 small
 * packets costs as much as that of one. Borrowed, like the bytes. Flow: publish 5/8. Thread:
 * worker.
 */

import { NO_BYTES } from "../../shared/bytes/copy-bytes.ts";
import { readVarint, varintSizeOf, varintValue } from "../../shared/bytes/varint.ts";
import type { PacketView } from "../../shared/mqtt/packet-view.ts";
import type { BorrowedPublish } from "./borrowed-publish.ts";

/** PUBLISH, QoS 0, neither DUP nor RETAIN. */
const FIRST_BYTE = 0x30;

/** Bytes that a run of several packets may have, and each packet of it. */
export interface RunLimits {
  readonly runBytes: number;
  readonly packetBytes: number;
  readonly payloadBytes: number;
}

const NO_LIMITS: RunLimits = { runBytes: 0, packetBytes: 0, payloadBytes: 0 };

export class PublishRun {
  /** Whether the packets are in the form of MQTT 5. */
  isV5 = false;
  count = 0;
  /** Of all packets together. */
  payloadBytes = 0;
  /** The largest packet. */
  largestSize = 0;
  /** Where the last packet of the run ends. */
  end = 0;
  #bytes: Uint8Array = NO_BYTES;
  #start = 0;
  #limit = 0;
  #headOffset = 0;
  /** Bytes from the topic's length up to the payload: the same in all packets. */
  #headSize = 0;
  #limits: RunLimits = NO_LIMITS;
  #packets: Uint8Array | null = null;

  /**
   * A run of the packet in `view` alone; it has QoS 0, no flags, no properties, and a topic of its
   * own.
   */
  begin(view: PacketView, isV5: boolean, limits: RunLimits): void {
    this.isV5 = isV5;
    this.count = 1;
    this.payloadBytes = view.payloadLength;
    this.largestSize = view.packetSize;
    this.end = view.packetOffset + view.packetSize;
    this.#bytes = view.bytes;
    this.#start = view.packetOffset;
    this.#limit = view.bytesEnd;
    this.#headOffset = view.topicOffset - 2;
    this.#headSize = view.payloadOffset - this.#headOffset;
    this.#limits = limits;
    this.#packets = null;
  }

  /** Takes in the packets that follow, up to `limit` in all; false when there are none. */
  extend(limit: number): boolean {
    while (this.count < limit && this.#takeNext()) this.count += 1;
    return this.count > 1;
  }

  /** All packets as they arrived, borrowed. */
  get packets(): Uint8Array {
    const bytes = this.#bytes;
    const offset = bytes.byteOffset + this.#start;
    this.#packets ??= new Uint8Array(bytes.buffer, offset, this.end - this.#start);
    return this.#packets;
  }

  /** For receivers that take them one by one: `visit` is called with `publish` at each packet. */
  forEach(publish: BorrowedPublish, visit: (publish: BorrowedPublish) => void): void {
    let at = this.#start;
    while (at < this.end) {
      const length = readVarint(this.#bytes, at + 1, this.end);
      const body = at + 1 + varintSizeOf(length);
      const next = body + varintValue(length);
      publish.moveTo(at, next - at, body + this.#headSize);
      visit(publish);
      at = next;
    }
  }

  #takeNext(): boolean {
    const bytes = this.#bytes;
    const start = this.end;
    if (start + 2 > this.#limit || bytes[start] !== FIRST_BYTE) return false;
    const length = readVarint(bytes, start + 1, this.#limit);
    if (length < 0) return false;
    const body = start + 1 + varintSizeOf(length);
    const payloadLength = varintValue(length) - this.#headSize;
    const end = body + varintValue(length);
    if (end > this.#limit || end - start > this.#limits.packetBytes) return false;
    if (end - this.#start > this.#limits.runBytes) return false;
    if (payloadLength < 0 || payloadLength > this.#limits.payloadBytes) return false;
    if (!this.#hasHead(body)) return false;
    this.end = end;
    this.payloadBytes += payloadLength;
    if (end - start > this.largestSize) this.largestSize = end - start;
    return true;
  }

  #hasHead(body: number): boolean {
    const bytes = this.#bytes;
    const head = this.#headOffset;
    // From the end: topics differ there, and begin alike.
    for (let at = this.#headSize - 1; at >= 0; at -= 1) {
      if (bytes[body + at] !== bytes[head + at]) return false;
    }
    return true;
  }
}
