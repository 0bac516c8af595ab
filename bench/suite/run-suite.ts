/**
 * Runs cases: in each round every contender once, in turns (A B A B), each on a freshly started
 * server, so that a slow minute of the machine hits all of them and ratios are taken within a
 * round.
 */

import type { Contender } from "../contenders/contender.ts";
import { describeEnvironment } from "../environment.ts";
import type { LoadResult } from "../load/load-shape.ts";
import { faultsOf, validityOf } from "../load/validity.ts";
import type { BenchCase, Scenario } from "./case.ts";
import type { SuiteOptions } from "./options.ts";
import { Progress } from "./progress.ts";
import { findScenario } from "./registry.ts";
import { type BenchResults, RESULTS_FORMAT, type Sample, withCurves } from "./results.ts";

const DEFAULT_DURATION_SECONDS = 5;
const SETTLE_MS = 5_000;

export interface SuitePlan {
  readonly command: string;
  readonly cases: readonly BenchCase[];
  readonly contenders: readonly Contender[];
  readonly options: SuiteOptions;
  /** Scenarios measure for this share of their own durations, unless told how long. */
  readonly timeShare: number;
  /** Called when all rounds of a case are over. */
  readonly onCase: (results: BenchResults, finished: BenchCase) => void;
}

export async function runSuite(plan: SuitePlan): Promise<BenchResults> {
  const { cases, contenders, options } = plan;
  const samples: Sample[] = [];
  const results: BenchResults = {
    format: RESULTS_FORMAT,
    command: plan.command,
    environment: describeEnvironment(),
    cases: cases.map((one) => ({
      ...one,
      published: findScenario(one.scenario)?.published ?? null,
    })),
    contenders: contenders.map(({ name, isSubject, threads }) => ({ name, isSubject, threads })),
    samples,
    curves: [],
  };
  const fields = cases.map((one) => contenders.filter((contender) => canRun(contender, one)));
  const runs = fields.reduce((sum, field) => sum + field.length, 0) * options.rounds;
  const progress = new Progress(runs);
  for (const [index, one] of cases.entries()) {
    for (let round = 1; round <= options.rounds; round += 1) {
      for (const contender of fields[index]!) {
        progress.begin(one.name, contender.name, round);
        samples.push(await measureOnce(contender, one, round, plan));
        progress.end();
      }
    }
    progress.clear();
    plan.onCase(results, one);
  }
  return withCurves(results);
}

/** False when this contender has no part in the case: the table then simply lacks it. */
function canRun(contender: Contender, one: BenchCase): boolean {
  const isHttp = findScenario(one.scenario)?.needsHttp === true;
  if (isHttp && !contender.name.startsWith("ratatosk")) return false;
  const { transport, protocolVersion } = one.parameters;
  return contender.refusal({ scenario: one.scenario, transport, protocolVersion }) === "";
}

async function measureOnce(
  contender: Contender,
  one: BenchCase,
  round: number,
  plan: SuitePlan,
): Promise<Sample> {
  const at = { caseName: one.name, contender: contender.name, round };
  const scenario = findScenario(one.scenario)!;
  try {
    const { result, ownFigures } = await measureOn(contender, one, scenario, plan);
    const { qos } = one.parameters;
    const validity = validityOf(result, checkedQos(scenario, qos), contender.threads);
    return { ...at, result, validity, faults: faultsOf(result.check, 1), ownFigures };
  } catch (error) {
    const faults = error instanceof Error ? error.message : String(error);
    return { ...at, result: null, validity: "failed", faults, ownFigures: {} };
  }
}

/**
 * Only publishes at QoS 0 may be dropped: connections and retained messages never, and no closed
 * loop drops.
 */
function checkedQos(scenario: Scenario, qos: number): number {
  return scenario.unit === "deliveries" && scenario.name !== "retained" ? qos : 1;
}

async function measureOn(
  contender: Contender,
  one: BenchCase,
  scenario: Scenario,
  { options, timeShare }: SuitePlan,
): Promise<{ result: LoadResult; ownFigures: Record<string, number> }> {
  const server = await contender.start(one.parameters.transport);
  try {
    const ownSeconds = scenario.defaults.duration ?? DEFAULT_DURATION_SECONDS;
    const seconds = options.durationSeconds ?? ownSeconds * timeShare;
    const result = await scenario.measure({
      parameters: one.parameters,
      server,
      warmUpMs: options.warmUpSeconds * 1000,
      durationMs: seconds * 1000,
      settleMs: SETTLE_MS,
      processes: options.processes,
      client: options.client,
    });
    return { result, ownFigures: await server.ownFigures() };
  } finally {
    await server.stop();
  }
}
