/**
 * Acknowledgements of QoS 1 and 2 publishes leave in the order the publishes came [MQTT-4.6.0-2]
 * [MQTT-4.6.0-3], also when an inbox on another thread answers the second one first.
 *
 *     head ─► [id 7 PUBACK, waits] [id 8 PUBREC, 0x00] [id 9 PUBACK, 0x10] ◄─ tail      nothing leaves yet
 *
 * Thread: worker. Scope: one per session, made when the first acknowledgement has to wait.
 */

import { RingQueue } from "../../shared/collections/ring-queue.ts";

/** One acknowledgement to come. */
export class InboundAck {
  readonly packetId: number;
  readonly qos: number;
  /** -1 = not known yet. */
  reasonCode = -1;
  /** "" = none. */
  reasonString = "";
  /** False while the session's inbox has not confirmed that it will recognise a repeat. */
  isKept = true;

  constructor(packetId: number, qos: number) {
    this.packetId = packetId;
    this.qos = qos;
  }
}

export class InboundAcks {
  readonly #waiting = new RingQueue<InboundAck>();
  readonly #qos2Ids = new Set<number>();

  get count(): number {
    return this.#waiting.size;
  }

  /** Of those, PUBACKs. */
  get pubackCount(): number {
    return this.#waiting.size - this.#qos2Ids.size;
  }

  /** True while the PUBREC of this identifier waits. */
  awaitsPubrec(packetId: number): boolean {
    return this.#qos2Ids.has(packetId);
  }

  /** Keeps the place of an acknowledgement whose code will be set later. */
  append(packetId: number, qos: number): InboundAck {
    const ack = new InboundAck(packetId, qos);
    this.#waiting.push(ack);
    if (qos === 2) this.#qos2Ids.add(packetId);
    return ack;
  }

  /** Takes out the oldest one if it may leave; null otherwise. */
  poll(): InboundAck | null {
    const first = this.#waiting.peek();
    if (first === undefined || first.reasonCode < 0 || !first.isKept) return null;
    this.#waiting.shift();
    if (first.qos === 2) this.#qos2Ids.delete(first.packetId);
    return first;
  }
}
