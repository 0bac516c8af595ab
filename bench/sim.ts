/**
 * `npm run sim`: Raft clusters under every kind of trouble, each from one seed. Ends with 1 when
 * any schedule breaks an invariant, or runs differently a second time.
 */

import { parseArgs } from "node:util";
import { INVARIANTS } from "../test/sim/raft/checkers/violation.ts";
import { CRASH_POINTS } from "../test/sim/raft/crash-points.ts";
import { type CampaignReport, runCampaign } from "../test/sim/raft/run-campaign.ts";
import { runSchedule, type ScheduleResult } from "../test/sim/raft/run-schedule.ts";
import { commandLine, wholeNumber } from "./command-line.ts";
import { formatTable, shortNumber } from "./statistics.ts";

/** Seeds from the clock stay short enough to type. */
const CLOCK_SEEDS = 1_000_000_000;
/** Larger groups than anybody runs. */
const NODES_MAX = 99;

const USAGE = `npm run sim -- [options]   Raft clusters under every kind of trouble, each from one seed

  npm run sim                                 1,000 schedules from a seed of the clock
  npm run sim -- --schedules 20000 --seed 1   seeds 1 to 20,000
  npm run sim -- --seed 4711                  this one, with its profile; how a failure is replayed

  --nodes N      all clusters of this size (part of what a seed means)
  --failures N   ends after so many failures, default 10
  --json         one line of JSON in place of the text`;

const { nodeCount, firstSeed, scheduleCount, failureLimit, isJson } = commandLine(
  USAGE,
  readOptions,
);
if (scheduleCount === null) replay(firstSeed);
else campaign(scheduleCount);

/** No number of schedules: one seed is to be replayed. */
function readOptions() {
  const { values } = parseArgs({
    options: {
      schedules: { type: "string" },
      seed: { type: "string" },
      nodes: { type: "string" },
      failures: { type: "string", default: "10" },
      json: { type: "boolean", default: false },
    },
  });
  const { schedules, seed, nodes, failures } = values;
  const isReplay = seed !== undefined && schedules === undefined;
  return {
    nodeCount: nodes === undefined ? null : wholeNumber("nodes", nodes, 1, NODES_MAX),
    firstSeed: seed === undefined ? Date.now() % CLOCK_SEEDS : wholeNumber("seed", seed, 0),
    scheduleCount: isReplay ? null : wholeNumber("schedules", schedules ?? "1000", 1),
    failureLimit: wholeNumber("failures", failures, 1),
    isJson: values.json,
  };
}

function replay(seed: number): void {
  const result = runSchedule(seed, { nodeCount });
  console.log(JSON.stringify(result.profile, null, 2));
  const { eventCount, leaderCount, commitIndex, doneCount, traceHash } = result;
  console.log(`${eventCount} events, ${leaderCount} leaders, ${commitIndex} entries committed`);
  console.log(`${doneCount} operations answered, trace ${traceHash}`);
  if (result.failure === null) {
    console.log("nothing is wrong");
    return;
  }
  reportFailure(result);
  console.log(result.failure.stack);
}

function campaign(count: number): void {
  const before = process.cpuUsage();
  const report = runCampaign({ firstSeed, scheduleCount: count, nodeCount, failureLimit });
  const { user, system } = process.cpuUsage(before);
  if (isJson) {
    console.log(JSON.stringify(shortReport(report)));
    return;
  }
  for (const result of report.failed) reportFailure(result);
  for (const seed of report.diverged) {
    process.exitCode = 1;
    console.log(`seed ${seed} runs differently a second time`);
  }
  console.log(summaryOf(report, (user + system) / 1e6));
}

/** For programs that run this one. */
function shortReport({ scheduleCount, diverged, failed }: CampaignReport) {
  const failures = failed.map(({ seed, failure }) => ({ seed, text: failure?.text ?? "" }));
  return { scheduleCount, diverged, failures };
}

function reportFailure({ seed, failure, profile }: ScheduleResult): void {
  process.exitCode = 1;
  if (failure === null) return;
  const size = nodeCount === null ? "" : ` --nodes ${nodeCount}`;
  console.log(`seed ${seed}, ${profile.nodeCount} nodes: ${failure.text}`);
  console.log(`    replay: npm run sim -- --seed ${seed}${size}`);
}

function summaryOf(report: CampaignReport, cpuSeconds: number): string {
  const { scheduleCount, eventCount, repeatedCount, failed } = report;
  const runs = scheduleCount + repeatedCount;
  const perMinute = (runs / cpuSeconds) * 60;
  const perSchedule = (count: number) => (count / scheduleCount).toFixed(1);
  const points = CRASH_POINTS.map((point) => {
    const { passed, fatal } = report.crashCounts[point];
    return [point, shortNumber(passed), shortNumber(fatal)];
  });
  return [
    `seeds ${firstSeed} to ${firstSeed + scheduleCount - 1}: ${failed.length} failed, ` +
      `${repeatedCount} run twice, ${report.diverged.length} of them differently`,
    `${perSchedule(eventCount)} events, ${perSchedule(report.leaderCount)} leaders, ` +
      `${perSchedule(report.commitCount)} committed entries, ` +
      `${perSchedule(report.operationCount)} answered operations, ` +
      `${perSchedule(report.sleepCount)} times asleep per schedule`,
    `${report.historyCount} histories of ${report.historyOperationCount} operations judged ` +
      `(${report.undecidedCount} keys undecided), ` +
      `${report.recoveryCount} recoveries demanded, ${Object.keys(INVARIANTS).length} invariants`,
    `${cpuSeconds.toFixed(1)} s CPU, ${shortNumber(perMinute)} schedules per CPU-minute`,
    formatTable([["crash point", "passed", "fatal"], ...points]),
  ].join("\n");
}
