/**
 * Everything a change must pass. Never writes to a source file; runs all steps, also after a failed
 * one.
 */

import { join } from "node:path";
import { BUILDS, compile, ensureBuilt } from "./build.mjs";
import { ROOT, runNode, say } from "./process.mjs";
import { runTests } from "./test.mjs";

const BIOME = join(ROOT, "node_modules/@biomejs/biome/bin/biome");
const KNIP = join(ROOT, "node_modules/knip/bin/knip.js");

const STEPS = [
  ["types", () => compile(BUILDS.test)],
  ["format and lint", () => runNode([BIOME, "ci", "."])],
  ["comments", () => runNode([join(ROOT, "scripts/wrap-comments.mjs"), "--check"])],
  ["dead code", () => runNode([KNIP])],
  [
    "tests",
    () => {
      ensureBuilt(BUILDS.test);
      return runTests([]);
    },
  ],
];

/** Resolves with 0 when every step passed, else 1. */
export async function verify() {
  const failed = [];
  for (const [name, step] of STEPS) {
    say(`\n== ${name}`);
    if ((await step()) !== 0) failed.push(name);
  }
  say(failed.length === 0 ? "\nverify: all passed" : `\nverify: failed: ${failed.join(", ")}`);
  return failed.length === 0 ? 0 : 1;
}
