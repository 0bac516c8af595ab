/**
 * `npm run sim:ranges:mutants`: breaks the state machines, one rule at a time, and lets
 * `sim:ranges` find it. Prints which invariant caught each mutant, after how many runs.
 *
 * Verdicts are of the machines and the profiles that they were reached with: after a change of
 * either, begin a new file. First few runs for all mutants, then more for those that are left, is
 * how the hard ones get the time: `--runs 20 --results FILE`, then `--runs 2000 --results FILE`.
 *
 * Ends with 1 when a mutant does not fit the build any more, or is caught by nobody.
 */

import { appendFileSync, existsSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { ALL_RANGE_MUTANTS } from "../test/sim/ranges/mutants/all-range-mutants.ts";
import {
  buildRangeMutant,
  type RangeMutant,
  runRangeMutant,
} from "../test/sim/ranges/mutants/range-mutant.ts";
import { commandLine, wholeNumber } from "./command-line.ts";
import { formatTable } from "./statistics.ts";

/** Runs of one process: a verdict is kept after each. */
const SLICE_RUNS = 100;
/** A mutant may also hang: a run takes milliseconds, so this is as good as for ever. */
const TIME_LIMIT_MS = 300_000;

const USAGE = `npm run sim:ranges:mutants -- [options]   breaks the state machines on purpose and counts who notices

  --runs N         at most per mutant, default 2,000     --seed S       the first, default 1
  --only TEXT      mutants whose name holds TEXT         --target NAME  folder of the broken copies
  --results FILE   keeps verdicts there, one JSON object per line; a run that finds some goes on
                   where they end, so an interrupted one is resumed and a short one prolonged
  --table          what FILE holds; runs nothing`;

interface Verdict {
  /** Null: nobody yet. */
  readonly caughtBy: string | null;
  readonly text: string;
  readonly runs: number;
}

const NOT_JUDGED: Verdict = { caughtBy: null, text: "", runs: 0 };

const { mutants, target, firstSeed, runLimit, results, isTable } = commandLine(USAGE, readOptions);
const build = join(dirname(fileURLToPath(import.meta.url)), "..");
const copy = join(build, target);
const verdicts = knownVerdicts();
if (!isTable) judgeAll();
report();

function judgeAll(): void {
  for (const mutant of mutants) {
    let verdict = verdicts.get(mutant.name) ?? NOT_JUDGED;
    if (verdict.caughtBy !== null || verdict.runs >= runLimit) continue;
    buildRangeMutant(build, copy, mutant);
    while (verdict.caughtBy === null && verdict.runs < runLimit) {
      verdict = judge(mutant, verdict.runs);
      note(mutant, verdict);
    }
    const { caughtBy, text, runs } = verdict;
    console.error(`${mutant.name}: ${caughtBy === null ? "NOBODY" : text} (${runs})`);
  }
  rmSync(copy, { recursive: true, force: true });
}

/** Some more runs, behind those that were clean. */
function judge({ nodeCount }: RangeMutant, cleanRuns: number): Verdict {
  const runs = Math.min(SLICE_RUNS, runLimit - cleanRuns);
  const nextSeed = firstSeed + cleanRuns;
  const campaign = runRangeMutant(copy, { firstSeed: nextSeed, runs, nodeCount }, TIME_LIMIT_MS);
  if (campaign === null) return caught("it does not come back", cleanRuns + runs);
  const { runCount, failures } = campaign;
  const failure = failures[0];
  if (failure === undefined) return { ...NOT_JUDGED, runs: cleanRuns + runCount };
  return caught(failure.text, cleanRuns + runCount);
}

/** The name of the invariant stands before the colon. */
function caught(text: string, runs: number): Verdict {
  return { caughtBy: text.split(":")[0] ?? "", text, runs };
}

function note({ name }: RangeMutant, verdict: Verdict): void {
  verdicts.set(name, verdict);
  if (results === undefined) return;
  appendFileSync(results, `${JSON.stringify({ name, seed: firstSeed, ...verdict })}\n`);
}

/** By name, from the file; the last of each counts. */
function knownVerdicts(): Map<string, Verdict> {
  const known = new Map<string, Verdict>();
  if (results === undefined || !existsSync(results)) return known;
  for (const line of readFileSync(results, "utf8").split("\n")) {
    if (line === "") continue;
    const { name, seed, ...verdict } = JSON.parse(line) as Verdict & { name: string; seed: number };
    if (seed === firstSeed) known.set(name, verdict);
  }
  return known;
}

function report(): void {
  const rows = mutants.map(({ name }) => {
    const { caughtBy, runs } = verdicts.get(name) ?? NOT_JUDGED;
    return [name, caughtBy ?? "NOBODY", String(runs)];
  });
  console.log(formatTable([["mutant", "caught by", "runs"], ...rows]));
  const caughtCount = rows.filter(([, caughtBy]) => caughtBy !== "NOBODY").length;
  console.log(`${caughtCount} of ${rows.length} caught`);
  if (caughtCount < rows.length) process.exitCode = 1;
}

function readOptions() {
  const { values } = parseArgs({
    options: {
      runs: { type: "string", default: "2000" },
      seed: { type: "string", default: "1" },
      only: { type: "string", default: "" },
      target: { type: "string", default: "mutant-of-ranges" },
      results: { type: "string" },
      table: { type: "boolean", default: false },
    },
  });
  const mutants = ALL_RANGE_MUTANTS.filter(({ name }) => name.includes(values.only));
  if (mutants.length === 0) throw new Error("--only: no mutant has this name");
  return {
    mutants,
    target: values.target,
    firstSeed: wholeNumber("seed", values.seed, 0),
    runLimit: wholeNumber("runs", values.runs, 1),
    results: values.results,
    isTable: values.table,
  };
}
