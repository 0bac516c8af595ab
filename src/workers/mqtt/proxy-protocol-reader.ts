/**
 * Takes the PROXY header off the front of a fresh connection, before TLS, HTTP or MQTT sees a byte
 * of it.
 *
 * The address that comes out is the client's. The connection's own peer is the proxy: that it may
 * sit on this machine says nothing about the client, so `isLoopback` never comes from the socket
 * here. Thread: worker.
 */

import type { Socket } from "node:net";
import { type ConnectionOrigin, directOrigin } from "./accept-address.ts";
import {
  PROXY_INCOMPLETE,
  PROXY_MALFORMED,
  ProxyHeader,
  parseProxyHeader,
} from "./proxy-protocol.ts";

/** `rest`: bytes behind the header, owned by the callee; empty when none came with it. */
export type ProxyHeaderCallback = (origin: ConnectionOrigin, rest: Buffer) => void;

/** Calls `done` with the header's content, or `fail` when the first bytes are no header. */
export function readProxyHeader(socket: Socket, done: ProxyHeaderCallback, fail: () => void): void {
  let received: Buffer = Buffer.alloc(0);
  const header = new ProxyHeader();
  const handleData = (bytes: Buffer): void => {
    // Bounded: the parser answers "malformed" before it wants more than a few kilobytes.
    received = received.length === 0 ? bytes : Buffer.concat([received, bytes]);
    const size = parseProxyHeader(received, header);
    if (size === PROXY_INCOMPLETE) return;
    stop();
    if (size === PROXY_MALFORMED) fail();
    else done(proxiedOrigin(socket, header), received.subarray(size));
  };
  const handleEnd = (): void => {
    stop();
    fail();
  };
  const stop = (): void => {
    socket.off("data", handleData);
    socket.off("end", handleEnd);
  };
  socket.on("data", handleData);
  socket.on("end", handleEnd);
}

function proxiedOrigin(socket: Socket, header: ProxyHeader): ConnectionOrigin {
  if (header.address === "") {
    const peer = directOrigin(socket.remoteAddress, socket.remotePort ?? 0);
    return { ...peer, isLoopback: false };
  }
  const origin = directOrigin(header.address, header.port);
  return { ...origin, proxiedCommonName: header.commonName };
}
