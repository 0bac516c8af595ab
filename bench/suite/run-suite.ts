/**
 * Runs cells: in each round every contender once, in turns (A B A B), so that a slow minute of the
 * machine hits all of them and ratios are taken within a round.
 */

import type { RunningServer } from "../contenders/contender.ts";
import { describeEnvironment } from "../environment.ts";
import type { WindowWatch } from "../load/run-generators.ts";
import { faultsOf, validityOf, voidReasonOf } from "../load/validity.ts";
import { type Scenario, SETTLE_SECONDS } from "./case.ts";
import { CaseServers } from "./case-servers.ts";
import { estimateSeconds, type SuiteCell, type Turn, turnsOf } from "./cell.ts";
import { Progress } from "./progress.ts";
import { type BenchResults, joinResults, type Sample, withCurves } from "./results.ts";
import { RESULTS_FORMAT } from "./results-flaws.ts";

export interface SuitePlan {
  readonly command: string;
  readonly cells: readonly SuiteCell[];
  /** Of an earlier run that broke off: its cases are not measured again. Null = start anew. */
  readonly known: BenchResults | null;
  /** Called when all rounds of a case are over. */
  readonly onCase: (results: BenchResults, finished: SuiteCell) => void;
}

/** About how long the cells take, and how many runs they are. */
export function expectation(cells: readonly SuiteCell[]): { runs: number; seconds: number } {
  return {
    runs: cells.reduce((sum, cell) => sum + turnsOf(cell).length, 0),
    seconds: cells.reduce((sum, cell) => sum + estimateSeconds(cell), 0),
  };
}

/** Without the cells that `known` has results of. */
export function remainingCells({ cells, known }: Pick<SuitePlan, "cells" | "known">): SuiteCell[] {
  const isDone = ({ one }: SuiteCell) => known?.cases.some(({ name }) => name === one.name);
  return cells.filter((cell) => isDone(cell) !== true);
}

export async function runSuite(plan: SuitePlan): Promise<BenchResults> {
  const remaining = remainingCells(plan);
  const { runs, seconds } = expectation(remaining);
  const progress = new Progress(runs, seconds);
  let results = plan.known ?? noResults(plan.command);
  for (const cell of remaining) {
    const samples = await measureCell(cell, progress);
    results = joinResults(results, resultsOf(cell, samples, results));
    progress.clear();
    plan.onCase(results, cell);
  }
  return results;
}

function noResults(command: string): BenchResults {
  return {
    format: RESULTS_FORMAT,
    command,
    environment: describeEnvironment(),
    cases: [],
    contenders: [],
    samples: [],
    curves: [],
  };
}

function resultsOf(cell: SuiteCell, samples: Sample[], frame: BenchResults): BenchResults {
  const contenders = cell.entrants.map(({ contender: { name, isSubject, threads } }) => {
    return { name, isSubject, threads };
  });
  const cases = [{ ...cell.one, published: cell.scenario.published ?? null }];
  return withCurves({ ...frame, cases, contenders, samples, curves: [] });
}

async function measureCell(cell: SuiteCell, progress: Progress): Promise<Sample[]> {
  const { one, scenario, measuring } = cell;
  const { transport } = one.parameters;
  const servers = new CaseServers(transport, measuring.fresh, scenario.isStored === true);
  const turns = turnsOf(cell);
  const secondsEach = estimateSeconds(cell) / Math.max(1, turns.length);
  const samples: Sample[] = [];
  for (const turn of turns) {
    progress.begin(one.name, turn.contender.name, turn.round);
    samples.push(await measureTurn(cell, turn, servers));
    progress.end(secondsEach);
  }
  for (const [{ name }, faults] of await servers.stopAll()) {
    const last = samples.findLastIndex(({ contender }) => contender === name);
    samples[last] = { ...samples[last]!, validity: "failed", faults };
  }
  return samples;
}

async function measureTurn(
  { one, scenario, measuring }: SuiteCell,
  { contender, round }: Turn,
  servers: CaseServers,
): Promise<Sample> {
  const at = { caseName: one.name, contender: contender.name, round };
  const { transport } = one.parameters;
  const startAnother = () => contender.start(transport, scenario.isStored === true);
  try {
    const { result, ownFigures } = await servers.measureOn(contender, async (server, found) => {
      const delay = watchLoopDelay(server);
      const result = await scenario.measure({
        parameters: one.parameters,
        server,
        startAnother: contender.isExternal === true ? null : startAnother,
        found,
        warmUpMs: measuring.warmUpSeconds * 1000,
        durationMs: measuring.seconds * 1000,
        settleMs: SETTLE_SECONDS * 1000,
        processes: measuring.processes,
        client: measuring.client,
        watch: delay.watch,
      });
      return { result, ownFigures: { ...delay.figures(), ...(await server.ownFigures()) } };
    });
    const { qos } = one.parameters;
    const validity = validityOf(result, checkedQos(scenario, qos), contender.threads);
    const faults = faultsOf(result.check, 1);
    const voidReason = validity === "void" ? voidReasonOf(result, contender.threads) : "";
    return { ...at, result, validity, faults, voidReason, ownFigures };
  } catch (error) {
    return { ...at, result: null, validity: "failed", faults: shortText(error), ownFigures: {} };
  }
}

/** Delays of the measured interval, the last one where a scenario has several. */
function watchLoopDelay({ loopDelay }: RunningServer): {
  readonly watch: WindowWatch;
  readonly figures: () => Record<string, number>;
} {
  let figures: Record<string, number> = {};
  const watch = {
    opens: async () => loopDelay?.reset(),
    closed: async () => {
      if (loopDelay !== null) figures = await loopDelay.read();
    },
  };
  return { watch, figures: () => figures };
}

/** Errors of generator processes carry their stack, which says nothing of the broker. */
function shortText(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split(/\n +at /)[0] ?? text;
}

/**
 * Only publishes at QoS 0 may be dropped: connections and retained messages never, and no closed
 * loop drops.
 */
function checkedQos(scenario: Scenario, qos: number): number {
  return scenario.unit === "deliveries" && scenario.name !== "retained" ? qos : 1;
}
