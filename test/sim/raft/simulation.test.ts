import assert from "node:assert/strict";
import { test } from "node:test";
import { CRASH_POINTS } from "./crash-points.ts";
import { runCampaign } from "./run-campaign.ts";
import { runSchedule } from "./run-schedule.ts";

test("simulation: a seed gives the same run again, to the last event", () => {
  const hashes = [11, 12, 13].map((seed) => {
    const first = runSchedule(seed, { nodeCount: null });
    const second = runSchedule(seed, { nodeCount: null });
    assert.equal(first.traceHash, second.traceHash);
    assert.deepEqual(first, second);
    return first.traceHash;
  });
  assert.equal(new Set(hashes).size, 3);
});

/**
 * Less than a minute of one core. Beginning with seed 1 is no choice: any range must do, and
 * longer ones run by `npm run sim`.
 */
test("simulation: 3,000 clusters in trouble break no invariant", () => {
  const report = runCampaign({
    firstSeed: 1,
    scheduleCount: 3000,
    nodeCount: null,
    failureLimit: 5,
  });
  const failures = report.failed.map(({ seed, failure }) => `seed ${seed}: ${failure?.text}`);
  assert.equal(failures.join("\n"), "", "replay: npm run sim -- --seed N");
  assert.deepEqual(report.diverged, []);
  assert.equal(report.repeatedCount, 30);
  assert.ok(report.leaderCount > report.scheduleCount, "leaders were lost");
  assert.ok(report.commitCount > report.scheduleCount * 30, "entries were committed");
  assert.ok(report.historyCount > 30 && report.recoveryCount > 60, "ends were judged");
  assert.ok(report.sleepCount > 1000, "groups fell asleep");
  for (const point of CRASH_POINTS) {
    assert.ok(report.crashCounts[point].fatal > 0, `nobody crashed at: ${point}`);
  }
});
