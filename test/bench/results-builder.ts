/**
 * Results as a run of the suite would leave them, made up: for tests of tables, charts, reports and
 * comparisons.
 */

import { describeEnvironment } from "../../bench/environment.ts";
import { LatencyHistogram } from "../../bench/load/latency.ts";
import type { LoadResult } from "../../bench/load/load-shape.ts";
import type { Validity } from "../../bench/load/validity.ts";
import { expandCases } from "../../bench/suite/expand-cases.ts";
import { parseOptions } from "../../bench/suite/options.ts";
import { scenariosNamed } from "../../bench/suite/registry.ts";
import { type BenchResults, type Sample, withCurves } from "../../bench/suite/results.ts";
import { RESULTS_FORMAT } from "../../bench/suite/results-flaws.ts";

export function loadResult(perSecond: number, changes: Partial<LoadResult> = {}): LoadResult {
  const histogram = new LatencyHistogram();
  for (let micros = 100; micros <= 1000; micros += 10) histogram.record(micros);
  return {
    seconds: 1,
    operations: perSecond,
    perSecond,
    latency: histogram.percentiles(),
    histogram: histogram.encode(),
    broker: {
      userMicrosPerOperation: 0.5,
      systemMicrosPerOperation: 1.5,
      cores: 0.9,
      peakMiB: 64,
      threads: 3,
    },
    generatorShare: 0.5,
    othersCores: 0,
    check: { expected: 1, received: 1, lost: 0, repeated: 0, disordered: 0, corrupt: 0 },
    figures: { published: 1 },
    ...changes,
  };
}

export interface MadeRun {
  readonly contender: string;
  readonly perSecond: number;
  readonly validity?: Validity;
  readonly changes?: Partial<LoadResult>;
}

/** The case of each load, with the same runs in each: a contender's n-th run is of round n. */
export function madeResults(loads: readonly string[], runs: readonly MadeRun[]): BenchResults {
  const cases = loads.flatMap((load) => {
    const options = parseOptions(load.split(" "));
    return scenariosNamed(options.scenario).flatMap((scenario) =>
      expandCases(scenario, options).map((one) => ({
        ...one,
        published: scenario.published ?? null,
      })),
    );
  });
  const names = [...new Set(runs.map(({ contender }) => contender))];
  const samples = cases.flatMap(({ name: caseName }) =>
    runs.map(({ contender, perSecond, validity = "valid", changes = {} }, index): Sample => {
      const before = runs.slice(0, index).filter((run) => run.contender === contender);
      const result = validity === "failed" ? null : loadResult(perSecond, changes);
      const faults = validity === "failed" ? "3 lost" : "";
      const round = before.length + 1;
      return { caseName, contender, round, result, validity, faults, ownFigures: {} };
    }),
  );
  return withCurves({
    format: RESULTS_FORMAT,
    command: "npm run bench -- made up",
    environment: describeEnvironment(),
    cases,
    contenders: names.map((name) => ({
      name,
      isSubject: name.startsWith("ratatosk"),
      threads: 1,
    })),
    samples,
    curves: [],
  });
}
