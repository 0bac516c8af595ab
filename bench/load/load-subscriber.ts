/** A subscriber of the load generator: subscribes, has every delivery judged, acknowledges. */

import { writeAck } from "../../src/shared/mqtt/encode-ack.ts";
import { PacketType } from "../../src/shared/mqtt/packet-type.ts";
import { isAccepted, type PacketSink, subscribePacket } from "./client-codec.ts";
import { DeliveryJudge } from "./delivery-judge.ts";
import type { LoadConnection } from "./load-connection.ts";
import type { LoadRun } from "./load-run.ts";
import type { LoadShape } from "./load-shape.ts";
import { FILTERS_PER_SUBSCRIBE, type HeardRoute } from "./routes.ts";

const ACK_BYTES = 4;
const FAILURE = 0x80;

export class SubscriberSink implements PacketSink {
  received = 0;
  readonly #run: LoadRun;
  readonly #connection: LoadConnection;
  readonly #shape: LoadShape;
  readonly #filters: readonly string[];
  readonly #judge: DeliveryJudge;
  /** Deliveries to this subscriber are neither expected nor judged: it is made to stop reading. */
  readonly #isFrozen: boolean;
  #subscribed = 0;

  constructor(
    run: LoadRun,
    connection: LoadConnection,
    options: { shape: LoadShape; heard: HeardRoute; payloadBytes: number; isFrozen: boolean },
  ) {
    this.#run = run;
    this.#connection = connection;
    this.#shape = options.shape;
    this.#filters = options.heard.filters;
    this.#judge = new DeliveryJudge(run, options.heard, options.payloadBytes);
    this.#isFrozen = options.isFrozen;
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
    if (!this.#isFrozen) this.#judge.judge(bytes, offset, end);
  }

  handleOther(type: number, bytes: Uint8Array, bodyOffset: number, bodyLength: number): void {
    if (type === PacketType.PUBREL) {
      this.#acknowledge(PacketType.PUBCOMP, (bytes[bodyOffset]! << 8) | bytes[bodyOffset + 1]!);
    } else if (type === PacketType.CONNACK && isAccepted(bytes, bodyOffset)) {
      this.#subscribe();
    } else if (type === PacketType.SUBACK && bytes[bodyOffset + bodyLength - 1]! < FAILURE) {
      this.#subscribed += FILTERS_PER_SUBSCRIBE;
      if (this.#subscribed >= this.#filters.length) this.#run.markReady();
      else this.#subscribe();
    } else {
      this.#run.refuse(`subscriber: unexpected packet of type ${type}`);
    }
  }

  /** One SUBSCRIBE at a time, until all filters are acknowledged. */
  #subscribe(): void {
    const some = this.#filters.slice(this.#subscribed, this.#subscribed + FILTERS_PER_SUBSCRIBE);
    this.#connection.gather(subscribePacket(some, this.#shape.qos, this.#shape.protocolVersion));
  }

  #acknowledge(
    type: typeof PacketType.PUBACK | typeof PacketType.PUBREC | typeof PacketType.PUBCOMP,
    packetId: number,
  ): void {
    const offset = this.#connection.claim(ACK_BYTES);
    writeAck(this.#connection.output, offset, type, packetId, 0);
  }
}
