/**
 * What a report holds our broker to, as data: each target names its load, its figure, and what is
 * wanted.
 */

import type { LoadResult } from "../load/load-shape.ts";
import { gapOf } from "../load/validity.ts";
import { type Spread, shortNumber, spreadOf } from "../statistics.ts";
import { expandCases } from "../suite/expand-cases.ts";
import { fittingOptions } from "../suite/option-meaning.ts";
import { parseOptions } from "../suite/options.ts";
import { findScenario } from "../suite/registry.ts";
import {
  type BenchResults,
  type Figure,
  type RoundResult,
  ratiosOver,
  type Sample,
  usableSamples,
} from "../suite/results.ts";

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
  /**
   * The same of rounds in which the generator was the limit: it could have made no better of it, so
   * the subject does so well or better.
   */
  readonly bound: Measure;
  /** What is said beside it, of the same rounds: a control that shares its conditions. */
  readonly beside?: { readonly what: string; readonly figure: Figure };
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
  /** Null: not measured, or usable in less than half of the rounds. */
  readonly measured: Spread | null;
  /** The generator was the limit in half of the rounds: the subject does so well or better. */
  readonly isBound: boolean;
  /** "open": not measured, or a bound that is worse than what is wanted. */
  readonly verdict: "met" | "missed" | "open";
  /** Of the target's `beside`; null: there is none, or it was not measured. */
  readonly beside: Spread | null;
}

const perSecond: Figure = (one) => one.perSecond;
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
    measure: (results, caseName, subject) =>
      overReference(results, caseName, usableSamples(results, caseName, subject), perSecond),
    bound: (results, caseName, subject) =>
      overReference(results, caseName, voidResults(results, caseName, subject), perSecond),
  };
}

/** Over mosquitto's of the same round. */
function overReference(
  results: BenchResults,
  caseName: string,
  own: readonly RoundResult[],
  figure: Figure,
): number[] {
  return ratiosOver(results, { caseName, peer: REFERENCE }, own, figure);
}

/** Rounds in which the subject left the generator behind. */
function voidResults(results: BenchResults, caseName: string, subject: string): RoundResult[] {
  return results.samples.flatMap(({ caseName: name, contender, round, validity, result }) => {
    if (name !== caseName || contender !== subject || validity !== "void") return [];
    return result === null || gapOf(result) !== "" ? [] : [{ round, result }];
  });
}

/** So much of what is counted per second, whatever others do. */
export function ownRate(load: string, what: string, atLeast: number): Target {
  const rates = (results: readonly RoundResult[]) => results.map(({ result }) => result.perSecond);
  return {
    load,
    what,
    wanted: atLeast,
    isAtLeast: true,
    show: (value) => `${shortNumber(value)}/s`,
    measure: (results, caseName, subject) => rates(usableSamples(results, caseName, subject)),
    bound: (results, caseName, subject) => rates(voidResults(results, caseName, subject)),
  };
}

/**
 * A percentile, as a multiple of mosquitto's in the same round. What a generator over 85 % busy
 * sees is mostly its own delay: an upper bound, also where the rate may be used.
 */
export function latencyRatio(load: string, percentile: "p50" | "p99", atMost: number): Target {
  return {
    load,
    what: `${percentile} of mosquitto's`,
    wanted: atMost,
    isAtLeast: false,
    show: showRatio,
    measure: (results, caseName, subject) => {
      const own = usableSamples(results, caseName, subject).filter(hasIdleGenerator);
      return overReference(results, caseName, own, (one) => one.latency[percentile]);
    },
    bound: (results, caseName, subject) => {
      const own = busyResults(results, caseName, subject);
      return overReference(results, caseName, own, (one) => one.latency[percentile]);
    },
  };
}

function hasIdleGenerator({ validity }: Sample): boolean {
  return validity === "valid";
}

/** Rounds in which the generator was over 85 % busy, whatever the broker was. */
function busyResults(results: BenchResults, caseName: string, subject: string): RoundResult[] {
  const atLeast = usableSamples(results, caseName, subject).filter((one) => !hasIdleGenerator(one));
  return [...voidResults(results, caseName, subject), ...atLeast];
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
    bound: () => [],
  };
}

/**
 * p99 over that of another time of the same run. A generator over 85 % busy sees its own delay at
 * both times, so such a round says nothing.
 */
export function p99Over(load: string, what: string, figureName: string, atMost: number): Target {
  const figure = ({ latency, figures }: LoadResult) =>
    latency.p99 / (figures[figureName] ?? Number.NaN);
  return {
    ...ownFigure(load, what, { atMost, show: showRatio, figure }),
    measure: (results, caseName, contender) =>
      usableSamples(results, caseName, contender)
        .filter(hasIdleGenerator)
        .map(({ result }) => figure(result)),
  };
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
    const bounds = target.bound(results, caseName, subject).filter(Number.isFinite);
    const all = [...values, ...bounds];
    const beside = besideOf(target, results, caseName, subject);
    // One good round among five is no median; nor are two, with others beside them that only bound.
    const half = roundsOf(results, caseName, subject) / 2;
    if (values.length >= half) {
      return { ...judge(target, caseName, spreadOf(values), false), beside };
    }
    const bound = all.length < half ? null : spreadOf(all);
    return { ...judge(target, caseName, bound, bound !== null), beside };
  });
}

function besideOf(
  { beside }: Target,
  results: BenchResults,
  caseName: string,
  subject: string,
): Spread | null {
  if (beside === undefined) return null;
  const usable = usableSamples(results, caseName, subject);
  const values = usable.map(({ result }) => beside.figure(result)).filter(Number.isFinite);
  return values.length === 0 ? null : spreadOf(values);
}

/** At least one, so that what never ran is not judged. */
function roundsOf({ samples }: BenchResults, caseName: string, subject: string): number {
  const own = samples.filter((one) => one.caseName === caseName && one.contender === subject);
  return Math.max(1, own.length);
}

function judge(
  target: Target,
  caseName: string,
  measured: Spread | null,
  isBound: boolean,
): Omit<TargetOutcome, "beside"> {
  const found = { target, caseName, measured, isBound };
  if (measured === null) return { ...found, verdict: "open" };
  const { wanted, isAtLeast } = target;
  const isMet = isAtLeast ? measured.median >= wanted : measured.median <= wanted;
  if (isMet) return { ...found, verdict: "met" };
  return { ...found, verdict: isBound ? "open" : "missed" };
}

/** The name of the one case that a command line describes. */
export function caseNameOf(load: string, extra: readonly string[]): string {
  const options = parseOptions([...load.split(" "), ...extra]);
  const scenario = findScenario(options.scenario);
  const fitting = scenario === null ? options : fittingOptions(scenario, options);
  const [first] = scenario === null ? [] : expandCases(scenario, fitting);
  if (first === undefined) throw new Error(`no such load: ${load}`);
  return first.name;
}
