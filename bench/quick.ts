/**
 * `npm run bench:quick`: the five loads of the speed table, our broker beside mosquitto, in turns.
 *
 * Each round runs every contender once on each load, one after the other on the same machine with one generator
 * process, so that a slow minute hits all of them; ratios are taken within a round. Nothing is pinned: with two cores,
 * the generator has one and the server the other. Prints a table and writes everything it measured as JSON.
 *
 *   --rounds N     default 5          --seconds S    measured per run, default 2
 *   --warm-up S    default 1          --only TEXT    loads whose name holds TEXT
 *   --workers LIST our worker counts, default 1,2    --out FILE     default .build/bench-quick.json
 */

import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { skipWithoutMosquitto } from "../test/helpers/mosquitto.ts";
import { type Contender, mosquitto, ratatosk, writeLoop } from "./contenders.ts";
import { describeEnvironment } from "./environment.ts";
import { runLoad } from "./load/run-load.ts";
import {
  isCorrect,
  isValid,
  type LoadResult,
  type Scenario,
  SPEED_TABLE,
} from "./load/scenario.ts";
import { formatTable, type Spread, showSpread, spreadOf } from "./statistics.ts";

interface Run {
  readonly scenario: string;
  readonly contender: string;
  readonly round: number;
  readonly result: LoadResult;
}

/** What the broker is held to, by scenario: multiples of mosquitto's deliveries per second. */
const REQUIRED_RATIO: readonly number[] = [30, 1.2, 12, 7, 7];
/** The load on which the floor is measured too: one publish in flight. */
const FLOOR_SCENARIO = 1;
/** Above it, others take so much of the two cores that rates say little. */
const BUSY_MACHINE_LOAD = 0.7;
const MICROS = (value: number) => value.toFixed(2);
const RATIO = (value: number) => `${value.toFixed(2)}x`;

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "2" },
    "warm-up": { type: "string", default: "1" },
    workers: { type: "string", default: "1,2" },
    only: { type: "string", default: "" },
    out: { type: "string", default: ".build/bench-quick.json" },
  },
});

const environment = describeEnvironment();
const ours = options.workers.split(",").map((count) => ratatosk(Number(count)));
const runs: Run[] = [];
const scenarios = SPEED_TABLE.filter((scenario) => scenario.name.includes(options.only));

console.log(`${environment.processor}, ${environment.cores} cores, Node ${environment.node}`);
console.log(`load average ${environment.loadAverage.toFixed(2)}, ${environment.commit}\n`);
if (environment.loadAverage > BUSY_MACHINE_LOAD) {
  console.log("The machine is busy: trust CPU per delivery, not deliveries per second.\n");
}
for (const scenario of scenarios) {
  for (let round = 1; round <= Number(options.rounds); round += 1) {
    for (const contender of contendersFor(scenario)) await measure(scenario, contender, round);
  }
  console.log(report(scenario));
}
mkdirSync(dirname(options.out), { recursive: true });
writeFileSync(
  options.out,
  `${JSON.stringify({ environment, options, scenarios, runs }, null, 2)}\n`,
);
console.log(`all runs: ${options.out}`);
if (runs.some((run) => !isCorrect(run.result))) {
  console.log("messages were lost, repeated or skipped: see above");
  process.exitCode = 1;
}

function contendersFor(scenario: Scenario): Contender[] {
  const floor = scenario === SPEED_TABLE[FLOOR_SCENARIO] ? [writeLoop] : [];
  const reference = skipWithoutMosquitto === false ? [mosquitto] : [];
  return [...reference, ...ours, ...floor];
}

async function measure(scenario: Scenario, contender: Contender, round: number): Promise<void> {
  const server = await contender.start();
  try {
    const result = await runLoad(scenario, {
      port: server.port,
      brokerPid: server.pid,
      warmUpMs: Number(options["warm-up"]) * 1000,
      measureMs: Number(options.seconds) * 1000,
    });
    runs.push({ scenario: scenario.name, contender: contender.name, round, result });
  } finally {
    await server.stop();
  }
}

function report(scenario: Scenario): string {
  const rows = [
    [
      "",
      "deliveries/s",
      "of mosquitto",
      "CPU us/delivery",
      "less CPU",
      "server cores",
      "generator",
      "void",
    ],
  ];
  for (const contender of contendersFor(scenario)) {
    const own = runsOf(scenario, contender.name);
    const pick = (field: keyof LoadResult) => spreadOf(own.map((run) => run.result[field]));
    rows.push([
      contender.name,
      showSpread(pick("deliveriesPerSecond")),
      showRatio(ratioTo(scenario, contender.name, "deliveriesPerSecond")),
      showSpread(pick("brokerCpuMicrosPerDelivery"), MICROS),
      showRatio(ratioTo(scenario, contender.name, "brokerCpuMicrosPerDelivery", true)),
      pick("brokerCores").median.toFixed(2),
      `${(pick("generatorShare").median * 100).toFixed(0)} %`,
      String(own.filter((run) => !isValid(run.result)).length),
    ]);
  }
  const required = REQUIRED_RATIO[SPEED_TABLE.indexOf(scenario)] ?? 0;
  const goal = `required: ${required}x mosquitto with one worker`;
  return `${scenario.name}   (${goal}; ${runsOf(scenario, "mosquitto").length} rounds)\n${formatTable(rows)}`;
}

function runsOf(scenario: Scenario, contender: string): Run[] {
  return runs.filter((run) => run.scenario === scenario.name && run.contender === contender);
}

/** One figure beside mosquitto's of the same round; null when there is none. Above 1 is better than mosquitto. */
function ratioTo(
  scenario: Scenario,
  contender: string,
  field: keyof LoadResult,
  isLessBetter = false,
): Spread | null {
  const others = runsOf(scenario, "mosquitto");
  if (others.length === 0) return null;
  const ratios = runsOf(scenario, contender).map((run) => {
    const beside = others.find((candidate) => candidate.round === run.round);
    const ratio = run.result[field] / (beside?.result[field] ?? Number.NaN);
    return isLessBetter ? 1 / ratio : ratio;
  });
  return spreadOf(ratios);
}

function showRatio(ratio: Spread | null): string {
  return ratio === null ? "-" : showSpread(ratio, RATIO);
}
