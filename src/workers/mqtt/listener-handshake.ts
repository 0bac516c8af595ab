/**
 * What TLS and WebSocket carriers share on the way from an accepted socket to a transport. Thread:
 * worker.
 */

import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { Counter } from "../../shared/metrics/counter-table.ts";
import type { ConnectionOrigin } from "./accept-address.ts";
import type { ListenerLane } from "./listener-lane.ts";
import { verifiedCertificate } from "./tls-context.ts";
import type { Transport } from "./transport.ts";

/** Node keeps the socket that a TLS socket was made from here; there is no public name for it. */
interface ParentedSocket {
  readonly _parent: Socket;
}

/** The TCP socket below a TLS socket, or the socket itself. */
export function rawSocketOf(socket: Socket): Socket {
  return (socket as Partial<ParentedSocket> & Socket)._parent ?? socket;
}

/** Puts bytes that were read ahead back in front of what the socket delivers next. */
export function giveBack(socket: Socket, rest: Buffer): void {
  if (rest.length === 0) return;
  // Without a pause the bytes would flow to nobody before the next owner listens.
  socket.pause();
  socket.unshift(rest);
}

/**
 * The certificate that identifies the client: its own, or the one that the proxy in front of us
 * verified.
 */
export function clientCertificate(
  socket: Socket,
  origin: ConnectionOrigin,
): Transport["certificate"] | "rejected" {
  const own = socket instanceof TLSSocket ? verifiedCertificate(socket) : null;
  return own ?? proxiedCertificate(origin);
}

/** What the proxy in front of us said about the client's certificate. */
export function proxiedCertificate(origin: ConnectionOrigin): Transport["certificate"] {
  const commonName = origin.proxiedCommonName;
  return commonName === null ? null : { commonName, subject: `CN=${commonName}` };
}

/** Counts, logs and ends a connection that did not get to MQTT. */
export function failHandshake(lane: ListenerLane, socket: Socket, error: unknown): void {
  const reason = error instanceof Error ? error.message : String(error);
  reportHandshakeFailure(lane, socket.remoteAddress ?? "", reason);
  socket.destroy();
}

/** Counts and logs it; the caller ends the connection. */
export function reportHandshakeFailure(
  lane: ListenerLane,
  remoteAddress: string,
  reason: string,
): void {
  lane.counters[Counter.HANDSHAKE_FAILURES]! += 1;
  lane.log.warn("handshake_failed", {
    listener: lane.listenerId,
    peer: remoteAddress,
    reason,
  });
}
