/** A case's results as a text table, with what must be known to read it below. */

import { cpuMicrosPerOperation, type LoadResult } from "../load/load-shape.ts";
import { formatTable, shortNumber, showMicros, showSpread, spreadOf } from "../statistics.ts";
import {
  type BenchResults,
  type ContenderFact,
  type Figure,
  figureSpread,
  pairwiseRatios,
  type ResultCase,
  usableSamples,
} from "./results.ts";

/** More than this of the machine used by others, in cores, makes rates doubtful. */
export const DISTURBED_CORES = 0.25;
const MAX_FAULT_TEXT = 300;
const perSecond: Figure = (result) => result.perSecond;

/** Idle connections are held, everything else happens so often per second. */
export function rateLabel(unit: string): string {
  return unit === "connections" ? unit : `${unit}/s`;
}

export function summarize(results: BenchResults, one: ResultCase): string {
  const notes = caseNotes(results, one).map((note) => `  ${note}\n`);
  return `${one.name}\n${formatTable(caseTable(results, one))}${notes.join("")}`;
}

/** Head and one row per contender. */
export function caseTable(results: BenchResults, one: ResultCase): string[][] {
  const head = [
    "",
    rateLabel(one.unit),
    `of ${peerOf(results, one.name) ?? "peer"}`,
    "p50",
    "p99",
    "p99.9",
    "max",
    "CPU us user+sys",
    "cores",
    "peak MiB",
    "gen.",
  ];
  const field = results.contenders.filter((contender) => hasRun(results, one, contender));
  return [head, ...field.map((contender) => row(results, one, contender))];
}

/** What must be known to read the table. */
export function caseNotes(results: BenchResults, one: ResultCase): string[] {
  const field = results.contenders.filter((contender) => hasRun(results, one, contender));
  const notes = field.flatMap((contender) => contenderNotes(results, one, contender));
  return [...notes, ...workerNotes(results, one), ...publishedNotes(results, one)];
}

/**
 * What more threads made of it: "1.60x of ratatosk --workers 1: each added worker brings 60 % of
 * it".
 */
function workerNotes(results: BenchResults, one: ResultCase): string[] {
  const [first, ...others] = results.contenders.filter((contender) => contender.isSubject);
  if (first === undefined || one.parameters.pace.kind !== "closed") return [];
  return others.flatMap((contender) => {
    const at = { caseName: one.name, contender: contender.name, peer: first.name };
    const ratios = pairwiseRatios(results, at, perSecond);
    if (ratios.length === 0 || contender.threads <= first.threads) return [];
    const ratio = spreadOf(ratios);
    const added = contender.threads / first.threads - 1;
    const each = `${(((ratio.median - 1) / added) * 100).toFixed(0)} %`;
    const text = showSpread(ratio, (value) => `${value.toFixed(2)}x`);
    return [`${contender.name}: ${text} of ${first.name}: each added worker brings ${each} of it`];
  });
}

/** What ratios are taken to: the first peer that has usable runs of the case. */
export function peerOf(results: BenchResults, caseName: string): string | undefined {
  const peers = results.contenders.filter((contender) => !contender.isSubject);
  return peers.find(({ name }) => usableSamples(results, caseName, name).length > 0)?.name;
}

function hasRun(results: BenchResults, one: ResultCase, { name }: ContenderFact): boolean {
  return results.samples.some(
    (sample) => sample.caseName === one.name && sample.contender === name,
  );
}

function row(results: BenchResults, one: ResultCase, contender: ContenderFact): string[] {
  const at = { caseName: one.name, contender: contender.name };
  const samples = usableSamples(results, one.name, contender.name);
  const median = (figure: Figure) => figureSpread(results, at, figure)?.median ?? Number.NaN;
  const rate = figureSpread(results, at, perSecond);
  const highest = Math.max(...samples.map(({ result }) => result.latency.max));
  const isLowerBound = samples.some((sample) => sample.validity === "at least");
  return [
    contender.name,
    rate === null ? "-" : `${isLowerBound ? ">= " : ""}${showSpread(rate)}`,
    ratioText(results, one, contender),
    showMicros(median((result) => result.latency.p50)),
    showMicros(median((result) => result.latency.p99)),
    showMicros(median((result) => result.latency.p999)),
    showMicros(highest),
    costText(median),
    shortNumber(median((result) => result.broker?.cores ?? Number.NaN)),
    shortNumber(median((result) => result.broker?.peakMiB ?? Number.NaN)),
    showPercent(median((result) => result.generatorShare)),
  ];
}

function showPercent(share: number): string {
  return Number.isNaN(share) ? "-" : `${(share * 100).toFixed(0)} %`;
}

