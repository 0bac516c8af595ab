/**
 * A publisher of the load generator.
 *
 * Sequence numbers count up from 0. Each has a word for what is still missing in a ring indexed by
 * the low bits, so a sequence number in flight is found in constant time:
 *
 *   oldest .. next-1   in flight; an index is reused only when its sequence number is complete
 *   word               bits 0..29 deliveries still missing, bit 30 its own handshake (QoS 1, 2)
 *
 * In an open loop publishes have their time; one that may not be sent yet (the broker's receive
 * maximum) waits here and keeps that time. At QoS 0 a delivery may never come (MQTT5 §4.3.1), and
 * the sequence number that waits for it must not keep the ring full for ever: the oldest one makes
 * room. Its deliveries still count if they come after all.
 */

import type { PublishTemplate } from "./client-codec.ts";
import { readClock } from "./clock.ts";
import type { LoadConnection } from "./load-connection.ts";
import { writePayloadHeader } from "./payload.ts";
import { type PublishRoute, TOPIC_DIGITS } from "./routes.ts";

/** Identifiers 1..65535 in turn: far more than any window, so none is reused while in flight. */
const PACKET_IDS = 65_535;
const HANDSHAKE_BIT = 1 << 30;
const DELIVERIES_MASK = HANDSHAKE_BIT - 1;
const DIGIT_ZERO = 48;
/** Publishes of an open loop that may be under way: at 10,000 per second, six seconds of them. */
const OPEN_RING_SIZE = 65_536;

export interface LoadPublisherOptions {
  readonly index: number;
  readonly route: PublishRoute;
  readonly template: PublishTemplate;
  readonly payloadBytes: number;
  readonly qos: number;
  /** Deliveries that each publish causes. */
  readonly receivers: number;
  /** Publishes kept outstanding in a closed loop; 0 = open loop. */
  readonly window: number;
  /** A handshake is over; the publish was meant to be sent at `intendedMicros`. Null: no matter. */
  readonly onAcknowledged: ((intendedMicros: number) => void) | null;
}

/** Of a publisher whose acknowledgements nobody counts. */
const NO_TIMES = new Float64Array(0);

export class LoadPublisher {
  readonly connection: LoadConnection;
  readonly receivers: number;
  isStopped = false;
  /** Completed something since its last `fill`. */
  isDirty = false;
  inFlight = 0;
  /** The broker's receive maximum. */
  sendQuota = PACKET_IDS;
  readonly #options: LoadPublisherOptions;
  readonly #missing: Uint32Array;
  /** When those in flight were meant to be sent, in the same slots; empty where nobody asks. */
  readonly #intended: Float64Array;
  readonly #mask: number;
  readonly #header: { publisher: number; sequence: number; sentMicros: number };
  #next = 0;
  #oldest = 0;
  /** Sequence numbers below made room although deliveries were missing. */
  #givenUpBelow = 0;
  /** Handshakes under way: what the receive maximum limits [MQTT-3.3.4-7]. */
  #unacknowledged = 0;
  /** Intended times of publishes that wait for the quota, from `#firstWaiting` on. */
  #waiting: number[] = [];
  #firstWaiting = 0;

  constructor(connection: LoadConnection, options: LoadPublisherOptions) {
    this.connection = connection;
    this.receivers = options.receivers;
    this.#options = options;
    this.#header = { publisher: options.index, sequence: 0, sentMicros: 0 };
    const { window } = options;
    const ringSize = window > 0 ? 2 ** Math.ceil(Math.log2(window * 4)) : OPEN_RING_SIZE;
    this.#missing = new Uint32Array(ringSize);
    this.#intended = options.onAcknowledged === null ? NO_TIMES : new Float64Array(ringSize);
    this.#mask = ringSize - 1;
  }

  get published(): number {
    return this.#next;
  }

  /** Publishes whose time has come and that were not sent yet. */
  get waiting(): number {
    return this.#waiting.length - this.#firstWaiting;
  }

  /** Closed loop: gathers publishes until the window is full. The caller flushes the connection. */
  fill(): void {
    this.#sendWaiting();
    if (this.isStopped) return;
    while (this.inFlight < this.#options.window && this.#mayPublish()) {
      this.#publish(readClock.micros);
    }
  }

