/** Runs all loads of a report's plan, and keeps what was measured when that is interrupted. */

import { existsSync } from "node:fs";
import { describeEnvironment } from "../environment.ts";
import { cellsOf, type Entrant, type SuiteCell } from "../suite/cell.ts";
import { chooseContenders, entrantsOf } from "../suite/choose-contenders.ts";
import { tellWhenInterrupted } from "../suite/interruption.ts";
import { fittingOptions } from "../suite/option-meaning.ts";
import { parseOptions, type SuiteOptions, UsageError } from "../suite/options.ts";
import { assertWritable } from "../suite/preflight.ts";
import { showTime } from "../suite/progress.ts";
import { scenariosNamed } from "../suite/registry.ts";
import { type BenchResults, readResults, writeResults } from "../suite/results.ts";
import { expectation, remainingCells, runSuite } from "../suite/run-suite.ts";
import { summarize } from "../suite/summary.ts";
import type { ReportPlan } from "./plans.ts";

export interface PlanRun {
  /** Options of the suite that override the plan's. */
  readonly extra: readonly string[];
  /** Goes on where an earlier run was interrupted. */
  readonly isResumed: boolean;
}

/** The command line of a load as the plan runs it: also what a report shows. */
export function loadWords(plan: ReportPlan, load: string, extra: readonly string[]): string[] {
  const [scenario, ...own] = load.split(" ");
  const words = [...plan.options.split(" "), ...own, ...extra];
  return [scenario!, ...words.filter((_word, index) => isLastOfItsKind(words, index))];
}

/** What a load says itself replaces what the plan says, and what is typed replaces both. */
function isLastOfItsKind(words: readonly string[], index: number): boolean {
  const isOption = words[index]!.startsWith("--");
  const at = isOption ? index : index - 1;
  return words.lastIndexOf(words[at] ?? "") === at;
}

/** Each case once, although several loads may have it. */
export function planCells(
  plan: ReportPlan,
  extra: readonly string[],
  entrants: (options: SuiteOptions) => Entrant[],
): SuiteCell[] {
  const cells = new Map<string, SuiteCell>();
  for (const load of plan.groups.flatMap(({ loads }) => loads)) {
    const options = parseOptions(loadWords(plan, load, extra));
    for (const scenario of scenariosNamed(options.scenario)) {
      const fitting = fittingOptions(scenario, options);
      for (const cell of cellsOf(scenario, fitting, entrants(options), 1)) {
        if (!cells.has(cell.one.name)) cells.set(cell.one.name, cell);
      }
    }
  }
  return [...cells.values()];
}

/** Cases of a plan and about how long they take, whether its peers are installed or not. */
export function planExpectation(plan: ReportPlan): { cases: number; runs: number; text: string } {
  const cells = planCells(plan, [], (options) => entrantsOf(options, ""));
  const { runs, seconds } = expectation(cells);
  return { cases: cells.length, runs, text: showTime(seconds) };
}

export async function measurePlan(
  plan: ReportPlan,
  { extra, isResumed }: PlanRun,
): Promise<BenchResults> {
  const cells = planCells(plan, extra, (options) => chooseContenders(options, "", console.log));
  const command = `npm run bench:report -- ${[plan.name, ...extra].join(" ")}`;
  const file = partialFile(plan);
  const known = isResumed ? readPartial(file, command) : null;
  const remaining = remainingCells({ cells, known });
  const { runs, seconds } = expectation(remaining);
  assertWritable(file);
  if (!isResumed && existsSync(file)) console.log(`starting anew: ${file} is written over`);
  console.log(`${plan.name}: ${remaining.length} of ${cells.length} cases to measure,`);
  console.log(`${runs} runs, about ${showTime(seconds)}; kept in ${file} case by case,`);
  console.log("so that --resume goes on after an interruption\n");
  tellWhenInterrupted(() => `interrupted: finished cases are kept in ${file}; --resume goes on`);
  return await runSuite({
    command,
    cells,
    known,
    onCase: (soFar, { one }) => {
      writeResults(file, soFar);
      const finished = soFar.cases.find(({ name }) => name === one.name);
      if (finished !== undefined) console.log(summarize(soFar, finished));
    },
  });
}

function partialFile(plan: ReportPlan): string {
  return `.build/report-${plan.name}.json`;
}

/** What was measured before; its environment says so when the code has changed since. */
function readPartial(file: string, command: string): BenchResults {
  if (!existsSync(file)) throw new UsageError(`nothing to resume: there is no ${file}`);
  const known = readResults(file);
  if (known.command !== command) {
    throw new UsageError(`${file} is of another command, \`${known.command}\`: resume that one`);
  }
  const { commit } = describeEnvironment();
  const { environment } = known;
  if (environment.commit.split(", ").at(-1) === commit) return known;
  console.log(`begun at commit ${environment.commit}, resumed at ${commit}`);
  return { ...known, environment: { ...environment, commit: `${environment.commit}, ${commit}` } };
}
