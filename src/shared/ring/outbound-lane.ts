/**
 * Everything on the way to one target: its ring, and the queue of messages that found no room in
 * it.
 *
 *   tryClaim ---------------------------> ring     only past an empty queue: no overtaking
 *   enqueue --- room, empty queue ------> ring
 *           \-- otherwise --> queue --pump--> ring     whole, or in parts when larger than a claim
 *
 * Thread: the producer of the ring. Scope: one per target, owned by RingPort. Invariant: messages
 * enter the ring in call order, and between the parts of one message nothing else does.
 */

import { assert } from "../base/assert.ts";
import { copyBytes, ownedCopy } from "../bytes/copy-bytes.ts";
import { RingQueue } from "../collections/ring-queue.ts";
import { RING_FULL } from "./ring-endpoint.ts";
import {
  congestionBytes,
  FIRST_FLAG,
  LAST_FLAG,
  MAX_MESSAGE_SIZE,
  PART_FLAG,
  PART_PREFIX_SIZE,
  RECORD_HEADER_SIZE,
} from "./ring-layout.ts";
import { SpscProducer } from "./spsc-producer.ts";

/** A message on its way into the ring: bytes[position, end) are still to go. */
class PendingMessage {
  readonly type: number;
  readonly totalSize: number;
  bytes: Uint8Array;
  position: number;
  end: number;
  isStarted = false;

  constructor(type: number, bytes: Uint8Array, start: number, end: number) {
    this.type = type;
    this.totalSize = end - start;
    this.bytes = bytes;
    this.position = start;
    this.end = end;
  }

  /** What it costs the queue; the header keeps empty messages from being free. */
  get queuedBytes(): number {
    return RECORD_HEADER_SIZE + this.end - this.position;
  }

  /** Copies what is still to go, because the caller's bytes are borrowed. */
  own(): void {
    this.bytes = ownedCopy(this.bytes, this.position, this.end);
    this.position = 0;
    this.end = this.bytes.length;
  }
}

export class OutboundLane {
  /** Memory of the ring that claims point into. */
  readonly bytes: Uint8Array;
  readonly maxClaimSize: number;
  /** Bytes that wait in the queue. */
  queuedBytes = 0;
  /**
   * Above the mark, and since then not yet down to half of it: relief must not flicker with every
   * record.
   */
  isCongested = false;
  /** Something was committed, or room was made, that the target has not been told about. */
  isDirty = false;
  readonly #producer: SpscProducer;
  readonly #queue = new RingQueue<PendingMessage>();
  readonly #congestionBytes: number;
  readonly #queueLimitBytes: number;

  constructor(ring: SharedArrayBuffer, queueLimitBytes: number) {
    this.#producer = new SpscProducer(ring);
    this.bytes = this.#producer.bytes;
    this.maxClaimSize = this.#producer.maxClaimSize;
    this.#congestionBytes = congestionBytes(this.#producer.capacity);
    this.#queueLimitBytes = queueLimitBytes;
  }

  get hasQueue(): boolean {
    return this.#queue.size > 0;
  }

  /** Offset of `size` bytes in `bytes`, or RING_FULL: no room, or earlier messages still wait. */
  tryClaim(type: number, size: number): number {
    if (this.#queue.size > 0) return RING_FULL;
    return this.#producer.tryClaim(type, size);
  }

  commit(): void {
    this.#producer.commit();
    this.isDirty = true;
  }

  abort(): void {
    this.#producer.abort();
  }

  /**
   * Sends bytes[start, end) now when there is room, else a copy later. Asserts that the queue stays
   * in its limit.
   */
  enqueue(type: number, bytes: Uint8Array, start: number, end: number): void {
    const size = end - start;
    assert(size >= 0 && size <= MAX_MESSAGE_SIZE, "ring: message size out of range");
    const isDirect = this.#queue.size === 0;
    if (isDirect && size <= this.maxClaimSize) {
      const offset = this.#producer.tryClaim(type, size);
      if (offset !== RING_FULL) {
        copyBytes(this.bytes, offset, bytes, start, size);
        this.commit();
        return;
      }
    }
    const message = new PendingMessage(type, bytes, start, end);
    if (isDirect && this.#send(message)) return;
    message.own();
    this.#queue.push(message);
    this.queuedBytes += message.queuedBytes;
    assert(this.queuedBytes <= this.#queueLimitBytes, "ring: a sender ignores congestion");
    if (this.queuedBytes > this.#congestionBytes) this.isCongested = true;
  }

  /** Moves what fits from the queue into the ring. */
  pump(): void {
    let message = this.#queue.peek();
    while (message !== undefined) {
      const before = message.queuedBytes;
      const isSent = this.#send(message);
      this.queuedBytes -= isSent ? before : before - message.queuedBytes;
      if (!isSent) break;
      this.#queue.shift();
      message = this.#queue.peek();
    }
    if (this.queuedBytes <= this.#congestionBytes / 2) this.isCongested = false;
  }

  /** Before sleeping with a queue: asks for a bell when there is room, then looks once more. */
  awaitRoom(): void {
    this.#producer.setStarved();
    this.pump();
  }

  /** True when the target sleeps and the caller must ring its bell. */
  takeParked(): boolean {
    return this.#producer.takeParked();
  }

  /** Sends all of it, or as many parts as fit; true when nothing is left. */
  #send(message: PendingMessage): boolean {
    if (message.totalSize <= this.maxClaimSize) return this.#sendPart(message, 0, 0);
    while (message.position < message.end) {
      const prefixSize = message.isStarted ? 0 : PART_PREFIX_SIZE;
      const flags = message.isStarted ? PART_FLAG : PART_FLAG | FIRST_FLAG;
      if (!this.#sendPart(message, flags, prefixSize)) return false;
    }
    return true;
  }

  /** Sends the next record of `message`: with flags 0 the whole of it. False: no room. */
  #sendPart(message: PendingMessage, flags: number, prefixSize: number): boolean {
    const producer = this.#producer;
    const left = message.end - message.position;
    const size = Math.min(prefixSize + left, producer.maxClaimSize);
    const next = message.position + size - prefixSize;
    const lastFlag = flags !== 0 && next === message.end ? LAST_FLAG : 0;
    const offset = producer.tryClaim(message.type | flags | lastFlag, size);
    if (offset === RING_FULL) return false;
    if (prefixSize > 0) producer.writeWord(offset, message.totalSize);
    copyBytes(this.bytes, offset + prefixSize, message.bytes, message.position, size - prefixSize);
    this.commit();
    message.position = next;
    message.isStarted = true;
    return true;
  }
}