function costText(median: (figure: Figure) => number): string {
  const user = median((result) => result.broker?.userMicrosPerOperation ?? Number.NaN);
  const system = median((result) => result.broker?.systemMicrosPerOperation ?? Number.NaN);
  if (Number.isNaN(user)) return "-";
  return `${shortNumber(user)} + ${shortNumber(system)}`;
}

function ratioText(results: BenchResults, one: ResultCase, contender: ContenderFact): string {
  const peer = peerOf(results, one.name);
  if (peer === undefined || peer === contender.name) return "-";
  const at = { caseName: one.name, contender: contender.name, peer };
  const ratios = pairwiseRatios(results, at, perSecond);
  if (ratios.length === 0) return "-";
  return showSpread(spreadOf(ratios), (value) => `${value.toFixed(2)}x`);
}

/** Void and failed runs, losses at QoS 0, figures that only this scenario or server has. */
function contenderNotes(results: BenchResults, one: ResultCase, { name }: ContenderFact): string[] {
  const own = results.samples.filter(
    (sample) => sample.caseName === one.name && sample.contender === name,
  );
  const notes: string[] = [];
  const voids = own.filter((sample) => sample.validity === "void");
  if (voids.length > 0) {
    const reason =
      voids[0]!.voidReason ?? "the generator was the limit, or nothing arrived in time";
    notes.push(`${name}: ${voids.length} of ${own.length} runs void: ${reason}`);
  }
  const broken = own.filter((sample) => sample.validity === "failed");
  if (broken.length > 0) {
    const text = broken[0]!.faults.slice(0, MAX_FAULT_TEXT);
    notes.push(`${name}: ${broken.length} of ${own.length} runs failed: ${text}`);
  }
  const dropped = own.filter((sample) => sample.validity !== "failed" && sample.faults !== "");
  if (dropped.length > 0) notes.push(`${name}: at QoS 0 ${dropped[0]!.faults}`);
  const others = Math.max(...own.map((sample) => sample.result?.othersCores ?? 0));
  if (others > DISTURBED_CORES) {
    notes.push(`${name}: others used up to ${others.toFixed(1)} cores of this machine meanwhile`);
  }
  const figures = figureTexts(usableSamples(results, one.name, name));
  if (figures !== "") notes.push(`${name}: ${figures}`);
  return notes;
}

/** Medians of what has no column. */
function figureTexts(
  samples: readonly { result: LoadResult; ownFigures: Readonly<Record<string, number>> }[],
): string {
  const values = new Map<string, number[]>();
  for (const { result, ownFigures } of samples) {
    for (const [key, value] of Object.entries({ ...result.figures, ...ownFigures })) {
      values.set(key, [...(values.get(key) ?? []), value]);
    }
  }
  return [...values]
    .map(([key, list]) => [key, spreadOf(list).median] as const)
    .filter(([key]) => key !== "published")
    .map(([key, median]) => showFigure(key, median))
    .join("; ");
}

function showFigure(key: string, value: number): string {
  return `${key.replace(/, us$/, "")} ${showFigureValue(key, value)}`;
}

/** A name that ends in ", us" is a time. */
export function showFigureValue(key: string, value: number): string {
  return key.endsWith(", us") ? showMicros(value) : shortNumber(value);
}

/** Their figure per core beside ours: machines differ, cores are comparable. */
function publishedNotes(results: BenchResults, one: ResultCase): string[] {
  const { published } = one;
  if (published === null) return [];
  const { messagesPerSecond, cores, cpuShare, meanMs, p99Ms, source } = published;
  const perCore = messagesPerSecond / cores;
  const theirs = `${source}: ${shortNumber(messagesPerSecond)}/s on ${cores} cores, ${Math.round(cpuShare * 100)} % busy`;
  const notes = [
    `${theirs} = ${shortNumber(perCore / cpuShare)}/s per busy core; mean ${meanMs} ms, p99 ${p99Ms} ms`,
  ];
  for (const { name } of results.contenders.filter((contender) => contender.isSubject)) {
    const at = { caseName: one.name, contender: name };
    const cost = figureSpread(results, at, cpuMicrosPerOperation);
    const mean = figureSpread(results, at, (result) => result.latency.mean);
    if (cost === null || mean === null || cost.median <= 0) continue;
    const own = 1e6 / cost.median;
    const times = (own / (perCore / cpuShare)).toFixed(1);
    notes.push(
      `${name}: ${shortNumber(own)}/s per busy core, ${times} times as many; mean ${showMicros(mean.median)}`,
    );
  }
  return notes;
}
