/**
 * Runs a scenario with one or several generator processes and adds their results up.
 *
 * Several processes share the publishers and subscribers, each with topics of its own: with k processes a fan-out
 * scenario becomes k smaller fan-outs. Use more than one only where cores are free: each takes up to one.
 */

import { fileURLToPath } from "node:url";
import { SpawnedProcess } from "../../test/helpers/child-process.ts";
import { withDeadline } from "../../test/helpers/deadline.ts";
import type { LoadResult, LoadTask, Scenario } from "./scenario.ts";

const GENERATOR_FILE = fileURLToPath(new URL("./load-generator.js", import.meta.url));
const SETUP_AND_WIND_DOWN_MS = 40_000;

export interface LoadOptions {
  readonly port: number;
  readonly brokerPid: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
  /** Generator processes, default 1. */
  readonly processes?: number;
}

export async function runLoad(scenario: Scenario, options: LoadOptions): Promise<LoadResult> {
  const processes = options.processes ?? 1;
  const share = {
    ...scenario,
    publishers: Math.max(1, Math.floor(scenario.publishers / processes)),
    subscribers: Math.max(1, Math.floor(scenario.subscribers / processes)),
  };
  const runs = Array.from({ length: processes }, (_none, index) =>
    runProcess({
      scenario: share,
      port: options.port,
      brokerPid: options.brokerPid,
      warmUpMs: options.warmUpMs,
      measureMs: options.measureMs,
      prefix: `load-${index}`,
    }),
  );
  return (await Promise.all(runs)).reduce(addUp);
}

async function runProcess(task: LoadTask): Promise<LoadResult> {
  const child = new SpawnedProcess(process.execPath, [GENERATOR_FILE, JSON.stringify(task)]);
  let answer = "";
  child.onLine = (line) => {
    if (line.startsWith("{")) answer = line;
  };
  const limitMs = task.warmUpMs + task.measureMs + SETUP_AND_WIND_DOWN_MS;
  try {
    await withDeadline(child.exited, `the generator to finish "${task.scenario.name}"`, limitMs);
  } finally {
    child.signal("SIGKILL");
  }
  if (answer === "") throw new Error(`the generator failed:\n${child.output}`);
  return JSON.parse(answer) as LoadResult;
}

/** Rates and counts add up; each generator's share stands for itself, so the busiest one counts. */
function addUp(left: LoadResult, right: LoadResult): LoadResult {
  const deliveries = left.deliveries + right.deliveries;
  const seconds = (left.seconds + right.seconds) / 2;
  const cpuMicros = ((left.brokerCores + right.brokerCores) / 2) * seconds * 1e6;
  return {
    seconds,
    deliveries,
    deliveriesPerSecond: left.deliveriesPerSecond + right.deliveriesPerSecond,
    brokerCpuMicrosPerDelivery: deliveries > 0 ? cpuMicros / deliveries : -1,
    brokerCores: (left.brokerCores + right.brokerCores) / 2,
    generatorShare: Math.max(left.generatorShare, right.generatorShare),
    published: left.published + right.published,
    lost: left.lost + right.lost,
    repeated: left.repeated + right.repeated,
    gaps: left.gaps + right.gaps,
  };
}
