import assert from "node:assert/strict";
import { test } from "node:test";
import { LatencyHistogram } from "../../../bench/load/latency.ts";
import { drawCharts } from "../../../bench/report/charts.ts";
import { judgeTargets, ownRate } from "../../../bench/report/targets.ts";
import { madeResults } from "../results-builder.ts";

const OURS = "ratatosk --workers 1";
const LOAD = "persistent-offline";

function judged(perSecond: number, validity: "valid" | "void") {
  const results = madeResults([LOAD], [{ contender: OURS, perSecond, validity }]);
  const [outcome] = judgeTargets([ownRate(LOAD, "enqueues", 300_000)], results, []);
  assert.ok(outcome);
  return outcome;
}

test("own rate: met or missed by valid rounds; void ones are a lower bound that can meet it", () => {
  assert.equal(judged(300_000, "valid").verdict, "met");
  assert.equal(judged(299_999, "valid").verdict, "missed");
  assert.equal(judged(400_000, "void").verdict, "met");
  const open = judged(200_000, "void");
  assert.equal(open.verdict, "open");
  assert.ok(open.isBound);
});

test("acknowledgements: their histograms become a curve of their own, and a chart", () => {
  const histogram = new LatencyHistogram();
  for (let micros = 4000; micros < 9000; micros += 100) histogram.record(micros);
  const changes = { acknowledgement: histogram.encode() };
  const runs = [1, 2].map((round) => ({ contender: OURS, perSecond: 1000 * round, changes }));
  const results = madeResults([LOAD], [...runs, { contender: "mosquitto", perSecond: 1000 }]);
  const [ours] = results.curves.filter(({ contender }) => contender === OURS);
  assert.ok((ours?.acknowledgedMicros?.at(-1) ?? 0) >= 8900);
  const [peer] = results.curves.filter(({ contender }) => contender === "mosquitto");
  assert.equal(peer?.acknowledgedMicros, undefined);
  for (const { result } of results.samples) assert.equal(result?.acknowledgement, undefined);
  const [chart] = drawCharts(results, results.cases, "t", ["acknowledgement"]);
  assert.match(chart?.svg ?? "", /ratatosk/);
  assert.doesNotMatch(chart?.svg ?? "", /mosquitto/);
});
