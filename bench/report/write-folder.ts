/**
 * A report's folder: perf-reports/YYYY-MM-DD-NAME/{report.md, results.json, environment.json,
 * *.svg}, and the index of all of them. Writing it again from its results.json keeps reading.md,
 * the part that a person wrote.
 */

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expandCases } from "../suite/expand-cases.ts";
import { parseOptions } from "../suite/options.ts";
import { scenariosNamed } from "../suite/registry.ts";
import { type BenchResults, type ResultCase, writeResults } from "../suite/results.ts";
import { drawCharts } from "./charts.ts";
import type { ReportGroup, ReportPlan } from "./plans.ts";
import { markdownTable, type ReportSection, writeReport } from "./report-text.ts";
import { judgeTargets } from "./targets.ts";

const INDEX_HEAD = `# Performance reports

Every report was written by \`npm run bench:report -- NAME\` and can be made again on any machine; losing experiments
stay in the list, because they save the next one from being tried. Newest first.
`;

export function writeReportFolder(
  folder: string,
  date: string,
  plan: ReportPlan,
  results: BenchResults,
): void {
  mkdirSync(folder, { recursive: true });
  const sections = plan.groups.map((group) => writeCharts(folder, group, results));
  const readingFile = join(folder, "reading.md");
  const report = writeReport({
    date,
    plan,
    results,
    sections,
    outcomes: judgeTargets(plan.targets, results),
    reading: existsSync(readingFile) ? readFileSync(readingFile, "utf8") : "",
    rounds: Math.max(0, ...results.samples.map((sample) => sample.round)),
  });
  writeFileSync(join(folder, "report.md"), report);
  writeResults(join(folder, "results.json"), results);
  const environment = JSON.stringify(results.environment, null, 2);
  writeFileSync(join(folder, "environment.json"), `${environment}\n`);
}

function writeCharts(folder: string, group: ReportGroup, results: BenchResults): ReportSection {
  const cases = casesOf(group, results);
  const slug = group.title
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "");
  const charts = drawCharts(results, cases, group.title, group.charts).map((chart) => {
    const file = `${slug}-${chart.name}.svg`;
    writeFileSync(join(folder, file), chart.svg);
    return { file, chart };
  });
  return { title: group.title, loads: group.loads, cases, charts };
}

/** The cases of the group's loads that were measured. */
function casesOf(group: ReportGroup, results: BenchResults): ResultCase[] {
  const names = group.loads.flatMap((load) => {
    const options = parseOptions(load.split(" "));
    return scenariosNamed(options.scenario).flatMap((scenario) =>
      expandCases(scenario, options).map(({ name }) => name),
    );
  });
  return [...new Set(names)].flatMap(
    (name) => results.cases.find((one) => one.name === name) ?? [],
  );
}

/** Rewrites `perf-reports/README.md` from the reports' first lines. */
export function writeIndex(root: string): void {
  const rows = readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(root, entry.name, "report.md")))
    .map((entry) => entry.name)
    .sort()
    .reverse()
    .map((name) => indexRow(name, readFileSync(join(root, name, "report.md"), "utf8")));
  const table = markdownTable([["date", "report", "question", "answer"], ...rows]);
  // Text columns: to the left.
  writeFileSync(join(root, "README.md"), `${INDEX_HEAD}\n${table.replaceAll("---:", "---")}\n`);
}

function indexRow(folder: string, report: string): string[] {
  const date = /^\d{4}-\d\d-\d\d/.exec(folder)?.[0] ?? "";
  const name = folder.slice(date.length).replace(/^-/, "");
  const question = /^\*\*Question\.\*\* (.*)$/m.exec(report)?.[1] ?? firstParagraph(report);
  const answer = /^\*\*Answer\.\*\* (.*)$/m.exec(report)?.[1] ?? "";
  const cell = (text: string) => text.replaceAll("|", "\\|");
  return [date, `[${name}](${folder}/report.md)`, cell(question), cell(answer)];
}

/** Of reports in another form. */
function firstParagraph(report: string): string {
  const paragraphs = report.split(/\n\s*\n/).filter((text) => !text.startsWith("#"));
  return (paragraphs[0] ?? "").replaceAll("\n", " ").trim();
}
