/**
 * `mqtt://127.0.0.1:1883`, `ws://[::]:8083/mqtt`: a listener in one word, for the command line and
 * for files. Own parser: the platform's URL class refuses an empty host, drops ports it calls
 * default and rewrites addresses.
 */

import type { ListenerProtocol } from "../../shared/config/config.ts";
import { didYouMean } from "./did-you-mean.ts";

export interface ListenerAddress {
  readonly protocol: ListenerProtocol;
  readonly host?: string;
  readonly port?: number;
  readonly path?: string;
}

/** IANA's ports for MQTT; 8083 and 8084 are what MQTT clients try first for WebSocket. */
export const DEFAULT_PORTS: Readonly<Record<ListenerProtocol, number>> = {
  mqtt: 1883,
  mqtts: 8883,
  ws: 8083,
  wss: 8084,
};

/** What other brokers call these protocols. */
const ALIASES: Readonly<Record<string, ListenerProtocol>> = {
  tcp: "mqtt",
  ssl: "mqtts",
  tls: "mqtts",
  http: "ws",
  https: "wss",
};

const SHAPE =
  /^(?<protocol>[a-z]+):\/\/(?<host>\[[^\]]*\]|[^:/?#[\]]*)(?::(?<port>\d*))?(?<path>\/.*)?$/i;

/**
 * The parts of a listener URL, or what is wrong with it. Left out parts stay out: their defaults
 * come later.
 */
export function parseListenerUrl(url: string): ListenerAddress | { readonly problem: string } {
  const parts = SHAPE.exec(url)?.groups;
  if (parts === undefined) {
    const example = "write PROTOCOL://HOST:PORT, as in mqtt://0.0.0.0:1883 or mqtt://[::]:1883";
    return { problem: `is not a listener URL; ${example}` };
  }
  const protocol = parts["protocol"]?.toLowerCase() ?? "";
  if (!isProtocol(protocol)) {
    const meant = ALIASES[protocol];
    const known = Object.keys(DEFAULT_PORTS);
    const hint = meant === undefined ? didYouMean(protocol, known) : `; did you mean "${meant}"?`;
    return { problem: `has unknown protocol "${protocol}" (known: ${known.join(", ")})${hint}` };
  }
  const host = parts["host"]?.replace(/^\[|\]$/g, "") ?? "";
  if (host.includes("@")) return { problem: "must not hold user names; those belong in auth" };
  const port = parts["port"] ?? "";
  if (Number(port) > 65_535) return { problem: `has port ${port}; ports end at 65535` };
  const path = parts["path"] ?? "";
  if (path.length > 1 && !isWebSocket(protocol)) {
    return { problem: `has path "${path}"; only ws and wss listeners have one` };
  }
  return {
    protocol,
    ...(host === "" ? {} : { host }),
    ...(port === "" ? {} : { port: Number(port) }),
    ...(path === "" || !isWebSocket(protocol) ? {} : { path }),
  };
}

/** `mqtt://127.0.0.1:1883`, brackets around IPv6 addresses. */
export function listenerUrl(
  protocol: ListenerProtocol,
  host: string,
  port: number,
  path: string,
): string {
  const shownHost = host.includes(":") ? `[${host}]` : host;
  return `${protocol}://${shownHost}:${port}${isWebSocket(protocol) ? path : ""}`;
}

export function isWebSocket(protocol: ListenerProtocol): boolean {
  return protocol === "ws" || protocol === "wss";
}

export function isSecure(protocol: ListenerProtocol): boolean {
  return protocol === "mqtts" || protocol === "wss";
}

function isProtocol(word: string): word is ListenerProtocol {
  return Object.hasOwn(DEFAULT_PORTS, word);
}
