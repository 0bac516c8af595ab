/** Every scenario by its name. */

import type { Scenario } from "./case.ts";
import { CONNECTION_SCENARIOS } from "./connection-scenarios.ts";
import { HTTP_SCENARIO } from "./http-scenario.ts";
import { LOAD_SCENARIOS } from "./load-scenarios.ts";
import { PERSISTENT_SCENARIOS } from "./persistent-scenarios.ts";
import { PUBLISHED_SCENARIOS } from "./published-scenarios.ts";

/** What `bench:all` runs: one case of each. */
export const OWN_SCENARIOS: readonly Scenario[] = [
  ...LOAD_SCENARIOS,
  ...CONNECTION_SCENARIOS,
  HTTP_SCENARIO,
];

export const SCENARIOS: readonly Scenario[] = [
  ...OWN_SCENARIOS,
  ...PERSISTENT_SCENARIOS,
  ...PUBLISHED_SCENARIOS,
];

export function findScenario(name: string): Scenario | null {
  return SCENARIOS.find((scenario) => scenario.name === name) ?? null;
}

/**
 * The scenario of this name, or all whose names begin with it: "1_100000" is the published one at
 * each QoS, "persistent" all of ours with stored sessions.
 */
export function scenariosNamed(name: string): readonly Scenario[] {
  const exact = findScenario(name);
  if (exact !== null) return [exact];
  if (name === "persistent") return PERSISTENT_SCENARIOS;
  return SCENARIOS.filter((scenario) => scenario.name.startsWith(`${name}_`));
}
