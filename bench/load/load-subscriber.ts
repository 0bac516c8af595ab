/**
 * A subscriber of the load generator: subscribes, checks every delivery, acknowledges.
 *
 * The expected sequence number of each publisher is known (routes.ts), so the common case is one
 * comparison. What was skipped is remembered: when it comes later it was out of order, when it
 * never comes it is lost, and what comes twice is a repeat.
 */

import { writeAck } from "../../src/shared/mqtt/encode-ack.ts";
import { PacketType } from "../../src/shared/mqtt/packet-type.ts";
import { isAccepted, type PacketSink, subscribePacket } from "./client-codec.ts";
import { readClock } from "./clock.ts";
import type { LoadConnection } from "./load-connection.ts";
import type { LoadRun } from "./load-run.ts";
import type { LoadShape } from "./load-shape.ts";
import { isPayloadIntact, payloadAgeMicros, payloadPublisher, payloadSequence } from "./payload.ts";
import { FILTERS_PER_SUBSCRIBE, type HeardRoute } from "./routes.ts";

const ACK_BYTES = 4;
const FAILURE = 0x80;
/** Skipped sequence numbers remembered one by one; beyond, a later arrival counts as a repeat. */
const MAX_SKIPPED = 1_000_000;

export class SubscriberSink implements PacketSink {
  /** Deliveries to this subscriber are neither expected nor judged: it is made to stop reading. */
  readonly isFrozen: boolean;
  received = 0;
  readonly #run: LoadRun;
  readonly #connection: LoadConnection;
  readonly #shape: LoadShape;
  readonly #heard: HeardRoute;
  readonly #payloadBytes: number;
  /** Next expected sequence number by publisher slot. */
  readonly #next: Int32Array;
  /** Skipped "slot:sequence" that have not come yet. */
  readonly #skipped = new Set<number>();
  #subscribed = 0;

  constructor(
    run: LoadRun,
    connection: LoadConnection,
    options: { shape: LoadShape; heard: HeardRoute; payloadBytes: number; isFrozen: boolean },
  ) {
    this.#run = run;
    this.#connection = connection;
    this.#shape = options.shape;
    this.#heard = options.heard;
    this.#payloadBytes = options.payloadBytes;
    this.isFrozen = options.isFrozen;
    const { publisherSlots, firstSequence, firstPublisher, publisherStep } = options.heard;
    this.#next = Int32Array.from({ length: publisherSlots }, (_none, slot) =>
      firstSequence(firstPublisher + slot * publisherStep),
    );
  }

  handlePublish(
    bytes: Uint8Array,
    offset: number,
    end: number,
    qos: number,
    packetId: number,
  ): void {
    if (qos > 0) this.#acknowledge(qos === 1 ? PacketType.PUBACK : PacketType.PUBREC, packetId);
    this.received += 1;
    if (this.isFrozen) return;
    if (!isPayloadIntact(bytes, offset, end, this.#payloadBytes)) {
      this.#run.takeCorrupt();
      return;
    }
    const publisher = payloadPublisher(bytes, offset);
    const sequence = payloadSequence(bytes, offset);
    const slot = (publisher - this.#heard.firstPublisher) / this.#heard.publisherStep;
    const expected = this.#next[slot];
    if (expected === undefined) {
      this.#run.takeCorrupt();
      return;
    }
    const { stride } = this.#heard;
    if (sequence === expected) this.#next[slot] = sequence + (stride === 0 ? 1 : stride);
    else if (!this.#isWelcome(slot, sequence, expected)) return;
    const age = payloadAgeMicros(bytes, offset, readClock.micros);
    this.#run.takeDelivery(publisher, sequence, age);
  }

  handleOther(type: number, bytes: Uint8Array, bodyOffset: number, bodyLength: number): void {
    if (type === PacketType.PUBREL) {
      this.#acknowledge(PacketType.PUBCOMP, (bytes[bodyOffset]! << 8) | bytes[bodyOffset + 1]!);
    } else if (type === PacketType.CONNACK && isAccepted(bytes, bodyOffset)) {
      this.#subscribe();
    } else if (type === PacketType.SUBACK && bytes[bodyOffset + bodyLength - 1]! < FAILURE) {
      this.#subscribed += FILTERS_PER_SUBSCRIBE;
      if (this.#subscribed >= this.#heard.filters.length) this.#run.markReady();
      else this.#subscribe();
    } else {
      this.#run.refuse(`subscriber: unexpected packet of type ${type}`);
    }
  }

  /** One SUBSCRIBE at a time, until all filters are acknowledged. */
  #subscribe(): void {
    const { filters } = this.#heard;
    const some = filters.slice(this.#subscribed, this.#subscribed + FILTERS_PER_SUBSCRIBE);
    this.#connection.gather(subscribePacket(some, this.#shape.qos, this.#shape.protocolVersion));
  }

  /**
   * Sorts out a sequence number that was not the next one; false when it is no delivery to count.
   */
  #isWelcome(slot: number, sequence: number, expected: number): boolean {
    const { stride } = this.#heard;
    if (sequence > expected) {
      this.#next[slot] = sequence + (stride === 0 ? 1 : stride);
      if (stride > 0) this.#skip(slot, expected, sequence);
      return true;
    }
    if (stride === 0) {
      // A member of a shared subscription hears any part of the stream; whether another one has had
      // it already is for the publisher to say.
      this.#run.takeDisorder();
      return true;
    }
    if (!this.#skipped.delete(sequence * this.#next.length + slot)) {
      this.#run.takeRepeat();
      return false;
    }
    this.#run.takeDisorder();
    return true;
  }

  #skip(slot: number, from: number, to: number): void {
    for (let sequence = from; sequence < to; sequence += this.#heard.stride) {
      if (this.#skipped.size >= MAX_SKIPPED) return;
      this.#skipped.add(sequence * this.#next.length + slot);
    }
  }

  #acknowledge(
    type: typeof PacketType.PUBACK | typeof PacketType.PUBREC | typeof PacketType.PUBCOMP,
    packetId: number,
  ): void {
    const offset = this.#connection.claim(ACK_BYTES);
    writeAck(this.#connection.output, offset, type, packetId, 0);
  }
}
