/** The admin server under autocannon, in a process of its own (load/http-generator.ts). */

import { fileURLToPath } from "node:url";
import { SpawnedProcess } from "../../test/helpers/child-process.ts";
import { NOTHING_TO_CHECK } from "../load/generator-run.ts";
import type { HttpCounts, HttpTask } from "../load/http-generator.ts";
import { LatencyHistogram } from "../load/latency.ts";
import type { BrokerUsage, LoadResult } from "../load/load-shape.ts";
import { machineBusySeconds } from "../load/machine-cpu.ts";
import { processCpu, processPeakBytes, processThreads } from "../load/process-cpu.ts";
import type { CaseRun, Scenario } from "./case.ts";

const MIB = 1024 * 1024;
const GENERATOR_FILE = fileURLToPath(new URL("../load/http-generator.js", import.meta.url));

interface Usage {
  readonly broker: BrokerUsage;
  /** Of the whole machine. */
  readonly busySeconds: number;
}

async function measure(run: CaseRun): Promise<LoadResult> {
  const { target, adminPort } = run.server;
  await run.watch?.opens();
  const before = usageOf(target.pid);
  const child = new SpawnedProcess(process.execPath, [GENERATOR_FILE, JSON.stringify(taskOf(run))]);
  let text = "";
  child.onLine = (line) => {
    if (line.startsWith("{")) text = line;
  };
  const { code } = await child.exited;
  const after = usageOf(target.pid);
  await run.watch?.closed();
  if (text === "") {
    throw new Error(`autocannon on port ${adminPort} ended with code ${code}: ${child.output}`);
  }
  const used: Usage = {
    broker: {
      userMicros: after.broker.userMicros - before.broker.userMicros,
      systemMicros: after.broker.systemMicros - before.broker.systemMicros,
    },
    busySeconds: after.busySeconds - before.busySeconds,
  };
  return toLoadResult(JSON.parse(text) as HttpCounts, used, target.pid);
}

function taskOf({ parameters, server, durationMs }: CaseRun): HttpTask {
  const { pace, subscribers } = parameters;
  if (pace.kind === "share") throw new Error("autocannon finds its maximum by itself");
  return {
    url: `http://127.0.0.1:${server.adminPort}/metrics`,
    connections: subscribers,
    duration: Math.max(1, Math.round(durationMs / 1000)),
    pipelining: pace.kind === "closed" ? pace.window : 1,
    overallRate: pace.kind === "open" ? Math.round(pace.publishesPerSecond) : 0,
  };
}

function usageOf(pid: number): Usage {
  const broker = processCpu(pid) ?? { userMicros: 0, systemMicros: 0 };
  return { broker, busySeconds: machineBusySeconds() };
}

function toLoadResult(counts: HttpCounts, used: Usage, pid: number): LoadResult {
  const { seconds, requests, failed, latency, ownCpuMicros } = counts;
  const { userMicros, systemMicros } = used.broker;
  const each = Math.max(1, requests);
  const ownMicros = userMicros + systemMicros + ownCpuMicros;
  return {
    seconds,
    operations: requests,
    perSecond: requests / seconds,
    latency: LatencyHistogram.decode(latency).percentiles(),
    histogram: latency,
    broker: {
      userMicrosPerOperation: userMicros / each,
      systemMicrosPerOperation: systemMicros / each,
      cores: (userMicros + systemMicros) / (seconds * 1e6),
      peakMiB: processPeakBytes(pid) / MIB,
      threads: processThreads(pid),
    },
    generatorShare: ownCpuMicros / (seconds * 1e6),
    othersCores: Math.max(0, used.busySeconds - ownMicros / 1e6) / seconds,
    check: { ...NOTHING_TO_CHECK, expected: requests, received: requests, corrupt: failed },
    figures: {},
  };
}

export const HTTP_SCENARIO: Scenario = {
  name: "http",
  summary: "GET /metrics on the admin server, by autocannon over --subscribers connections",
  unit: "requests",
  needsHttp: true,
  defaults: { publishers: 0, subscribers: 10, pace: { kind: "closed", window: 1 } },
  paces: ["open", "closed"],
  takesMqttClient: false,
  ignores: {
    transport: "the admin server speaks plain HTTP",
    protocol: "the admin server speaks plain HTTP",
    processes: "autocannon is one process",
  },
  measure,
};
