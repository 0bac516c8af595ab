/**
 * From the configuration as written to the BrokerConfig that all threads get: context fills what
 * the operator left open, rules that span several keys are checked. The types of schema and
 * BrokerConfig meet here, so the compiler sees when they drift apart.
 */

import type {
  BrokerConfig,
  ListenerConfig,
  ListenerProtocol,
  TlsConfig,
} from "../../shared/config/config.ts";
import { MAX_WORKERS } from "../../shared/metrics/shared-words.ts";
import {
  DEFAULT_TENANT_SETTINGS,
  type TenantSettings,
} from "../../shared/tenant/tenant-settings.ts";
import { DEFAULT_PORTS, isSecure, isWebSocket } from "./listener-url.ts";
import type { ConfigProblem } from "./problem.ts";
import type { ConfigTree, ListenerTree, TlsTree } from "./schema.ts";

/** What the machine says where the operator says nothing. */
export interface ConfigContext {
  readonly availableCores: number;
  readonly hostName: string;
  readonly isTerminal: boolean;
}

/** A configuration with nothing left open; `config show` prints it. */
export type CompleteTree = Omit<ConfigTree, "node_name" | "listeners"> & {
  node_name: string;
  listeners: CompleteListener[];
};
type CompleteListener = ListenerTree & {
  id: string;
  protocol: ListenerProtocol;
  host: string;
  port: number;
};

/** Fills in what depends on context or on other keys. */
export function completeTree(tree: ConfigTree, context: ConfigContext): CompleteTree {
  const hasCredentials =
    tree.auth.password_file !== undefined || tree.auth.scram_file !== undefined;
  const taken = new Set(tree.listeners?.map((listener) => listener.id));
  return {
    ...tree,
    workers: tree.workers === 0 ? Math.min(MAX_WORKERS, context.availableCores) : tree.workers,
    node_name: tree.node_name ?? context.hostName,
    log: { ...tree.log, format: tree.log.format ?? (context.isTerminal ? "pretty" : "json") },
    auth: {
      ...tree.auth,
      allow_anonymous: tree.auth.allow_anonymous ?? (hasCredentials ? "none" : "loopback"),
    },
    listeners: (tree.listeners ?? []).map((listener) => completeListener(listener, tree, taken)),
  };
}

function completeListener(
  listener: ListenerTree,
  tree: ConfigTree,
  taken: Set<unknown>,
): CompleteListener {
  const protocol = listener.protocol ?? "mqtt";
  const port = listener.port ?? DEFAULT_PORTS[protocol];
  const tls = listener.tls ?? (isSecure(protocol) ? tree.tls : undefined);
  let id = listener.id ?? `${protocol}-${port}`;
  for (let copy = 2; listener.id === undefined && taken.has(id); copy++) {
    id = `${protocol}-${port}-${copy}`;
  }
  taken.add(id);
  return {
    ...listener,
    id,
    protocol,
    host: listener.host ?? "::",
    port,
    ...(isWebSocket(protocol) ? { path: listener.path ?? "/mqtt" } : {}),
    ...(tls === undefined ? {} : { tls }),
  };
}

/** Adds what the schema cannot say to `problems`. */
export function checkRules(tree: CompleteTree, problems: ConfigProblem[]): void {
  const ids = new Map<string, number>();
  for (const [index, listener] of tree.listeners.entries()) {
    const path = ["listeners", index];
    const { id, protocol, tls } = listener;
    const first = ids.get(id);
    if (first !== undefined) {
      problems.push({ path: [...path, "id"], text: `"${id}" is taken by listeners[${first}]` });
    }
    ids.set(id, index);
    if (isSecure(protocol) && tls === undefined) {
      const remedy = "add tls: {cert_file: ..., key_file: ...} to it, or at the top for all";
      problems.push({ path, text: `${protocol} needs a certificate; ${remedy}` });
    }
    if (!isSecure(protocol) && tls !== undefined) {
      const secure = protocol === "ws" ? "wss" : "mqtts";
      const remedy = `use protocol ${secure}, or remove the block`;
      problems.push({ path: [...path, "tls"], text: `${protocol} is not encrypted; ${remedy}` });
    }
    if (!isWebSocket(protocol)) checkNoWebSocketKeys(listener, index, problems);
    else if (listener.websocket_engine === "uws") checkUws(listener, index, problems);
    if (tls !== tree.tls) checkTls(tls, [...path, "tls"], problems);
  }
  checkTls(tree.tls, ["tls"], problems);
}

function checkNoWebSocketKeys(
  listener: ListenerTree,
  index: number,
  problems: ConfigProblem[],
): void {
  const path = ["listeners", index];
  const text = "only ws and wss listeners have this key; remove it";
  if (listener.path !== undefined) problems.push({ path: [...path, "path"], text });
  if (listener.allowed_origins.length > 0) {
    problems.push({ path: [...path, "allowed_origins"], text });
  }
  if (listener.websocket_engine !== "builtin") {
    problems.push({ path: [...path, "websocket_engine"], text });
  }
}

