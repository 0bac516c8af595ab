/**
 * Two results files side by side: every case and broker that both have, with a verdict that
 * respects the spread.
 */

import { cpuMicrosPerOperation } from "../load/load-shape.ts";
import { formatTable, shortNumber, showMicros, showSpread, spreadOf } from "../statistics.ts";
import { type BenchResults, type Figure, pairwiseRatios, usableSamples } from "./results.ts";
import { peerOf, rateLabel } from "./summary.ts";
import { type Comparison, compareRuns, type Verdict } from "./verdict.ts";

interface Metric {
  readonly name: string;
  readonly isLessBetter: boolean;
  readonly figure: Figure;
  readonly show: (value: number) => string;
}

const LATENCIES: readonly Metric[] = [
  { name: "p50", isLessBetter: true, figure: (result) => result.latency.p50, show: showMicros },
  { name: "p99", isLessBetter: true, figure: (result) => result.latency.p99, show: showMicros },
];

const COST: Metric = {
  name: "CPU us per operation",
  isLessBetter: true,
  figure: cpuMicrosPerOperation,
  show: shortNumber,
};

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
      const metrics = [rate, ...LATENCIES, COST];
      return before.contenders.flatMap(({ name: contender }) => [
        ...metrics.flatMap((metric) => compareMetric(before, after, { one, contender, metric })),
        ...compareRatios(before, after, one.name, contender),
      ]);
    });
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
  const percent = `${change >= 0 ? "+" : ""}${(change * 100).toFixed(1)} %`;
  return [row.contender, row.metric, row.before, row.after, percent, p.toFixed(3), verdict];
}

/** How often each verdict was reached. */
export function countVerdicts(rows: readonly ComparisonRow[]): string {
  const order: readonly Verdict[] = ["better", "worse", "no difference shown", "too few runs"];
  return order
    .map((verdict) => {
      const count = rows.filter((row) => row.comparison.verdict === verdict).length;
      return `${count} ${verdict}`;
    })
    .join(", ");
}
