/**
 * Scenarios about connections and stored messages: what happens once per client, not once per
 * message.
 */

import type { ConnectTask } from "../load/connect-run.ts";
import type { LoadResult } from "../load/load-shape.ts";
import { runGenerators, runGroups, splitLoad } from "../load/run-generators.ts";
import { type CaseParameters, type CaseRun, type Scenario, SETTLE_SECONDS } from "./case.ts";
import { shapeOf } from "./load-scenarios.ts";

/** Connects per second that any broker here reaches: for estimates of time only. */
const USUAL_RATE = { tcp: 4_000, ws: 2_500, tls: 700 } as const;
const STORE_RATE = 20_000;

function connectSeconds({ subscribers, transport }: CaseParameters): number {
  return subscribers / USUAL_RATE[transport];
}

const UNTIL_DONE = { warmUpMs: 0, measureMs: null };

/** `connections` over the run's generator processes: each gets its part. */
function connectTasks(
  run: CaseRun,
  connections: number,
  changes: Partial<ConnectTask>,
): ConnectTask[] {
  const { pace, protocolVersion } = run.parameters;
  if (pace.kind === "share") throw new Error("connecting has no share of a maximum: give a number");
  const each = Math.ceil(connections / run.processes);
  return Array.from({ length: run.processes }, (_none, index) => ({
    kind: "connect",
    target: run.server.target,
    prefix: `bench-connect-${index}`,
    connections: Math.min(each, connections - index * each),
    pace:
      pace.kind === "closed"
        ? { kind: "closed", window: Math.ceil(pace.window / run.processes) }
        : { kind: "open", publishesPerSecond: pace.publishesPerSecond / run.processes },
    protocolVersion,
    subscribes: false,
    connectIn: "window",
    delayMs: 0,
    settleMs: run.settleMs,
    ...changes,
  }));
}

function measureConnects(run: CaseRun): Promise<LoadResult> {
  const { target } = run.server;
  return runGenerators(connectTasks(run, run.parameters.subscribers, {}), target, UNTIL_DONE);
}

function measureIdle(run: CaseRun): Promise<LoadResult> {
  const { target } = run.server;
  const tasks = connectTasks({ ...run, processes: 1 }, run.parameters.subscribers, {
    subscribes: true,
    connectIn: "prepare",
  });
  return runGenerators(tasks, target, { warmUpMs: 0, measureMs: run.durationMs });
}

/**
 * Publishing clients alone first, then again while `subscribers` clients connect at once: the
 * result is the second run, the first is in its figures.
 */
async function measureStorm(run: CaseRun): Promise<LoadResult> {
  const { publishers, subscribers } = run.parameters;
  const { target } = run.server;
  const pace = { kind: "open", publishesPerSecond: publishers } as const;
  const shape = { ...shapeOf(run, "pairs", pace), subscribers: Math.min(100, publishers) };
  const load = (name: string) => splitLoad(shape, target, { processes: 1, frozen: null, name });
  const timing = { warmUpMs: run.warmUpMs, measureMs: run.durationMs };
  const calm = await runGenerators(load("bench-calm"), target, timing);
  const storm = connectTasks(run, subscribers, { delayMs: run.warmUpMs });
  const [during, connects] = await runGroups([load("bench-storm"), storm], target, timing);
  return {
    ...during!,
    figures: {
      ...during!.figures,
      "p99 without the storm, us": calm.latency.p99,
      "p99 of connecting, us": connects!.latency.p99,
      "connects per second": connects!.figures["connects per second"] ?? 0,
      "clients not connected": connects!.check.lost,
    },
  };
}

function measureTakeovers(run: CaseRun): Promise<LoadResult> {
  const { subscribers, protocolVersion, pace } = run.parameters;
  const { target } = run.server;
  const window = pace.kind === "open" ? 1 : pace.window;
  const tasks = [
    { kind: "takeover", target, prefix: "bench", clients: subscribers, window, protocolVersion },
  ] as const;
  return runGenerators(tasks, target, { warmUpMs: run.warmUpMs, measureMs: run.durationMs });
}

function measureRetained(run: CaseRun): Promise<LoadResult> {
  const { items, qos, payloadBytes, protocolVersion, pace } = run.parameters;
  const { target } = run.server;
  const window = pace.kind === "open" ? 1 : pace.window;
  const tasks = [
    {
      kind: "retained",
      target,
      prefix: "bench",
      messages: items,
      window,
      qos,
      payloadBytes,
      protocolVersion,
    },
  ] as const;
  return runGenerators(tasks, target, { warmUpMs: run.warmUpMs, measureMs: run.durationMs });
}

export const CONNECTION_SCENARIOS: readonly Scenario[] = [
  {
    name: "connect",
    summary: "clients connecting, 64 at a time or --rate per second; all stay connected",
    unit: "connects",
    defaults: {
      publishers: 0,
      subscribers: 5_000,
      pace: { kind: "closed", window: 64 },
      // A TLS handshake costs the client more than a broker: one process is always the limit.
      processes: 2,
    },
    paces: ["open", "closed"],
    takesMqttClient: false,
    // It ends when all are connected, whatever the duration.
    extraSeconds: (parameters, duration) => connectSeconds(parameters) - duration,
    measure: measureConnects,
  },
  {
    name: "storm",
    summary: "15,000 clients connect at once while --publishers others publish once a second",
    unit: "deliveries",
    defaults: {
      publishers: 1_000,
      subscribers: 15_000,
      pace: { kind: "closed", window: 15_000 },
      duration: 5,
    },
    paces: ["open", "closed"],
    takesMqttClient: false,
    needsFreshServer: true,
    isOpenLoop: true,
    // Once without the storm, once with it, and that one until all are connected.
    extraSeconds: (parameters, duration) => {
      return duration + 1 + Math.max(0, connectSeconds(parameters) - duration);
    },
    measure: measureStorm,
  },
  {
    name: "idle",
    summary: "clients with one subscription each that do nothing: memory and CPU",
    unit: "connections",
    defaults: { publishers: 0, subscribers: 10_000, pace: { kind: "closed", window: 64 } },
    paces: ["open", "closed"],
    takesMqttClient: false,
    needsFreshServer: true,
    extraSeconds: (parameters) => connectSeconds(parameters) + SETTLE_SECONDS,
    measure: measureIdle,
  },
  {
    name: "takeover",
    summary: "clients connecting again under identifiers that are still connected",
    unit: "take-overs",
    defaults: { publishers: 0, subscribers: 500, pace: { kind: "closed", window: 16 } },
    paces: ["closed"],
    takesMqttClient: false,
    measure: measureTakeovers,
  },
  {
    name: "retained",
    summary: "new wildcard subscribers of 10,000 retained messages",
    unit: "deliveries",
    defaults: {
      publishers: 0,
      subscribers: 0,
      items: 10_000,
      pace: { kind: "closed", window: 1 },
    },
    paces: ["closed"],
    takesMqttClient: false,
    // Stored before, removed after.
    extraSeconds: ({ items }) => (2 * items) / STORE_RATE,
    measure: measureRetained,
  },
];
