/**
 * Scenarios that the BifroMQ project has published results for, under their names:
 *
 *   [share_]PUBLISHERS_SUBSCRIBERS_qosQ_pBYTES_RATEmps        RATE per publisher and second
 *
 * Their machine had 32 cores and 128 GB; load came from a second machine. `--scale 0.1` takes a
 * tenth of publishers and subscribers, each at the published rate. Figures of 1 node are used, the
 * newest report that has the scenario. "persistent": subscribers with stored sessions (their clean
 * session = false).
 */

import type { PatternName } from "../load/load-shape.ts";
import type { PublishedFigure, Scenario } from "./case.ts";
import { measureLoad } from "./load-scenarios.ts";

const THEIR_CORES = 32;
/** One message per second needs time to become a distribution. */
const SINGLE_PUBLISHER_SECONDS = 20;

/**
 * Name, messages per second, mean and 99th percentile in milliseconds, share of all cores, report.
 */
type Row = readonly [string, number, number, number, number, string];

const ROWS: readonly Row[] = [
  ["2k_2k_qos0_p32_100mps", 200_000, 3.12, 15.91, 0.8, "v3.0"],
  ["2k_2k_qos1_p32_100mps", 200_000, 38.92, 184.54, 0.85, "v2.0"],
  ["2k_2k_qos2_p32_100mps", 138_000, 38.02, 201.31, 0.4, "v1.0"],
  ["1.5k_1.5k_qos1_p32_100mps", 150_000, 14.67, 83.88, 0.85, "v3.0"],
  ["1k_1k_qos0_p1024_50mps", 50_000, 0.42, 1.3, 0.21, "v1.0"],
  ["1k_1k_qos1_p1024_50mps", 50_000, 0.49, 1.89, 0.23, "v1.0"],
  ["100k_100k_qos0_p256_1mps", 100_000, 5.72, 52.42, 0.8, "v3.0"],
  ["100k_100k_qos1_p256_1mps", 100_000, 59.15, 318.75, 0.88, "v3.0"],
  ["share_100k_1000_qos0_p256_1mps", 100_000, 1.53, 13.62, 0.78, "v3.0"],
  ["share_100k_1000_qos1_p256_1mps", 100_000, 6.52, 56.61, 0.82, "v3.0"],
  ["1_100000_qos0_p256_1mps", 100_000, 119.09, 226.46, 0.2, "v3.0"],
  ["1_100000_qos1_p256_1mps", 100_000, 186.05, 352.26, 0.2, "v3.0"],
  ["persistent_15k_15k_qos0_p256_1mps", 15_000, 6.35, 134.18, 0.5, "v3.0"],
  ["persistent_15k_15k_qos1_p256_1mps", 15_000, 5.75, 113.21, 0.6, "v3.0"],
  ["persistent_300_300_qos0_p32_50mps", 15_000, 6.58, 129.99, 0.45, "v3.0"],
  ["persistent_300_300_qos1_p32_50mps", 15_000, 10.21, 234.85, 0.5, "v3.0"],
];

const NAME = /^(?:(share|persistent)_)?([\d.]+k?)_([\d.]+k?)_qos([012])_p(\d+)_(\d+)mps$/;

/** "2k" -> 2000. */
function parseCount(text: string): number {
  return text.endsWith("k") ? Number(text.slice(0, -1)) * 1000 : Number(text);
}

function patternOf(kind: string | undefined, publishers: number): PatternName {
  if (kind === "share") return "shared";
  return publishers === 1 ? "fan-out" : "pairs";
}

function scenarioOf([name, messagesPerSecond, meanMs, p99Ms, cpuShare, report]: Row): Scenario {
  const match = NAME.exec(name);
  if (match === null) throw new Error(`not a published scenario's name: ${name}`);
  const publishers = parseCount(match[2]!);
  const subscribers = parseCount(match[3]!);
  const pattern = patternOf(match[1], publishers);
  const published: PublishedFigure = {
    messagesPerSecond,
    meanMs,
    p99Ms,
    cpuShare,
    cores: THEIR_CORES,
    source: `BifroMQ test report ${report}`,
  };
  return {
    name,
    summary: `published by BifroMQ: ${messagesPerSecond / 1000} k messages/s on ${THEIR_CORES} cores`,
    unit: "deliveries",
    published,
    defaults: {
      publishers,
      subscribers,
      qos: Number(match[4]) as 0 | 1 | 2,
      payloadBytes: Number(match[5]),
      pace: { kind: "open", publishesPerSecond: publishers * Number(match[6]) },
      isPersistent: match[1] === "persistent",
      ...(publishers === 1 ? { duration: SINGLE_PUBLISHER_SECONDS } : {}),
    },
    paces: ["open", "closed", "share"],
    takesMqttClient: true,
    needsFreshServer: match[1] === "persistent",
    measure: (run) => measureLoad(run, pattern),
  };
}

export const PUBLISHED_SCENARIOS: readonly Scenario[] = ROWS.map(scenarioOf);
