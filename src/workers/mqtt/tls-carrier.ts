/**
 * MQTT over TLS: the handshake between an accepted socket and its transport.
 *
 * Node's TLS server does the handshake, but does not listen: sockets that passed the gate are
 * handed to it, so limits and PROXY headers are the same for all protocols, and a reload is a new
 * server for sockets to come. Thread: worker.
 */

import type { Socket } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import type { TlsConfig } from "../../shared/config/config.ts";
import type { ConnectionOrigin } from "./accept-address.ts";
import { clientCertificate, failHandshake, giveBack, rawSocketOf } from "./listener-handshake.ts";
import type { Carrier, ListenerLane } from "./listener-lane.ts";
import { StreamTransport } from "./tcp-transport.ts";
import { loadTlsOptions } from "./tls-context.ts";

/**
 * The name that MQTT registered for ALPN. A client that offers only others is refused, as RFC 7301
 * §3.2 demands.
 */
const ALPN_MQTT = "mqtt";

export class TlsCarrier implements Carrier {
  readonly #lane: ListenerLane;
  readonly #server: Server;
  readonly #origins = new WeakMap<Socket, ConnectionOrigin>();

  /** Throws when a certificate cannot be used. */
  constructor(lane: ListenerLane, config: TlsConfig) {
    this.#lane = lane;
    this.#server = createServer(loadTlsOptions(config, [ALPN_MQTT]));
    this.#server.on("secureConnection", (socket) => this.#handleSecure(socket));
    this.#server.on("tlsClientError", (error, socket) => failHandshake(lane, socket, error));
  }

  carry(socket: Socket, origin: ConnectionOrigin, rest: Buffer): void {
    this.#origins.set(socket, origin);
    giveBack(socket, rest);
    this.#server.emit("connection", socket);
  }

  #handleSecure(socket: TLSSocket): void {
    const raw = rawSocketOf(socket);
    const origin = this.#origins.get(raw)!;
    const certificate = clientCertificate(socket, origin);
    if (certificate === "rejected") {
      failHandshake(this.#lane, socket, socket.authorizationError);
      return;
    }
    this.#lane.handshakes.delete(raw);
    const transport = new StreamTransport(socket, this.#lane, { origin, certificate });
    this.#lane.acceptor(transport);
    transport.start(null);
  }
}
