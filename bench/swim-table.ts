/**
 * How quickly a simulated cluster detects, spreads and heals, and what it costs: real membership
 * cores on a virtual clock and a seeded network (test/shared/swim/sim-cluster.ts), so the figures
 * are those of the protocol, not of this machine, and a run repeats exactly.
 * The whole takes three quarters of an hour of CPU on one core.
 */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { SWIM_DEFAULTS } from "../src/shared/swim/swim-parameters.ts";
import { commandLine, wholeNumber } from "./command-line.ts";
import { describeEnvironment } from "./environment.ts";
import { formatTable } from "./statistics.ts";
import {
  CRASH_HEAD,
  crashCells,
  drawCrashes,
  HEAL_HEAD,
  healCells,
  PEACE_HEAD,
  peaceCells,
  SPREAD_HEAD,
  spreadCells,
} from "./swim/show.ts";
import {
  crashRows,
  healRows,
  peaceRows,
  type SwimResults,
  spreadRows,
  type TableLimits,
} from "./swim/tables.ts";

const TABLES = ["crash", "peace", "heal", "spread"];
/** No table has a smaller cluster. */
const NODES_MIN = 3;

const USAGE = `npm run sim:swim -- [options]   how quickly membership detects, spreads and heals

  --scale S      a share of all seeds and hours, as 0.1; default 1
  --nodes N      clusters of at most so many members, default 1000
  --only TABLE   crash, peace, heal or spread
  --out FOLDER   writes results.json, in which tables that did not run keep what they had,
                 environment.json and crash.svg`;

const { limits, only, out } = commandLine(USAGE, readOptions);

function readOptions() {
  const { values } = parseArgs({
    options: {
      scale: { type: "string", default: "1" },
      nodes: { type: "string", default: "1000" },
      only: { type: "string", default: "" },
      out: { type: "string" },
    },
  });
  const scale = Number(values.scale);
  if (!(scale > 0)) throw new Error(`--scale ${values.scale}: a number above 0`);
  if (!TABLES.some((name) => name.includes(values.only))) {
    throw new Error(`--only ${values.only}: one of ${TABLES.join(", ")}`);
  }
  const nodesMax = wholeNumber("nodes", values.nodes, NODES_MIN);
  const tableLimits: TableLimits = { scale, nodesMax };
  return { limits: tableLimits, only: values.only, out: values.out };
}

/** Collects the rows, telling each on the error output as it is done; then prints the table. */
function run<Row>(
  name: string,
  rows: (limits: TableLimits) => Iterable<Row>,
  head: readonly string[],
  cells: (row: Row) => string[],
): Row[] {
  if (!name.includes(only)) return [];
  const done: Row[] = [];
  for (const row of rows(limits)) {
    done.push(row);
    process.stderr.write(`${name}: ${cells(row).join("  ")}\n`);
  }
  process.stdout.write(`${formatTable([head, ...done.map(cells)])}\n`);
  return done;
}

const results: SwimResults = {
  crash: run("crash", crashRows, CRASH_HEAD, crashCells),
  peace: run("peace", peaceRows, PEACE_HEAD, peaceCells),
  heal: run("heal", healRows, HEAL_HEAD, healCells),
  spread: run("spread", spreadRows, SPREAD_HEAD, spreadCells),
};
if (out !== undefined) writeResults(out);

function writeResults(folder: string): void {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, "results.json");
  const before = existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as object) : {};
  const measured = Object.entries(results).filter(([, rows]) => rows.length > 0);
  const all = { ...before, parameters: SWIM_DEFAULTS, ...Object.fromEntries(measured) };
  writeFileSync(file, `${JSON.stringify(all, null, 2)}\n`);
  const environment = `${JSON.stringify(describeEnvironment(), null, 2)}\n`;
  writeFileSync(join(folder, "environment.json"), environment);
  const chart = drawCrashes(results.crash);
  if (chart !== "") writeFileSync(join(folder, "crash.svg"), chart);
}
