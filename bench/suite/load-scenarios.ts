/**
 * Scenarios that are steady loads: publishers, subscribers, a pace (see load-shape.ts for the
 * patterns).
 */

import type { GeneratorTask } from "../load/generator-task.ts";
import type { LoadResult, LoadShape, Pace, PatternName } from "../load/load-shape.ts";
import { processPeakBytes } from "../load/process-cpu.ts";
import { runGenerators, splitLoad } from "../load/run-generators.ts";
import {
  type CaseRun,
  type PaceKind,
  type Scenario,
  type ScenarioDefaults,
  timedRun,
} from "./case.ts";

const MIB = 1024 * 1024;
/**
 * Of the measured duration: how long a broker's maximum is looked for before a share of it is run.
 */
export const PROBE_SHARE = 0.5;
/** Of the measured duration: how long the slow consumer does not read. It reads before. */
const FROZEN_SHARE = 2 / 3;
const ANY_PACE: readonly PaceKind[] = ["open", "closed", "share"];

export function shapeOf(run: CaseRun, pattern: PatternName, pace: Pace): LoadShape {
  const { publishers, subscribers, items, qos, payloadBytes, protocolVersion, isPersistent } =
    run.parameters;
  return {
    pattern,
    publishers,
    subscribers,
    filters: items,
    qos,
    payloadBytes,
    protocolVersion,
    pace,
    isPersistent,
  };
}

/** One load over its generator processes. */
export async function measureLoad(run: CaseRun, pattern: PatternName): Promise<LoadResult> {
  const pace = await resolvePace(run, pattern);
  return measureAt(run, shapeOf(run, pattern, pace), null, run.durationMs);
}

/**
 * The load with everybody reading, then on the same broker with one that does not: the result is
 * the second run, what was before is in its figures.
 */
async function measureSlowConsumer(run: CaseRun): Promise<LoadResult> {
  const shape = shapeOf(run, "fan-out", await resolvePace(run, "fan-out"));
  const forMs = run.durationMs * FROZEN_SHARE;
  const { pid } = run.server.target;
  const calm = await measureAt(run, shape, null, run.durationMs - forMs);
  const peakBefore = processPeakBytes(pid);
  const frozen = await measureAt(run, shape, { afterMs: run.warmUpMs, forMs }, forMs);
  const memory =
    peakBefore < 0
      ? {}
      : { "peak MiB beyond before the freeze": (processPeakBytes(pid) - peakBefore) / MIB };
  return {
    ...frozen,
    figures: {
      ...frozen.figures,
      "p50 before the freeze, us": calm.latency.p50,
      "p99 before the freeze, us": calm.latency.p99,
      ...memory,
    },
  };
}

function measureAt(
  run: CaseRun,
  shape: LoadShape,
  frozen: { afterMs: number; forMs: number } | null,
  measureMs: number,
): Promise<LoadResult> {
  const { target } = run.server;
  const options = { processes: run.processes, frozen, name: `bench-${shape.pace.kind}` };
  const loads = splitLoad(shape, target, options);
  const tasks: GeneratorTask[] =
    run.client === "raw"
      ? loads
      : loads.map(({ shape: own, prefix }) => ({ kind: "sanity", shape: own, prefix, target }));
  return runGenerators(tasks, target, timedRun({ ...run, durationMs: measureMs }));
}

/** "share" becomes an open loop at that share of what a closed loop reaches on this broker. */
async function resolvePace(run: CaseRun, pattern: PatternName): Promise<Pace> {
  const { pace } = run.parameters;
  if (pace.kind !== "share") return pace;
  run.found.maximum ??= await findMaximum(run, pattern, pace.window);
  return open(Math.max(1, run.found.maximum * pace.share));
}

/** In publishes per second. */
async function findMaximum(run: CaseRun, pattern: PatternName, window: number): Promise<number> {
  const closed = shapeOf(run, pattern, { kind: "closed", window });
  const probe = await measureAt(run, closed, null, run.durationMs * PROBE_SHARE);
  const published = probe.figures["published"] ?? 0;
  const deliveriesPerPublish = probe.check.expected / Math.max(1, published);
  return probe.perSecond / deliveriesPerPublish;
}

function loadScenario(
  name: string,
  pattern: PatternName,
  summary: string,
  defaults: ScenarioDefaults,
): Scenario {
  return {
    name,
    summary,
    unit: "deliveries",
    defaults,
    paces: ANY_PACE,
    takesMqttClient: true,
    measure: (run) => measureLoad(run, pattern),
  };
}

/** In publishes per second over all publishers. */
function open(publishesPerSecond: number): Pace {
  return { kind: "open", publishesPerSecond };
}

/** Open loops by default, at rates that a slow broker on one core keeps up with. */
export const LOAD_SCENARIOS: readonly Scenario[] = [
  loadScenario("fanout", "fan-out", "one publisher, many subscribers of one topic", {
    publishers: 1,
    subscribers: 500,
    pace: open(100),
  }),
  loadScenario("fanin", "fan-in", "many publishers, one subscriber with a wildcard", {
    publishers: 200,
    subscribers: 1,
    pace: open(10_000),
  }),
  loadScenario("p2p", "pairs", "pairs of one publisher and one subscriber, own topics", {
    publishers: 100,
    subscribers: 100,
    pace: open(10_000),
  }),
  loadScenario("shared", "shared", "publishers to one shared subscription of many members", {
    publishers: 50,
    subscribers: 50,
    pace: open(10_000),
  }),
  loadScenario("wildcard", "wildcard", "10,000 distinct filters, one match each, and one #", {
    publishers: 10,
    subscribers: 10,
    items: 10_000,
    pace: open(5_000),
  }),
  {
    name: "slow-consumer",
    summary: "fan-out whose first subscriber stops reading after a third; latency is the others'",
    unit: "deliveries",
    defaults: { publishers: 1, subscribers: 500, pace: open(100), duration: 15 },
    paces: ANY_PACE,
    takesMqttClient: false,
    needsFreshServer: true,
    // One that does not read, and somebody to notice.
    fewestSubscribers: 2,
    // Connecting twice, warming up twice.
    extraSeconds: ({ subscribers }) => 1 + (2 * subscribers) / 3_000,
    measure: measureSlowConsumer,
  },
];
