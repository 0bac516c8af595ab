/** One scenario and the options given make the list of cases: every combination of the values. */

import { availableParallelism } from "node:os";
import type { BenchCase, CasePace, CaseParameters, Scenario } from "./case.ts";
import { hasMessages, refusalOf } from "./option-meaning.ts";
import { type SuiteOptions, UsageError } from "./options.ts";

const DEFAULT_PAYLOAD_BYTES = 64;
/** Of the usual rate, for `--client mqtt`. */
const PACKAGE_SHARE = 0.1;

/** Throws a UsageError when the scenario cannot run as asked. */
export function expandCases(scenario: Scenario, options: SuiteOptions): BenchCase[] {
  const { defaults } = scenario;
  const refusal = refusalOf(scenario, options);
  if (refusal !== "") throw new UsageError(refusal);
  const scale = scaleOf(scenario, options);
  const scaled = (count: number) => (count === 0 ? 0 : Math.max(1, Math.round(count * scale)));
  const choices = {
    publishers: options.publishers ?? [scaled(defaults.publishers)],
    subscribers: options.subscribers ?? [scaled(defaults.subscribers)],
    items: options.items ?? [defaults.items ?? 0],
    qos: options.qos ?? [defaults.qos ?? 0],
    payloadBytes: options.payloadBytes ?? [defaults.payloadBytes ?? DEFAULT_PAYLOAD_BYTES],
    protocolVersion: options.protocolVersion ?? [defaults.protocolVersion ?? 4],
    transport: options.transport,
    pace: options.paces ?? [usualPace(scenario, options, scale)],
    isPersistent: [defaults.isPersistent ?? false],
  };
  return combinations(choices).map((parameters) => ({
    scenario: scenario.name,
    name: `${scenario.name}: ${describeParameters(parameters, hasMessages(scenario))}`,
    unit: scenario.unit,
    parameters,
  }));
}

/** Scenarios that others published are made as large as this machine is beside theirs. */
function scaleOf(scenario: Scenario, options: SuiteOptions): number {
  if (options.scale !== undefined) return options.scale;
  const { published } = scenario;
  return published === undefined ? 1 : availableParallelism() / published.cores;
}

/** The `mqtt` package as client cannot keep up a rate that is meant for brokers. */
function usualPace({ defaults }: Scenario, { client }: SuiteOptions, scale: number): CasePace {
  const pace = scaledPace(defaults.pace, defaults.publishers, scale);
  if (client === "raw" || pace.kind !== "open") return pace;
  return { kind: "open", publishesPerSecond: Math.max(1, pace.publishesPerSecond * PACKAGE_SHARE) };
}

/** The rate per publisher stays: a single one keeps its own. */
function scaledPace(pace: CasePace, publishers: number, scale: number): CasePace {
  if (pace.kind !== "open" || publishers === 0) return pace;
  const each = pace.publishesPerSecond / publishers;
  const scaledPublishers = Math.max(1, Math.round(publishers * scale));
  return { kind: "open", publishesPerSecond: each * scaledPublishers };
}

type Choices = { readonly [Key in keyof CaseParameters]: readonly CaseParameters[Key][] };

function combinations(choices: Choices): CaseParameters[] {
  let rows: Partial<CaseParameters>[] = [{}];
  for (const [key, values] of Object.entries(choices)) {
    rows = rows.flatMap((row) => values.map((value) => ({ ...row, [key]: value })));
  }
  return rows as CaseParameters[];
}

/** "1 -> 500, QoS 0, 64 B, 64 in flight", "5000 clients, 64 in flight". */
function describeParameters(parameters: CaseParameters, hasMessages: boolean): string {
  const { publishers, subscribers, items, qos, payloadBytes, protocolVersion, transport } =
    parameters;
  const parts = [
    describeClients(publishers, subscribers),
    items > 0 ? `${items} items` : "",
    hasMessages ? `QoS ${qos}, ${payloadBytes} B` : "",
    describePace(parameters.pace),
    protocolVersion === 5 ? "MQTT 5" : "",
    transport === "tcp" ? "" : transport.toUpperCase(),
    parameters.isPersistent ? "stored sessions" : "",
  ];
  return parts.filter((part) => part !== "").join(", ");
}

function describeClients(publishers: number, subscribers: number): string {
  if (publishers > 0) return `${publishers} -> ${subscribers}`;
  return subscribers > 0 ? `${subscribers} clients` : "";
}

function describePace(pace: CasePace): string {
  switch (pace.kind) {
    case "closed":
      return `${pace.window} in flight`;
    case "open":
      return `${Math.round(pace.publishesPerSecond)}/s`;
    case "share":
      return `at ${Math.round(pace.share * 100)} % of its maximum`;
  }
}
