/**
 * `npm run sim:mutants`: breaks the core, one rule at a time, and lets the simulator find it.
 * Prints which invariant caught each mutant, after how many schedules; those that chance does not
 * find must be caught by a test that aims at them.
 *
 * Several runs at once, of different mutants, may share a build and a file. Verdicts are of the
 * core and the profiles that they were reached with: after a change of either, begin a new file.
 *
 * Ends with 1 when a mutant does not fit the build any more, when the simulator catches fewer than
 * 95 % of them, or when anyone is caught by nobody.
 */

import { appendFileSync, existsSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { MUTANTS } from "../test/sim/mutants/all-mutants.ts";
import { judgeMutant, NOT_JUDGED, type Verdict } from "../test/sim/mutants/judge-mutant.ts";
import type { Mutant } from "../test/sim/mutants/mutant.ts";
import { commandLine, wholeNumber } from "./command-line.ts";
import { formatTable } from "./statistics.ts";

const REQUIRED_SHARE = 0.95;

const USAGE = `npm run sim:mutants -- [options]   breaks the core on purpose and counts who notices

  --schedules N    at most per mutant, default 20,000        --seed S   the first, default 1
  --only TEXT      mutants whose name holds TEXT; may be given several times
  --results FILE   keeps verdicts there, one JSON object per line; a run that finds some goes on
                   where they end, so an interrupted one is resumed and a short one prolonged
  --list           names the mutants            --table   what FILE holds; neither runs anything`;

const { values, mutants, firstSeed, scheduleLimit } = commandLine(USAGE, readOptions);
const build = join(dirname(fileURLToPath(import.meta.url)), "..");
const target = join(build, `mutant-${process.pid}`);
if (values.list) console.log(mutants.map(({ name }) => name).join("\n"));
else if (values.table) report(knownVerdicts());
else judgeAll();

function readOptions() {
  const { values } = parseArgs({
    options: {
      schedules: { type: "string", default: "20000" },
      seed: { type: "string", default: "1" },
      only: { type: "string", multiple: true, default: [""] },
      results: { type: "string" },
      list: { type: "boolean", default: false },
      table: { type: "boolean", default: false },
    },
  });
  const mutants = MUTANTS.filter(({ name }) => values.only.some((text) => name.includes(text)));
  if (mutants.length === 0) throw new Error("--only: no mutant has this name; --list shows all");
  return {
    values,
    mutants,
    firstSeed: wholeNumber("seed", values.seed, 0),
    scheduleLimit: wholeNumber("schedules", values.schedules, 1),
  };
}

function judgeAll(): void {
  const verdicts = knownVerdicts();
  for (const [at, mutant] of mutants.entries()) {
    const before = verdicts.get(mutant.name) ?? NOT_JUDGED;
    if (!isFinal(before)) verdicts.set(mutant.name, judge(mutant, before));
    const verdict = verdicts.get(mutant.name) ?? NOT_JUDGED;
    console.log(`${at + 1}/${mutants.length} ${mutant.name}: ${textOf(verdict)}`);
  }
  report(verdicts);
}

function judge(mutant: Mutant, before: Verdict): Verdict {
  const limits = { firstSeed, scheduleLimit };
  const verdict = judgeMutant(mutant, { build, target }, limits, before);
  rmSync(target, { recursive: true, force: true });
  if (values.results !== undefined) {
    const line = JSON.stringify({ name: mutant.name, seed: firstSeed, ...verdict });
    appendFileSync(values.results, `${line}\n`);
  }
  return verdict;
}

/** By name, from the file; the last of each counts. */
function knownVerdicts(): Map<string, Verdict> {
  const verdicts = new Map<string, Verdict>();
  if (values.results === undefined || !existsSync(values.results)) return verdicts;
  const lines = readFileSync(values.results, "utf8").trim().split("\n");
  for (const line of lines.filter((text) => text !== "")) {
    const known = JSON.parse(line) as Verdict & { name: string; seed: number };
    if (known.seed === firstSeed) verdicts.set(known.name, known);
  }
  return verdicts;
}

function isFinal({ caughtBy, schedules }: Verdict): boolean {
  return caughtBy !== null || schedules >= scheduleLimit;
}

function textOf({ caughtBy, schedules, directedTest }: Verdict): string {
  if (caughtBy !== null) return `${caughtBy} (${schedules})`;
  const outcome = directedTest === null ? "NOBODY" : `test "${directedTest}"`;
  return `${outcome} (${schedules} schedules found nothing)`;
}

function report(verdicts: ReadonlyMap<string, Verdict>): void {
  const judged = mutants.filter(({ name }) => verdicts.has(name));
  const rows = judged.map(({ name, pitfall }) => {
    const verdict = verdicts.get(name) ?? NOT_JUDGED;
    const { caughtBy, schedules, directedTest } = verdict;
    const catcher = caughtBy ?? (directedTest === null ? "NOBODY" : `test "${directedTest}"`);
    const count = caughtBy === null ? `(${schedules})` : String(schedules);
    return [name, pitfall > 0 ? String(pitfall) : "-", count, catcher];
  });
  console.log(`\n${formatTable([["mutant", "pitfall", "schedules", "caught by"], ...rows])}`);
  const all = judged.map(({ name }) => verdicts.get(name) ?? NOT_JUDGED);
  const bySimulator = all.filter(({ caughtBy }) => caughtBy !== null).length;
  const byTests = all.filter((one) => one.caughtBy === null && one.directedTest !== null).length;
  const counts = `${bySimulator} caught by the simulator, ${byTests} by tests`;
  console.log(`${all.length} of ${mutants.length} mutants judged: ${counts}`);
  const isEnough = bySimulator >= mutants.length * REQUIRED_SHARE;
  if (!isEnough || bySimulator + byTests < mutants.length) process.exitCode = 1;
}
