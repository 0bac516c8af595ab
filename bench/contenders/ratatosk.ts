/** Our broker as shipped, in a process of its own. */

import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BrokerProcess, startBroker } from "../../test/helpers/broker-process.ts";
import type { TransportName } from "../load/load-shape.ts";
import {
  benchCertificates,
  type Contender,
  loopbackTarget,
  type RunningServer,
} from "./contender.ts";

const PROTOCOLS = { tcp: "mqtt", tls: "mqtts", ws: "ws" } as const;

export interface RatatoskOptions {
  readonly workers: number;
  /** Where --cpu-prof writes its profiles; "" = no profile. */
  readonly profileDirectory: string;
}

/** A folder for profiles. */
export function newProfileDirectory(): string {
  return mkdtempSync(join(tmpdir(), "ratatosk-profile-"));
}

/** All defaults, except that there are no $SYS topics, as with mosquitto. */
export function ratatosk(options: RatatoskOptions): Contender {
  const { workers, profileDirectory } = options;
  return {
    name: `ratatosk --workers ${workers}`,
    isSubject: true,
    threads: workers,
    hasHttp: true,
    refusal: () => "",
    start: async (transport) => {
      const isTls = transport === "tls";
      const broker = await startBroker({
        workers,
        config: {
          sys_interval_seconds: 0,
          listeners: [listener(transport)],
        },
        files: isTls
          ? {
              "cert.pem": benchCertificates().server.cert,
              "key.pem": benchCertificates().server.key,
            }
          : {},
        nodeArgs:
          profileDirectory === ""
            ? []
            : ["--cpu-prof", `--cpu-prof-dir=${profileDirectory}`, "--cpu-prof-interval=500"],
      });
      return runningBroker(broker, transport);
    },
  };
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
  ratatosk_mqtt_event_loop_delay_p99_seconds: ["event loop delay p99, us", 1e6],
  ratatosk_mqtt_event_loop_delay_max_seconds: ["event loop delay max, us", 1e6],
  ratatosk_mqtt_ring_high_water_records: ["ring high-water mark in records", 1],
};
