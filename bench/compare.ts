/**
 * `npm run bench:compare -- BEFORE.json AFTER.json`: what changed between two results files of the
 * suite. "Better" and "worse" need ranks that chance explains less than once in twenty, and a
 * change of at least 2 %. Exit code 1 when runs that were usable now only fail.
 */

import {
  compareResults,
  comparisonNotes,
  countVerdicts,
  formatComparison,
} from "./suite/compare-results.ts";
import { UsageError } from "./suite/options.ts";
import { readResults } from "./suite/results.ts";

const USAGE_EXIT_CODE = 64;

const USAGE = `npm run bench:compare -- BEFORE.json AFTER.json

Two results files of the suite (--json FILE). A verdict needs four rounds on each side, ranks that
chance explains less than once in twenty (exact rank test of Mann and Whitney), and a change of at
least 2 %; the ratio to the same peer tells a changed broker from a changed machine. Where all runs
fail that were usable before, the verdict is "failed" and the exit code 1.`;

try {
  process.exitCode = main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(error.message);
  process.exitCode = USAGE_EXIT_CODE;
}

function main(args: readonly string[]): number {
  if (args.includes("--help")) {
    console.log(USAGE);
    return 0;
  }
  const [before, after, surplus] = args;
  if (before === undefined || after === undefined || surplus !== undefined) {
    throw new UsageError(USAGE);
  }
  const [left, right] = [readResults(before), readResults(after)];
  const rows = compareResults(left, right);
  console.log(formatComparison(rows));
  for (const note of comparisonNotes(left, right)) console.log(note);
  console.log(countVerdicts(rows));
  return rows.some(({ comparison }) => comparison.verdict === "failed") ? 1 : 0;
}
