/**
 * A storm of connects beside clients that keep publishing. Three windows on one broker:
 *
 *   calm         nobody connects
 *   elsewhere    the storm is taken by another, idle process of the same broker: what it costs the
 *                publishing clients that the machine is busy, whoever makes it so
 *   here         the storm is taken by the broker that serves them
 *
 * On few cores the generator and the kernel's side of so many connects delay everybody; only what
 * "here" is beyond "elsewhere" is of the broker's own making.
 */

import type { LoadResult, LoadTarget } from "../load/load-shape.ts";
import { runGenerators, runGroups, splitLoad } from "../load/run-generators.ts";
import { type CaseRun, type Scenario, timedRun } from "./case.ts";
import { connectSeconds, connectTasks } from "./connect-tasks.ts";
import { shapeOf } from "./load-scenarios.ts";

export const P99_CALM = "p99 without the storm, us";
export const P99_ELSEWHERE = "p99 while another broker takes the storm, us";
/** So many subscribers share the publishing clients' topics. */
const MOST_SUBSCRIBERS = 100;
/** A second broker starts and ends. */
const OTHER_BROKER_SECONDS = 1;

/** The result is that of the storm here; what came before is in its figures. */
async function measureStorm(run: CaseRun): Promise<LoadResult> {
  const { target } = run.server;
  const calm = await runGenerators(publishing(run, "bench-calm"), target, timedRun(run));
  const elsewhere = await stormElsewhere(run);
  const { during, connects } = await stormOn(run, target, "bench-here");
  return {
    ...during,
    figures: {
      ...during.figures,
      [P99_CALM]: calm.latency.p99,
      ...elsewhere,
      "p99 of connecting, us": connects.latency.p99,
      "connects per second": connects.figures["connects per second"] ?? 0,
      "clients not connected": connects.check.lost,
    },
  };
}

/** Nothing where there is only one broker of this kind. */
async function stormElsewhere(run: CaseRun): Promise<Record<string, number>> {
  if (run.startAnother === null) return {};
  const other = await run.startAnother();
  try {
    const { during } = await stormOn(run, other.target, "bench-elsewhere");
    return { [P99_ELSEWHERE]: during.latency.p99 };
  } finally {
    await other.stop();
  }
}

/** The load on the broker under test, and the storm on `stormed`. */
async function stormOn(
  run: CaseRun,
  stormed: LoadTarget,
  name: string,
): Promise<{ during: LoadResult; connects: LoadResult }> {
  const { target } = run.server;
  const connects = connectTasks(run, run.parameters.subscribers, {
    target: stormed,
    delayMs: run.warmUpMs,
  });
  const groups = [publishing(run, name), connects];
  const [during, connected] = await runGroups(groups, target, timedRun(run));
  return { during: during!, connects: connected! };
}

function publishing(run: CaseRun, name: string) {
  const { publishers } = run.parameters;
  const pace = { kind: "open", publishesPerSecond: publishers } as const;
  const subscribers = Math.min(MOST_SUBSCRIBERS, publishers);
  const shape = { ...shapeOf(run, "pairs", pace), subscribers };
  return splitLoad(shape, run.server.target, { processes: 1, frozen: null, name });
}

export const STORM_SCENARIO: Scenario = {
  name: "storm",
  summary: "15,000 clients connect at once while --publishers others publish once a second",
  unit: "deliveries",
  defaults: {
    publishers: 1_000,
    subscribers: 15_000,
    pace: { kind: "closed", window: 15_000 },
    duration: 5,
  },
  paces: ["open", "closed"],
  takesMqttClient: false,
  needsFreshServer: true,
  isOpenLoop: true,
  hasControl: true,
  // Once without a storm, twice with one, and those until all are connected.
  extraSeconds: (parameters, duration) => {
    const storm = Math.max(0, connectSeconds(parameters) - duration);
    return 2 * (duration + 1 + storm) + OTHER_BROKER_SECONDS;
  },
  measure: measureStorm,
};
