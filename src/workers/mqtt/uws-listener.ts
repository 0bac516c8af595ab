/**
 * A plain WebSocket listener on uWebSockets.js, for who asks for it (`websocket_engine: uws`).
 *
 * What it lacks beside our own framing, and why that is the default: it cannot stop reading, it
 * collects whole messages of up to the largest packet, also from clients that are not authenticated
 * yet, and the copy for Node 20 does not know the peer's port and gets no updates. The library
 * accepts sockets and reads their HTTP requests by itself, so the gate stands at the upgrade, and
 * requests end after the library's own ten seconds. It shares the port between threads unasked.
 * PROXY headers and TLS are not for it: the configuration refuses it for listeners with either. A
 * thread that ends with a live app takes the whole process down (abort, exit code 134): `close`
 * first. Thread: worker.
 */

import { createServer } from "node:net";
import type {
  Uws,
  UwsApp,
  UwsContext,
  UwsListenSocket,
  UwsRequest,
  UwsResponse,
  UwsSocket,
} from "../../platform/uws-binding.ts";
import type { ListenerConfig } from "../../shared/config/config.ts";
import { addressText, type ConnectionOrigin, directOrigin } from "./accept-address.ts";
import type { AcceptGate } from "./accept-gate.ts";
import { reportHandshakeFailure } from "./listener-handshake.ts";
import type { ListenerLane } from "./listener-lane.ts";
import { listenShared } from "./reuse-port.ts";
import { UwsTransport } from "./uws-transport.ts";
import { answerUpgrade, isListenerPath, statusText, upgradedOrigin } from "./ws-handshake.ts";
import { frameSizeMax, PONG_BACKLOG_MAX_BYTES } from "./ws-transport.ts";

/** What a connection carries from upgrade to open, and then for its life. */
interface UserData {
  readonly origin: ConnectionOrigin;
  transport: UwsTransport | null;
}

export class UwsListener {
  readonly #uws: Uws;
  readonly #lane: ListenerLane;
  readonly #gate: AcceptGate;
  readonly #app: UwsApp;
  #config: ListenerConfig;
  #listenSocket: UwsListenSocket | null = null;

  constructor(uws: Uws, lane: ListenerLane, gate: AcceptGate, config: ListenerConfig) {
    this.#uws = uws;
    this.#lane = lane;
    this.#gate = gate;
    this.#config = config;
    this.#app = uws
      .newApp()
      .ws("/*", {
        maxPayloadLength: frameSizeMax(lane.limits),
        // MQTT keep alive does this better.
        idleTimeout: 0,
        sendPingsAutomatically: false,
        // For the library's own pongs only: a transport sends nothing while the previous frame is
        // not gone.
        maxBackpressure: PONG_BACKLOG_MAX_BYTES,
        compression: uws.noCompression,
        upgrade: (response, request, context) => this.#handleUpgrade(response, request, context),
        open: (socket) => this.#handleOpen(socket),
        message: (socket, bytes, isBinary) => transportOf(socket)?.handleMessage(bytes, isBinary),
        drain: (socket) => transportOf(socket)?.handleDrain(),
        close: (socket) => this.#handleClose(socket),
      })
      .any("/*", (response, request) => this.#handleRequest(response, request));
  }

  /** Resolves to the bound port. */
  async listen(): Promise<number> {
    const { host, port } = this.#config;
    if (port !== 0) return this.#listenOn(host, port);
    // The library shares every port but one that it was to choose itself: Node chooses, and holds
    // it meanwhile.
    const holder = createServer();
    const chosen = await listenShared(holder, host, 0);
    try {
      return await this.#listenOn(host, chosen);
    } finally {
      holder.close();
    }
  }

  /** Path and origins; the library fixes the message size when it starts. */
  setConfig(config: ListenerConfig): void {
    this.#config = config;
  }

  stop(): void {
    if (this.#listenSocket !== null) this.#uws.closeListenSocket(this.#listenSocket);
    this.#listenSocket = null;
  }

  /** Ends every connection. Without this the process cannot end cleanly. */
  close(): void {
    this.#listenSocket = null;
    this.#app.close();
  }

  async #listenOn(host: string, port: number): Promise<number> {
    const socket = await new Promise<UwsListenSocket | false>((resolve) => {
      this.#app.listen(host, port, resolve);
    });
    if (socket === false) throw await listenFailure(host, port);
    this.#listenSocket = socket;
    return this.#uws.portOf(socket);
  }

  #handleRequest(response: UwsResponse, request: UwsRequest): void {
    const isHere = isListenerPath(request.getUrl(), this.#config.path);
    response.writeStatus(statusText(isHere ? 426 : 404)).writeHeader("upgrade", "websocket");
    response.end(isHere ? "This is an MQTT broker: connect by WebSocket\n" : "Not found\n", true);
  }

  #handleUpgrade(response: UwsResponse, request: UwsRequest, context: UwsContext): void {
    const address = new Uint8Array(response.getRemoteAddress());
    const size = address.length === 16 ? 16 : 4;
    const remoteAddress = address.length < size ? "" : addressText(address, 0, size);
    const answer = answerUpgrade(
      {
        target: request.getUrl(),
        protocols: request.getHeader("sec-websocket-protocol"),
        origin: request.getHeader("origin"),
      },
      this.#config,
    );
    if (answer.status !== 101) {
      reportHandshakeFailure(this.#lane, remoteAddress, answer.text.trim());
      response.writeStatus(statusText(answer.status)).end(answer.text, true);
      return;
    }
    const refusal = this.#gate.tryEnter();
    if (refusal !== null) {
      this.#lane.log.warn("connection_refused", { listener: this.#lane.listenerId, refusal });
      response.writeStatus(statusText(503)).end("", true);
      return;
    }
    const direct = directOrigin(remoteAddress, response.getRemotePort?.() ?? 0);
    const userData: UserData = { origin: upgradedOrigin(direct, answer), transport: null };
    const key = request.getHeader("sec-websocket-key");
    response.upgrade(userData, key, answer.protocol, "", context); // [MQTT-6.0.0-4]
  }

  #handleOpen(socket: UwsSocket): void {
    const userData = socket.getUserData() as UserData;
    const transport = new UwsTransport(socket, this.#lane, userData.origin);
    userData.transport = transport;
    this.#lane.acceptor(transport);
  }

  #handleClose(socket: UwsSocket): void {
    this.#gate.leave();
    transportOf(socket)?.handleSocketClose();
  }
}

function transportOf(socket: UwsSocket): UwsTransport | null {
  return (socket.getUserData() as UserData).transport;
}

/** The library only says "no": Node's answer to the same request gives the reason. */
async function listenFailure(host: string, port: number): Promise<Error> {
  const server = createServer();
  try {
    await listenShared(server, host, port);
  } catch (error) {
    return error as Error;
  }
  server.close();
  return new Error(`listen: uWebSockets.js cannot use ${host} port ${port}`);
}
