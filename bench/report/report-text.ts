/**
 * A report as Markdown: question, sketch, set-up, targets, tables with charts, reading, what was
 * not measured.
 */

import { formatTable, showSpread } from "../statistics.ts";
import type { BenchResults, ResultCase } from "../suite/results.ts";
import { caseNotes, caseTable, DISTURBED_CORES } from "../suite/summary.ts";
import type { Chart } from "./charts.ts";
import type { ReportPlan } from "./plans.ts";
import type { TargetOutcome } from "./targets.ts";

export interface ReportSection {
  readonly title: string;
  /** Of the suite: each load with all its options. */
  readonly commands: readonly string[];
  readonly cases: readonly ResultCase[];
  /** File name by chart. */
  readonly charts: readonly { readonly file: string; readonly chart: Chart }[];
}

export interface ReportContent {
  readonly date: string;
  readonly plan: ReportPlan;
  readonly results: BenchResults;
  readonly sections: readonly ReportSection[];
  readonly outcomes: readonly TargetOutcome[];
  /** Written by a person, kept in reading.md beside the report; "" = none yet. */
  readonly reading: string;
}

export function writeReport(content: ReportContent): string {
  const { plan, date } = content;
  const parts = [
    `# ${plan.name}, ${date}`,
    `**Question.** ${plan.question}`,
    `**Answer.** ${answerOf(content)}`,
    `## Sketch\n\n${plan.sketch}`,
    `## Set-up\n\n${setUp(content)}`,
    ...targetPart(content.outcomes),
    ...content.sections.map((section) => sectionPart(content.results, section)),
    `## Reading\n\n${readingPart(content)}`,
    `## Not measured\n\n${plan.notMeasured.map((item) => `- ${item}`).join("\n")}`,
  ];
  return `${parts.join("\n\n")}\n`;
}

/** For the index: the first paragraph that a reader wrote, else what became of the targets. */
export function answerOf({ outcomes, reading, plan }: ReportContent): string {
  const [first = ""] = reading.trim().split(/\n\s*\n/);
  if (first !== "") return first.replace(/\s*\n\s*/g, " ");
  if (outcomes.length === 0) return `Measured; no target is set for ${plan.name}.`;
  const count = (verdict: string) => outcomes.filter((one) => one.verdict === verdict).length;
  const missed = outcomes.filter((one) => one.verdict === "missed").map(outcomeText);
  const open = count("open") === 0 ? "" : `, ${count("open")} not decided`;
  const tail = missed.length === 0 ? "." : `; missed: ${missed.join("; ")}.`;
  return `${count("met")} of ${outcomes.length} targets met${open}${tail}`;
}

function outcomeText(outcome: TargetOutcome): string {
  const { target } = outcome;
  const wanted = `${target.isAtLeast ? "at least" : "at most"} ${target.show(target.wanted)}`;
  return `\`${target.load}\` ${target.what}: ${foundText(outcome)}, wanted ${wanted}`;
}

function foundText({ target, measured, isBound, beside }: TargetOutcome): string {
  const tail =
    beside === null || target.beside === undefined
      ? ""
      : `; ${target.beside.what}: ${showSpread(beside, target.show)}`;
  if (measured === null) return `too few usable rounds${tail}`;
  const sign = target.isAtLeast ? "≥ " : "≤ ";
  return `${isBound ? sign : ""}${showSpread(measured, target.show)}${tail}`;
}

function setUp({ results, plan }: ReportContent): string {
  const { environment } = results;
  const lines = [
    `${environment.processor}, ${environment.cores} cores, ${environment.memoryGib} GiB, ${environment.system}.`,
    `Node ${environment.node}, ${environment.mosquitto}, commit ${environment.commit}, ${environment.time}.`,
    `Load average before the run: ${environment.loadAverage.toFixed(2)}.`,
    `\`${results.command}\``,
    `Every broker once per round, in turns, ${freshnessText(plan.options)}; ${roundsText(results)}. Figures are medians of the rounds, in brackets the lowest and the highest. Ratios are taken within a round.`,
    "Peers are tuned: [mosquitto.conf](../../bench/contenders/mosquitto.conf), [aedes-server.ts](../../bench/contenders/aedes-server.ts). The generator verifies every delivery.",
    '"≥": the generator was over 85 % busy, and so was the broker, so it does that much or more. Runs whose limit was the generator are void and left out. Where most of them were void, what the generator could make is a lower bound that can meet a target, but not miss it; so is a latency that a generator over 85 % busy saw, as an upper bound ("≤").',
  ];
  return [...lines.map((line) => `- ${line}`), ...disturbance(results)].join("\n");
}

