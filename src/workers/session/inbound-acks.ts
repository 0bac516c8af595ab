/**
 * Acknowledgements of QoS 1 and 2 publishes leave in the order the publishes came [MQTT-4.6.0-2] [MQTT-4.6.0-3], also
 * when an inbox on another thread answers the second one first.
 *
 *     head ─► [id 7 PUBACK, waits] [id 8 PUBREC, 0x00] [id 9 PUBACK, 0x10] ◄─ tail      nothing leaves yet
 *
 * Thread: worker. Scope: one per session, made when the first acknowledgement has to wait.
 */

import { RingQueue } from "../../shared/collections/ring-queue.ts";

/** One acknowledgement to come. `reasonCode` -1 = not known yet. */
export class InboundAck {
  readonly packetId: number;
  readonly qos: number;
  reasonCode = -1;

  constructor(packetId: number, qos: number) {
    this.packetId = packetId;
    this.qos = qos;
  }
}

export class InboundAcks {
  readonly #waiting = new RingQueue<InboundAck>();

  get count(): number {
    return this.#waiting.size;
  }

  /** Keeps the place of an acknowledgement whose code will be set later. */
  append(packetId: number, qos: number): InboundAck {
    const ack = new InboundAck(packetId, qos);
    this.#waiting.push(ack);
    return ack;
  }

  /** Takes out the oldest one if its code is known; null otherwise. */
  poll(): InboundAck | null {
    const first = this.#waiting.peek();
    if (first === undefined || first.reasonCode < 0) return null;
    this.#waiting.shift();
    return first;
  }
}
