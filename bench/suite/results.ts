/** The file that a run leaves: everything needed to print, plot and compare it again. */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { Environment } from "../environment.ts";
import { LatencyHistogram } from "../load/latency.ts";
import type { LoadResult } from "../load/load-shape.ts";
import type { Validity } from "../load/validity.ts";
import { type Spread, spreadOf } from "../statistics.ts";
import type { BenchCase, PublishedFigure } from "./case.ts";
import { UsageError } from "./options.ts";
import { flawOf } from "./results-flaws.ts";

export interface ContenderFact {
  readonly name: string;
  readonly isSubject: boolean;
  readonly threads: number;
}

export interface Sample {
  readonly caseName: string;
  readonly contender: string;
  /** From 1. */
  readonly round: number;
  /** Null: the run broke off; `faults` says how. */
  readonly result: LoadResult | null;
  readonly validity: Validity;
  readonly faults: string;
  /** Why the run is void; earlier results do not say. */
  readonly voidReason?: string;
  /** What the server told of itself. */
  readonly ownFigures: Readonly<Record<string, number>>;
}

export interface ResultCase extends BenchCase {
  readonly published: PublishedFigure | null;
}

export interface BenchResults {
  readonly format: number;
  /** What was typed. */
  readonly command: string;
  readonly environment: Environment;
  readonly cases: readonly ResultCase[];
  readonly contenders: readonly ContenderFact[];
  readonly samples: readonly Sample[];
  /** Latency by percentile over all usable rounds. */
  readonly curves: readonly LatencyCurve[];
}

export interface LatencyCurve {
  readonly caseName: string;
  readonly contender: string;
  /** Microseconds at each of CURVE_PERCENTS. */
  readonly micros: readonly number[];
  /** The same of acknowledgements, where they were watched for. */
  readonly acknowledgedMicros?: readonly number[];
}

export type Figure = (result: LoadResult) => number;

/**
 * The rounds' histograms merged into curves, and dropped: they are large, and percentiles of rounds
 * are kept.
 */
export function withCurves(results: BenchResults): BenchResults {
  const curves = results.cases.flatMap(({ name: caseName }) =>
    results.contenders.flatMap(({ name: contender }) => {
      const samples = usableSamples(results, caseName, contender);
      const merged = LatencyHistogram.merged(samples.map(({ result }) => result.histogram));
      if (merged.percentiles().count === 0) return [];
      const acknowledged = samples.flatMap(({ result }) => result.acknowledgement ?? []);
      const more =
        acknowledged.length === 0
          ? {}
          : { acknowledgedMicros: LatencyHistogram.merged(acknowledged).curve() };
      return [{ caseName, contender, micros: merged.curve(), ...more }];
    }),
  );
  return { ...results, samples: results.samples.map(withoutHistograms), curves };
}

function withoutHistograms(sample: Sample): Sample {
  if (sample.result === null) return sample;
  const { acknowledgement: _dropped, ...result } = sample.result;
  return { ...sample, result: { ...result, histogram: "" } };
}

/** The environment is that of the first run: the machine as it was before. */
export function joinResults(left: BenchResults, right: BenchResults): BenchResults {
  const isNew = ({ name }: ContenderFact) => !left.contenders.some((known) => known.name === name);
  return {
    ...left,
    cases: [...left.cases, ...right.cases],
    contenders: [...left.contenders, ...right.contenders.filter(isNew)],
    samples: [...left.samples, ...right.samples],
    curves: [...left.curves, ...right.curves],
  };
}

export function writeResults(file: string, results: BenchResults): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(results, null, 1)}\n`);
}

/** Throws a UsageError when there is no such file, or it is none of ours. */
export function readResults(file: string): BenchResults {
  const results = parseResults(file);
  const flaw = flawOf(results);
  if (flaw === "") return results as BenchResults;
  throw new UsageError(`${file}: not results of this suite: ${flaw}`);
}

function parseResults(file: string): unknown {
  let text = "";
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new UsageError(`${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new UsageError(`${file}: not results of this suite: damaged, or no JSON at all`);
  }
}

/** The usable runs of one contender: complete, correct, and not limited by the generator. */
export function usableSamples(
  results: BenchResults,
  caseName: string,
  contender: string,
): (Sample & { readonly result: LoadResult })[] {
  return results.samples.filter(
    (sample): sample is Sample & { readonly result: LoadResult } =>
      sample.caseName === caseName &&
      sample.contender === contender &&
      sample.result !== null &&
      (sample.validity === "valid" || sample.validity === "at least"),
  );
}

/** Null when there is no usable run. */
export function figureSpread(
  results: BenchResults,
  at: { caseName: string; contender: string },
  figure: Figure,
): Spread | null {
  const samples = usableSamples(results, at.caseName, at.contender);
  if (samples.length === 0) return null;
  return spreadOf(samples.map((sample) => figure(sample.result)));
}

/**
 * One contender's figure over another's, round by round: both met the same minute of the machine.
 */
export function pairwiseRatios(
  results: BenchResults,
  at: { caseName: string; contender: string; peer: string },
  figure: Figure,
): number[] {
  return ratiosOver(results, at, usableSamples(results, at.caseName, at.contender), figure);
}

export type RoundResult = Pick<Sample, "round"> & { readonly result: LoadResult };

/** Of these rounds, usable or not, over the peer's usable ones. */
export function ratiosOver(
  results: BenchResults,
  { caseName, peer }: { caseName: string; peer: string },
  own: readonly RoundResult[],
  figure: Figure,
): number[] {
  const peers = usableSamples(results, caseName, peer);
  return own.flatMap(({ round, result }) => {
    const beside = peers.find((sample) => sample.round === round);
    return beside === undefined ? [] : [figure(result) / figure(beside.result)];
  });
}
