/** `npm run bench -- SCENARIO`, and behind every `npm run bench:SCENARIO`; `--help` explains. */

import { newProfileDirectory } from "./contenders/ratatosk.ts";
import { describeEnvironment } from "./environment.ts";
import { chooseContenders } from "./suite/choose-contenders.ts";
import { expandCases } from "./suite/expand-cases.ts";
import { helpText } from "./suite/help.ts";
import { runMicro } from "./suite/micro.ts";
import { parseOptions, type SuiteOptions, UsageError } from "./suite/options.ts";
import { describeProfiles } from "./suite/profile.ts";
import { OWN_SCENARIOS, scenariosNamed } from "./suite/registry.ts";
import { type BenchResults, writeResults } from "./suite/results.ts";
import { runSuite } from "./suite/run-suite.ts";
import { summarize } from "./suite/summary.ts";

const USAGE_EXIT_CODE = 64;
/**
 * `bench:all` measures two seconds where a single scenario takes five: a quarter of an hour in all.
 */
const ALL_TIME_SHARE = 0.4;

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`${error.message}\n\nnpm run bench -- --help lists scenarios and options`);
  process.exitCode = USAGE_EXIT_CODE;
}

async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(args);
  if (options.help || options.scenario === "") {
    console.log(helpText());
    return options.help ? 0 : USAGE_EXIT_CODE;
  }
  if (options.scenario === "micro") {
    const words = args.slice(1).filter((word) => !word.startsWith("--") && word !== options.json);
    return (await runMicro(words, options.json)) ? 0 : 1;
  }
  return runScenarios(args, options);
}

async function runScenarios(args: readonly string[], options: SuiteOptions): Promise<number> {
  const isAll = options.scenario === "all";
  const scenarios = isAll ? OWN_SCENARIOS : scenariosNamed(options.scenario);
  if (scenarios.length === 0) throw new UsageError(`no scenario "${options.scenario}"`);
  const profileDirectory = options.profile ? newProfileDirectory() : "";
  printEnvironment();
  const results = await runSuite({
    command: `npm run bench -- ${args.join(" ")}`,
    cases: scenarios.flatMap((one) => expandCases(one, options)),
    contenders: chooseContenders(options, profileDirectory, (text) => console.log(`${text}\n`)),
    options,
    timeShare: isAll ? ALL_TIME_SHARE : 1,
    onCase: (soFar, finished) => {
      const one = soFar.cases.find((candidate) => candidate.name === finished.name);
      if (one !== undefined) console.log(summarize(soFar, one));
    },
  });
  const file = options.json === "" ? `.build/bench-${options.scenario}.json` : options.json;
  writeResults(file, results);
  if (options.profile) console.log(describeProfiles(profileDirectory));
  console.log(`everything measured: ${file}`);
  return exitCodeOf(results);
}

function printEnvironment(): void {
  const { processor, cores, node, commit, loadAverage, mosquitto } = describeEnvironment();
  console.log(`${processor}, ${cores} cores, Node ${node}, ${mosquitto}`);
  console.log(`commit ${commit}, load average ${loadAverage.toFixed(2)} before the run\n`);
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
