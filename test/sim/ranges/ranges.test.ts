import assert from "node:assert/strict";
import { test } from "node:test";
import { CRASH_PLACES } from "./node/crash-places.ts";
import { runRangeCampaign, runRanges } from "./run-ranges.ts";

test("ranges: a seed gives the same run again, to the last event", () => {
  const hashes = [21, 22, 23].map((seed) => {
    const first = runRanges(seed, { nodeCount: null });
    assert.deepEqual(runRanges(seed, { nodeCount: null }), first);
    return first.traceHash;
  });
  assert.equal(new Set(hashes).size, 3);
});

/** Some fifteen seconds of one core. Any seeds must do; longer ones run by `npm run sim:ranges`. */
test("ranges: 60 small brokers in trouble break no invariant", () => {
  const limits = { firstSeed: 1, runCount: 60, failureLimit: 5 };
  const { counts, crashes, failed, diverged, runCount } = runRangeCampaign(limits, {
    nodeCount: null,
  });
  const failures = failed.map(({ seed, failure }) => `seed ${seed}: ${failure?.text}`);
  assert.equal(failures.join("\n"), "", "replay: npm run sim:ranges -- --seed N");
  assert.deepEqual(diverged, []);
  assert.equal(runCount, 60);
  assert.ok(counts.processes > 10 * runCount, "processes died");
  assert.ok(counts.splits > runCount && counts.merges > runCount / 2, "ranges were cut and merged");
  assert.ok(counts.installs > runCount / 2, "ranges came as snapshots");
  assert.ok(counts.qosZero > 50 * runCount && counts.grouped > 10 * runCount, "also QoS 0, groups");
  assert.ok(counts.asked > 10 && counts.handedOver > runCount, "groups were asked, members left");
  assert.ok(counts.promised > 50 * runCount, "messages were acknowledged");
  assert.ok(counts.wills > 3 * runCount && counts.moved > runCount, "wills came, batches moved");
  for (const place of CRASH_PLACES) {
    assert.ok(crashes[place] > 0, `nobody died when ${place}`);
  }
});
