/**
 * `npm run sim:ranges:mutants`: breaks the state machines, one rule at a time, and lets
 * `sim:ranges` find it. Prints which invariant caught each mutant, after how many runs.
 *
 * Ends with 1 when a mutant does not fit the build any more, or is caught by nobody.
 */

import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { ALL_RANGE_MUTANTS } from "../test/sim/ranges/mutants/all-range-mutants.ts";
import { buildRangeMutant, type RangeMutant } from "../test/sim/ranges/mutants/range-mutant.ts";
import { commandLine, wholeNumber } from "./command-line.ts";
import { formatTable } from "./statistics.ts";

/** A mutant may also hang: a run takes milliseconds, so this is as good as for ever. */
const TIME_LIMIT_MS = 300_000;

const USAGE = `npm run sim:ranges:mutants -- [options]   breaks the state machines on purpose and counts who notices

  --runs N   at most per mutant, default 2,000     --only TEXT   mutants whose name holds TEXT
  --seed S   the first, default 1                  --target DIR  where the broken copies are made`;

const { mutants, targetName, limits } = commandLine(USAGE, readOptions);
const build = join(dirname(fileURLToPath(import.meta.url)), "..");
const target = join(build, targetName);
const rows = mutants.map((mutant) => [mutant.name, ...judge(mutant)]);
console.log(formatTable([["mutant", "caught by", "runs"], ...rows]));

/** Who has caught it, and after how many runs. */
function judge(mutant: RangeMutant): [caughtBy: string, runs: string] {
  buildRangeMutant(build, target, mutant);
  const program = [join(target, "bench/sim-ranges.js"), "--json", ...limits];
  const run = spawnSync(process.execPath, program, { encoding: "utf8", timeout: TIME_LIMIT_MS });
  if (!run.stdout.startsWith("{")) return [`does not come back ${run.signal ?? run.stderr}`, "-"];
  const { runCount, failures } = JSON.parse(run.stdout) as {
    runCount: number;
    failures: { text: string }[];
  };
  const caughtBy = failures[0]?.text.split(":")[0] ?? "NOBODY";
  if (failures.length === 0) process.exitCode = 1;
  console.error(`${mutant.name}: ${failures[0]?.text ?? "NOBODY"} (${runCount})`);
  return [caughtBy, String(runCount)];
}

function readOptions() {
  const { values } = parseArgs({
    options: {
      runs: { type: "string", default: "2000" },
      seed: { type: "string", default: "1" },
      only: { type: "string", default: "" },
      target: { type: "string", default: "mutant-of-ranges" },
    },
  });
  const mutants = ALL_RANGE_MUTANTS.filter(({ name }) => name.includes(values.only));
  if (mutants.length === 0) throw new Error("--only: no mutant has this name");
  const runs = String(wholeNumber("runs", values.runs, 1));
  const seed = String(wholeNumber("seed", values.seed, 0));
  const limits = ["--runs", runs, "--seed", seed, "--failures", "1"];
  return { mutants, targetName: values.target, limits };
}
