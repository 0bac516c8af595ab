/**
 * `npm run bench:quick`: the five loads of the speed table, our broker beside mosquitto, in turns.
 *
 * Each round runs every contender once on each load, one after the other on the same machine with
 * one generator process, so that a slow minute hits all of them; ratios are taken within a round.
 * Nothing is pinned: with two cores, the generator has one and the server the other. Prints a table
 * and writes everything it measured as JSON.
 *
 *   --rounds N     default 5          --seconds S    measured per run, default 2
 *   --warm-up S    default 1          --only TEXT    loads whose name holds TEXT
 *   --workers LIST our worker counts, default 1,2    --out FILE     default .build/bench-quick.json
 */

import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { Contender } from "./contenders/contender.ts";
import { mosquitto, mosquittoVersion } from "./contenders/mosquitto.ts";
import { writeLoop } from "./contenders/node-server.ts";
import { ratatosk } from "./contenders/ratatosk.ts";
import { describeEnvironment } from "./environment.ts";
import { cpuMicrosPerOperation, type LoadResult } from "./load/load-shape.ts";
import { runGenerators, splitLoad } from "./load/run-generators.ts";
import { faultsOf, validityOf } from "./load/validity.ts";
import { formatTable, type Spread, showSpread, spreadOf } from "./statistics.ts";
import { UsageError } from "./suite/options.ts";
import { assertWritable } from "./suite/preflight.ts";
import { type NamedLoad, SPEED_TABLE } from "./suite/speed-table.ts";

interface Run {
  readonly load: string;
  readonly contender: string;
  readonly round: number;
  readonly result: LoadResult;
}

type Figure = (result: LoadResult) => number;

/** The load on which the floor is measured too: one publish in flight. */
const FLOOR_LOAD = 1;
/** Above it, others take so much of the two cores that rates say little. */
const BUSY_MACHINE_LOAD = 0.7;
const MICROS = (value: number) => value.toFixed(2);
const USAGE_EXIT_CODE = 64;
const RATIO = (value: number) => `${value.toFixed(2)}x`;
const deliveriesPerSecond: Figure = (result) => result.perSecond;

const USAGE = `npm run bench:quick -- [options]   the loads of the speed table beside mosquitto, in turns

  --rounds N       rounds per load, default 5          --seconds S   measured per run, default 2
  --warm-up S      before each, default 1              --only TEXT   loads whose name holds TEXT
  --workers LIST   our worker counts, default 1,2      --out FILE    default .build/bench-quick.json`;

const options = parseOptions();
if (options.help) {
  console.log(USAGE);
  process.exit(0);
}

const environment = describeEnvironment();
const ours = options.workers
  .split(",")
  .map((count) => ratatosk({ workers: Number(count), profileDirectory: "" }));
const runs: Run[] = [];
const loads = SPEED_TABLE.filter((load) => load.name.includes(options.only));

console.log(`${environment.processor}, ${environment.cores} cores, Node ${environment.node}`);
console.log(`load average ${environment.loadAverage.toFixed(2)}, ${environment.commit}\n`);
if (environment.loadAverage > BUSY_MACHINE_LOAD) {
  console.log("The machine is busy: trust CPU per delivery, not deliveries per second.\n");
}
for (const load of loads) {
  for (let round = 1; round <= Number(options.rounds); round += 1) {
    for (const contender of contendersFor(load)) await measure(load, contender, round);
  }
  console.log(report(load));
}
writeFileSync(options.out, `${JSON.stringify({ environment, options, loads, runs }, null, 2)}\n`);
console.log(`all runs: ${options.out}`);
for (const { load, contender, result } of runs) {
  // At QoS 0 too: in a closed loop nothing piles up, so nothing may be dropped.
  const faults = faultsOf(result.check, 1);
  if (faults === "") continue;
  console.log(`${load}, ${contender}: ${faults}`);
  process.exitCode = 1;
}

/** Ends the process when they are wrong. */
function parseOptions() {
  try {
    const { values } = parseArgs({
      options: {
        rounds: { type: "string", default: "5" },
        seconds: { type: "string", default: "2" },
        "warm-up": { type: "string", default: "1" },
        workers: { type: "string", default: "1,2" },
        only: { type: "string", default: "" },
        out: { type: "string", default: ".build/bench-quick.json" },
        help: { type: "boolean", default: false },
      },
    });
    const { rounds, seconds, workers } = values;
    const numbers = [rounds, seconds, values["warm-up"], ...workers.split(",")];
    const wrong = numbers.find((text) => !(Number(text) > 0));
    if (wrong !== undefined) throw new UsageError(`"${wrong}": a number above 0`);
    if (!SPEED_TABLE.some(({ name }) => name.includes(values.only))) {
      const names = SPEED_TABLE.map(({ name }) => `"${name}"`).join(", ");
      throw new UsageError(`--only ${values.only}: part of one of ${names}`);
    }
    assertWritable(values.out);
    return values;
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    process.exit(USAGE_EXIT_CODE);
  }
}

function contendersFor(load: NamedLoad): Contender[] {
  const floor = load === SPEED_TABLE[FLOOR_LOAD] ? [writeLoop] : [];
  const reference = mosquittoVersion() === "" ? [] : [mosquitto];
  return [...reference, ...ours, ...floor];
}

async function measure(load: NamedLoad, contender: Contender, round: number): Promise<void> {
  const server = await contender.start("tcp");
  try {
    const { target } = server;
    const tasks = splitLoad(load.shape, target, { processes: 1, frozen: null, name: "quick" });
    const result = await runGenerators(tasks, target, {
      warmUpMs: Number(options["warm-up"]) * 1000,
      measureMs: Number(options.seconds) * 1000,
    });
    runs.push({ load: load.name, contender: contender.name, round, result });
  } finally {
    await server.stop();
  }
}

function report(load: NamedLoad): string {
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
  for (const contender of contendersFor(load)) {
    const own = runsOf(load, contender.name);
    const pick = (figure: Figure) => spreadOf(own.map((run) => figure(run.result)));
    const isVoid = (run: Run) =>
      !["valid", "at least"].includes(validityOf(run.result, 1, contender.threads));
    rows.push([
      contender.name,
      showSpread(pick(deliveriesPerSecond)),
      showRatio(ratioTo(load, contender.name, deliveriesPerSecond)),
      showSpread(pick(cpuMicrosPerOperation), MICROS),
      showRatio(ratioTo(load, contender.name, (result) => 1 / cpuMicrosPerOperation(result))),
      pick((result) => result.broker?.cores ?? Number.NaN).median.toFixed(2),
      `${(pick((result) => result.generatorShare).median * 100).toFixed(0)} %`,
      String(own.filter(isVoid).length),
    ]);
  }
  const goal = `required: ${load.requiredRatio}x mosquitto with one worker`;
  return `${load.name}   (${goal}; ${options.rounds} rounds)\n${formatTable(rows)}`;
}

function runsOf(load: NamedLoad, contender: string): Run[] {
  return runs.filter((run) => run.load === load.name && run.contender === contender);
}

/** One figure beside mosquitto's of the same round; null when there is none. */
function ratioTo(load: NamedLoad, contender: string, figure: Figure): Spread | null {
  const others = runsOf(load, "mosquitto");
  if (others.length === 0) return null;
  const ratios = runsOf(load, contender).map((run) => {
    const beside = others.find((candidate) => candidate.round === run.round);
    return beside === undefined ? Number.NaN : figure(run.result) / figure(beside.result);
  });
  return spreadOf(ratios);
}

function showRatio(ratio: Spread | null): string {
  return ratio === null ? "-" : showSpread(ratio, RATIO);
}
