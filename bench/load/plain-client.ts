/**
 * A client for the runs that are about connections, not about steady loads: promises for what
 * happens once.
 */

import { PacketType } from "../../src/shared/mqtt/packet-type.ts";
import {
  connectPacket,
  DISCONNECT_PACKET,
  isAccepted,
  type PacketSink,
  subscribePacket,
} from "./client-codec.ts";
import { LoadConnection } from "./load-connection.ts";
import type { LoadTarget } from "./load-shape.ts";

export interface PlainClientOptions {
  readonly target: LoadTarget;
  readonly clientId: string;
  readonly protocolVersion: 4 | 5;
}

export class PlainClient implements PacketSink {
  readonly connection: LoadConnection;
  /** Resolves with CONNACK; rejects when it refuses, or the connection ends before. */
  readonly accepted: Promise<void>;
  /** Reason code of the broker's DISCONNECT, -1 = none came. */
  disconnectReason = -1;
  /** The payload is bytes[offset..end), borrowed. */
  onPublish: (bytes: Uint8Array, offset: number, end: number) => void = () => {};
  /** A PUBACK or PUBCOMP. */
  onAcknowledged: () => void = () => {};
  readonly #options: PlainClientOptions;
  #settleAccepted: (error: Error | null) => void = () => {};
  #settleSubscribed: () => void = () => {};

  constructor(options: PlainClientOptions) {
    this.#options = options;
    this.accepted = new Promise((resolve, reject) => {
      this.#settleAccepted = (error) => (error === null ? resolve() : reject(error));
    });
    // Whoever does not wait for it is not interested in its failure.
    this.accepted.catch(() => {});
    this.connection = new LoadConnection({
      target: options.target,
      hasProperties: options.protocolVersion === 5,
      createSink: () => this,
      afterRead: () => {},
      reader: null,
    });
    this.connection.ended.then(
      () => this.#settleAccepted(new Error(`${options.clientId}: closed before CONNACK`)),
      () => {},
    );
    this.send(connectPacket(options.clientId, options.protocolVersion));
  }

  send(bytes: Uint8Array): void {
    this.connection.gather(bytes);
    this.connection.flush();
  }

  /** Resolves with the SUBACK; rejects when the connection ends before. */
  subscribe(filter: string, qos: number): Promise<void> {
    const { clientId, protocolVersion } = this.#options;
    this.send(subscribePacket([filter], qos, protocolVersion));
    return new Promise((resolve, reject) => {
      this.#settleSubscribed = resolve;
      this.connection.ended.then(
        () => reject(new Error(`${clientId}: closed before SUBACK`)),
        () => {},
      );
    });
  }

  /** Says good-bye and closes. */
  leave(): void {
    this.send(DISCONNECT_PACKET);
    this.connection.socket.end();
  }

  handlePublish(
    bytes: Uint8Array,
    offset: number,
    end: number,
    qos: number,
    packetId: number,
  ): void {
    if (qos > 0)
      this.connection.acknowledge(qos === 1 ? PacketType.PUBACK : PacketType.PUBREC, packetId);
    this.onPublish(bytes, offset, end);
  }

  handleOther(type: number, bytes: Uint8Array, bodyOffset: number, bodyLength: number): void {
    const packetId = bodyLength < 2 ? 0 : (bytes[bodyOffset]! << 8) | bytes[bodyOffset + 1]!;
    switch (type) {
      case PacketType.CONNACK: {
        const refused = isAccepted(bytes, bodyOffset)
          ? null
          : new Error(`CONNACK ${bytes[bodyOffset + 1]}`);
        this.#settleAccepted(refused);
        return;
      }
      case PacketType.SUBACK:
        this.#settleSubscribed();
        return;
      case PacketType.PUBREC:
        this.connection.acknowledge(PacketType.PUBREL, packetId);
        return;
      case PacketType.PUBREL:
        this.connection.acknowledge(PacketType.PUBCOMP, packetId);
        return;
      case PacketType.PUBACK:
      case PacketType.PUBCOMP:
        this.onAcknowledged();
        return;
      case PacketType.DISCONNECT:
        this.disconnectReason = bodyLength > 0 ? bytes[bodyOffset]! : 0;
        return;
      default:
        this.#settleAccepted(new Error(`unexpected packet of type ${type}`));
    }
  }
}
