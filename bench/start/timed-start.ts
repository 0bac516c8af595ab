/**
 * One start of the broker on a folder: from the moment that its process is made until /readyz says
 * 200, and what it holds then.
 */

import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { get } from "node:http";
import { join } from "node:path";
import { BrokerProcess } from "../../test/helpers/broker-process.ts";
import { until } from "../../test/helpers/deadline.ts";
import { freePort } from "../../test/helpers/ports.ts";
import { processCpu, processPeakBytes, processResidentBytes } from "../load/process-cpu.ts";

const START_WAIT_MS = 120_000;
/** Stopping writes what is only in memory. */
const STOP_WAIT_MS = 120_000;
const OK = 200;

export interface StartedBroker {
  readonly broker: BrokerProcess;
  readonly figures: StartFigures;
}

export interface StartFigures {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  readonly peakBytes: number;
  readonly sessions: number;
  readonly retained: number;
  readonly queued: number;
}

/** Room for any queue; queues are what this is about. */
const LIMITS = {
  session_queue_bytes: 16 * 1024 ** 3,
  tenant_queue_bytes: 64 * 1024 ** 3,
  process_queue_bytes: 64 * 1024 ** 3,
};

export async function timedStart(
  folder: string,
  options: { readonly workers: number; readonly durability: "fsync" | "os" },
): Promise<StartedBroker> {
  const adminPort = await freePort();
  const startMs = performance.now();
  const broker = new BrokerProcess({
    workers: options.workers,
    config: {
      data_dir: folder,
      durability: options.durability,
      sys_interval_seconds: 0,
      admin: { host: "127.0.0.1", port: adminPort },
      tenants: { defaults: { SessionInboxSize: 100_000_000 } },
      limits: LIMITS,
    },
  });
  let hasEnded = false;
  broker.exited.then(
    () => {
      hasEnded = true;
    },
    () => {},
  );
  const isReady = async () => {
    if (hasEnded) throw new Error(`the broker ended before it was ready:\n${broker.output}`);
    return (await statusOf(adminPort)) === OK;
  };
  await until(isReady, "the broker to be ready", START_WAIT_MS).catch(async (error: unknown) => {
    if (!hasEnded) await broker.kill();
    throw error;
  });
  const seconds = (performance.now() - startMs) / 1000;
  return { broker, figures: { seconds, ...(await figuresOf(broker)) } };
}

async function figuresOf(broker: BrokerProcess): Promise<Omit<StartFigures, "seconds">> {
  const { pid } = broker;
  const cpu = processCpu(pid);
  const sizes = { residentBytes: processResidentBytes(pid), peakBytes: processPeakBytes(pid) };
  return {
    ...sizes,
    cpuSeconds: cpu === null ? -1 : (cpu.userMicros + cpu.systemMicros) / 1e6,
    sessions: await broker.metric("ratatosk_mqtt_persistent_sessions"),
    retained: await broker.metric("ratatosk_mqtt_retained_messages"),
    queued: await broker.metric("ratatosk_mqtt_inbox_messages"),
  };
}

/** Ends it as an operator would, and waits for all of its state to be written. */
export async function stopBroker(broker: BrokerProcess): Promise<void> {
  broker.signal("SIGTERM");
  const late = new Promise<never>((_resolve, reject) => {
    setTimeout(() => reject(new Error("the broker did not end")), STOP_WAIT_MS).unref();
  });
  await Promise.race([broker.exited, late]);
}

/** Makes the kernel forget the folder's files, as after a boot. */
export function dropFromCache(folder: string): void {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = join(entry.parentPath, entry.name);
    spawnSync("dd", [`if=${file}`, "iflag=nocache", "count=0", "status=none"]);
  }
}

/** Of /readyz; 0 while nobody listens. */
function statusOf(port: number): Promise<number> {
  return new Promise((resolve) => {
    const request = get({ host: "127.0.0.1", port, path: "/readyz", agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    request.on("error", () => resolve(0));
  });
}
