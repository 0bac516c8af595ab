/**
 * Stored sessions: `npm run bench:persistent` runs all of these. Brokers run with persistence, and
 * what they tell of their stores in the measured interval stands in the figures.
 *
 * Three of them have targets, read off their rates: messages per second of 1,000 pairs, copies
 * stored per second for 1,000 clients that are away, and messages per second that a client takes
 * from a queue of 100,000.
 */

import type { StoreTotals } from "../contenders/contender.ts";
import { LatencyHistogram } from "../load/latency.ts";
import type { LoadResult, Pace, PatternName } from "../load/load-shape.ts";
import { runGenerators, type WindowWatch } from "../load/run-generators.ts";
import type { StoredTask } from "../load/stored-run.ts";
import { type CaseRun, type Scenario, type ScenarioDefaults, timedRun, wholeRun } from "./case.ts";
import { measureLoad, shapeOf } from "./load-scenarios.ts";

const KIB = 1024;
/** Longer than any disk stands still. */
const STALL_MS = 5_000;
/** What brokers do per second, about: for estimates of time. */
const STORES_PER_SECOND = 50_000;
const ENQUEUES_PER_SECOND = 1_000_000;
const TAKES_PER_SECOND = 150_000;

async function measureOnline(run: CaseRun, pattern: PatternName): Promise<LoadResult> {
  const result = await withStoreFigures(run, (watch) => measureLoad({ ...run, watch }, pattern));
  const { acknowledgement } = result;
  if (acknowledgement === undefined) return result;
  const { p50, p99 } = LatencyHistogram.decode(acknowledgement).percentiles();
  const figures = { "acknowledged p50, us": p50, "acknowledged p99, us": p99 };
  return { ...result, figures: { ...result.figures, ...figures } };
}

function measureOffline(run: CaseRun, pattern: PatternName): Promise<LoadResult> {
  const { target } = run.server;
  return withStoreFigures(run, (watch) => {
    return runGenerators([storedTask(run, pattern, null)], target, timedRun({ ...run, watch }));
  });
}

function measureDrain(run: CaseRun): Promise<LoadResult> {
  const { items, publishers } = run.parameters;
  const task = storedTask(run, "fan-out", Math.ceil(items / publishers));
  const { target } = run.server;
  return withStoreFigures(run, (watch) => {
    return runGenerators([task], target, wholeRun({ ...run, watch }));
  });
}

function storedTask(run: CaseRun, pattern: PatternName, drained: number | null): StoredTask {
  const { pace } = run.parameters;
  const closed: Pace = { kind: "closed", window: pace.kind === "closed" ? pace.window : 1 };
  const shape = { ...shapeOf(run, pattern, closed), filters: 0 };
  const { target } = run.server;
  const prefix = `bench-${pattern}`;
  return { kind: "stored", shape, target, prefix, drained, stallMs: STALL_MS };
}

/** `measure` with what the broker's stores did in its measured interval. */
async function withStoreFigures(
  { server, watch }: CaseRun,
  measure: (watch: WindowWatch) => Promise<LoadResult>,
): Promise<LoadResult> {
  const { storeTotals } = server;
  if (storeTotals === null) return measure(watch ?? { opens: nothing, closed: nothing });
  const totals: StoreTotals[] = [];
  const result = await measure({
    opens: async () => {
      // A second opening is that of the run behind a search for the maximum.
      totals[0] = await storeTotals();
      await watch?.opens();
    },
    closed: async () => {
      await watch?.closed();
      totals[1] = await storeTotals();
    },
  });
  const figures = storeFigures(totals[0]!, totals[1]!, result);
  return { ...result, figures: { ...result.figures, ...figures } };
}

const nothing = () => Promise.resolve();

function storeFigures(
  before: StoreTotals,
  after: StoreTotals,
  { operations, seconds }: LoadResult,
): Record<string, number> {
  const commits = after.commits - before.commits;
  if (commits === 0) return {};
  const each = (total: (totals: StoreTotals) => number) => (total(after) - total(before)) / commits;
  return {
    "commits per second": commits / seconds,
    "messages per commit": operations / commits,
    "log entries per commit": each(({ entries }) => entries),
    "KiB per commit": each(({ bytes }) => bytes) / KIB,
    "a commit took, us": each(({ commitSeconds }) => commitSeconds) * 1e6,
    "of it flushing, us": each(({ flushSeconds }) => flushSeconds) * 1e6,
  };
}

function stored(
  name: string,
  summary: string,
  unit: "deliveries" | "enqueues",
  defaults: ScenarioDefaults,
  rest: Pick<Scenario, "paces" | "measure"> & Partial<Scenario>,
): Scenario {
  return {
    name,
    summary,
    unit,
    defaults: { qos: 1, isPersistent: true, ...defaults },
    isStored: true,
    // Sessions stay behind.
    needsFreshServer: true,
    takesMqttClient: false,
    ...rest,
  };
}

const ONE_PROCESS = { processes: "one process makes this load" } as const;
const CLOSED = { kind: "closed", window: 16 } as const;

export const PERSISTENT_SCENARIOS: readonly Scenario[] = [
  stored(
    "persistent-pairs",
    "1,000 pairs of one publisher and one stored session that is connected",
    "deliveries",
    { publishers: 1000, subscribers: 1000, pace: CLOSED },
    {
      paces: ["open", "closed", "share"],
      measure: (run) => measureOnline(run, "pairs"),
    },
  ),
  stored(
    "persistent-fanout",
    "one publisher, 100 stored sessions that are connected",
    "deliveries",
    { publishers: 1, subscribers: 100, pace: CLOSED },
    {
      paces: ["open", "closed", "share"],
      measure: (run) => measureOnline(run, "fan-out"),
    },
  ),
  stored(
    "persistent-offline",
    "one publisher, 1,000 stored sessions that are away; latency is the acknowledgement's",
    "enqueues",
    { publishers: 1, subscribers: 1000, pace: { kind: "closed", window: 64 }, duration: 2 },
    {
      paces: ["closed"],
      ignores: ONE_PROCESS,
      extraSeconds: ({ subscribers }, seconds) => {
        const enqueues = Math.min(ENQUEUES_PER_SECOND, subscribers * STORES_PER_SECOND);
        return 1 + (seconds * enqueues) / TAKES_PER_SECOND;
      },
      measure: (run) => measureOffline(run, "fan-out"),
    },
  ),
  stored(
    "persistent-offline-pairs",
    "1,000 publishers, each with one stored session that is away",
    "enqueues",
    { publishers: 1000, subscribers: 1000, pace: CLOSED, duration: 2 },
    {
      paces: ["closed"],
      ignores: ONE_PROCESS,
      extraSeconds: (_parameters, seconds) => 1 + (seconds * STORES_PER_SECOND) / TAKES_PER_SECOND,
      measure: (run) => measureOffline(run, "pairs"),
    },
  ),
  stored(
    "persistent-drain",
    "a client comes back for 100,000 messages; latency is from then",
    "deliveries",
    {
      publishers: 1,
      subscribers: 1,
      items: 100_000,
      pace: { kind: "closed", window: 512 },
    },
    {
      paces: ["closed"],
      ignores: { ...ONE_PROCESS, duration: "it ends when all is taken" },
      extraSeconds: ({ items, subscribers }, seconds) => {
        return items / STORES_PER_SECOND + (items * subscribers) / TAKES_PER_SECOND - seconds;
      },
      measure: measureDrain,
    },
  ),
];
