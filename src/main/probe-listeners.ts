/**
 * Asks the kernel for every configured address once, alone, before any worker does.
 *
 * Workers open their sockets so that several may share a port. For the same reason they would not
 * notice that another broker of the same user, or another listener of this configuration, has the
 * port already: the kernel would hand part of the connections to each. A socket that does not share
 * finds out, and gives the error its plain name.
 *
 * Thread: main. The sockets are closed again before workers start; the moment between is not
 * guarded.
 */

import { once } from "node:events";
import { createServer, type Server } from "node:net";
import type { ListenerConfig } from "../shared/config/config.ts";
import { listenerUrl } from "./config/listener-url.ts";
import { ExitCode, ExitError } from "./exit-code.ts";

/** Rejects with ExitError 69 when an address cannot be had. Port 0 is always to be had. */
export async function probeListeners(listeners: readonly ListenerConfig[]): Promise<void> {
  const servers: Server[] = [];
  try {
    for (const listener of listeners) {
      if (listener.port !== 0) servers.push(await open(listener));
    }
  } finally {
    await Promise.all(servers.map((server) => new Promise((closed) => server.close(closed))));
  }
}

async function open(listener: ListenerConfig): Promise<Server> {
  const server = createServer();
  try {
    server.listen({ host: listener.host, port: listener.port, exclusive: true });
    await once(server, "listening");
    return server;
  } catch (error) {
    throw listenFailure(listenerName(listener), listener.port, error as NodeJS.ErrnoException);
  }
}

/**
 * What a failed listen on an address means, and what to do about it. `name`: how the operator calls
 * the address.
 */
export function listenFailure(name: string, port: number, error: NodeJS.ErrnoException): ExitError {
  const text = `cannot listen on ${name}: ${reasonOf(error, port)}`;
  return new ExitError(ExitCode.UNAVAILABLE, text, { cause: error });
}

/** `mqtt://[::]:1883 (listener mqtt-1883)`. */
export function listenerName(listener: ListenerConfig): string {
  const { id, protocol, host, port, path } = listener;
  return `${listenerUrl(protocol, host, port, path)} (listener ${id})`;
}

function reasonOf(error: NodeJS.ErrnoException, port: number): string {
  switch (error.code) {
    case "EADDRINUSE":
      return `the port is taken; stop what uses it (ss -ltnp 'sport = :${port}') or choose another port`;
    case "EACCES":
      return "not permitted; use a port above 1023, or grant CAP_NET_BIND_SERVICE";
    case "EADDRNOTAVAIL":
      return "this machine does not have that address; choose one of its own, or 0.0.0.0";
    case "EAFNOSUPPORT":
      return "this machine has no IPv6; use 0.0.0.0 in place of ::";
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return "the host name cannot be resolved; use an address";
    default:
      return error.message;
  }
}
