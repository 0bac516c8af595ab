/**
 * `npm run test:crash`: kills the broker at every bad moment, and checks that it keeps its
 * promises.
 *
 * Ends with 1 when a promise was broken; the message's story is printed, and the folder is kept.
 */

import { parseArgs } from "node:util";
import { runCrash, type Trouble } from "../test/crash/crash-run.ts";
import {
  commandLine,
  DURABILITIES,
  LOG_KINDS,
  oneOf,
  positiveNumber,
  wholeNumber,
} from "./command-line.ts";
import { formatTable } from "./statistics.ts";

const TROUBLES: readonly Trouble[] = [
  "none",
  "connections",
  "kills",
  "freezes",
  "workers",
  "disk",
  "lies",
];
/** Seeds from the clock stay short enough to type. */
const CLOCK_SEEDS = 1_000_000_000;

const USAGE = `npm run test:crash -- [options]   kills the broker at every bad moment, and checks its promises

  npm run test:crash                             100 kills, a seed of the clock
  npm run test:crash -- --kills 1000 --minutes 30
  npm run test:crash -- --trouble disk           and the disk is late, stalls and fails
  npm run test:crash -- --trouble workers        single workers die; "connections": only those
  npm run test:crash -- --trouble freezes        the process stands still now and then, every tenth time for 25 s
  npm run test:crash -- --trouble lies           the disk lies: promises must break, and be found
  npm run test:crash -- --seed 4711 --workers 4 --rate 3000 --durability os
  npm run test:crash -- --log lmdb               default: segments
  npm run test:crash -- --keep-going             more rounds after findings
  npm run test:crash -- --folder DIR             keeps data, events and findings there`;

const options = commandLine(USAGE, readOptions);
const { seed } = options;
console.log(`seed ${seed}`);
const { text, folder, counts } = await runCrash({
  ...options,
  onProgress: (line) => console.log(line),
});
const rows = Object.entries(counts).map(([name, count]) => [name, String(count)]);
console.log(formatTable([["", "found"], ...rows]));
if (text === "") console.log("nothing is wrong");
else {
  process.exitCode = 1;
  console.log(text);
  console.log(`seed ${seed}; data, events and findings are in ${folder}`);
}

function readOptions() {
  const { values } = parseArgs({
    options: {
      kills: { type: "string", default: "100" },
      minutes: { type: "string", default: "600" },
      seed: { type: "string", default: String(Date.now() % CLOCK_SEEDS) },
      trouble: { type: "string", default: "kills" },
      workers: { type: "string", default: "2" },
      rate: { type: "string", default: "1200" },
      durability: { type: "string", default: "fsync" },
      log: { type: "string", default: "segments" },
      "keep-going": { type: "boolean", default: false },
      folder: { type: "string" },
    },
  });
  return {
    seed: wholeNumber("seed", values.seed, 0),
    trouble: oneOf("trouble", values.trouble, TROUBLES),
    kills: wholeNumber("kills", values.kills, 0),
    endMs: positiveNumber("minutes", values.minutes) * 60_000,
    workers: wholeNumber("workers", values.workers, 1),
    durability: oneOf("durability", values.durability, DURABILITIES),
    log: oneOf("log", values.log, LOG_KINDS),
    rate: wholeNumber("rate", values.rate, 1),
    keepsGoing: values["keep-going"],
    folder: values.folder ?? null,
  };
}
