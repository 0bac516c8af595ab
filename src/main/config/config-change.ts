/**
 * What a reload changes: which keys differ, and which of those take effect only after a restart.
 * Keys are named as in the configuration file.
 */

import type { BrokerConfig, ListenerConfig } from "../../shared/config/config.ts";
import type { CompleteTree } from "./build-config.ts";

export interface ConfigChange {
  readonly key: string;
  readonly needsRestart: boolean;
}

/**
 * Keys fixed when threads and sockets were made. Of a listener, its certificates, Origin list and
 * limit can change; its address, and which listeners there are, cannot.
 */
const FIXED_KEYS: readonly RegExp[] = [
  /^workers$/,
  /^node_name$/,
  /^data_dir$/,
  /^durability$/,
  /^storage\./,
  /^log\./,
  /^admin\./,
  /^io_uring$/,
  /^listeners\[\d+\]$/,
  /^listeners\[\d+\]\.(id|protocol|host|port|path|proxy_protocol|websocket_engine)$/,
];

export function compareConfigs(before: CompleteTree, after: CompleteTree): ConfigChange[] {
  const changed: string[] = [];
  collect(before, after, "", changed);
  return changed.map((key) => ({ key, needsRestart: FIXED_KEYS.some((fixed) => fixed.test(key)) }));
}

/** The configuration to run on with: `after`, but fixed keys as they are. */
export function keepFixed(before: BrokerConfig, after: BrokerConfig): BrokerConfig {
  const { workers, nodeName, dataDir, storage, log, admin, ioUring } = before;
  const listeners = before.listeners.map((listener) => {
    const changed = after.listeners.find(({ id }) => id === listener.id);
    return changed === undefined ? listener : keepFixedOfListener(listener, changed);
  });
  return { ...after, workers, nodeName, dataDir, storage, log, admin, ioUring, listeners };
}

function keepFixedOfListener(before: ListenerConfig, after: ListenerConfig): ListenerConfig {
  const { allowedOrigins, maxConnections } = after;
  // A listener does not begin or cease to be encrypted; its protocol is fixed.
  const tls = before.tls === null || after.tls === null ? before.tls : after.tls;
  return { ...before, tls, allowedOrigins, maxConnections };
}

/** Adds the name of every leaf, or of every block that only one side has. */
function collect(before: unknown, after: unknown, key: string, changed: string[]): void {
  if (Object.is(before, after)) return;
  if (!isBlock(before) || !isBlock(after) || Array.isArray(before) !== Array.isArray(after)) {
    changed.push(key);
    return;
  }
  for (const step of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const prefix = key === "" ? "" : `${key}.`;
    const childKey = Array.isArray(before) ? `${key}[${step}]` : prefix + step;
    collect(childOf(before, step), childOf(after, step), childKey, changed);
  }
}

function isBlock(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function childOf(block: Record<string, unknown>, key: string): unknown {
  return Object.hasOwn(block, key) ? block[key] : undefined;
}
