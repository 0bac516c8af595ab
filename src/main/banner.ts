/** What a person sees after a start on a terminal: where to connect, who may, and a line to try. */

import { VERSION } from "../shared/base/version.ts";
import type { BrokerConfig, ListenerConfig } from "../shared/config/config.ts";
import { listenerUrl } from "./config/listener-url.ts";

/** `ports`: bound ports by listener id. `adminPort` -1: no admin server. */
export function startBanner(
  config: BrokerConfig,
  ports: Readonly<Record<string, number>>,
  adminPort: number,
): string {
  const threads = config.workers === 1 ? "1 worker" : `${config.workers} workers`;
  const rows: [string, string][] = [
    ...config.listeners.map((listener): [string, string] => [
      "listening",
      address(listener, ports),
    ]),
    ["clients", whoMayConnect(config)],
    ["admin", adminAddress(config, adminPort)],
    ["data", config.dataDir],
    ...tryLines(config, ports).map((line): [string, string] => ["try", line]),
  ];
  const lines = rows.map(([title, text], index) => {
    const isRepeated = rows[index - 1]?.[0] === title;
    return `  ${(isRepeated ? "" : title).padEnd(11)}${text}`;
  });
  return ["", `  Ratatosk ${VERSION} on ${config.nodeName}, ${threads}`, "", ...lines, "", ""].join(
    "\n",
  );
}

/** Who gets in, in words. */
export function whoMayConnect(config: BrokerConfig): string {
  const { allowAnonymous, passwordFile, scramFile } = config.auth;
  const anonymous = {
    loopback: "anonymous from this machine only",
    all: "anonymous from everywhere",
    none: "no anonymous",
  }[allowAnonymous];
  const hasUsers = passwordFile !== null || scramFile !== null;
  const users = [
    ...(passwordFile === null ? [] : [`users of ${passwordFile}`]),
    ...(scramFile === null ? [] : [`SCRAM users of ${scramFile}`]),
  ];
  if (hasUsers) return [anonymous, ...users].join("; ");
  if (allowAnonymous === "all") return `${anonymous}; fit for tests only`;
  return `${anonymous}; set auth.password_file to let others in`;
}

/** Ready-made commands, for the first listener that they can reach without more settings. */
export function tryLines(
  config: BrokerConfig,
  ports: Readonly<Record<string, number>>,
): readonly string[] {
  const listener = config.listeners.find(({ protocol }) => protocol === "mqtt");
  if (listener === undefined) return [];
  const host = isAnyAddress(listener.host) ? "localhost" : listener.host;
  const user = config.auth.allowAnonymous === "none" ? " -u USER -P PASSWORD" : "";
  const target = `-h ${host} -p ${portOf(listener, ports)}${user}`;
  return [
    `mosquitto_sub ${target} -t 'hello/#' -v`,
    `mosquitto_pub ${target} -t hello/world -m 'It works'`,
  ];
}

function address(listener: ListenerConfig, ports: Readonly<Record<string, number>>): string {
  const { protocol, host, path, id } = listener;
  const url = listenerUrl(protocol, host, portOf(listener, ports), path);
  return id === `${protocol}-${listener.port}` ? url : `${url} (${id})`;
}

function adminAddress(config: BrokerConfig, adminPort: number): string {
  if (adminPort < 0) return "off";
  const host = config.admin.host.includes(":") ? `[${config.admin.host}]` : config.admin.host;
  return `http://${host}:${adminPort} (/livez /readyz /metrics)`;
}

function portOf(listener: ListenerConfig, ports: Readonly<Record<string, number>>): number {
  return ports[listener.id] ?? listener.port;
}

function isAnyAddress(host: string): boolean {
  return host === "::" || host === "0.0.0.0";
}
