/**
 * `npm run bench:compare -- BEFORE.json AFTER.json`: what changed between two results files of the
 * suite. "Better" and "worse" need ranks that chance explains less than once in twenty, and a
 * change of at least 2 %.
 */

import { compareResults, countVerdicts, formatComparison } from "./suite/compare-results.ts";
import { readResults } from "./suite/results.ts";

const USAGE_EXIT_CODE = 64;

const [before, after] = process.argv.slice(2);
if (before === undefined || after === undefined) {
  console.error("npm run bench:compare -- BEFORE.json AFTER.json");
  process.exitCode = USAGE_EXIT_CODE;
} else {
  const rows = compareResults(readResults(before), readResults(after));
  console.log(formatComparison(rows));
  console.log(countVerdicts(rows));
}
