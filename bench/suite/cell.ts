/**
 * A cell of a run: one case, who takes part in it, and how it is measured. A run is a list of
 * cells, so that a report can measure each of its loads in its own way.
 */

import type { Contender } from "../contenders/contender.ts";
import type { BenchCase, Scenario } from "./case.ts";
import { expandCases } from "./expand-cases.ts";
import { PROBE_SHARE } from "./load-scenarios.ts";
import type { Freshness, SuiteOptions } from "./options.ts";

export const DEFAULT_DURATION_SECONDS = 5;
/** Generator processes start and end, brokers wind down: measured on two cores. */
const AROUND_SECONDS = 0.6;
/** A broker's process starts and ends. */
const PROCESS_SECONDS = 0.8;
const CLIENTS_PER_SECOND = 3_000;

export interface Entrant {
  readonly contender: Contender;
  /** It takes part in so many rounds only; null = in all. */
  readonly rounds: number | null;
}

export interface Measuring {
  readonly rounds: number;
  readonly seconds: number;
  readonly warmUpSeconds: number;
  readonly fresh: Freshness;
  readonly processes: number;
  readonly client: "raw" | "mqtt";
}

export interface SuiteCell {
  readonly one: BenchCase;
  readonly scenario: Scenario;
  readonly entrants: readonly Entrant[];
  /** Who cannot take part, and why: "aedes: it does not speak MQTT 5". */
  readonly leftOut: readonly string[];
  readonly measuring: Measuring;
}

export interface Turn {
  readonly round: number;
  readonly contender: Contender;
}

/** `timeShare`: of the scenario's own duration, unless the options say how long. */
export function cellsOf(
  scenario: Scenario,
  options: SuiteOptions,
  entrants: readonly Entrant[],
  timeShare: number,
): SuiteCell[] {
  const ownSeconds = scenario.defaults.duration ?? DEFAULT_DURATION_SECONDS;
  const measuring: Measuring = {
    rounds: options.rounds,
    seconds: options.durationSeconds ?? ownSeconds * timeShare,
    warmUpSeconds: options.warmUpSeconds,
    fresh: scenario.needsFreshServer === true ? "run" : options.fresh,
    processes: options.processes ?? scenario.defaults.processes ?? 1,
    client: options.client,
  };
  return expandCases(scenario, options).map((one) => {
    const refusals = entrants.map(({ contender }) => refusalOf(contender, one, scenario));
    return {
      one,
      scenario,
      entrants: entrants.filter((_entrant, index) => refusals[index] === ""),
      leftOut: entrants.flatMap(({ contender }, index) => {
        const reason = refusals[index]! || missingPartOf(contender, scenario);
        return reason === "" ? [] : [`${contender.name}: ${reason}`];
      }),
      measuring,
    };
  });
}

function refusalOf(contender: Contender, one: BenchCase, scenario: Scenario): string {
  if (scenario.needsHttp === true && !contender.hasHttp) return "it has no HTTP server";
  const { transport, protocolVersion } = one.parameters;
  const isStored = scenario.isStored === true;
  return contender.refusal({ scenario: one.scenario, transport, protocolVersion, isStored });
}

/** What a contender that does take part cannot show. */
function missingPartOf(contender: Contender, { name, hasControl }: Scenario): string {
  const hasNone = hasControl === true && contender.isExternal === true;
  return hasNone ? `no second broker of its kind, so ${name} has no control` : "";
}

/** In the order in which they are run: A B A B. */
export function turnsOf({ entrants, measuring }: SuiteCell): Turn[] {
  return Array.from({ length: measuring.rounds }, (_none, index) => index + 1).flatMap((round) =>
    entrants
      .filter(({ rounds }) => rounds === null || round <= rounds)
      .map(({ contender }) => ({ round, contender })),
  );
}

/** About how long all rounds of it take. */
export function estimateSeconds(cell: SuiteCell): number {
  const { one, scenario, entrants, measuring } = cell;
  const { parameters } = one;
  const { seconds, warmUpSeconds, fresh } = measuring;
  const clients = parameters.publishers + parameters.subscribers;
  const extra = scenario.extraSeconds?.(parameters, seconds) ?? clients / CLIENTS_PER_SECOND;
  const turns = turnsOf(cell).length;
  const processes = (fresh === "run" ? turns : entrants.length) * PROCESS_SECONDS;
  const isProbed = parameters.pace.kind === "share";
  const probe = isProbed ? seconds * PROBE_SHARE + warmUpSeconds + AROUND_SECONDS : 0;
  const each = seconds + warmUpSeconds + AROUND_SECONDS + extra;
  return turns * each + processes + entrants.length * probe;
}
