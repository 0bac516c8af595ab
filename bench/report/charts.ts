/** The charts of a report's groups, from results. */

import { cpuMicrosPerOperation } from "../load/load-shape.ts";
import { findScenario } from "../suite/registry.ts";
import {
  type BenchResults,
  type Figure,
  figureSpread,
  type LatencyCurve,
  type ResultCase,
  usableSamples,
} from "../suite/results.ts";
import { P99_CALM, P99_ELSEWHERE } from "../suite/storm-scenario.ts";
import { rateLabel } from "../suite/summary.ts";
import { type Bar, drawBars } from "./bar-chart.ts";
import { drawPercentiles } from "./percentile-chart.ts";
import { BYTES_PER_CONNECTION, type ChartKind } from "./plans.ts";

export interface Chart {
  /** Of the file: "rate", "cost", "latency-2". */
  readonly name: string;
  readonly title: string;
  readonly svg: string;
}

const KIB = 1024;
const MICROS_PER_MILLI = 1000;
/** Told apart by everybody, colour-blind readers included (Okabe and Ito). */
const SUBJECT_COLORS = ["#0072b2", "#56b4e9", "#009e73", "#004466"] as const;
const PEER_COLORS = ["#d55e00", "#e69f00", "#cc79a7"] as const;

interface Series {
  readonly name: string;
  readonly color: string;
}

/** Contenders of these cases; each has one colour throughout a report. */
function seriesOf(results: BenchResults, cases: readonly ResultCase[]): Series[] {
  let subjects = 0;
  let peers = 0;
  const series = results.contenders.map(({ name, isSubject }) => {
    const palette = isSubject ? SUBJECT_COLORS : PEER_COLORS;
    const turn = isSubject ? subjects++ : peers++;
    return { name, color: palette[turn % palette.length]! };
  });
  const hasPart = ({ name }: Series) =>
    cases.some((one) => usableSamples(results, one.name, name).length > 0);
  return series.filter(hasPart);
}

export function drawCharts(
  results: BenchResults,
  cases: readonly ResultCase[],
  title: string,
  kinds: readonly ChartKind[],
): Chart[] {
  const series = seriesOf(results, cases);
  if (series.length === 0) return [];
  return kinds.flatMap((kind) => drawKind(kind, { results, cases, series, title }));
}

interface ChartInput {
  readonly results: BenchResults;
  readonly cases: readonly ResultCase[];
  readonly series: readonly Series[];
  readonly title: string;
}

function drawKind(kind: ChartKind, input: ChartInput): Chart[] {
  const { results, cases, series } = input;
  switch (kind) {
    case "rate":
      return [rateChart(input)];
    case "cost":
      return [costChart(input)];
    case "memory":
      return [memoryChart(input)];
    case "connection-memory":
      return [connectionMemoryChart(input)];
    case "storm":
      return cases.map((one) => stormChart(input, one));
    case "latency":
      return cases.flatMap((one, index) => latencyChart(results, one, series, index));
    case "acknowledgement":
      return cases.flatMap((one, index) => acknowledgementChart(results, one, series, index));
  }
}

/** A case's name without its scenario where all have the same. */
function labelsOf(cases: readonly ResultCase[]): string[] {
  const isSame = cases.every(({ scenario }) => scenario === cases[0]?.scenario);
  return cases.map(({ name, scenario }) => (isSame ? name.slice(scenario.length + 2) : name));
}

function groupsOf(
  results: BenchResults,
  cases: readonly ResultCase[],
  series: readonly Series[],
  barOf: (at: { caseName: string; contender: string }) => Bar | null,
): { label: string; bars: (Bar | string | null)[] }[] {
  const labels = labelsOf(cases);
  return cases.map((one, index) => ({
    label: labels[index]!,
    bars: series.map(({ name }) => {
      const at = { caseName: one.name, contender: name };
      const isUsable = usableSamples(results, one.name, name).length > 0;
      return (isUsable ? barOf(at) : null) ?? absenceText(results, at);
    }),
  }));
}

/** Said of one that ran, but has nothing to show. */
function absenceText(
  results: BenchResults,
  at: { caseName: string; contender: string },
): string | null {
  const samples = results.samples.filter(
    ({ caseName, contender }) => caseName === at.caseName && contender === at.contender,
  );
  if (samples.length === 0) return null;
  const hasFailed = samples.some(({ validity }) => validity === "failed");
  if (hasFailed) return "failed";
  return samples.every(({ validity }) => validity === "void") ? "void" : "not measurable";
}

function plainBar(
  results: BenchResults,
  at: { caseName: string; contender: string },
  figure: Figure,
): Bar | null {
  const spread = figureSpread(results, at, figure);
  if (spread === null) return null;
  const samples = usableSamples(results, at.caseName, at.contender);
  return {
    parts: [spread.median],
    spread: [spread.lowest, spread.highest],
    isLowerBound: samples.some(({ validity }) => validity === "at least"),
  };
}

