/** Runs all loads of a report's plan and puts their results together. */

import { chooseContenders } from "../suite/choose-contenders.ts";
import { expandCases } from "../suite/expand-cases.ts";
import { parseOptions, type SuiteOptions } from "../suite/options.ts";
import { scenariosNamed } from "../suite/registry.ts";
import type { BenchResults, ContenderFact } from "../suite/results.ts";
import { runSuite } from "../suite/run-suite.ts";
import { summarize } from "../suite/summary.ts";
import type { ReportPlan } from "./plans.ts";

/** Reports stand beside both peers unless told otherwise. */
const REPORT_PEERS = ["--peer", "mosquitto,aedes"];
const DEFAULT_SECONDS = 5;
/** Starting a broker, connecting everybody, winding down: measured on two cores. */
const AROUND_SECONDS = 2;
const SUBJECT_AND_PEERS = 3;

interface PlannedLoad {
  readonly load: string;
  readonly options: SuiteOptions;
}

function plannedLoads(plan: ReportPlan, extra: readonly string[]): PlannedLoad[] {
  const seconds = plan.seconds === null ? [] : ["--duration", String(plan.seconds)];
  return plan.groups.flatMap(({ loads }) =>
    loads.map((load) => {
      const [scenario, ...rest] = load.split(" ");
      const words = [scenario!, ...REPORT_PEERS, ...seconds, ...rest, ...extra];
      return { load, options: parseOptions(words) };
    }),
  );
}

/** `extra`: options of the suite that override the plan's. */
export async function measurePlan(
  plan: ReportPlan,
  extra: readonly string[],
): Promise<BenchResults> {
  const measured = new Set<string>();
  let all: BenchResults | null = null;
  for (const { load, options } of plannedLoads(plan, extra)) {
    const cases = scenariosNamed(options.scenario)
      .flatMap((scenario) => expandCases(scenario, options))
      .filter(({ name }) => !measured.has(name));
    for (const { name } of cases) measured.add(name);
    const results = await runSuite({
      command: `npm run bench -- ${load} ${extra.join(" ")}`.trimEnd(),
      cases,
      contenders: chooseContenders(options, "", (text) => console.log(text)),
      options,
      timeShare: 1,
      onCase: (soFar, finished) => {
        const one = soFar.cases.find(({ name }) => name === finished.name);
        if (one !== undefined) console.log(summarize(soFar, one));
      },
    });
    all = all === null ? results : join(all, results);
  }
  if (all === null) throw new Error(`the plan ${plan.name} has no loads`);
  return { ...all, command: `npm run bench:report -- ${[plan.name, ...extra].join(" ")}` };
}

/** The environment is that of the first run: the machine as it was before. */
function join(left: BenchResults, right: BenchResults): BenchResults {
  const isNew = ({ name }: ContenderFact) => !left.contenders.some((known) => known.name === name);
  return {
    ...left,
    cases: [...left.cases, ...right.cases],
    contenders: [...left.contenders, ...right.contenders.filter(isNew)],
    samples: [...left.samples, ...right.samples],
    curves: [...left.curves, ...right.curves],
  };
}

/** Cases of a plan, and a guess at how long five rounds of them take. */
export function countRuns(plan: ReportPlan): { cases: number; minutes: number } {
  const names = new Set<string>();
  let seconds = 0;
  for (const { options } of plannedLoads(plan, [])) {
    for (const scenario of scenariosNamed(options.scenario)) {
      const duration = options.durationSeconds ?? scenario.defaults.duration ?? DEFAULT_SECONDS;
      const subjects = options.workers.length + SUBJECT_AND_PEERS - 1;
      for (const { name, parameters } of expandCases(scenario, options)) {
        if (names.has(name)) continue;
        names.add(name);
        const probe = parameters.pace.kind === "share" ? duration / 2 : 0;
        const each = duration + probe + options.warmUpSeconds + AROUND_SECONDS;
        seconds += each * options.rounds * subjects;
      }
    }
  }
  return { cases: names.size, minutes: Math.ceil(seconds / 60) };
}
