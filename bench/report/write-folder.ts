/**
 * A report's folder: perf-reports/YYYY-MM-DD-NAME/{report.md, results.json, environment.json,
 * *.svg}, and the index of all of them. Writing it again from its results.json keeps reading.md,
 * the part that a person wrote.
 */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expandCases } from "../suite/expand-cases.ts";
import { fittingOptions } from "../suite/option-meaning.ts";
import { parseOptions } from "../suite/options.ts";
import { scenariosNamed } from "../suite/registry.ts";
import { type BenchResults, type ResultCase, writeResults } from "../suite/results.ts";
import { drawCharts } from "./charts.ts";
import { loadWords } from "./measure-plan.ts";
import type { ReportGroup, ReportPlan } from "./plans.ts";
import { answerOf, type ReportSection, writeReport } from "./report-text.ts";
import { judgeTargets, type TargetOutcome } from "./targets.ts";

const INDEX_HEAD = `# Performance reports

What was tried and taken back is kept beside them: [experiments that lost](lost-experiments.md).

| date | question | answer |
|---|---|---|`;

/** Returns what the index should say of it, and what became of its targets. */
export function writeReportFolder(
  folder: string,
  date: string,
  plan: ReportPlan,
  results: BenchResults,
): { entry: IndexEntry; outcomes: TargetOutcome[] } {
  mkdirSync(folder, { recursive: true });
  const extra = extraOptions(results);
  const sections = plan.groups.map((group) => writeCharts(folder, { plan, group, extra }, results));
  const outcomes = judgeTargets(plan.targets, results, extra);
  const readingFile = join(folder, "reading.md");
  const content = {
    date,
    plan,
    results,
    sections,
    outcomes,
    reading: existsSync(readingFile) ? readFileSync(readingFile, "utf8") : "",
  };
  writeFileSync(join(folder, "report.md"), writeReport(content));
  writeResults(join(folder, "results.json"), results);
  const environment = JSON.stringify(results.environment, null, 2);
  writeFileSync(join(folder, "environment.json"), `${environment}\n`);
  const entry = { date, question: plan.question, answer: answerOf(content) };
  return { entry, outcomes };
}

interface PlannedGroup {
  readonly plan: ReportPlan;
  readonly group: ReportGroup;
  readonly extra: readonly string[];
}

/** What the report was made with beyond its name: "npm run bench:report -- NAME EXTRA". */
function extraOptions({ command }: BenchResults): string[] {
  const [words, options = ""] = command.split(" -- ");
  if (words !== "npm run bench:report") return [];
  return options
    .split(" ")
    .slice(1)
    .filter((word) => word !== "");
}

function writeCharts(folder: string, planned: PlannedGroup, results: BenchResults): ReportSection {
  const { plan, group, extra } = planned;
  const cases = casesOf(planned, results);
  const slug = group.title
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "");
  const charts = drawCharts(results, cases, group.title, group.charts).map((chart) => {
    const file = `${slug}-${chart.name}.svg`;
    writeFileSync(join(folder, file), chart.svg);
    return { file, chart };
  });
  const commands = group.loads.map((load) => loadWords(plan, load, extra).join(" "));
  return { title: group.title, commands, cases, charts };
}

/** The cases of the group's loads that were measured. */
function casesOf({ plan, group, extra }: PlannedGroup, results: BenchResults): ResultCase[] {
  const names = group.loads.flatMap((load) => {
    const options = parseOptions(loadWords(plan, load, extra));
    return scenariosNamed(options.scenario).flatMap((scenario) =>
      expandCases(scenario, fittingOptions(scenario, options)).map(({ name }) => name),
    );
  });
  return [...new Set(names)].flatMap(
    (name) => results.cases.find((one) => one.name === name) ?? [],
  );
}

/**
 * Puts a report's row into `README.md` of the folder above it, newest first. Rows of other reports
 * stay as they are: people write better answers than programs.
 */
export function updateIndex(root: string, folder: string, entry: IndexEntry): void {
  const file = join(root, "README.md");
  const known = existsSync(file) ? readFileSync(file, "utf8").split("\n") : [];
  const others = known.filter((line) => INDEX_ROW.test(line) && !line.includes(`(${folder}/`));
  const cell = (text: string) => text.replaceAll("|", "\\|").replaceAll("\n", " ");
  const link = `[${cell(entry.question)}](${folder}/report.md)`;
  const rows = [...others, `| ${entry.date} | ${link} | ${cell(entry.answer)} |`];
  rows.sort((left, right) => (left < right ? 1 : -1));
  writeFileSync(file, `${INDEX_HEAD}\n${rows.join("\n")}\n`);
}

/** A row begins with its date. */
const INDEX_ROW = /^\| \d{4}-\d\d-\d\d \|/;

export interface IndexEntry {
  readonly date: string;
  readonly question: string;
  readonly answer: string;
}
