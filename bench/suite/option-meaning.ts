/**
 * Which options mean something to which scenario. What would silently mean nothing is refused: it
 * would stand in a command line, or in the name of a case, as if it had been measured.
 */

import type { PaceKind, Scenario } from "./case.ts";
import type { OptionName, SuiteOptions } from "./options.ts";

/** Units whose cases have a QoS and a payload. */
const MESSAGE_UNITS: readonly string[] = ["deliveries", "enqueues"];

export function hasMessages({ unit }: Pick<Scenario, "unit">): boolean {
  return MESSAGE_UNITS.includes(unit);
}

/** Why each option that was typed means nothing to the scenario. */
export function surplusOptions(
  scenario: Scenario,
  options: SuiteOptions,
): ReadonlyMap<OptionName, string> {
  const { defaults, isStored, published, ignores = {} } = scenario;
  const keepsSessions = isStored === true || defaults.isPersistent === true;
  const without: Partial<Record<OptionName, string | false>> = {
    publishers: defaults.publishers === 0 && "nobody publishes all the time",
    subscribers: defaults.subscribers === 0 && "it has no number of clients",
    items: defaults.items === undefined && "only wildcard, retained and persistent-drain have some",
    qos: !hasMessages(scenario) && "it sends no messages",
    payload: !hasMessages(scenario) && "it sends no messages",
    durability: !keepsSessions && "only stored sessions wait for a disk",
    scale: published === undefined && "only published scenarios are scaled",
    ...ignores,
  };
  const entries = Object.entries(without) as [OptionName, string | false][];
  return new Map(
    entries.flatMap(([name, reason]) =>
      reason !== false && options.given.has(name) ? [[name, reason]] : [],
    ),
  );
}

/** What cannot be run as asked, or "". */
export function refusalOf(scenario: Scenario, options: SuiteOptions): string {
  const { name, fewestSubscribers = 1 } = scenario;
  const [surplus] = surplusOptions(scenario, options);
  if (surplus !== undefined) return `${name} takes no --${surplus[0]}: ${surplus[1]}`;
  if (scenario.isStored === true && options.qos?.includes(0) === true) {
    return `${name} takes --qos 1 or 2: nobody stores QoS 0`;
  }
  if (options.subscribers?.some((count) => count < fewestSubscribers) === true) {
    return `${name} takes --subscribers ${fewestSubscribers} or more`;
  }
  return paceRefusal(scenario, options);
}

function paceRefusal({ name, paces, takesMqttClient }: Scenario, options: SuiteOptions): string {
  const wrong = options.paces?.find(({ kind }) => !paces.includes(kind));
  if (wrong !== undefined) {
    const possible = paces.map((kind) => PACE_OPTIONS[kind]).join(" or ");
    return `${name} takes ${possible}, not ${PACE_OPTIONS[wrong.kind]}`;
  }
  if (options.client !== "mqtt") return "";
  if (!takesMqttClient) return `${name} has no --client mqtt`;
  const isShare = options.paces?.some(({ kind }) => kind === "share") === true;
  return isShare ? "--client mqtt is too slow to look for a maximum: --rate takes a number" : "";
}

const PACE_OPTIONS: Readonly<Record<PaceKind, string>> = {
  open: "--rate N",
  closed: "--window N",
  share: "--rate N%",
};

/** Where several scenarios run with the same options, each takes of them what it can. */
export function fittingOptions(scenario: Scenario, options: SuiteOptions): SuiteOptions {
  const paces = options.paces?.filter(({ kind }) => scenario.paces.includes(kind));
  const surplus = surplusOptions(scenario, options);
  const without = <T>(name: OptionName, value: T, usual: T) => (surplus.has(name) ? usual : value);
  return {
    ...options,
    given: new Set([...options.given].filter((name) => !surplus.has(name))),
    publishers: without("publishers", options.publishers, undefined),
    subscribers: without("subscribers", options.subscribers, undefined),
    items: without("items", options.items, undefined),
    qos: without("qos", options.qos, undefined),
    payloadBytes: without("payload", options.payloadBytes, undefined),
    protocolVersion: without("protocol", options.protocolVersion, undefined),
    transport: without("transport", options.transport, ["tcp"]),
    durationSeconds: without("duration", options.durationSeconds, undefined),
    processes: without("processes", options.processes, undefined),
    scale: without("scale", options.scale, undefined),
    paces: paces === undefined || paces.length === 0 ? undefined : paces,
    client: scenario.takesMqttClient ? options.client : "raw",
  };
}

/**
 * An option that means nothing to any of the scenarios, and why it does not to the first; or "".
 */
export function refusedByAll(scenarios: readonly Scenario[], options: SuiteOptions): string {
  const [first, ...others] = scenarios.map((scenario) => surplusOptions(scenario, options));
  for (const [name, reason] of first ?? []) {
    if (others.every((surplus) => surplus.has(name))) return `--${name}: ${reason}`;
  }
  return "";
}
