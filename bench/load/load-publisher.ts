/**
 * A publisher of the load generator with its closed window.
 *
 * Sequence numbers count up from 0. Each has a counter of what is still missing (its deliveries, and its handshake
 * above QoS 0) in a ring indexed by the low bits:
 *
 *   oldest .. next-1   in flight; a sequence number is reused as a ring index only when it is complete
 */

import type { PublishTemplate } from "./client-codec.ts";
import type { LoadConnection } from "./load-connection.ts";
import type { Scenario } from "./scenario.ts";

/** Identifiers 1..65535 in turn: far more than any window, so none is reused while in flight. */
const PACKET_IDS = 65_535;

export interface LoadPublisherOptions {
  readonly index: number;
  readonly scenario: Scenario;
  readonly template: PublishTemplate;
  /** Deliveries that each publish causes. */
  readonly receivers: number;
}

export class LoadPublisher {
  readonly connection: LoadConnection;
  readonly receivers: number;
  isStopped = false;
  /** Completed something since its last `fill`. */
  isDirty = false;
  inFlight = 0;
  readonly #index: number;
  readonly #window: number;
  readonly #template: PublishTemplate;
  readonly #expected: number;
  readonly #missing: Uint32Array;
  readonly #mask: number;
  #next = 0;
  #oldest = 0;

  constructor(connection: LoadConnection, options: LoadPublisherOptions) {
    const { scenario } = options;
    this.connection = connection;
    this.receivers = options.receivers;
    this.#index = options.index;
    this.#window = scenario.inFlight;
    this.#template = options.template;
    this.#expected = options.receivers + (scenario.qos > 0 ? 1 : 0);
    const ringSize = 2 ** Math.ceil(Math.log2(scenario.inFlight * 4));
    this.#missing = new Uint32Array(ringSize);
    this.#mask = ringSize - 1;
  }

  get published(): number {
    return this.#next;
  }

  /** Gathers publishes until the window is full. The caller flushes the connection. */
  fill(): void {
    if (this.isStopped) return;
    const { bytes, packetIdOffset, payloadOffset } = this.#template;
    while (this.inFlight < this.#window && this.#next - this.#oldest <= this.#mask) {
      const sequence = this.#next;
      bytes.writeUInt32BE(this.#index, payloadOffset);
      bytes.writeUInt32BE(sequence, payloadOffset + 4);
      if (packetIdOffset >= 0) bytes.writeUInt16BE((sequence % PACKET_IDS) + 1, packetIdOffset);
      this.connection.gather(bytes);
      this.#missing[sequence & this.#mask] = this.#expected;
      this.#next += 1;
      this.inFlight += 1;
    }
  }

  /** One delivery or handshake of `sequence` is over; true when that completed it. */
  completePart(sequence: number): boolean {
    if (sequence < this.#oldest || sequence >= this.#next) return false;
    const slot = sequence & this.#mask;
    const missing = this.#missing[slot]!;
    if (missing === 0) return false;
    this.#missing[slot] = missing - 1;
    if (missing > 1) return false;
    this.inFlight -= 1;
    while (this.#oldest < this.#next && this.#missing[this.#oldest & this.#mask] === 0) {
      this.#oldest += 1;
    }
    return true;
  }

  /** The sequence number in flight that was sent under this packet identifier. */
  sequenceOf(packetId: number): number {
    const base = this.#oldest % PACKET_IDS;
    return this.#oldest + ((packetId - 1 - base + PACKET_IDS) % PACKET_IDS);
  }
}
