import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { MUTANTS } from "./all-mutants.ts";
import { buildMutant, staleEdits } from "./build-mutant.ts";
import { editText, type Mutant } from "./mutant.ts";

/** The compiled project that this file is part of. */
const BUILD = join(dirname(fileURLToPath(import.meta.url)), "../../..");

test("mutants: every edit fits the core as it is", () => {
  assert.deepEqual(
    MUTANTS.flatMap((mutant) => staleEdits(BUILD, mutant)),
    [],
  );
});

test("mutants: at least forty, each with a name of its own", () => {
  assert.ok(MUTANTS.length >= 40);
  assert.equal(new Set(MUTANTS.map(({ name }) => name)).size, MUTANTS.length);
});

test("mutants: an edit needs its text exactly once", () => {
  const edit = { file: "", find: "b", replace: "x" };
  assert.equal(editText("abc", edit), "axc");
  assert.equal(editText("ac", edit), null);
  assert.equal(editText("abcb", edit), null);
});

/** As `sim:mutants` does it: a broken copy of the build, run in a process of its own. */
function failureOf(mutant: Mutant): string {
  const target = join(BUILD, "mutant-of-a-test");
  mkdirSync(target, { recursive: true });
  buildMutant(BUILD, target, mutant);
  const program = join(target, "bench/sim.js");
  const limits = ["--schedules", "100", "--seed", "1", "--failures", "1"];
  const run = spawnSync(process.execPath, [program, "--json", ...limits], { encoding: "utf8" });
  rmSync(target, { recursive: true });
  const { failures } = JSON.parse(run.stdout) as { failures: { text: string }[] };
  return failures[0]?.text ?? "nothing";
}

test("mutants: a broken core is caught, and by what it breaks", () => {
  const find = "state.vote = state.id;";
  const edits = [{ file: "transitions", find, replace: "" }];
  const text = failureOf({ name: "no vote for itself", pitfall: 1, edits });
  assert.match(text, /^6 terms, votes and commits are kept: /);
  const same = failureOf({ name: "the core as it is", pitfall: 0, edits: [] });
  assert.equal(same, "nothing");
});
