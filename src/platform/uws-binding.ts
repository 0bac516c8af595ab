/**
 * uWebSockets.js where its binary loads, under one set of names. The only importer of the package:
 * workers serve listeners with `websocket_engine: uws` with it, main looks whether they will be
 * able to.
 *
 * Two packages go by that name: the registry copy for Node 16 to 20 that package.json declares, and
 * the official build for newer versions, which an operator may install in its place. They differ in
 * two names and in that the official one knows the peer's port. No types are imported: the package
 * is optional. Thread: any; each loads its own copy.
 */

import { createRequire } from "node:module";

const PACKAGE_NAME = "uWebSockets.js";

/** Opaque: a listening socket. */
export type UwsListenSocket = { readonly isListenSocket: unique symbol };
/** Opaque: what `upgrade` wants back. */
export type UwsContext = { readonly isContext: unique symbol };

/** Usable from `open` to `close`; any call afterwards throws. */
export interface UwsSocket {
  /** Copies `bytes`. 1 = sent, 0 = sent or buffered, 2 = dropped. */
  send(bytes: Uint8Array, isBinary: boolean, compress: boolean): number;
  getBufferedAmount(): number;
  /** Sends a close frame and calls `close` before it returns. */
  end(code: number, reason: string): void;
  /** Calls `close` before it returns. */
  close(): void;
  getUserData(): object;
}

/** Valid only during the callback that got it, unless upgraded. */
export interface UwsResponse {
  writeStatus(status: string): UwsResponse;
  writeHeader(name: string, value: string): UwsResponse;
  end(body: string, closeConnection: boolean): void;
  getRemoteAddress(): ArrayBuffer;
  getRemotePort?(): number;
  upgrade(
    userData: object,
    key: string,
    protocol: string,
    extensions: string,
    context: UwsContext,
  ): void;
}

export interface UwsRequest {
  getUrl(): string;
  getHeader(lowerCaseName: string): string;
}

export interface UwsBehavior {
  readonly maxPayloadLength: number;
  readonly idleTimeout: number;
  readonly maxBackpressure: number;
  readonly sendPingsAutomatically: boolean;
  readonly compression: number;
  readonly upgrade: (response: UwsResponse, request: UwsRequest, context: UwsContext) => void;
  readonly open: (socket: UwsSocket) => void;
  readonly message: (socket: UwsSocket, bytes: ArrayBuffer, isBinary: boolean) => void;
  readonly drain: (socket: UwsSocket) => void;
  readonly close: (socket: UwsSocket, code: number) => void;
}

export interface UwsApp {
  ws(pattern: string, behavior: UwsBehavior): UwsApp;
  any(pattern: string, handler: (response: UwsResponse, request: UwsRequest) => void): UwsApp;
  listen(host: string, port: number, done: (socket: UwsListenSocket | false) => void): UwsApp;
  /** Ends all its sockets, listening ones included. */
  close(): void;
}

export interface Uws {
  newApp(): UwsApp;
  portOf(socket: UwsListenSocket): number;
  closeListenSocket(socket: UwsListenSocket): void;
  /** Value of `compression` for none. */
  readonly noCompression: number;
}

interface UwsModule {
  App(): UwsApp;
  DISABLED: number;
  us_socket_local_port?(socket: UwsListenSocket): number;
  us_listen_socket_close?(socket: UwsListenSocket): void;
  getSocketPort?(socket: UwsListenSocket): number;
  closeSocket?(socket: UwsListenSocket): void;
}

/**
 * The library, or null where it is not installed or has no binary for this Node version and
 * machine.
 */
export function loadUws(): Uws | null {
  let module: UwsModule;
  try {
    module = createRequire(import.meta.url)(PACKAGE_NAME) as UwsModule;
  } catch {
    // Not an error by itself: who asked for the library says what is missing.
    return null;
  }
  const portOf = module.us_socket_local_port ?? module.getSocketPort;
  const closeListenSocket = module.us_listen_socket_close ?? module.closeSocket;
  const { App, DISABLED } = module;
  if (portOf === undefined || closeListenSocket === undefined) return null;
  return { newApp: () => App(), portOf, closeListenSocket, noCompression: DISABLED };
}