  /** Open loop: a publish meant for `intendedMicros`. The caller flushes the connection. */
  publishAt(intendedMicros: number): void {
    if (this.waiting === 0 && this.#mayPublish()) this.#publish(intendedMicros);
    else this.#waiting.push(intendedMicros);
  }

  /** One delivery of `sequence` has arrived; false when all of them had arrived before. */
  takeDelivery(sequence: number): boolean {
    // What came of it before is forgotten; that it came twice its subscriber knows.
    if (sequence < this.#givenUpBelow) return true;
    if (sequence < this.#oldest || sequence >= this.#next) return false;
    const slot = sequence & this.#mask;
    const missing = this.#missing[slot]!;
    if ((missing & DELIVERIES_MASK) === 0) return false;
    this.#missing[slot] = missing - 1;
    if (missing === 1) this.#complete();
    return true;
  }

  /** The handshake of the publish with this packet identifier is over. */
  takeHandshake(packetId: number): void {
    const base = this.#oldest % PACKET_IDS;
    const sequence = this.#oldest + ((packetId - 1 - base + PACKET_IDS) % PACKET_IDS);
    const slot = sequence & this.#mask;
    const missing = this.#missing[slot]!;
    if (sequence >= this.#next || (missing & HANDSHAKE_BIT) === 0) return;
    this.#unacknowledged -= 1;
    this.#missing[slot] = missing & DELIVERIES_MASK;
    const { onAcknowledged } = this.#options;
    if (onAcknowledged !== null) onAcknowledged(this.#intended[slot]!);
    if (missing === HANDSHAKE_BIT) this.#complete();
  }

  #complete(): void {
    this.inFlight -= 1;
    while (this.#oldest < this.#next && this.#missing[this.#oldest & this.#mask] === 0) {
      this.#oldest += 1;
    }
  }

  #mayPublish(): boolean {
    if (this.#next - this.#oldest > this.#mask && !this.#giveUpOldest()) return false;
    return this.#unacknowledged < this.sendQuota;
  }

  /** Makes room in the ring where deliveries may be missing for ever. */
  #giveUpOldest(): boolean {
    const { qos, window } = this.#options;
    if (qos > 0 || window > 0) return false;
    this.#missing[this.#oldest & this.#mask] = 0;
    this.#givenUpBelow = this.#oldest + 1;
    this.#complete();
    return true;
  }

  #sendWaiting(): void {
    while (this.waiting > 0 && this.#mayPublish()) {
      this.#publish(this.#waiting[this.#firstWaiting]!);
      this.#firstWaiting += 1;
    }
    if (this.waiting > 0 || this.#firstWaiting === 0) return;
    this.#waiting = [];
    this.#firstWaiting = 0;
  }

  #publish(sentMicros: number): void {
    const { template, route, payloadBytes, qos, receivers, onAcknowledged } = this.#options;
    const { bytes, packetIdOffset, payloadOffset } = template;
    const sequence = this.#next;
    this.#header.sequence = sequence;
    this.#header.sentMicros = sentMicros;
    writePayloadHeader(bytes, payloadOffset, this.#header, payloadBytes);
    if (qos > 0) bytes.writeUInt16BE((sequence % PACKET_IDS) + 1, packetIdOffset);
    if (route.digitsAt >= 0) {
      const variant = (sequence + route.firstVariant) % route.variants;
      writeDigits(bytes, template.topicOffset + route.digitsAt, variant);
    }
    this.connection.gather(bytes);
    if (onAcknowledged !== null) this.#intended[sequence & this.#mask] = sentMicros;
    this.#missing[sequence & this.#mask] = receivers | (qos > 0 ? HANDSHAKE_BIT : 0);
    if (qos > 0) this.#unacknowledged += 1;
    this.#next += 1;
    this.inFlight += 1;
  }
}

function writeDigits(bytes: Buffer, offset: number, value: number): void {
  let rest = value;
  for (let digit = TOPIC_DIGITS - 1; digit >= 0; digit -= 1) {
    bytes[offset + digit] = DIGIT_ZERO + (rest % 10);
    rest = Math.floor(rest / 10);
  }
}
