/**
 * `npm run sim:ranges`: small brokers of real state machines on real Raft cores, under every kind
 * of trouble, each from one seed.
 *
 *   npm run sim:ranges                                 500 runs from a seed of the clock
 *   npm run sim:ranges -- --runs 5000 --seed 1         seeds 1 to 5,000
 *   npm run sim:ranges -- --seed 4711                  this one, with its profile
 *   npm run sim:ranges -- --nodes 3 ...                all of this size (part of what a seed means)
 *   npm run sim:ranges -- --failures 1 ...             ends after so many failures, default 10
 *   npm run sim:ranges -- --json ...                   one line of JSON in place of the text
 *
 * Ends with 1 when any run breaks an invariant, or runs differently a second time.
 */

import { parseArgs } from "node:util";
import { runRangeCampaign, runRanges } from "../test/sim/ranges/run-ranges.ts";

/** Seeds from the clock stay short enough to type. */
const CLOCK_SEEDS = 1_000_000_000;

const { values } = parseArgs({
  options: {
    runs: { type: "string" },
    seed: { type: "string" },
    nodes: { type: "string" },
    failures: { type: "string", default: "10" },
    json: { type: "boolean", default: false },
  },
});

const nodeCount = values.nodes === undefined ? null : Number(values.nodes);
const firstSeed = Number(values.seed ?? Date.now() % CLOCK_SEEDS);
if (values.seed !== undefined && values.runs === undefined) replay(firstSeed);
else campaign(Number(values.runs ?? 500));

function replay(seed: number): void {
  const { profile, counts, traceHash, failure } = runRanges(seed, { nodeCount });
  console.log(JSON.stringify({ profile, counts, traceHash }, null, 2));
  console.log(failure === null ? "nothing is wrong" : `${failure.text}\n${failure.stack}`);
  if (failure !== null) process.exitCode = 1;
}

function campaign(runCount: number): void {
  const before = process.cpuUsage();
  const limits = { firstSeed, runCount, failureLimit: Number(values.failures) };
  const report = runRangeCampaign(limits, { nodeCount });
  const { user, system } = process.cpuUsage(before);
  const failures = report.failed.map(({ seed, failure }) => ({ seed, text: failure?.text ?? "" }));
  const { diverged } = report;
  if (failures.length + diverged.length > 0) process.exitCode = 1;
  if (values.json) {
    console.log(JSON.stringify({ runCount: report.runCount, diverged, failures }));
    return;
  }
  for (const { seed, text } of failures) console.log(`seed ${seed}: ${text}`);
  for (const seed of diverged) console.log(`seed ${seed} runs differently a second time`);
  const { counts, crashes } = report;
  console.log(`${report.runCount} runs, ${failures.length} failed; ${JSON.stringify(counts)}`);
  console.log(`died when ${JSON.stringify(crashes)}`);
  console.log(`${((user + system) / 1e6).toFixed(1)} s CPU`);
}
