/**
 * From a tenant's counters to the values of its `$SYS/broker/…` topics, as pure functions. Names
 * and meanings are mosquitto's, which dashboards and exporters know. Thread: worker 1.
 */

import type { TenantCounters } from "./session/tenant.ts";

/** What one worker, or all of them, stores for a tenant. */
export interface TenantUsage {
  readonly retainedMessages: number;
  readonly retainedBytes: number;
  /** Persistent sessions, connected or not. */
  readonly storedSessions: number;
  /** Persistent sessions that ended because their client stayed away too long. */
  readonly expiredSessions: number;
}

/** A tenant's numbers over one or all workers. */
export type SysCounters = { readonly [Key in keyof TenantCounters]: number } & TenantUsage;

export interface SysProcess {
  readonly version: string;
  readonly uptimeSeconds: number;
  readonly heapBytes: number;
}

export function addCounters(sum: SysCounters | null, counters: SysCounters): SysCounters {
  if (sum === null) return counters;
  const added: Record<string, number> = {};
  for (const [name, value] of Object.entries(counters)) {
    added[name] = value + sum[name as keyof SysCounters];
  }
  return added as unknown as SysCounters;
}

/** `load/…` topics: what is averaged, and the counter it comes from. */
const LOADS: readonly [string, keyof TenantCounters][] = [
  ["load/messages/received", "messagesReceived"],
  ["load/messages/sent", "messagesSent"],
  ["load/publish/received", "publishReceived"],
  ["load/publish/sent", "publishSent"],
  ["load/publish/dropped", "publishDropped"],
  ["load/bytes/received", "bytesReceived"],
  ["load/bytes/sent", "bytesSent"],
  ["load/connections", "connections"],
  ["load/sockets", "connections"],
];

const LOAD_MINUTES = [1, 5, 15] as const;
const MINUTE_MS = 60_000;

/** Exponential moving averages per minute over 1, 5 and 15 minutes. */
export class SysLoads {
  readonly #averages = new Map<string, number>();
  readonly #maximum = { clients: 0, heapBytes: 0 };
  #last: SysCounters | null = null;

  /** Takes the counters at the end of an interval of `intervalMs`. */
  update(counters: SysCounters, intervalMs: number): void {
    const last = this.#last;
    this.#last = counters;
    for (const [topic, name] of LOADS) {
      // A worker that was replaced starts from zero: less than before means nothing happened.
      const change = Math.max(0, counters[name] - (last?.[name] ?? 0));
      const perMinute = (change * MINUTE_MS) / intervalMs;
      for (const minutes of LOAD_MINUTES) {
        const key = `${topic}/${minutes}min`;
        const weight = 1 - Math.exp(-intervalMs / (minutes * MINUTE_MS));
        const average = this.#averages.get(key) ?? 0;
        this.#averages.set(key, average + (perMinute - average) * weight);
      }
    }
  }

  /** Most clients and most memory seen at the end of an interval, this one included. */
  maximum(clients: number, heapBytes: number): { clients: number; heapBytes: number } {
    this.#maximum.clients = Math.max(this.#maximum.clients, clients);
    this.#maximum.heapBytes = Math.max(this.#maximum.heapBytes, heapBytes);
    return this.#maximum;
  }

  entries(): [string, string][] {
    return [...this.#averages].map(([topic, value]) => [topic, value.toFixed(2)]);
  }
}

/** Topic below `$SYS/broker/` and value, for one tenant. */
export function sysValues(
  counters: SysCounters,
  loads: SysLoads,
  process: SysProcess,
): [string, string][] {
  const maximum = loads.maximum(counters.clientsConnected, process.heapBytes);
  const disconnected = Math.max(0, counters.storedSessions - counters.storedConnected);
  const total = counters.clientsConnected + disconnected;
  const values: [string, number | string][] = [
    ["version", process.version],
    ["uptime", `${process.uptimeSeconds} seconds`],
    ["clients/connected", counters.clientsConnected],
    ["clients/disconnected", disconnected],
    ["clients/expired", counters.expiredSessions],
    ["clients/active", counters.clientsConnected],
    ["clients/inactive", disconnected],
    ["clients/total", total],
    ["clients/maximum", maximum.clients],
    ["connections/socket/count", counters.clientsConnected],
    ["subscriptions/count", counters.subscriptions],
    ["shared_subscriptions/count", counters.sharedSubscriptions],
    ["retained messages/count", counters.retainedMessages],
    ["messages/stored", counters.retainedMessages],
    ["store/messages/count", counters.retainedMessages],
    ["store/messages/bytes", counters.retainedBytes],
    ["messages/received", counters.messagesReceived],
    ["messages/sent", counters.messagesSent],
    ["packet/out/count", counters.messagesSent],
    ["packet/out/bytes", counters.bytesSent],
    ["publish/messages/received", counters.publishReceived],
    ["publish/messages/sent", counters.publishSent],
    ["publish/messages/dropped", counters.publishDropped],
    ["publish/bytes/received", counters.publishBytesReceived],
    ["publish/bytes/sent", counters.publishBytesSent],
    ["bytes/received", counters.bytesReceived],
    ["bytes/sent", counters.bytesSent],
    ["heap/current", process.heapBytes],
    ["heap/maximum", maximum.heapBytes],
    ...loads.entries(),
  ];
  return values.map(([topic, value]) => [topic, String(value)]);
}