function freshnessText(options: string): string {
  return options.includes("--fresh case")
    ? "on a process that it keeps for all rounds of a case; generators start and connect anew for each run"
    : "each time on a freshly started process";
}

/** "5 rounds (aedes: 2)". */
function roundsText({ contenders, samples }: BenchResults): string {
  const roundsOf = (name: string) =>
    Math.max(0, ...samples.filter((one) => one.contender === name).map(({ round }) => round));
  const most = Math.max(0, ...samples.map(({ round }) => round));
  const fewer = contenders.filter(({ name }) => roundsOf(name) < most);
  const exceptions = fewer.map(({ name }) => `${name}: ${roundsOf(name)}`).join(", ");
  const tail = exceptions === "" ? "" : ` (${exceptions})`;
  return `${most} ${most === 1 ? "round" : "rounds"}${tail}`;
}

/** Says so when the machine was shared: the first thing to know of a figure. */
function disturbance(results: BenchResults): string[] {
  const others = results.samples.map((sample) => sample.result?.othersCores ?? 0);
  const disturbed = others.filter((cores) => cores > DISTURBED_CORES).length;
  if (disturbed === 0) return [];
  const most = Math.max(...others).toFixed(1);
  return [
    `- **${disturbed} of ${others.length} runs were disturbed**: other processes used up to ${most} cores meanwhile. Trust CPU per operation and ratios more than rates.`,
  ];
}

function targetPart(outcomes: readonly TargetOutcome[]): string[] {
  if (outcomes.length === 0) return [];
  const rows = outcomes.map((outcome) => {
    const { target, verdict } = outcome;
    const wanted = `${target.isAtLeast ? "≥" : "≤"} ${target.show(target.wanted)}`;
    const found = foundText(outcome);
    return [`\`${target.load}\``, target.what, wanted, found, VERDICT_CELLS[verdict]];
  });
  return [
    `## Targets\n\n${markdownTable([["load", "figure", "wanted", "measured", "met"], ...rows])}`,
  ];
}

const VERDICT_CELLS = { met: "yes", missed: "**no**", open: "not decided" } as const;

function sectionPart(results: BenchResults, section: ReportSection): string {
  const commands = section.commands.map((words) => `npm run bench -- ${words}`).join("\n");
  const charts = section.charts.map(({ file, chart }) => `![${chart.title}](${file})`);
  const tables = section.cases.map((one) => {
    const notes = caseNotes(results, one).map((note) => `- ${note}`);
    const table = markdownTable(caseTable(results, one));
    return [`### ${one.name}`, table, notes.join("\n")].filter((part) => part !== "").join("\n\n");
  });
  const head = `## ${section.title}\n\n\`\`\`sh\n${commands}\n\`\`\``;
  const body = [...charts, ...tables];
  return [head, ...(body.length === 0 ? ["Not measured in this run."] : body)].join("\n\n");
}

function readingPart({ outcomes, reading }: ReportContent): string {
  if (reading.trim() !== "") return reading.trim();
  if (outcomes.length === 0) return "The tables speak for themselves; there is no target to meet.";
  const missed = outcomes.filter(({ verdict }) => verdict === "missed");
  const open = outcomes.filter(({ verdict }) => verdict === "open");
  if (missed.length + open.length === 0) return "Every target is met.";
  const part = (title: string, list: readonly TargetOutcome[]) =>
    list.length === 0
      ? []
      : [`${title}:\n\n${list.map((one) => `- ${outcomeText(one)}`).join("\n")}`];
  return [...part("Missed", missed), ...part("Not decided", open)].join("\n\n");
}

export function markdownTable(rows: readonly (readonly string[])[]): string {
  const [head, ...body] = rows;
  if (head === undefined) return "";
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const marks = head.map((_cell, column) => (column === 0 ? "---" : "---:"));
  return [line(head), line(marks), ...body.map(line)].join("\n");
}

/** As printed while the report is made. */
export function outcomesText(outcomes: readonly TargetOutcome[]): string {
  const rows = outcomes.map((outcome) => [outcomeText(outcome), outcome.verdict]);
  return rows.length === 0 ? "" : formatTable([["target", ""], ...rows]);
}
