/**
 * What a publisher of the load generator hears: CONNACK and the acknowledgements of its publishes.
 */

import { PacketType } from "../../src/shared/mqtt/packet-type.ts";
import { isAccepted, type PacketSink, receiveMaximumOf } from "./client-codec.ts";
import type { LoadPublisher } from "./load-publisher.ts";

/** The run that it belongs to. */
export interface PublisherRun {
  /** Connected. */
  markReady(): void;
  /** Something of this publisher was completed. */
  markDirty(publisher: LoadPublisher): void;
  refuse(text: string): void;
}

export class PublisherSink implements PacketSink {
  readonly #run: PublisherRun;
  readonly #publisher: LoadPublisher;
  readonly #hasProperties: boolean;

  constructor(run: PublisherRun, publisher: LoadPublisher, hasProperties: boolean) {
    this.#run = run;
    this.#publisher = publisher;
    this.#hasProperties = hasProperties;
  }

  handlePublish(): void {
    this.#run.refuse("publisher: received a PUBLISH");
  }

  handleOther(type: number, bytes: Uint8Array, bodyOffset: number, bodyLength: number): void {
    const packetId = (bytes[bodyOffset]! << 8) | bytes[bodyOffset + 1]!;
    if (type === PacketType.PUBACK || type === PacketType.PUBCOMP) {
      this.#publisher.takeHandshake(packetId);
      this.#run.markDirty(this.#publisher);
    } else if (type === PacketType.PUBREC) {
      const { connection } = this.#publisher;
      connection.acknowledge(PacketType.PUBREL, packetId);
    } else if (type === PacketType.CONNACK && isAccepted(bytes, bodyOffset)) {
      if (this.#hasProperties) {
        this.#publisher.sendQuota = receiveMaximumOf(bytes, bodyOffset, bodyLength);
      }
      this.#run.markReady();
    } else {
      this.#run.refuse(`publisher: unexpected packet of type ${type}`);
    }
  }
}
