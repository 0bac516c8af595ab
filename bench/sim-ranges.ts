/**
 * `npm run sim:ranges`: small brokers of real state machines on real Raft cores, under every kind
 * of trouble, each from one seed.
 *
 * Ends with 1 when any run breaks an invariant, or runs differently a second time.
 */

import { parseArgs } from "node:util";
import { runRangeCampaign, runRanges } from "../test/sim/ranges/run-ranges.ts";
import { commandLine, wholeNumber } from "./command-line.ts";

/** Seeds from the clock stay short enough to type. */
const CLOCK_SEEDS = 1_000_000_000;

const USAGE = `npm run sim:ranges -- [options]   state machines on Raft cores under every kind of trouble, from seeds

  npm run sim:ranges                                 500 runs from a seed of the clock
  npm run sim:ranges -- --runs 5000 --seed 1         seeds 1 to 5,000
  npm run sim:ranges -- --seed 4711                  this one, with its profile
  npm run sim:ranges -- --nodes 3 ...                all of this size (part of what a seed means)
  npm run sim:ranges -- --failures 1 ...             ends after so many failures, default 10
  npm run sim:ranges -- --json ...                   one line of JSON in place of the text`;

const { nodeCount, firstSeed, runs, failureLimit, isJson } = commandLine(USAGE, readOptions);
if (runs === null) replay(firstSeed);
else campaign(runs);

/** No number of runs: one seed is to be replayed. */
function readOptions() {
  const { values } = parseArgs({
    options: {
      runs: { type: "string" },
      seed: { type: "string" },
      nodes: { type: "string" },
      failures: { type: "string", default: "10" },
      json: { type: "boolean", default: false },
    },
  });
  const isReplay = values.seed !== undefined && values.runs === undefined;
  const seed = values.seed ?? String(Date.now() % CLOCK_SEEDS);
  return {
    nodeCount: values.nodes === undefined ? null : wholeNumber("nodes", values.nodes, 1),
    firstSeed: wholeNumber("seed", seed, 0),
    runs: isReplay ? null : wholeNumber("runs", values.runs ?? "500", 1),
    failureLimit: wholeNumber("failures", values.failures, 1),
    isJson: values.json,
  };
}

function replay(seed: number): void {
  const { profile, counts, traceHash, failure } = runRanges(seed, { nodeCount });
  console.log(JSON.stringify({ profile, counts, traceHash }, null, 2));
  console.log(failure === null ? "nothing is wrong" : `${failure.text}\n${failure.stack}`);
  if (failure !== null) process.exitCode = 1;
}

function campaign(runCount: number): void {
  const before = process.cpuUsage();
  const limits = { firstSeed, runCount, failureLimit };
  const report = runRangeCampaign(limits, { nodeCount });
  const { user, system } = process.cpuUsage(before);
  const failures = report.failed.map(({ seed, failure }) => ({ seed, text: failure?.text ?? "" }));
  const { diverged } = report;
  if (failures.length + diverged.length > 0) process.exitCode = 1;
  if (isJson) {
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
