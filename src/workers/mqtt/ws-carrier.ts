/**
 * From accepted sockets to WebSocket connections, over plain or TLS sockets.
 *
 * Node's HTTP server reads the upgrade request, but does not listen; see tls-carrier.ts for why. It
 * lets go of the socket with the request: from then on reads and writes are StreamTransport's.
 * Thread: worker.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Socket } from "node:net";
import type { ListenerConfig } from "../../shared/config/config.ts";
import type { ConnectionOrigin } from "./accept-address.ts";
import {
  clientCertificate,
  failHandshake,
  giveBack,
  rawSocketOf,
  reportHandshakeFailure,
} from "./listener-handshake.ts";
import type { Carrier, ListenerLane } from "./listener-lane.ts";
import { loadTlsOptions } from "./tls-context.ts";
import {
  acceptHead,
  answerHandshake,
  isListenerPath,
  refusalHead,
  type UpgradeAnswer,
  upgradedOrigin,
} from "./ws-handshake.ts";
import { WsTransport } from "./ws-transport.ts";

/**
 * Bytes of request line and headers; browsers send one or two thousand, cookies included a few
 * more.
 */
const HEADER_SIZE_MAX = 16_384;

export class WsCarrier implements Carrier {
  readonly #lane: ListenerLane;
  readonly #config: ListenerConfig;
  readonly #http: Server;
  readonly #origins = new WeakMap<Socket, ConnectionOrigin>();

  /** Throws when a certificate cannot be used. */
  constructor(lane: ListenerLane, config: ListenerConfig) {
    this.#lane = lane;
    this.#config = config;
    this.#http = createHttpServer(config);
    this.#http.on("request", (request, response) => this.#handleRequest(request, response));
    this.#http.on("upgrade", (request, socket, head) => {
      this.#handleUpgrade(request, socket as Socket, head);
    });
    this.#http.on("clientError", (error, socket) => failHandshake(lane, socket as Socket, error));
    this.#http.on("tlsClientError", (error, socket: Socket) => failHandshake(lane, socket, error));
  }

  carry(socket: Socket, origin: ConnectionOrigin, rest: Buffer): void {
    this.#origins.set(socket, origin);
    giveBack(socket, rest);
    this.#http.emit("connection", socket);
    if (rest.length > 0 && this.#config.protocol === "ws") socket.resume();
  }

  /** Anything but an upgrade. */
  #handleRequest(request: IncomingMessage, response: ServerResponse): void {
    const isHere = isListenerPath(request.url ?? "", this.#config.path);
    response.writeHead(isHere ? 426 : 404, { connection: "close", upgrade: "websocket" });
    response.end(isHere ? "This is an MQTT broker: connect by WebSocket\n" : "Not found\n");
  }

  /** `head`: what the client sent behind its request without waiting for the answer. */
  #handleUpgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    const answer = this.#answer(request);
    const raw = rawSocketOf(socket);
    const origin = this.#origins.get(raw)!;
    if (answer.status !== 101) {
      reportHandshakeFailure(this.#lane, origin.remoteAddress, answer.text.trim());
      socket.end(refusalHead(answer.status, answer.text) + answer.text);
      return;
    }
    const certificate = clientCertificate(socket, origin);
    if (certificate === "rejected") {
      failHandshake(this.#lane, socket, "client certificate does not verify");
      return;
    }
    this.#lane.handshakes.delete(raw);
    const transport = new WsTransport(socket, this.#lane, {
      origin: upgradedOrigin(origin, answer),
      certificate,
    });
    const key = request.headers["sec-websocket-key"] ?? "";
    transport.respond(acceptHead(key, answer.protocol)); // [MQTT-6.0.0-4]
    this.#lane.acceptor(transport);
    transport.start(head);
  }

  #answer({ method, url, headers }: IncomingMessage): UpgradeAnswer {
    return answerHandshake(
      {
        method: method ?? "",
        target: url ?? "",
        upgrade: headers.upgrade ?? "",
        version: headers["sec-websocket-version"] ?? "",
        key: headers["sec-websocket-key"] ?? "",
        protocols: headers["sec-websocket-protocol"] ?? "",
        origin: headers.origin ?? "",
      },
      this.#config,
    );
  }
}

function createHttpServer(config: ListenerConfig): Server {
  const options = { maxHeaderSize: HEADER_SIZE_MAX };
  if (config.tls === null) return createServer(options);
  return createTlsServer({ ...options, ...loadTlsOptions(config.tls, ["http/1.1"]) });
}
