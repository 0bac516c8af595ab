/** The four transports of MQTT behind one small interface, for raw-client.ts. */

import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { WebSocket } from "ws";

export interface TransportTarget {
  readonly port: number;
  /** Default "127.0.0.1". */
  readonly host?: string;
  /** Default "tcp". */
  readonly transport?: "tcp" | "tls" | "ws" | "wss";
  readonly tls?: ConnectionOptions;
  /** WebSocket: default "/mqtt", "mqtt", none. */
  readonly path?: string;
  readonly subprotocols?: readonly string[];
  readonly origin?: string;
  /** Local address to connect from, e.g. "127.0.0.2". */
  readonly localAddress?: string;
}

export interface RawTransport {
  onBytes: (chunk: Uint8Array) => void;
  onClose: () => void;
  readonly bufferedBytes: number;
  /** Bytes may flow: to be called once, when `onBytes` and `onClose` are set. */
  start(): void;
  write(bytes: Uint8Array): void;
  end(): void;
  destroy(): void;
  pause(): void;
  resume(): void;
}

const LOOPBACK = "127.0.0.1";

/**
 * Resolves when the transport is connected (TLS and WebSocket handshakes included); rejects when it
 * is refused.
 */
export async function openTransport(target: TransportTarget): Promise<RawTransport> {
  if (target.transport === "ws" || target.transport === "wss") return openWebSocket(target);
  const host = target.host ?? LOOPBACK;
  const local = target.localAddress === undefined ? {} : { localAddress: target.localAddress };
  if (target.transport === "tls") {
    const socket = connectTls({ host, port: target.port, ...local, ...target.tls });
    await once(socket, "secureConnect");
    return new SocketTransport(socket);
  }
  const socket = connectTcp({ host, port: target.port, noDelay: true, ...local });
  await once(socket, "connect");
  return new SocketTransport(socket);
}

class SocketTransport implements RawTransport {
  onBytes: (chunk: Uint8Array) => void = () => {};
  onClose: () => void = () => {};
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
    // A reset is one way of closing; "close" follows it.
    socket.on("error", () => {});
  }

  get bufferedBytes(): number {
    return this.#socket.writableLength;
  }

  start(): void {
    this.#socket.on("close", () => this.onClose());
    this.#socket.on("data", (chunk) => this.onBytes(chunk));
    if (this.#socket.destroyed) this.onClose();
  }

  write(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }
}

async function openWebSocket(target: TransportTarget): Promise<RawTransport> {
  const scheme = target.transport === "wss" ? "wss" : "ws";
  const url = `${scheme}://${target.host ?? LOOPBACK}:${target.port}${target.path ?? "/mqtt"}`;
  const origin = target.origin === undefined ? {} : { origin: target.origin };
  const socket = new WebSocket(url, [...(target.subprotocols ?? ["mqtt"])], {
    perMessageDeflate: false,
    ...origin,
    ...target.tls,
  });
  const transport = new WebSocketTransport(socket);
  await once(socket, "open");
  return transport;
}

/** Exposes the WebSocket itself for tests about frames. */
export class WebSocketTransport implements RawTransport {
  onBytes: (chunk: Uint8Array) => void = () => {};
  onClose: () => void = () => {};
  readonly socket: WebSocket;
  /** Frames that came before `start`. */
  #early: Uint8Array[] | null = [];

  constructor(socket: WebSocket) {
    this.socket = socket;
    socket.binaryType = "nodebuffer";
    socket.on("error", () => {});
    socket.on("message", (content: Buffer, isBinary: boolean) => {
      if (!isBinary) socket.terminate();
      else if (this.#early === null) this.onBytes(content);
      else this.#early.push(content);
    });
  }

  get bufferedBytes(): number {
    return this.socket.bufferedAmount;
  }

  start(): void {
    this.socket.on("close", () => this.onClose());
    const early = this.#early ?? [];
    this.#early = null;
    for (const chunk of early) this.onBytes(chunk);
    if (this.socket.readyState === WebSocket.CLOSED) this.onClose();
  }

  write(bytes: Uint8Array): void {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(bytes);
  }

  end(): void {
    this.socket.close();
  }

  destroy(): void {
    this.socket.terminate();
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }
}
