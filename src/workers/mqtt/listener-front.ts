/**
 * The accepting end of a listener on Node's own sockets: gate, PROXY header, then the protocol's
 * carrier.
 *
 *     accept ──► gate ──► PROXY header ──► carrier ──► transport ──► acceptor
 *                 │ refused: closed unread    │ mqtt: at once; mqtts, ws, wss: after their handshake
 *
 * From the gate to the transport a connection has the connect time limit; from there on the MQTT
 * layer watches it. Thread: worker. Scope: one per listener.
 */

import { createServer, type Server, type Socket } from "node:net";
import type { ListenerConfig } from "../../shared/config/config.ts";
import { directOrigin } from "./accept-address.ts";
import type { AcceptGate } from "./accept-gate.ts";
import { failHandshake } from "./listener-handshake.ts";
import type { Carrier, ListenerLane } from "./listener-lane.ts";
import { readProxyHeader } from "./proxy-protocol-reader.ts";
import { listenShared, type PortSharing } from "./reuse-port.ts";
import { TcpCarrier } from "./tcp-carrier.ts";
import { TlsCarrier } from "./tls-carrier.ts";
import { WsCarrier } from "./ws-carrier.ts";

const NO_BYTES = Buffer.alloc(0);

/**
 * Listening sockets per worker, on one port. libuv accepts one connection per socket and turn of
 * the event loop, so with a single one each new client pays for a turn of its own: measured, 148 us
 * of CPU per connect with one socket, 132 with four, and no less with sixteen. Few enough that a
 * storm of connects is still taken in small portions between the turns of everybody else.
 */
const SOCKETS_PER_PORT = 4;

export class ListenerFront {
  readonly #lane: ListenerLane;
  readonly #gate: AcceptGate;
  /** One where ports cannot be shared. */
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();
  #config: ListenerConfig;
  #carrier: Carrier;

  /** Throws when a certificate cannot be used. */
  constructor(lane: ListenerLane, gate: AcceptGate, config: ListenerConfig) {
    this.#lane = lane;
    this.#gate = gate;
    this.#config = config;
    this.#carrier = newCarrier(lane, config);
  }

  /** Resolves to the bound port. */
  async listen(sharing: PortSharing): Promise<number> {
    const count = sharing === "none" ? 1 : SOCKETS_PER_PORT;
    let port = this.#config.port;
    try {
      for (let index = 0; index < count; index += 1) port = await this.#open(port, sharing);
    } catch (error) {
      this.stop();
      throw error;
    }
    return port;
  }

  /**
   * Takes a changed configuration into use for connections to come. Throws, and changes nothing, on
   * a broken one.
   */
  setConfig(config: ListenerConfig): void {
    this.#carrier = newCarrier(this.#lane, config);
    this.#config = config;
  }

  stop(): void {
    for (const server of this.#servers) if (server.listening) server.close();
  }

  /** Ends every connection; resolves when the last one is closed. */
  async close(): Promise<void> {
    this.stop();
    const closed = [...this.#sockets].map(
      (socket) => new Promise((resolve) => socket.once("close", resolve)),
    );
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(closed);
  }

  async #open(port: number, sharing: PortSharing): Promise<number> {
    const { host, id, tls } = this.#config;
    // Node would otherwise end our direction the moment the client ends its own, with output still
    // waiting. TLS sockets take the setting over from here, and rely on Node's way to notice a
    // client that leaves mid-handshake.
    const server = createServer({ noDelay: true, allowHalfOpen: tls === null });
    server.on("connection", (socket) => this.#handleConnection(socket));
    this.#servers.push(server);
    const bound = await listenShared(server, host, port, sharing);
    // From now on: accept failed, for want of descriptors mostly. Node goes on with the next one.
    server.on("error", (error) => {
      this.#lane.log.warn("accept_failed", { listener: id, reason: error.message });
    });
    return bound;
  }

  #handleConnection(socket: Socket): void {
    const refusal = this.#gate.tryEnter();
    if (refusal !== null) {
      this.#lane.log.warn("connection_refused", { listener: this.#config.id, refusal });
      socket.on("error", ignoreError);
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    socket.on("error", ignoreError);
    socket.on("close", this.#handleClose);
    if (this.#config.protocol !== "mqtt") this.#lane.handshakes.add(socket);
    if (this.#config.proxyProtocol === "required") this.#readProxyHeader(socket);
    else
      this.#carrier.carry(
        socket,
        directOrigin(socket.remoteAddress, socket.remotePort ?? 0),
        NO_BYTES,
      );
  }

  #readProxyHeader(socket: Socket): void {
    this.#lane.handshakes.add(socket);
    readProxyHeader(
      socket,
      (origin, rest) => this.#carrier.carry(socket, origin, rest),
      () => failHandshake(this.#lane, socket, "no valid PROXY header"),
    );
  }

  /** One function for all sockets; the socket itself is the set's key. */
  readonly #handleClose = ((front: ListenerFront) =>
    function handleClose(this: Socket): void {
      front.#sockets.delete(this);
      front.#lane.handshakes.delete(this);
      front.#gate.leave();
    })(this);
}

function newCarrier(lane: ListenerLane, config: ListenerConfig): Carrier {
  switch (config.protocol) {
    case "mqtt":
      return new TcpCarrier(lane);
    case "mqtts":
      if (config.tls === null) throw new Error(`listener ${config.id}: mqtts needs tls`);
      return new TlsCarrier(lane, config.tls);
    case "wss":
      if (config.tls === null) throw new Error(`listener ${config.id}: wss needs tls`);
      return new WsCarrier(lane, config);
    case "ws":
      return new WsCarrier(lane, { ...config, tls: null });
  }
}

/** A reset or broken connection: "close" follows and says all there is to say. */
function ignoreError(): void {}
