import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { ALL_RANGE_MUTANTS } from "./all-range-mutants.ts";
import { buildRangeMutant, runRangeMutant, staleRangeEdits } from "./range-mutant.ts";

/** The compiled project that this file is part of. */
const BUILD = join(dirname(fileURLToPath(import.meta.url)), "../../../..");

test("range mutants: every edit fits the machines as they are", () => {
  assert.deepEqual(
    ALL_RANGE_MUTANTS.flatMap((mutant) => staleRangeEdits(BUILD, mutant)),
    [],
  );
});

test("range mutants: at least forty, each with a name of its own", () => {
  assert.ok(ALL_RANGE_MUTANTS.length >= 40);
  const names = ALL_RANGE_MUTANTS.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
});

test("range mutants: a copy of the build has all that a run needs", (t) => {
  // Inside the build, where packages are found.
  const target = mkdtempSync(join(BUILD, "mutant-"));
  t.after(() => rmSync(target, { recursive: true, force: true }));
  buildRangeMutant(BUILD, target, { name: "nothing", edits: [], nodeCount: null });
  const campaign = runRangeMutant(target, { firstSeed: 1, runs: 1, nodeCount: 1 }, 60_000);
  assert.deepEqual({ ...campaign }, { runCount: 1, diverged: [], failures: [] });
});
