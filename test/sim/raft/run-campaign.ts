/**
 * Many schedules in a row, and what they amounted to: a clean run means little unless elections
 * were held, entries committed, histories checked, and crash points hit.
 */

import { CRASH_POINTS, type CrashCounts, noCrashCounts } from "./crash-points.ts";
import { runSchedule, type ScheduleResult } from "./run-schedule.ts";

export interface CampaignOptions {
  readonly firstSeed: number;
  readonly scheduleCount: number;
  /** Fixes the number of nodes; null draws it. */
  readonly nodeCount: number | null;
  /** Gives up after so many failures. */
  readonly failureLimit: number;
}

export interface CampaignReport {
  scheduleCount: number;
  eventCount: number;
  commitCount: number;
  leaderCount: number;
  operationCount: number;
  sleepCount: number;
  /** Histories that the linearizability checker has judged, and their operations. */
  historyCount: number;
  historyOperationCount: number;
  /** Keys of these histories that took too many steps to judge. */
  undecidedCount: number;
  recoveryCount: number;
  repeatedCount: number;
  /** Seeds whose second run was another one: the simulation is not deterministic. */
  readonly diverged: number[];
  readonly crashCounts: CrashCounts;
  readonly failed: ScheduleResult[];
}

/** One seed in so many is run twice. */
const REPEAT_EVERY = 100;

export function runCampaign(options: CampaignOptions): CampaignReport {
  const { firstSeed, scheduleCount, nodeCount, failureLimit } = options;
  const report = emptyReport();
  for (let seed = firstSeed; seed < firstSeed + scheduleCount; seed += 1) {
    const result = runSchedule(seed, { nodeCount });
    enter(report, result);
    if (seed % REPEAT_EVERY === 0) {
      report.repeatedCount += 1;
      const again = runSchedule(seed, { nodeCount });
      if (again.traceHash !== result.traceHash) report.diverged.push(seed);
    }
    if (report.failed.length + report.diverged.length >= failureLimit) break;
  }
  return report;
}

function enter(report: CampaignReport, result: ScheduleResult): void {
  report.scheduleCount += 1;
  report.eventCount += result.eventCount;
  report.commitCount += result.commitIndex;
  report.leaderCount += result.leaderCount;
  report.operationCount += result.doneCount;
  report.sleepCount += result.sleepCount;
  report.historyOperationCount += result.historySize;
  report.undecidedCount += result.undecidedCount;
  if (result.profile.checksHistory) report.historyCount += 1;
  if (result.profile.checksLiveness) report.recoveryCount += 1;
  for (const point of CRASH_POINTS) {
    report.crashCounts[point].passed += result.crashCounts[point].passed;
    report.crashCounts[point].fatal += result.crashCounts[point].fatal;
  }
  if (result.failure !== null) report.failed.push(result);
}

function emptyReport(): CampaignReport {
  return {
    scheduleCount: 0,
    eventCount: 0,
    commitCount: 0,
    leaderCount: 0,
    operationCount: 0,
    sleepCount: 0,
    historyCount: 0,
    historyOperationCount: 0,
    undecidedCount: 0,
    recoveryCount: 0,
    repeatedCount: 0,
    diverged: [],
    crashCounts: noCrashCounts(),
    failed: [],
  };
}