function checkUws(listener: CompleteListener, index: number, problems: ConfigProblem[]): void {
  const lacks = [
    ...(listener.protocol === "wss" ? ["TLS"] : []),
    ...(listener.proxy_protocol === "required" ? ["the PROXY protocol"] : []),
  ];
  if (lacks.length === 0) return;
  const text = `uws cannot do ${lacks.join(" and ")}; remove the key, or use builtin`;
  problems.push({ path: ["listeners", index, "websocket_engine"], text });
}

function checkTls(
  tls: TlsTree | undefined,
  path: readonly (string | number)[],
  problems: ConfigProblem[],
): void {
  if (tls === undefined || tls.client_certificate === "none" || tls.ca_file !== undefined) return;
  const text = `"${tls.client_certificate}" needs ca_file: whose signature on client certificates counts`;
  problems.push({ path: [...path, "client_certificate"], text });
}

export function buildConfig(tree: CompleteTree): BrokerConfig {
  const { auth, limits, shutdown } = tree;
  const { defaults = {}, ...tenants } = tree.tenants as Record<string, Partial<TenantSettings>>;
  const tenantDefaults = { ...DEFAULT_TENANT_SETTINGS, ...defaults };
  return deepFreeze({
    workers: tree.workers,
    dataDir: tree.data_dir,
    storage: {
      durability: tree.durability,
      log: tree.storage.log,
      collectIntervalMs: tree.storage.collect_interval_ms,
      diskReserveBytes: tree.storage.disk_reserve_bytes,
      split: {
        keys: tree.storage.split_keys,
        bytes: tree.storage.split_bytes,
        busyPercent: tree.storage.split_busy_percent,
      },
    },
    nodeName: tree.node_name,
    log: { level: tree.log.level, format: tree.log.format ?? "json" },
    admin: tree.admin,
    listeners: tree.listeners.map(buildListener),
    ioUring: tree.io_uring,
    auth: {
      allowAnonymous: auth.allow_anonymous ?? "none",
      passwordFile: auth.password_file ?? null,
      aclFile: auth.acl_file ?? null,
      scramFile: auth.scram_file ?? null,
      timeoutMs: auth.timeout_ms,
      maxPendingHashes: auth.max_pending_hashes,
      defaultTenant: auth.default_tenant,
    },
    limits: {
      connectTimeoutMs: limits.connect_timeout_ms,
      acceptRatePerSecond: limits.accept_rate_per_second,
      acceptBurst: limits.accept_burst,
      maxConnections: limits.max_connections,
      preAuthBytes: limits.pre_auth_bytes,
      maxPacketSize: limits.max_packet_size,
      connectionOutputBytes: limits.connection_output_bytes,
      tenantOutputBytes: limits.tenant_output_bytes,
      sessionQueueBytes: limits.session_queue_bytes,
      tenantQueueBytes: limits.tenant_queue_bytes,
      processQueueBytes: limits.process_queue_bytes,
      processOutputBytes: limits.process_output_bytes,
      stalledTimeoutMs: limits.stalled_timeout_ms,
    },
    shutdown: {
      timeoutMs: shutdown.timeout_ms,
      disconnectsPerSecond: shutdown.disconnects_per_second,
    },
    sysIntervalSeconds: tree.sys_interval_seconds,
    sharedSubscriptionStrategy: tree.shared_subscription_strategy,
    tenantDefaults,
    tenants: Object.fromEntries(
      Object.entries(tenants).map(([id, settings]) => [id, { ...tenantDefaults, ...settings }]),
    ),
  });
}

function buildListener(listener: CompleteListener): ListenerConfig {
  return {
    id: listener.id,
    protocol: listener.protocol,
    host: listener.host,
    port: listener.port,
    tls: listener.tls === undefined ? null : buildTls(listener.tls),
    path: listener.path ?? "",
    allowedOrigins: listener.allowed_origins,
    websocketEngine: listener.websocket_engine,
    proxyProtocol: listener.proxy_protocol,
    maxConnections: listener.max_connections,
  };
}

function buildTls(tls: TlsTree): TlsConfig {
  return {
    certFile: tls.cert_file,
    keyFile: tls.key_file,
    caFile: tls.ca_file ?? null,
    clientCertificate: tls.client_certificate,
    sni: Object.fromEntries(
      Object.entries(tls.sni).map(([name, { cert_file, key_file }]) => [
        name,
        { certFile: cert_file, keyFile: key_file },
      ]),
    ),
  };
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  for (const child of Object.values(value)) deepFreeze(child);
  return Object.freeze(value);
}
