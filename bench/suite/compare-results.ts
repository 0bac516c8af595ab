/**
 * Two results files side by side: every case and broker that both have, with a verdict that
 * respects the spread. Where nothing is usable any more because runs fail, that is the verdict:
 * rows that vanish would read as "nothing is worse".
 */

import { cpuMicrosPerOperation } from "../load/load-shape.ts";
import { formatTable, shortNumber, showMicros, showSpread, spreadOf } from "../statistics.ts";
import {
  type BenchResults,
  type Figure,
  pairwiseRatios,
  type Sample,
  usableSamples,
} from "./results.ts";
import { peerOf, rateLabel, showFigureValue } from "./summary.ts";
import { type Comparison, compareRuns, type Verdict } from "./verdict.ts";

const MAX_FAULT_TEXT = 100;

interface Metric {
  readonly name: string;
  readonly isLessBetter: boolean;
  readonly figure: Figure;
  readonly show: (value: number) => string;
}

const LATENCIES: readonly Metric[] = [
  { name: "p50", isLessBetter: true, figure: (result) => result.latency.p50, show: showMicros },
  { name: "p99", isLessBetter: true, figure: (result) => result.latency.p99, show: showMicros },
  { name: "p99.9", isLessBetter: true, figure: (result) => result.latency.p999, show: showMicros },
];

const COST: Metric = {
  name: "CPU us per operation",
  isLessBetter: true,
  figure: cpuMicrosPerOperation,
  show: shortNumber,
};

const MEMORY: Metric = {
  name: "peak MiB",
  isLessBetter: true,
  figure: (result) => result.broker?.peakMiB ?? 0,
  show: shortNumber,
};

/** Figures of one kind of run, by their names; of others nobody can say which way is better. */
const LESS_IS_BETTER = /, us$|bytes|MiB|KiB|^dropped|not connected|missed|garbage/i;
const MORE_IS_BETTER = /per second$/;

export interface ComparisonRow {
  readonly caseName: string;
  readonly contender: string;
  readonly metric: string;
  readonly before: string;
  readonly after: string;
  readonly comparison: Comparison;
}

export function compareResults(before: BenchResults, after: BenchResults): ComparisonRow[] {
  const names = new Set(after.cases.map(({ name }) => name));
  return before.cases
    .filter(({ name }) => names.has(name))
    .flatMap((one) => {
      const rate: Metric = {
        name: rateLabel(one.unit),
        isLessBetter: false,
        figure: (result) => result.perSecond,
        show: shortNumber,
      };
      const metrics = [rate, ...LATENCIES, COST, MEMORY];
      return before.contenders.flatMap(({ name: contender }) => [
        ...metrics.flatMap((metric) => compareMetric(before, after, { one, contender, metric })),
        ...compareRatios(before, after, one.name, contender),
        ...compareFigures(before, after, one.name, contender),
        ...failedRow(before, after, one.name, contender),
      ]);
    });
}

/** What only this kind of run, or this broker, tells. */
function compareFigures(
  before: BenchResults,
  after: BenchResults,
  caseName: string,
  contender: string,
): ComparisonRow[] {
  const valuesOf = (results: BenchResults, name: string) =>
    usableSamples(results, caseName, contender)
      .map(({ result, ownFigures }) => ({ ...result.figures, ...ownFigures })[name] ?? 0)
      .filter((value) => value > 0);
  const samples = usableSamples(before, caseName, contender);
  const names = samples.flatMap(({ result, ownFigures }) => {
    return Object.keys({ ...result.figures, ...ownFigures });
  });
  return [...new Set(names)].flatMap((name) => {
    const isLessBetter = LESS_IS_BETTER.test(name);
    if (!isLessBetter && !MORE_IS_BETTER.test(name)) return [];
    return rowOf(valuesOf(before, name), valuesOf(after, name), {
      caseName,
      contender,
      metric: name.replace(/, us$/, ""),
      show: (value) => showFigureValue(name, value),
      isLessBetter,
    });
  });
}

/** Usable before, and now nothing but runs of which at least one has failed. */
function failedRow(
  before: BenchResults,
  after: BenchResults,
  caseName: string,
  contender: string,
): ComparisonRow[] {
  const usable = (results: BenchResults) => usableSamples(results, caseName, contender).length;
  const samples = samplesOf(after, caseName, contender);
  const failure = samples.find(({ validity }) => validity === "failed");
  if (usable(before) === 0 || usable(after) > 0 || failure === undefined) return [];
  return [
    {
      caseName,
      contender,
      metric: "usable runs",
      before: `${usable(before)} of ${samplesOf(before, caseName, contender).length}`,
      after: `0 of ${samples.length}: ${failure.faults.slice(0, MAX_FAULT_TEXT)}`,
      comparison: { change: Number.NaN, p: Number.NaN, verdict: "failed" },
    },
  ];
}

