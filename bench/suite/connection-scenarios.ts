/**
 * Scenarios about connections and stored messages: what happens once per client, not once per
 * message.
 */

import type { LoadResult } from "../load/load-shape.ts";
import { runGenerators } from "../load/run-generators.ts";
import { type CaseRun, type Scenario, SETTLE_SECONDS, timedRun, wholeRun } from "./case.ts";
import { connectSeconds, connectTasks } from "./connect-tasks.ts";
import { STORM_SCENARIO } from "./storm-scenario.ts";

/** Retained messages that any broker here stores per second: for estimates of time only. */
const STORE_RATE = 20_000;

function measureConnects(run: CaseRun): Promise<LoadResult> {
  const { target } = run.server;
  return runGenerators(connectTasks(run, run.parameters.subscribers, {}), target, wholeRun(run));
}

function measureIdle(run: CaseRun): Promise<LoadResult> {
  const { target } = run.server;
  const tasks = connectTasks({ ...run, processes: 1 }, run.parameters.subscribers, {
    subscribes: true,
    connectIn: "prepare",
  });
  return runGenerators(tasks, target, timedRun({ ...run, warmUpMs: 0 }));
}

function measureTakeovers(run: CaseRun): Promise<LoadResult> {
  const { subscribers, protocolVersion, pace } = run.parameters;
  const { target } = run.server;
  const window = pace.kind === "open" ? 1 : pace.window;
  const tasks = [
    { kind: "takeover", target, prefix: "bench", clients: subscribers, window, protocolVersion },
  ] as const;
  return runGenerators(tasks, target, timedRun(run));
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
  return runGenerators(tasks, target, timedRun(run));
}

const ONE_PROCESS = { processes: "one process makes this load" } as const;

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
    ignores: { duration: "it ends when all are connected" },
    takesMqttClient: false,
    extraSeconds: (parameters, duration) => connectSeconds(parameters) - duration,
    measure: measureConnects,
  },
  STORM_SCENARIO,
  {
    name: "idle",
    summary: "clients with one subscription each that do nothing: memory and CPU",
    unit: "connections",
    defaults: { publishers: 0, subscribers: 10_000, pace: { kind: "closed", window: 64 } },
    paces: ["open", "closed"],
    takesMqttClient: false,
    needsFreshServer: true,
    ignores: ONE_PROCESS,
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
    ignores: ONE_PROCESS,
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
    ignores: ONE_PROCESS,
    // Stored before, removed after.
    extraSeconds: ({ items }) => (2 * items) / STORE_RATE,
    measure: measureRetained,
  },
];
