/**
 * Runs compiled tests under Node's own runner. Node 20's runner has no globs, so the files are
 * collected here.
 */

import { join } from "node:path";
import { BUILDS, filesBelow } from "./build.mjs";
import { fail, runNode } from "./process.mjs";

/** A test file that takes longer hangs: milliseconds. Single tests end within seconds. */
const FILE_TIMEOUT_MS = 300_000;

/**
 * Words filter by path ("codec", "main/config"), any of them; options go to `node --test` as they
 * are (write values with "=", as in --test-name-pattern=retain). Resolves with the runner's exit
 * code.
 */
export function runTests(words) {
  const options = words.filter((word) => word.startsWith("-"));
  const filters = words.filter((word) => !word.startsWith("-"));
  const files = filesBelow(join(BUILDS.test.outDir, "test"))
    .filter((file) => file.endsWith(".test.js"))
    .filter((file) => filters.length === 0 || filters.some((word) => file.includes(word)));
  if (files.length === 0) fail(`no test file matches: ${filters.join(" ")}`, 1);
  const defaults = ["--enable-source-maps", "--test", `--test-timeout=${FILE_TIMEOUT_MS}`];
  if (!options.some((option) => option.startsWith("--test-reporter"))) {
    defaults.push("--test-reporter=spec");
  }
  return runNode([...defaults, ...options, ...files]);
}
