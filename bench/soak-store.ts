/**
 * `npm run soak:store`: the gate that a log store must pass.
 *
 * Ends with 1 if anything that was durable is missing or damaged, if the process ends by itself, if
 * the files grow beyond four times their live bytes, or if, with logs in LMDB, the disk's flushing
 * takes more than half of the time of commits. The last is a question about the disk as much as
 * about the store: read the share beside what a bare write and flush take there.
 */

import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { removeFolder, temporaryFolder } from "../test/helpers/temporary-folder.ts";
import {
  commandLine,
  DURABILITIES,
  LOG_KINDS,
  oneOf,
  positiveNumber,
  wholeNumber,
} from "./command-line.ts";
import { drawSoak } from "./soak/soak-chart.ts";
import { runSoak } from "./soak/soak-run.ts";
import { judgeSoak, type SoakReport } from "./soak/soak-totals.ts";
import { formatTable, shortNumber, showMicros } from "./statistics.ts";

const USAGE = `npm run soak:store -- [options]   the gate that a log store must pass

  npm run soak:store                              30 minutes, 4 workers, 20,000 appends/s
  npm run soak:store -- --minutes 2
  npm run soak:store -- --log lmdb                default: segments
  npm run soak:store -- --workers 2 --rate 5000 --durability os
  npm run soak:store -- --life 20                 seconds between kills, default 60
  npm run soak:store -- --folder DIR              keeps the data there; default: temporary
  npm run soak:store -- --chart FILE.svg --json`;

const { values, seconds, secondsPerLife, ...plan } = commandLine(USAGE, readOptions);
const folder = values.folder ?? temporaryFolder("ratatosk-soak-");
const task = { folder, ...plan };
const report = await runSoak(task, {
  seconds,
  secondsPerLife,
  progress: showProgress,
});
if (values.folder === undefined) removeFolder(folder);
if (values.chart !== undefined) writeFileSync(values.chart, drawSoak(report.points));

const faults = judgeSoak(report, task.log);
if (values.json) console.log(JSON.stringify({ task, faults, ...report }));
else show(report);
if (faults.length > 0) process.exitCode = 1;

function showProgress(second: number, soFar: SoakReport): void {
  if (values.json || second % 10 !== 0) return;
  const rate = shortNumber(soFar.appendsPerSecond);
  const ratio = soFar.lastRatio.toFixed(2);
  console.error(
    `${second} s: ${rate} appends/s, file ${ratio} x live, ${soFar.errors.length} errors`,
  );
}

function show({ commits, ...rest }: SoakReport): void {
  const rows = [
    ["", "found"],
    ["appends per second", shortNumber(rest.appendsPerSecond)],
    ["commits", shortNumber(commits.count)],
    ["commit, median", showMicros(commits.p50)],
    ["commit, 99 %", showMicros(commits.p99)],
    ["commit, longest", showMicros(commits.max)],
    ["flushing, share of commits", `${(rest.flushShare * 100).toFixed(0)} %`],
    ["file over live bytes, highest", rest.highestRatio.toFixed(2)],
    ["kills", String(rest.kills)],
    ["slowest open", showMicros(rest.slowestOpenMs * 1000)],
    ["snapshots", String(rest.snapshots)],
    ["errors", String(rest.errors.length)],
  ];
  console.log(formatTable(rows));
  for (const error of rest.errors.slice(0, 20)) console.log(error);
  console.log(faults.length === 0 ? "passed" : `not passed: ${faults.join("; ")}`);
}

function readOptions() {
  const { values } = parseArgs({
    options: {
      minutes: { type: "string", default: "30" },
      workers: { type: "string", default: "4" },
      rate: { type: "string", default: "20000" },
      life: { type: "string", default: "60" },
      durability: { type: "string", default: "fsync" },
      log: { type: "string", default: "segments" },
      folder: { type: "string" },
      chart: { type: "string" },
      json: { type: "boolean", default: false },
    },
  });
  return {
    values,
    seconds: Math.round(positiveNumber("minutes", values.minutes) * 60),
    secondsPerLife: positiveNumber("life", values.life),
    workers: wholeNumber("workers", values.workers, 1),
    appendsPerSecond: wholeNumber("rate", values.rate, 1),
    durability: oneOf("durability", values.durability, DURABILITIES),
    log: oneOf("log", values.log, LOG_KINDS),
  };
}
