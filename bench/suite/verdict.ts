/**
 * Whether two sets of runs differ: the exact rank test of Mann and Whitney, which asks nothing of
 * the distribution, because benchmark runs are never normal. With five runs on each side it can say
 * "differs" at 0.8 % at best, with three it never can: then there are too few runs to tell.
 */

import { spreadOf } from "../statistics.ts";

/** "failed": there are no runs to compare any more, because they fail. */
export type Verdict = "better" | "worse" | "failed" | "no difference shown" | "too few runs";

/** Runs on each side, below which no outcome is significant. */
const FEWEST_RUNS = 4;
const SIGNIFICANT = 0.05;
/** Smaller changes of the median are not worth a word, however sure. */
const SMALLEST_CHANGE = 0.02;
/** Beyond so many values in all, the number of arrangements is too large to go through them. */
const EXACT_LIMIT = 20;

export interface Comparison {
  /** Of the medians: 0.1 = 10 % more. */
  readonly change: number;
  /** Probability of ranks so far apart if nothing had changed. */
  readonly p: number;
  readonly verdict: Verdict;
}

/** `isLessBetter`: latencies and costs. */
export function compareRuns(
  before: readonly number[],
  after: readonly number[],
  isLessBetter: boolean,
): Comparison {
  const change = spreadOf(after).median / spreadOf(before).median - 1;
  const p = rankTest(before, after);
  return { change, p, verdict: verdictOf(before, after, { change, p, isLessBetter }) };
}

function verdictOf(
  before: readonly number[],
  after: readonly number[],
  { change, p, isLessBetter }: { change: number; p: number; isLessBetter: boolean },
): Verdict {
  if (Math.min(before.length, after.length) < FEWEST_RUNS) return "too few runs";
  if (p >= SIGNIFICANT || Math.abs(change) < SMALLEST_CHANGE) return "no difference shown";
  return change < 0 === isLessBetter ? "better" : "worse";
}

/** Two-sided probability, 1 where there is nothing to compare. */
export function rankTest(left: readonly number[], right: readonly number[]): number {
  if (left.length === 0 || right.length === 0) return 1;
  const pairs = left.length * right.length;
  const distance = Math.abs(superiorPairs(left, right) - pairs / 2);
  if (left.length + right.length > EXACT_LIMIT)
    return normalTail(left.length, right.length, distance);
  const values = [...left, ...right];
  let total = 0;
  let extreme = 0;
  forEachChoice(values, left.length, (chosen, rest) => {
    total += 1;
    if (Math.abs(superiorPairs(chosen, rest) - pairs / 2) >= distance - 1e-9) extreme += 1;
  });
  return extreme / total;
}

/** Pairs in which the left value is larger; a tie is half of one. */
function superiorPairs(left: readonly number[], right: readonly number[]): number {
  let count = 0;
  for (const one of left) {
    for (const other of right) {
      if (one > other) count += 1;
      else if (one === other) count += 0.5;
    }
  }
  return count;
}

/** Every way to take `size` of the values. */
function forEachChoice(
  values: readonly number[],
  size: number,
  visit: (chosen: readonly number[], rest: readonly number[]) => void,
): void {
  const chosen: number[] = [];
  const rest: number[] = [];
  const step = (index: number): void => {
    if (chosen.length > size || rest.length > values.length - size) return;
    if (index === values.length) {
      visit(chosen, rest);
      return;
    }
    for (const side of [chosen, rest]) {
      side.push(values[index]!);
      step(index + 1);
      side.pop();
    }
  };
  step(0);
}

/** The normal approximation of the rank test's two tails. */
function normalTail(leftCount: number, rightCount: number, distance: number): number {
  const pairs = leftCount * rightCount;
  const deviation = Math.sqrt((pairs * (leftCount + rightCount + 1)) / 12);
  return Math.min(1, 2 * upperTail(distance / deviation));
}

/** P(Z > z), Abramowitz and Stegun 26.2.17: exact to 1e-7. */
function upperTail(z: number): number {
  const t = 1 / (1 + 0.231_641_9 * z);
  const coefficients = [0.319_381_53, -0.356_563_782, 1.781_477_937, -1.821_255_978, 1.330_274_429];
  let power = 1;
  let sum = 0;
  for (const coefficient of coefficients) {
    power *= t;
    sum += coefficient * power;
  }
  return (Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)) * sum;
}
