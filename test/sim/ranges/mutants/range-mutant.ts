/**
 * A mutant is a compiled state machine with one rule broken, or a part of the model around it; see
 * test/sim/mutants, whose form this is.
 */

import { spawnSync } from "node:child_process";
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Edit, editText } from "../../mutants/mutant.ts";

export interface RangeMutant {
  readonly name: string;
  /** Files below `src/shared`, or below `test/sim/ranges` when they begin with "model:". */
  readonly edits: readonly Edit[];
  /** In worlds of so many nodes; null: of any. */
  readonly nodeCount: number | null;
}

/** One edit. */
export function rangeMutant(
  name: string,
  file: string,
  find: string,
  replace: string,
): RangeMutant {
  return { name, edits: [{ file, find, replace }], nodeCount: null };
}

/** What runs of the simulator need of a build. */
const PARTS = ["src", "test/sim", "test/helpers", "bench/sim-ranges.js", "bench/command-line.js"];

/** Copies `build` to `target`, which is emptied before, and breaks it there. */
export function buildRangeMutant(build: string, target: string, mutant: RangeMutant): void {
  rmSync(target, { recursive: true, force: true });
  for (const part of PARTS) {
    cpSync(join(build, part), join(target, part), {
      recursive: true,
      filter: (path) => !path.endsWith(".map") && !path.endsWith(".test.js"),
    });
  }
  for (const edit of mutant.edits) {
    const path = join(target, compiledPath(edit.file));
    const text = editText(readFileSync(path, "utf8"), edit);
    if (text === null) throw new Error(`${mutant.name}: not exactly once: ${edit.find}`);
    writeFileSync(path, text);
  }
}

/** What a campaign of a copy says of itself. */
export interface MutantCampaign {
  readonly runCount: number;
  readonly failures: readonly { readonly text: string }[];
}

export interface MutantRuns extends Pick<RangeMutant, "nodeCount"> {
  readonly firstSeed: number;
  readonly runs: number;
}

/** Runs the copy in `target` until its first failure; null: it does not come back in time. */
export function runRangeMutant(
  target: string,
  { firstSeed, runs, nodeCount }: MutantRuns,
  timeLimitMs: number,
): MutantCampaign | null {
  const program = join(target, "bench/sim-ranges.js");
  const limits = ["--runs", String(runs), "--seed", String(firstSeed), "--failures", "1"];
  const nodes = nodeCount === null ? [] : ["--nodes", String(nodeCount)];
  const run = spawnSync(process.execPath, [program, "--json", ...limits, ...nodes], {
    encoding: "utf8",
    timeout: timeLimitMs,
  });
  if (run.signal !== null) return null;
  // A copy that cannot even be loaded proves nothing.
  if (!run.stdout.startsWith("{")) throw new Error(run.stderr);
  return JSON.parse(run.stdout) as MutantCampaign;
}

/** The edits that do not fit the build any more. */
export function staleRangeEdits(build: string, mutant: RangeMutant): string[] {
  return mutant.edits
    .filter((edit) => {
      const text = readFileSync(join(build, compiledPath(edit.file)), "utf8");
      return editText(text, edit) === null;
    })
    .map((edit) => `${mutant.name}: ${edit.file}: ${edit.find}`);
}

function compiledPath(file: string): string {
  const [, model] = file.split("model:");
  return model === undefined ? `src/shared/${file}.js` : `test/sim/ranges/${model}.js`;
}
