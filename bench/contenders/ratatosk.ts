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
  return {
    target: loopbackTarget(broker.port, broker.pid, transport),
    adminPort: broker.adminPort,
    ownFigures: () => ownFigures(broker),
    stop: async () => {
      await broker.stop();
    },
  };
}

/**
 * Totals and worst values of what /metrics says, whichever of them this version of the broker has.
 */
async function ownFigures(broker: BrokerProcess): Promise<Record<string, number>> {
  const figures: Record<string, number> = {};
  let gcSeconds = 0;
  let cpuSeconds = 0;
  for (const { name, labels, value } of await broker.metrics()) {
    if (name === "ratatosk_mqtt_dropped_total" && value > 0) {
      const key = `dropped, ${labels["reason"]}`;
      figures[key] = (figures[key] ?? 0) + value;
    }
    if (name === "ratatosk_mqtt_gc_seconds_total") gcSeconds += value;
    if (name === "process_cpu_seconds_total") cpuSeconds += value;
    const worst = WORST_OF[name];
    if (worst === undefined) continue;
    const [key, factor] = worst;
    figures[key] = Math.max(figures[key] ?? 0, value * factor);
  }
  figures["garbage collection, % of CPU"] = (gcSeconds / cpuSeconds) * 100;
  return figures;
}

/**
 * Metrics of which the worst thread counts: what to call them, and their unit in
 * ours.
 */
const WORST_OF: Readonly<Record<string, readonly [string, number]>> = {
  ratatosk_mqtt_event_loop_delay_p99_seconds: ["event loop delay p99, us", 1e6],
  ratatosk_mqtt_event_loop_delay_max_seconds: ["event loop delay max, us", 1e6],
  ratatosk_mqtt_ring_high_water_records: ["ring high-water mark in records", 1],
};
