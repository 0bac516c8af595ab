/** `npm run bench -- SCENARIO`, and behind every `npm run bench:SCENARIO`; `--help` explains. */

import { newProfileDirectory } from "./contenders/ratatosk.ts";
import { describeEnvironment } from "./environment.ts";
import { cellsOf, type SuiteCell } from "./suite/cell.ts";
import { chooseContenders } from "./suite/choose-contenders.ts";
import { helpText } from "./suite/help.ts";
import { tellWhenInterrupted } from "./suite/interruption.ts";
import { isMicro, mainOfMicro } from "./suite/micro.ts";
import { fittingOptions, refusedByAll } from "./suite/option-meaning.ts";
import { parseOptions, type SuiteOptions, UsageError } from "./suite/options.ts";
import { assertReachable, assertWritable } from "./suite/preflight.ts";
import { describeProfiles } from "./suite/profile.ts";
import { showTime } from "./suite/progress.ts";
import { OWN_SCENARIOS, scenariosNamed } from "./suite/registry.ts";
import { type BenchResults, writeResults } from "./suite/results.ts";
import { expectation, runSuite } from "./suite/run-suite.ts";
import { summarize } from "./suite/summary.ts";

const USAGE_EXIT_CODE = 64;
/**
 * `bench:all` measures a second and a quarter where a single scenario takes five, on brokers that
 * stay for all rounds of a case: under ten minutes in all.
 */
const ALL_TIME_SHARE = 0.25;
const ALL_DEFAULTS = ["--fresh", "case", "--warm-up", "0.5"];

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`${error.message}\n\nnpm run bench -- --help lists scenarios and options`);
  process.exitCode = USAGE_EXIT_CODE;
}

async function main(args: readonly string[]): Promise<number> {
  if (isMicro(args[0])) return mainOfMicro(args);
  const isAll = args[0] === "all";
  const options = parseOptions(isAll ? ["all", ...ALL_DEFAULTS, ...args.slice(1)] : args);
  if (options.help || options.scenario === "") {
    console.log(helpText());
    return options.help ? 0 : USAGE_EXIT_CODE;
  }
  return runScenarios(args, options);
}

async function runScenarios(args: readonly string[], options: SuiteOptions): Promise<number> {
  const profileDirectory = options.profile ? newProfileDirectory() : "";
  const file = options.json === "" ? `.build/bench-${options.scenario}.json` : options.json;
  const cells = chooseCells(options, profileDirectory);
  assertWritable(file);
  if (options.broker !== null) await assertReachable(options.broker.host, options.broker.port);
  printEnvironment();
  printExpectation(cells);
  let finishedCases = 0;
  tellWhenInterrupted(() =>
    finishedCases === 0
      ? "interrupted before the first case was over: nothing is kept"
      : `interrupted: ${finishedCases} of ${cells.length} cases are over and kept in ${file}`,
  );
  const results = await runSuite({
    command: `npm run bench -- ${args.join(" ")}`,
    cells,
    known: null,
    onCase: (soFar, { one }) => {
      const finished = soFar.cases.find(({ name }) => name === one.name);
      if (finished !== undefined) console.log(summarize(soFar, finished));
      writeResults(file, soFar);
      finishedCases += 1;
    },
  });
  if (options.profile) console.log(describeProfiles(profileDirectory));
  console.log(`everything measured: ${file}`);
  return exitCodeOf(results);
}

function chooseCells(options: SuiteOptions, profileDirectory: string): SuiteCell[] {
  const isAll = options.scenario === "all";
  const scenarios = isAll ? OWN_SCENARIOS : scenariosNamed(options.scenario);
  if (scenarios.length === 0) throw new UsageError(`no scenario "${options.scenario}"`);
  const refusal = refusedByAll(scenarios, options);
  if (scenarios.length > 1 && refusal !== "") throw new UsageError(refusal);
  const warn = (text: string) => console.log(`${text}\n`);
  const entrants = chooseContenders(options, profileDirectory, warn);
  const cells = scenarios.flatMap((one) =>
    scenarios.length > 1
      ? cellsOf(one, fittingOptions(one, options), entrants, isAll ? ALL_TIME_SHARE : 1)
      : cellsOf(one, options, entrants, 1),
  );
  const possible = cells.filter((cell) => cell.entrants.length > 0);
  if (possible.length > 0) return possible;
  const reasons = new Set(cells.flatMap(({ leftOut }) => leftOut));
  throw new UsageError(`nobody can run this: ${[...reasons].join("; ")}`);
}

function printExpectation(cells: readonly SuiteCell[]): void {
  const { runs, seconds } = expectation(cells);
  console.log(`${cells.length} cases, ${runs} runs, about ${showTime(seconds)}`);
  const leftOut = new Set(cells.flatMap((cell) => cell.leftOut));
  for (const text of leftOut) console.log(`left out where it cannot take part: ${text}`);
  console.log("");
}

function printEnvironment(): void {
  const { processor, cores, node, commit, loadAverage, mosquitto } = describeEnvironment();
  console.log(`${processor}, ${cores} cores, Node ${node}, ${mosquitto}`);
  console.log(`commit ${commit}, load average ${loadAverage.toFixed(2)} before the run`);
}

/** 1 when a run of ours failed; what peers do wrong is in the tables. */
function exitCodeOf(results: BenchResults): number {
  const subjects = results.contenders.filter(({ isSubject }) => isSubject).map(({ name }) => name);
  const failed = results.samples.filter(
    (sample) => sample.validity === "failed" && subjects.includes(sample.contender),
  );
  for (const { caseName, contender, round, faults } of failed) {
    console.error(`FAILED ${caseName}, ${contender}, round ${round}: ${faults}`);
  }
  return failed.length > 0 ? 1 : 0;
}
