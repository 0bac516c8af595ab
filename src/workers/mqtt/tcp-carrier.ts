/**
 * MQTT over plain TCP: an accepted socket is a transport at once. Thread: worker.
 */

import type { Socket } from "node:net";
import type { ConnectionOrigin } from "./accept-address.ts";
import { proxiedCertificate } from "./listener-handshake.ts";
import type { Carrier, ListenerLane } from "./listener-lane.ts";
import { StreamTransport } from "./tcp-transport.ts";

export class TcpCarrier implements Carrier {
  readonly #lane: ListenerLane;

  constructor(lane: ListenerLane) {
    this.#lane = lane;
  }

  carry(socket: Socket, origin: ConnectionOrigin, rest: Buffer): void {
    this.#lane.handshakes.delete(socket);
    const certificate = proxiedCertificate(origin);
    const transport = new StreamTransport(socket, this.#lane, { origin, certificate });
    this.#lane.acceptor(transport);
    transport.start(rest);
  }
}