function samplesOf({ samples }: BenchResults, caseName: string, contender: string): Sample[] {
  return samples.filter((one) => one.caseName === caseName && one.contender === contender);
}

/**
 * What must be known to read the rows: machines that differ, cases that only one side has, runs
 * that were left out.
 */
export function comparisonNotes(before: BenchResults, after: BenchResults): string[] {
  const facts = ["processor", "cores", "memoryGib", "system", "node", "mosquitto"] as const;
  const differing = facts.flatMap((fact) => {
    const [was, is] = [before.environment[fact], after.environment[fact]];
    return was === is ? [] : [`different ${fact}: ${was} before, ${is} after`];
  });
  const only = (one: BenchResults, other: BenchResults, where: string) =>
    one.cases
      .filter(({ name }) => !other.cases.some((known) => known.name === name))
      .map(({ name }) => `only ${where}: ${name}`);
  const missing = [...only(before, after, "before"), ...only(after, before, "after")];
  return [
    ...differing,
    ...missing,
    ...leftOutNotes(before, "before"),
    ...leftOutNotes(after, "after"),
  ];
}

function leftOutNotes(results: BenchResults, where: string): string[] {
  return results.cases.flatMap(({ name: caseName }) =>
    results.contenders.flatMap(({ name: contender }) => {
      const samples = samplesOf(results, caseName, contender);
      const count = (validity: Sample["validity"]) =>
        samples.filter((one) => one.validity === validity).length;
      const [voids, failed] = [count("void"), count("failed")];
      if (voids + failed === 0) return [];
      const told = `${voids} void and ${failed} failed of ${samples.length} runs left out`;
      return [`${where}: ${caseName}, ${contender}: ${told}`];
    }),
  );
}

function compareMetric(
  before: BenchResults,
  after: BenchResults,
  at: { one: { name: string }; contender: string; metric: Metric },
): ComparisonRow[] {
  const { one, contender, metric } = at;
  const valuesOf = (results: BenchResults) =>
    usableSamples(results, one.name, contender)
      .map(({ result }) => metric.figure(result))
      .filter((value) => value > 0);
  return rowOf(valuesOf(before), valuesOf(after), {
    caseName: one.name,
    contender,
    metric: metric.name,
    show: metric.show,
    isLessBetter: metric.isLessBetter,
  });
}

/**
 * Beside the same peer, so that a machine that became slower is not taken for a broker that did.
 */
function compareRatios(
  before: BenchResults,
  after: BenchResults,
  caseName: string,
  contender: string,
): ComparisonRow[] {
  const peer = peerOf(before, caseName);
  if (peer === undefined || peer === contender || peer !== peerOf(after, caseName)) return [];
  const at = { caseName, contender, peer };
  const ratios = (results: BenchResults) => pairwiseRatios(results, at, (one) => one.perSecond);
  return rowOf(ratios(before), ratios(after), {
    caseName,
    contender,
    metric: `rate, times ${peer}`,
    show: (value) => `${value.toFixed(2)}x`,
    isLessBetter: false,
  });
}

function rowOf(
  before: readonly number[],
  after: readonly number[],
  row: {
    caseName: string;
    contender: string;
    metric: string;
    show: (value: number) => string;
    isLessBetter: boolean;
  },
): ComparisonRow[] {
  if (before.length === 0 || after.length === 0) return [];
  const { caseName, contender, metric, show, isLessBetter } = row;
  return [
    {
      caseName,
      contender,
      metric,
      before: showSpread(spreadOf(before), show),
      after: showSpread(spreadOf(after), show),
      comparison: compareRuns(before, after, isLessBetter),
    },
  ];
}

/** One table per case. */
export function formatComparison(rows: readonly ComparisonRow[]): string {
  if (rows.length === 0) return "the two files have no case and broker in common\n";
  const cases = [...new Set(rows.map(({ caseName }) => caseName))];
  return cases
    .map((caseName) => {
      const own = rows.filter((row) => row.caseName === caseName);
      const head = ["", "", "before", "after", "change", "p", "verdict"];
      return `${caseName}\n${formatTable([head, ...own.map(cellsOf)])}`;
    })
    .join("\n");
}

function cellsOf(row: ComparisonRow): string[] {
  const { change, p, verdict } = row.comparison;
  if (verdict === "failed") {
    return [row.contender, row.metric, row.before, row.after, "-", "-", verdict];
  }
  const percent = `${change >= 0 ? "+" : ""}${(change * 100).toFixed(1)} %`;
  return [row.contender, row.metric, row.before, row.after, percent, p.toFixed(3), verdict];
}

/** How often each verdict was reached. */
export function countVerdicts(rows: readonly ComparisonRow[]): string {
  const order: readonly Verdict[] = [
    "better",
    "worse",
    "failed",
    "no difference shown",
    "too few runs",
  ];
  return order
    .map((verdict) => {
      const count = rows.filter((row) => row.comparison.verdict === verdict).length;
      return `${count} ${verdict}`;
    })
    .join(", ");
}
