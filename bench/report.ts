/**
 * `npm run bench:report -- NAME [options of the suite]`: measures what the report NAME needs and
 * writes its folder under perf-reports; `--help` explains.
 */

import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { measurePlan, planExpectation } from "./report/measure-plan.ts";
import { REPORT_PLANS } from "./report/plans.ts";
import { outcomesText } from "./report/report-text.ts";
import { updateIndex, writeReportFolder } from "./report/write-folder.ts";
import { UsageError } from "./suite/options.ts";
import { assertWritable } from "./suite/preflight.ts";
import { readResults } from "./suite/results.ts";

const USAGE_EXIT_CODE = 64;
const ROOT = "perf-reports";

const OWN_OPTIONS: readonly string[] = ["from", "out", "resume", "list", "help"];
const OPTIONS = `
  --resume      goes on where an interrupted run of the same command stopped
  --from FILE   writes the report anew from a results file; nothing is measured
  --out DIR     instead of perf-reports/DATE-NAME
  --list        this text; --help as well

All others are the suite's and override the plan's: --rounds 7, --duration 2, --workers 1,2,4,8.
For a trial of everything: --rounds 1 --duration 0.3 --warm-up 0.2 --out /tmp/trial`;

try {
  await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(error.message);
  process.exitCode = USAGE_EXIT_CODE;
}

async function main(args: readonly string[]): Promise<void> {
  const { own, rest } = splitArguments(args);
  if (own.isHelp) {
    console.log(helpText());
    return;
  }
  const [name, ...extra] = rest;
  const plan = REPORT_PLANS.find((candidate) => candidate.name === name);
  if (plan === undefined) throw new UsageError(`no report "${name ?? ""}"\n\n${helpText()}`);
  if (own.from !== undefined && (own.isResumed || extra.length > 0)) {
    throw new UsageError("--from measures nothing: it takes no option but --out");
  }
  if (own.out !== undefined) assertWritable(join(own.out, "report.md"));
  const results =
    own.from === undefined
      ? await measurePlan(plan, { extra, isResumed: own.isResumed })
      : readResults(own.from);
  const date = results.environment.time.slice(0, 10);
  const folder = own.out ?? join(ROOT, `${date}-${plan.name}`);
  const { entry, outcomes } = writeReportFolder(folder, date, plan, results);
  if (basename(dirname(folder)) === ROOT) updateIndex(dirname(folder), basename(folder), entry);
  console.log(outcomesText(outcomes));
  const hasReading = existsSync(join(folder, "reading.md"));
  const hint = hasReading ? "" : "; its Reading comes from reading.md beside it, once you wrote it";
  console.log(`written: ${join(folder, "report.md")}${hint}`);
}

/** Our own options; all others are the suite's. */
function splitArguments(args: readonly string[]) {
  const { values, tokens } = parseArgs({
    args: [...args],
    options: {
      from: { type: "string" },
      out: { type: "string" },
      resume: { type: "boolean" },
      list: { type: "boolean" },
      help: { type: "boolean" },
    },
    strict: false,
    tokens: true,
  });
  const taken = new Set<number>();
  for (const token of tokens) {
    if (token.kind !== "option" || !OWN_OPTIONS.includes(token.name)) continue;
    taken.add(token.index);
    if (token.inlineValue === false) taken.add(token.index + 1);
  }
  const rest = args.filter((_word, index) => !taken.has(index));
  const text = (option: "from" | "out") => {
    const value = values[option];
    if (value === true) throw new UsageError(`--${option} takes a path`);
    return typeof value === "string" ? value : undefined;
  };
  return {
    own: {
      from: text("from"),
      out: text("out"),
      isResumed: values["resume"] === true,
      isHelp: values["list"] === true || values["help"] === true,
    },
    rest,
  };
}

function helpText(): string {
  const rows = REPORT_PLANS.map((plan) => {
    const { cases, runs, text } = planExpectation(plan);
    return `  ${plan.name.padEnd(14)} ${cases} cases, ${runs} runs, about ${text}\n    ${plan.question}`;
  });
  return `npm run bench:report -- NAME [options]\n\n${rows.join("\n")}\n${OPTIONS}`;
}
