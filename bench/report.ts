/**
 * `npm run bench:report -- NAME [options of the suite]`: measures what the report NAME needs and
 * writes its folder under perf-reports. Options override those of the plan: `--rounds 7`,
 * `--duration 2`, `--workers 1,2,4,8`.
 *
 *   --from FILE   write the report anew from a results file; nothing is measured
 *   --out DIR     instead of perf-reports/DATE-NAME
 *   --list        the reports there are, with how long each takes
 */

import { basename, dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { countRuns, measurePlan } from "./report/measure-plan.ts";
import { REPORT_PLANS, type ReportPlan } from "./report/plans.ts";
import { outcomesText } from "./report/report-text.ts";
import { judgeTargets } from "./report/targets.ts";
import { updateIndex, writeReportFolder } from "./report/write-folder.ts";
import { UsageError } from "./suite/options.ts";
import { readResults } from "./suite/results.ts";

const USAGE_EXIT_CODE = 64;
const ROOT = "perf-reports";

try {
  await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(error.message);
  process.exitCode = USAGE_EXIT_CODE;
}

async function main(args: readonly string[]): Promise<void> {
  const { own, rest } = splitArguments(args);
  const plan = REPORT_PLANS.find(({ name }) => name === rest[0]);
  if (own.list === true || plan === undefined) {
    console.log(listText());
    if (own.list !== true) throw new UsageError(`no report "${rest[0] ?? ""}"`);
    return;
  }
  const results =
    own.from === undefined ? await measurePlan(plan, rest.slice(1)) : readResults(own.from);
  const date = results.environment.time.slice(0, 10);
  const folder = own.out ?? join(ROOT, `${date}-${plan.name}`);
  const entry = writeReportFolder(folder, date, plan, results);
  if (basename(dirname(folder)) === ROOT) updateIndex(dirname(folder), basename(folder), entry);
  console.log(outcomesText(judgeTargets(plan.targets, results)));
  console.log(`written: ${join(folder, "report.md")}`);
}

/** Our own options; all others are the suite's. */
function splitArguments(args: readonly string[]) {
  const { values, tokens } = parseArgs({
    args: [...args],
    options: {
      from: { type: "string" },
      out: { type: "string" },
      list: { type: "boolean" },
    },
    strict: false,
    tokens: true,
  });
  const taken = new Set<number>();
  for (const token of tokens) {
    if (token.kind !== "option" || !["from", "out", "list"].includes(token.name)) continue;
    taken.add(token.index);
    if (token.inlineValue === false) taken.add(token.index + 1);
  }
  const rest = args.filter((_word, index) => !taken.has(index));
  const text = (value: unknown) => (typeof value === "string" ? value : undefined);
  return {
    own: { from: text(values["from"]), out: text(values["out"]), list: values["list"] },
    rest,
  };
}

function listText(): string {
  const rows = REPORT_PLANS.map((plan: ReportPlan) => {
    const { cases, minutes } = countRuns(plan);
    return `  ${plan.name.padEnd(14)} ${cases} cases, about ${minutes} min: ${plan.question}`;
  });
  return `npm run bench:report -- NAME [options]\n${rows.join("\n")}\n`;
}
