/**
 * MQTT over WebSocket with the `ws` package, over plain or TLS sockets. The only importer of `ws`.
 *
 * Node's HTTP server reads the upgrade request, but does not listen; see tls-carrier.ts for why. Thread: worker.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Socket } from "node:net";
import { WebSocketServer } from "ws";
import type { LimitsConfig, ListenerConfig } from "../../shared/config/config.ts";
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
import { answerUpgrade, isListenerPath, statusText } from "./ws-handshake.ts";
import { messageSizeMax, WsTransport } from "./ws-transport.ts";

/** Bytes of request line and headers; browsers send one or two thousand, cookies included a few more. */
const HEADER_SIZE_MAX = 16_384;

export class WsCarrier implements Carrier {
  readonly #lane: ListenerLane;
  readonly #config: ListenerConfig;
  readonly #http: Server;
  readonly #webSockets: WebSocketServer;
  readonly #origins = new WeakMap<Socket, ConnectionOrigin>();

  /** Throws when a certificate cannot be used. */
  constructor(lane: ListenerLane, config: ListenerConfig, limits: LimitsConfig) {
    this.#lane = lane;
    this.#config = config;
    this.#http = createHttpServer(config);
    this.#http.on("request", (request, response) => this.#handleRequest(request, response));
    this.#http.on("upgrade", (request, socket, head) => {
      this.#handleUpgrade(request, socket as Socket, head);
    });
    this.#http.on("clientError", (error, socket) => failHandshake(lane, socket as Socket, error));
    this.#http.on("tlsClientError", (error, socket: Socket) => failHandshake(lane, socket, error));
    this.#webSockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      // MQTT payloads are compressed by their publisher or not at all; deflate costs 64 KiB and more per connection.
      perMessageDeflate: false,
      // The transport answers, within limits.
      autoPong: false,
      maxPayload: messageSizeMax(limits),
      handleProtocols: (offered) => this.#chooseProtocol([...offered].join(",")),
    });
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

  #handleUpgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    const answer = answerUpgrade(
      {
        target: request.url ?? "",
        protocols: request.headers["sec-websocket-protocol"] ?? "",
        origin: request.headers.origin ?? "",
      },
      this.#config,
    );
    const raw = rawSocketOf(socket);
    const origin = this.#origins.get(raw)!;
    if (answer.status !== 101) {
      reportHandshakeFailure(this.#lane, origin.remoteAddress, answer.text.trim());
      refuseUpgrade(socket, statusText(answer.status), answer.text);
      return;
    }
    const certificate = clientCertificate(socket, origin);
    if (certificate === "rejected") {
      failHandshake(this.#lane, socket, "client certificate does not verify");
      return;
    }
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      this.#lane.handshakes.delete(raw);
      const client = { origin, certificate };
      this.#lane.acceptor(new WsTransport(webSocket, socket, this.#lane, client));
    });
  }

  #chooseProtocol(protocols: string): string | false {
    const request = { target: this.#config.path, protocols, origin: "" };
    const answer = answerUpgrade(request, this.#config);
    return answer.status === 101 ? answer.protocol : false; // [MQTT-6.0.0-4]
  }
}

function createHttpServer(config: ListenerConfig): Server {
  const options = { maxHeaderSize: HEADER_SIZE_MAX };
  if (config.tls === null) return createServer(options);
  return createTlsServer({ ...options, ...loadTlsOptions(config.tls, ["http/1.1"]) });
}

function refuseUpgrade(socket: Socket, status: string, text: string): void {
  const head = `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: text/plain\r\n`;
  socket.end(`${head}Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
}