function rateChart({ results, cases, series, title }: ChartInput): Chart {
  const unit = rateLabel(cases[0]!.unit);
  const groups = groupsOf(results, cases, series, (at) =>
    plainBar(results, at, (result) => result.perSecond),
  );
  const svg = drawBars({ title: `${title}: ${unit}`, unit, series, groups, partNames: [] });
  return { name: "rate", title: `${title}: ${unit}`, svg };
}

function costChart({ results, cases, series, title }: ChartInput): Chart {
  const what = `${title}: CPU-microseconds of the broker per ${cases[0]!.unit.replace(/ies$/, "y").replace(/s$/, "")}`;
  const groups = groupsOf(results, cases, series, (at) => {
    const total = figureSpread(results, at, cpuMicrosPerOperation);
    const user = figureSpread(results, at, (one) => one.broker?.userMicrosPerOperation ?? -1);
    if (total === null || user === null || total.median <= 0) return null;
    const parts = [user.median, Math.max(0, total.median - user.median)];
    return { parts, spread: [total.lowest, total.highest], isLowerBound: false };
  });
  const partNames = ["user time", "system time"];
  const svg = drawBars({ title: what, unit: "µs", series, groups, partNames });
  return { name: "cost", title: what, svg };
}

function memoryChart({ results, cases, series, title }: ChartInput): Chart {
  const what = `${title}: largest resident memory of the broker`;
  const groups = groupsOf(results, cases, series, (at) =>
    plainBar(results, at, (result) => result.broker?.peakMiB ?? 0),
  );
  return {
    name: "memory",
    title: what,
    svg: drawBars({ title: what, unit: "MiB", series, groups, partNames: [] }),
  };
}

function connectionMemoryChart({ results, cases, series, title }: ChartInput): Chart {
  const what = `${title}: memory of the broker per connection`;
  const groups = groupsOf(results, cases, series, (at) =>
    plainBar(results, at, ({ figures }) => (figures[BYTES_PER_CONNECTION] ?? 0) / KIB),
  );
  const svg = drawBars({ title: what, unit: "KiB", series, groups, partNames: [] });
  return { name: "memory", title: what, svg };
}

/** p99 of those that publish: without the storm, beside it, and in it. */
function stormChart({ results, series }: ChartInput, one: ResultCase): Chart {
  const title = `${one.name}: p99 of the publishing clients`;
  const windows: readonly (readonly [string, Figure])[] = [
    ["without the storm", ({ figures }) => figures[P99_CALM] ?? Number.NaN],
    ["another broker takes the storm", ({ figures }) => figures[P99_ELSEWHERE] ?? Number.NaN],
    ["this broker takes the storm", ({ latency }) => latency.p99],
  ];
  const groups = windows.map(([label, micros]) => ({
    label,
    bars: series.map(({ name }) => {
      const at = { caseName: one.name, contender: name };
      const bar = plainBar(results, at, (result) => micros(result) / MICROS_PER_MILLI);
      return bar !== null && Number.isFinite(bar.parts[0]) ? bar : absenceText(results, at);
    }),
  }));
  const svg = drawBars({ title, unit: "ms", series, groups, partNames: [] });
  return { name: "p99", title, svg };
}

function latencyChart(
  results: BenchResults,
  one: ResultCase,
  series: readonly Series[],
  index: number,
): Chart[] {
  const curves = series.flatMap(({ name, color }) => {
    const found = results.curves.find(
      (curve) => curve.caseName === one.name && curve.contender === name,
    );
    return found === undefined ? [] : [{ name, color, micros: found.micros }];
  });
  if (curves.length === 0) return [];
  const note = `share of ${one.unit} that took no longer; ${loopOf(one)}`;
  const title = `Latency by percentile, ${one.name}`;
  const name = `latency-${index + 1}`;
  return [{ name, title, svg: drawPercentiles(title, note, curves) }];
}

function acknowledgementChart(
  results: BenchResults,
  one: ResultCase,
  series: readonly Series[],
  index: number,
): Chart[] {
  const curves = series.flatMap(({ name, color }) => {
    const isWanted = (curve: LatencyCurve) =>
      curve.caseName === one.name && curve.contender === name;
    const micros = results.curves.find(isWanted)?.acknowledgedMicros;
    return micros === undefined ? [] : [{ name, color, micros }];
  });
  if (curves.length === 0) return [];
  const note = `share of publishes that were acknowledged no later; ${loopOf(one)}`;
  const title = `Time to the acknowledgement by percentile, ${one.name}`;
  const name = `acknowledgement-${index + 1}`;
  return [{ name, title, svg: drawPercentiles(title, note, curves) }];
}

function loopOf(one: ResultCase): string {
  const isOpen = one.parameters.pace.kind !== "closed" || findScenario(one.scenario)?.isOpenLoop;
  return isOpen === true ? "open loop, from the intended time" : "closed loop";
}
