/**
 * `npm run sim:mutants`: breaks the core, one rule at a time, and lets the simulator find it.
 * Prints which invariant caught each mutant, after how many schedules; those that chance does not
 * find must be caught by a test that aims at them.
 *
 *   --schedules N   at most per mutant, default 20,000        --seed S   the first, default 1
 *   --only TEXT     mutants whose name holds TEXT             --list     names them, runs nothing
 *
 * Ends with 1 when a mutant does not fit the build any more, when the simulator catches fewer than
 * 95 % of them, or when anyone is caught by nobody.
 */

import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { MUTANTS } from "../test/sim/mutants/all-mutants.ts";
import { buildMutant, directedTests } from "../test/sim/mutants/build-mutant.ts";
import type { Mutant } from "../test/sim/mutants/mutant.ts";
import { formatTable } from "./statistics.ts";

const REQUIRED_SHARE = 0.95;
/** A mutant may also hang: a schedule takes milliseconds, so this is as good as for ever. */
const TIME_LIMIT_MS = 600_000;

const { values } = parseArgs({
  options: {
    schedules: { type: "string", default: "20000" },
    seed: { type: "string", default: "1" },
    only: { type: "string", default: "" },
    list: { type: "boolean", default: false },
  },
});

interface Verdict {
  readonly mutant: Mutant;
  /** The invariant; null when the simulator found nothing. */
  readonly caughtBy: string | null;
  readonly schedules: number;
  /** The first directed test that fails; null when none does, or none was needed. */
  readonly directedTest: string | null;
}

const build = join(dirname(fileURLToPath(import.meta.url)), "..");
const target = join(build, "mutant");
const mutants = MUTANTS.filter(({ name }) => name.includes(values.only));
if (values.list) console.log(mutants.map(({ name }) => name).join("\n"));
else report(mutants.map((mutant) => judge(mutant)));

function judge(mutant: Mutant): Verdict {
  buildMutant(build, target, mutant);
  const limits = ["--schedules", values.schedules, "--seed", values.seed, "--failures", "1"];
  const run = runNode([join(target, "bench/sim.js"), "--json", ...limits]);
  const { caughtBy, schedules } = readCampaign(run.stdout, run.stderr);
  const directedTest = caughtBy === null ? findDirectedTest() : null;
  console.log(`${mutant.name}: ${caughtBy ?? directedTest ?? "not caught"} (${schedules})`);
  return { mutant, caughtBy, schedules, directedTest };
}

function runNode(programArguments: readonly string[]) {
  return spawnSync(process.execPath, programArguments, {
    encoding: "utf8",
    timeout: TIME_LIMIT_MS,
    maxBuffer: 2 ** 26,
  });
}

function readCampaign(output: string, errors: string) {
  const line = output.trim().split("\n").at(-1) ?? "";
  if (!line.startsWith("{")) {
    const text = errors.trim().split("\n").at(-1) ?? "";
    return { caughtBy: `does not come back ${text}`.trim(), schedules: 0 };
  }
  const { scheduleCount, failures } = JSON.parse(line) as {
    scheduleCount: number;
    failures: { text: string }[];
  };
  return { caughtBy: failures[0]?.text.split(":")[0] ?? null, schedules: scheduleCount };
}

function findDirectedTest(): string | null {
  const run = runNode(["--test", "--test-reporter=tap", ...directedTests(target)]);
  const [, name = null] = /^ *not ok \d+ - (?!\/)(.*)$/m.exec(run.stdout) ?? [];
  return name;
}

function report(verdicts: readonly Verdict[]): void {
  const rows = verdicts.map(({ mutant, caughtBy, schedules, directedTest }) => [
    mutant.name,
    mutant.pitfall > 0 ? String(mutant.pitfall) : "-",
    String(schedules),
    caughtBy ?? (directedTest === null ? "NOBODY" : `test "${directedTest}"`),
  ]);
  console.log(`\n${formatTable([["mutant", "pitfall", "schedules", "caught by"], ...rows])}`);
  const bySimulator = verdicts.filter(({ caughtBy }) => caughtBy !== null).length;
  const byTests = verdicts.filter(({ directedTest }) => directedTest !== null).length;
  console.log(
    `${verdicts.length} mutants: ${bySimulator} caught by the simulator, ${byTests} by tests`,
  );
  const isEnough = bySimulator >= verdicts.length * REQUIRED_SHARE;
  if (!isEnough || bySimulator + byTests < verdicts.length) process.exitCode = 1;
}
