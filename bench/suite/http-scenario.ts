/** The admin server under autocannon, in a process of its own. */

import { fileURLToPath } from "node:url";
import { SpawnedProcess } from "../../test/helpers/child-process.ts";
import { NOTHING_TO_CHECK } from "../load/generator-run.ts";
import { LatencyHistogram } from "../load/latency.ts";
import type { LoadResult } from "../load/load-shape.ts";
import { processCpu, processPeakBytes, processThreads } from "../load/process-cpu.ts";
import type { CaseRun, Scenario } from "./case.ts";

const MIB = 1024 * 1024;
const MICROS_PER_MILLI = 1000;

/** The parts of autocannon's JSON that are used; latencies in milliseconds. */
interface AutocannonResult {
  readonly duration: number;
  readonly requests: { readonly total: number };
  readonly latency: Readonly<Record<string, number>>;
  readonly non2xx: number;
  readonly errors: number;
  readonly timeouts: number;
}

async function measure(run: CaseRun): Promise<LoadResult> {
  const { target, adminPort } = run.server;
  const file = fileURLToPath(import.meta.resolve("autocannon"));
  const { pace, subscribers } = run.parameters;
  if (pace.kind === "share") throw new Error("autocannon finds its maximum by itself");
  const rate =
    pace.kind === "open"
      ? ["--overallRate", String(Math.round(pace.publishesPerSecond))]
      : ["--pipelining", String(pace.window)];
  const child = new SpawnedProcess(process.execPath, [
    file,
    "--json",
    "--no-progress",
    ...["--connections", String(subscribers)],
    ...["--duration", String(Math.max(1, Math.round(run.durationMs / 1000)))],
    ...rate,
    `http://127.0.0.1:${adminPort}/metrics`,
  ]);
  let text = "";
  child.onLine = (line) => {
    if (line.startsWith("{")) text = line;
  };
  const before = processCpu(target.pid);
  const exit = await child.exited;
  const after = processCpu(target.pid);
  if (text === "") throw new Error(`autocannon ended with code ${exit.code}: ${child.output}`);
  const result = JSON.parse(text) as AutocannonResult;
  const cost = { before, after, pid: target.pid };
  return toLoadResult(result, cost);
}

function toLoadResult(
  result: AutocannonResult,
  cost: {
    before: ReturnType<typeof processCpu>;
    after: ReturnType<typeof processCpu>;
    pid: number;
  },
): LoadResult {
  const operations = result.requests.total;
  const failed = result.non2xx + result.errors + result.timeouts;
  const micros = (name: string) => (result.latency[name] ?? 0) * MICROS_PER_MILLI;
  const userMicros = (cost.after?.userMicros ?? 0) - (cost.before?.userMicros ?? 0);
  const systemMicros = (cost.after?.systemMicros ?? 0) - (cost.before?.systemMicros ?? 0);
  return {
    seconds: result.duration,
    operations,
    perSecond: operations / result.duration,
    latency: {
      count: operations,
      mean: micros("average"),
      p50: micros("p50"),
      p90: micros("p90"),
      p99: micros("p99"),
      p999: micros("p99_9"),
      max: micros("max"),
    },
    histogram: new LatencyHistogram().encode(),
    broker: {
      userMicrosPerOperation: userMicros / Math.max(1, operations),
      systemMicrosPerOperation: systemMicros / Math.max(1, operations),
      cores: (userMicros + systemMicros) / (result.duration * 1e6),
      peakMiB: processPeakBytes(cost.pid) / MIB,
      threads: processThreads(cost.pid),
    },
    // autocannon does not tell its own CPU time.
    generatorShare: 0,
    othersCores: 0,
    check: { ...NOTHING_TO_CHECK, expected: operations, received: operations, corrupt: failed },
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
