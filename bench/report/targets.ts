/**
 * What a report holds our broker to, as data: each target names its load, its figure, and what is
 * wanted.
 */

import type { LoadResult } from "../load/load-shape.ts";
import { type Spread, shortNumber, spreadOf } from "../statistics.ts";
import { expandCases } from "../suite/expand-cases.ts";
import { parseOptions } from "../suite/options.ts";
import { findScenario } from "../suite/registry.ts";
import { type BenchResults, pairwiseRatios, usableSamples } from "../suite/results.ts";

const REFERENCE = "mosquitto";

export interface Target {
  /** As typed: "fanout --window 64 --qos 1". */
  readonly load: string;
  /** "deliveries/s of mosquitto's". */
  readonly what: string;
  readonly wanted: number;
  /** False: at most. */
  readonly isAtLeast: boolean;
  readonly show: (value: number) => string;
  /** One value per usable round of the first subject. */
  readonly measure: Measure;
  /** The same of void rounds, where what the generator could make is a lower bound. */
  readonly bound?: Measure;
}

type Measure = (results: BenchResults, caseName: string, subject: string) => number[];

export interface OwnFigure {
  readonly atMost: number;
  readonly show: (value: number) => string;
  readonly figure: (result: LoadResult) => number;
}

export interface TargetOutcome {
  readonly target: Target;
  readonly caseName: string;
  /** Null: not measured. */
  readonly measured: Spread | null;
  /** Every round was void: the subject does so much or more. */
  readonly isLowerBound: boolean;
  /** "open": not measured, or a lower bound below what is wanted. */
  readonly verdict: "met" | "missed" | "open";
}

const showRatio = (value: number) => `${value.toFixed(2)}x`;

/**
 * Deliveries (or whatever is counted) per second, as a multiple of mosquitto's in the same round.
 */
export function rateRatio(load: string, atLeast: number): Target {
  return {
    load,
    what: "rate of mosquitto's",
    wanted: atLeast,
    isAtLeast: true,
    show: showRatio,
    measure: (results, caseName, contender) =>
      pairwiseRatios(results, { caseName, contender, peer: REFERENCE }, (one) => one.perSecond),
    bound: boundRatios,
  };
}

/** Rounds in which the subject left the generator behind, over mosquitto's of the same round. */
function boundRatios(results: BenchResults, caseName: string, subject: string): number[] {
  const peers = usableSamples(results, caseName, REFERENCE);
  return results.samples.flatMap(({ caseName: name, contender, round, validity, result }) => {
    if (name !== caseName || contender !== subject || validity !== "void") return [];
    const beside = peers.find((sample) => sample.round === round);
    if (beside === undefined || result === null || result.operations === 0) return [];
    return [result.perSecond / beside.result.perSecond];
  });
}

/** So much of what is counted per second, whatever others do. */
export function ownRate(load: string, what: string, atLeast: number): Target {
  const rates: Measure = (results, caseName, subject) =>
    usableSamples(results, caseName, subject).map(({ result }) => result.perSecond);
  const bound: Measure = ({ samples }, caseName, subject) =>
    samples.flatMap(({ caseName: name, contender, validity, result }) => {
      const isOurs = name === caseName && contender === subject && validity === "void";
      return isOurs && result !== null && result.operations > 0 ? [result.perSecond] : [];
    });
  const show = (value: number) => `${shortNumber(value)}/s`;
  return { load, what, wanted: atLeast, isAtLeast: true, show, measure: rates, bound };
}

/** A percentile, as a multiple of mosquitto's in the same round. */
export function latencyRatio(load: string, percentile: "p50" | "p99", atMost: number): Target {
  return {
    load,
    what: `${percentile} of mosquitto's`,
    wanted: atMost,
    isAtLeast: false,
    show: showRatio,
    measure: (results, caseName, contender) => {
      const at = { caseName, contender, peer: REFERENCE };
      return pairwiseRatios(results, at, (one) => one.latency[percentile]);
    },
  };
}

/** A figure of our own runs. */
export function ownFigure(load: string, what: string, { atMost, show, figure }: OwnFigure): Target {
  return {
    load,
    what,
    wanted: atMost,
    isAtLeast: false,
    show,
    measure: (results, caseName, contender) =>
      usableSamples(results, caseName, contender).map(({ result }) => figure(result)),
  };
}

/** p99 over another time of the same run. */
export function p99Over(load: string, what: string, figureName: string, atMost: number): Target {
  return ownFigure(load, what, {
    atMost,
    show: showRatio,
    figure: ({ latency, figures }) => latency.p99 / (figures[figureName] ?? Number.NaN),
  });
}

/** `extra`: options that the report was made with. */
export function judgeTargets(
  targets: readonly Target[],
  results: BenchResults,
  extra: readonly string[],
): TargetOutcome[] {
  const subject = results.contenders.find(({ isSubject }) => isSubject)?.name ?? "";
  return targets.map((target) => {
    const caseName = caseNameOf(target.load, extra);
    const values = target.measure(results, caseName, subject).filter(Number.isFinite);
    if (values.length > 0) return judge(target, caseName, spreadOf(values), false);
    const bounds = target.bound?.(results, caseName, subject).filter(Number.isFinite) ?? [];
    return judge(target, caseName, bounds.length === 0 ? null : spreadOf(bounds), true);
  });
}

function judge(
  target: Target,
  caseName: string,
  measured: Spread | null,
  isLowerBound: boolean,
): TargetOutcome {
  const found = { target, caseName, measured, isLowerBound: isLowerBound && measured !== null };
  if (measured === null) return { ...found, verdict: "open" };
  const { wanted, isAtLeast } = target;
  const isMet = isAtLeast ? measured.median >= wanted : measured.median <= wanted;
  if (isMet) return { ...found, verdict: "met" };
  return { ...found, verdict: isLowerBound ? "open" : "missed" };
}

/** The name of the one case that a command line describes. */
export function caseNameOf(load: string, extra: readonly string[]): string {
  const options = parseOptions([...load.split(" "), ...extra]);
  const scenario = findScenario(options.scenario);
  const [first] = scenario === null ? [] : expandCases(scenario, options);
  if (first === undefined) throw new Error(`no such load: ${load}`);
  return first.name;
}
