/**
 * `npm run fuzz -- --seed N --seconds S`: mutated packets at the decoder and at a live broker.
 * Bounded, reproducible by its seed as far as packets go; ends with 1 on the first thing that is
 * wrong.
 *
 *   --seed N       default: from the clock; printed        --seconds S   in all, default 20
 *   --only PART    "decoder" or "broker"                   --workers N   of the broker, default 2
 */

import { parseArgs } from "node:util";
import { ILLEGAL_PACKETS } from "../test/helpers/illegal-packets.ts";
import { LEGAL_PACKETS } from "../test/helpers/legal-packets.ts";
import { fuzzBroker } from "./fuzz/fuzz-broker.ts";
import { fuzzDecoder } from "./fuzz/fuzz-decoder.ts";
import { Random } from "./fuzz/random.ts";

/** The decoder needs no network and gets through far more packets in less time. */
const DECODER_SHARE = 0.25;

const { values: options } = parseArgs({
  options: {
    seed: { type: "string", default: String(Date.now() % 2 ** 32) },
    seconds: { type: "string", default: "20" },
    only: { type: "string", default: "" },
    workers: { type: "string", default: "2" },
  },
});

const seed = Number(options.seed);
const milliseconds = Number(options.seconds) * 1000;
const seeds = [...LEGAL_PACKETS, ...ILLEGAL_PACKETS].map((entry) => entry.bytes);
console.log(`seed ${seed}, ${options.seconds} s, ${seeds.length} packets to start from`);

try {
  if (options.only !== "broker") runDecoder();
  if (options.only !== "decoder") await runBroker();
} catch (error) {
  console.error(error);
  console.error(`failed; repeat with: npm run fuzz -- --seed ${seed} --seconds ${options.seconds}`);
  process.exitCode = 1;
}

function runDecoder(): void {
  const limitMs = options.only === "decoder" ? milliseconds : milliseconds * DECODER_SHARE;
  const endMs = performance.now() + limitMs;
  const isOver = () => performance.now() >= endMs;
  const report = fuzzDecoder(new Random(seed), seeds, isOver);
  console.log(`decoder: ${report.packets} packets, ${report.accepted} of them legal`);
}

async function runBroker(): Promise<void> {
  const share = options.only === "broker" ? 1 : 1 - DECODER_SHARE;
  const report = await fuzzBroker({
    random: new Random(seed),
    seeds,
    milliseconds: milliseconds * share,
    workers: Number(options.workers),
  });
  const growth = (report.memoryGrowth / 2 ** 20).toFixed(1);
  console.log(`broker: ${report.packets} packets on ${report.connections} connections`);
  console.log(`witnesses: ${report.exchanged} exchanges, none missed; memory ${growth} MiB`);
}
