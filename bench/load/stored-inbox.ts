/**
 * A client with a stored session, of the load generator: it subscribes and leaves, and comes back
 * later for what has been stored for it, which it has judged and acknowledges.
 */

import { PacketType } from "../../src/shared/mqtt/packet-type.ts";
import {
  connectPacket,
  DISCONNECT_PACKET,
  isAccepted,
  type PacketSink,
  subscribePacket,
} from "./client-codec.ts";
import { DeliveryJudge, type DeliveryTally } from "./delivery-judge.ts";
import { LoadConnection } from "./load-connection.ts";
import type { LoadTarget } from "./load-shape.ts";
import { FILTERS_PER_SUBSCRIBE, type HeardRoute } from "./routes.ts";

const FAILURE = 0x80;
const SESSION_PRESENT = 1;

export interface StoredInboxOptions {
  readonly target: LoadTarget;
  readonly clientId: string;
  readonly heard: HeardRoute;
  readonly qos: number;
  readonly payloadBytes: number;
  readonly protocolVersion: 4 | 5;
  /** The session has subscribed and its connection is closed, or it is back. */
  readonly onReady: () => void;
  readonly onFault: (text: string) => void;
}

export class StoredInbox implements PacketSink {
  readonly #options: StoredInboxOptions;
  readonly #judge: DeliveryJudge;
  #connection: LoadConnection | null = null;
  #isCollecting = false;
  /** The server has said what this connection waits for, or it is not wanted any more. */
  #isAnswered = false;

  constructor(options: StoredInboxOptions, tally: DeliveryTally) {
    const { heard, payloadBytes } = options;
    this.#options = options;
    this.#judge = new DeliveryJudge(tally, heard, payloadBytes);
  }

  /** Subscribes and leaves; the session stays. */
  subscribe(): void {
    this.#connect();
  }

  /** Comes back for what is stored. */
  collect(): void {
    this.#isCollecting = true;
    this.#connect();
  }

  abort(): void {
    this.#isAnswered = true;
    this.#connection?.abort();
  }

  handlePublish(
    bytes: Uint8Array,
    offset: number,
    end: number,
    qos: number,
    packetId: number,
  ): void {
    if (qos > 0)
      this.#connection!.acknowledge(qos === 1 ? PacketType.PUBACK : PacketType.PUBREC, packetId);
    this.#judge.judge(bytes, offset, end);
  }

  handleOther(type: number, bytes: Uint8Array, bodyOffset: number, bodyLength: number): void {
    const { onFault, onReady } = this.#options;
    if (type === PacketType.SUBACK || this.#isCollecting) this.#isAnswered = true;
    if (type === PacketType.PUBREL) {
      this.#connection!.acknowledge(
        PacketType.PUBCOMP,
        (bytes[bodyOffset]! << 8) | bytes[bodyOffset + 1]!,
      );
    } else if (type === PacketType.CONNACK && isAccepted(bytes, bodyOffset)) {
      if (!this.#isCollecting) this.#subscribe();
      else if ((bytes[bodyOffset]! & SESSION_PRESENT) === 0) onFault("a session was lost");
      else onReady();
    } else if (type === PacketType.SUBACK && bytes[bodyOffset + bodyLength - 1]! < FAILURE) {
      this.#leave();
    } else {
      onFault(`stored session: unexpected packet of type ${type}`);
    }
  }

  #connect(): void {
    const { target, clientId, protocolVersion } = this.#options;
    const connection = new LoadConnection({
      target,
      hasProperties: protocolVersion === 5,
      createSink: () => this,
      afterRead: () => {},
      reader: null,
    });
    this.#connection = connection;
    this.#isAnswered = false;
    void connection.ended.then(() => {
      if (this.#isAnswered) return;
      this.#options.onFault("stored session: a connection was closed before it was answered");
    });
    connection.gather(connectPacket(clientId, protocolVersion, true));
    connection.flush();
  }

  #subscribe(): void {
    const { heard, qos, protocolVersion } = this.#options;
    const filters = heard.filters.slice(0, FILTERS_PER_SUBSCRIBE);
    this.#connection!.gather(subscribePacket(filters, qos, protocolVersion));
  }

  #leave(): void {
    const connection = this.#connection!;
    connection.gather(DISCONNECT_PACKET);
    connection.flush();
    connection.socket.end();
    connection.ended.then(
      () => this.#options.onReady(),
      () => {},
    );
  }
}
