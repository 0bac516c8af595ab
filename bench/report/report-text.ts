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

/** One line for the index: the reader's first sentence, else what became of the targets. */
export function answerOf({ outcomes, reading, plan }: ReportContent): string {
  const [first] = reading.trim().split("\n");
  if (first !== undefined && first !== "") return first;
  const measured = outcomes.filter((outcome) => outcome.measured !== null);
  if (measured.length === 0) return `Measured; no target is set for ${plan.name}.`;
  const met = measured.filter((outcome) => outcome.isMet).length;
  const missed = measured.filter((outcome) => !outcome.isMet).map(outcomeText);
  const absent = outcomes.length - measured.length;
  const silent = absent === 0 ? "" : `, ${absent} not measured`;
  const tail = missed.length === 0 ? "." : `; missed: ${missed.join("; ")}.`;
  return `${met} of ${outcomes.length} targets met${silent}${tail}`;
}

function outcomeText({ target, measured }: TargetOutcome): string {
  const wanted = `${target.isAtLeast ? "at least" : "at most"} ${target.show(target.wanted)}`;
  const found = measured === null ? "not measured" : target.show(measured.median);
  return `\`${target.load}\` ${target.what}: ${found}, wanted ${wanted}`;
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
    '"≥": the generator was over 85 % busy, and so was the broker, so it does that much or more. Runs whose limit was the generator are void and left out.',
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
  const rows = outcomes.map(({ target, measured, isMet }) => {
    const sign = target.isAtLeast ? "≥" : "≤";
    const found = measured === null ? "-" : showSpread(measured, target.show);
    const verdict = measured === null ? "not measured" : isMet ? "yes" : "**no**";
    return [
      `\`${target.load}\``,
      target.what,
      `${sign} ${target.show(target.wanted)}`,
      found,
      verdict,
    ];
  });
  return [
    `## Targets\n\n${markdownTable([["load", "figure", "wanted", "measured", "met"], ...rows])}`,
  ];
}

function sectionPart(results: BenchResults, section: ReportSection): string {
  const commands = section.commands.map((words) => `npm run bench -- ${words}`).join("\n");
  const charts = section.charts.map(({ file, chart }) => `![${chart.title}](${file})`);
  const tables = section.cases.map((one) => {
    const notes = caseNotes(results, one).map((note) => `- ${note}`);
    const table = markdownTable(caseTable(results, one));
    return [`### ${one.name}`, table, notes.join("\n")].filter((part) => part !== "").join("\n\n");
  });
  const head = `## ${section.title}\n\n\`\`\`sh\n${commands}\n\`\`\``;
  return [head, ...charts, ...tables].join("\n\n");
}

function readingPart({ outcomes, reading }: ReportContent): string {
  if (reading.trim() !== "") return reading.trim();
  const missed = outcomes.filter((outcome) => outcome.measured !== null && !outcome.isMet);
  if (outcomes.length === 0) return "The tables speak for themselves; there is no target to meet.";
  if (missed.length === 0) return "Every measured target is met.";
  return `Missed:\n\n${missed.map((outcome) => `- ${outcomeText(outcome)}`).join("\n")}`;
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
  const rows = outcomes.map((outcome) => {
    const verdict = outcome.measured === null ? "-" : outcome.isMet ? "met" : "missed";
    return [outcomeText(outcome), verdict];
  });
  return rows.length === 0 ? "" : formatTable([["target", ""], ...rows]);
}
