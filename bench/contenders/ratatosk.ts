/** Our broker as shipped, in a process of its own, with a probe of its event loops beside it. */

import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type BrokerProcess,
  type LogEvent,
  startBroker,
} from "../../test/helpers/broker-process.ts";
import type { TransportName } from "../load/load-shape.ts";
import {
  benchCertificates,
  type Contender,
  loopbackTarget,
  type RunningServer,
  type StoreTotals,
} from "./contender.ts";
import { LoopDelay, PROBE_ARGUMENTS } from "./loop-delay.ts";

const PROTOCOLS = { tcp: "mqtt", tls: "mqtts", ws: "ws" } as const;

/** Room for what a benchmark leaves in the queues of clients that are away. */
const LONG_QUEUES = {
  tenants: { defaults: { SessionInboxSize: 20_000_000 } },
  limits: {
    session_queue_bytes: 4 * 1024 ** 3,
    tenant_queue_bytes: 16 * 1024 ** 3,
    process_queue_bytes: 16 * 1024 ** 3,
  },
};

export interface RatatoskOptions {
  readonly workers: number;
  /** Default "fsync", as the broker's own. */
  readonly durability?: "fsync" | "os";
  /** Where --cpu-prof writes its profiles; "" = no profile. */
  readonly profileDirectory: string;
}

/** A folder for profiles. */
export function newProfileDirectory(): string {
  return mkdtempSync(join(tmpdir(), "ratatosk-profile-"));
}

/** All defaults, except that there are no $SYS topics, as with mosquitto. */
export function ratatosk(options: RatatoskOptions): Contender {
  const { workers, profileDirectory, durability = "fsync" } = options;
  return {
    name: `ratatosk --workers ${workers}${durability === "fsync" ? "" : ` --durability ${durability}`}`,
    isSubject: true,
    threads: workers,
    hasHttp: true,
    refusal: () => "",
    start: async (transport, isStored = false) => {
      const isTls = transport === "tls";
      const broker = await startBroker({
        workers,
        config: {
          sys_interval_seconds: 0,
          listeners: [listener(transport)],
          durability,
          ...(isStored ? LONG_QUEUES : {}),
        },
        files: isTls
          ? {
              "cert.pem": benchCertificates().server.cert,
              "key.pem": benchCertificates().server.key,
            }
          : {},
        nodeArgs: [...PROBE_ARGUMENTS, ...profileArguments(profileDirectory)],
      });
      return runningBroker(broker, transport);
    },
  };
}

function profileArguments(directory: string): string[] {
  if (directory === "") return [];
  return ["--cpu-prof", `--cpu-prof-dir=${directory}`, "--cpu-prof-interval=500"];
}

function listener(transport: TransportName): Record<string, unknown> {
  const base = { id: "tcp", protocol: PROTOCOLS[transport], host: "127.0.0.1", port: 0 };
  if (transport !== "tls") return base;
  return { ...base, tls: { cert_file: "cert.pem", key_file: "key.pem" } };
}

function runningBroker(broker: BrokerProcess, transport: TransportName): RunningServer {
  const totals = new Map<string, number>();
  return {
    target: loopbackTarget(broker.port, broker.pid, transport),
    adminPort: broker.adminPort,
    ownFigures: () => ownFigures(broker, totals),
    storeTotals: () => storeTotals(broker),
    loopDelay: new LoopDelay(broker),
    warnings: () => warningsOf(broker.logs),
    stop: async () => {
      await broker.stop();
    },
  };
}

/**
 * Of what /metrics says: totals since the last call, which `totals` remembers, and worst values
 * since the process began; whichever of them this version of the broker has.
 */
async function ownFigures(
  broker: BrokerProcess,
  totals: Map<string, number>,
): Promise<Record<string, number>> {
  const worst: Record<string, number> = {};
  const sums = new Map<string, number>();
  for (const { name, labels, value } of await broker.metrics()) {
    const total = name === DROPPED ? `dropped, ${labels["reason"]}` : TOTAL_OF[name];
    if (total !== undefined) sums.set(total, (sums.get(total) ?? 0) + value);
    const extreme = WORST_OF[name];
    if (extreme === undefined) continue;
    const [key, factor] = extreme;
    worst[key] = Math.max(worst[key] ?? 0, value * factor);
  }
  const grown = new Map([...sums].map(([key, sum]) => [key, sum - (totals.get(key) ?? 0)]));
  for (const [key, sum] of sums) totals.set(key, sum);
  const { [GC]: gc = 0, [CPU]: cpu = 0, ...dropped } = Object.fromEntries(grown);
  const losses = Object.entries(dropped).filter(([, count]) => count > 0);
  const share = cpu > 0 ? { "garbage collection, % of CPU": (gc / cpu) * 100 } : {};
  return { ...Object.fromEntries(losses), ...worst, ...share };
}

function warningsOf(logs: readonly LogEvent[]): string[] {
  // Of the limiter's own there may be many, and they tell nothing.
  const grave = logs.filter(({ level, msg }) => {
    return (level === "warn" || level === "error") && msg !== "log_suppressed";
  });
  return grave.map((event) => JSON.stringify(event));
}

async function storeTotals(broker: BrokerProcess): Promise<StoreTotals> {
  const samples = await broker.metrics();
  const sum = (what: string) =>
    samples
      .filter(({ name }) => name === `ratatosk_mqtt_store_${what}_total`)
      .reduce((total, { value }) => total + value, 0);
  return {
    commits: sum("commits"),
    entries: sum("commit_entries"),
    bytes: sum("commit_bytes"),
    commitSeconds: sum("commit_seconds"),
    flushSeconds: sum("flush_seconds"),
  };
}

const DROPPED = "ratatosk_mqtt_dropped_total";
const GC = "garbage collection";
const CPU = "processor";
/** Metrics that are summed over threads. */
const TOTAL_OF: Readonly<Record<string, string>> = {
  ratatosk_mqtt_gc_seconds_total: GC,
  process_cpu_seconds_total: CPU,
};

/**
 * Metrics of which the worst thread counts: what to call them, and their unit in
 * ours.
 */
const WORST_OF: Readonly<Record<string, readonly [string, number]>> = {
  ratatosk_mqtt_ring_high_water_records: ["ring high-water mark in records", 1],
};
