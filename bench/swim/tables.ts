/** The four tables: which clusters are measured how often, and their rows. */

import { measureCrash, measureHealing, measurePeace, measureSpread } from "./measure.ts";
import { OURS, PROFILES, type SwimProfile, WITHOUT_LAST_CALL } from "./profiles.ts";

/** Seconds at p50 and p99. */
export type Quantiles = readonly [number, number];

export interface CrashRow {
  readonly profile: string;
  readonly nodes: number;
  readonly lossShare: number;
  readonly runs: number;
  readonly suspect: Quantiles;
  readonly allKnow: Quantiles;
  /** From the first verdict until the last member has it. */
  readonly spread: Quantiles;
  readonly falseDeaths: number;
}

export interface PeaceRow {
  readonly profile: string;
  readonly nodes: number;
  readonly lossShare: number;
  readonly nodeHours: number;
  readonly packets: number;
  readonly packetBytes: number;
  readonly streamBytes: number;
  readonly suspicions: number;
  readonly falseDeaths: number;
}

export interface HealRow {
  readonly split: string;
  readonly runs: number;
  readonly seconds: Quantiles;
}

export interface SpreadRow {
  readonly nodes: number;
  readonly runs: number;
  readonly join: Quantiles;
  readonly leave: Quantiles;
}

export interface SwimResults {
  readonly crash: readonly CrashRow[];
  readonly peace: readonly PeaceRow[];
  readonly heal: readonly HealRow[];
  readonly spread: readonly SpreadRow[];
}

const CRASH_RUNS = [
  [3, 40],
  [10, 40],
  [200, 10],
  [1_000, 4],
] as const;

/** Members, loss, node hours: long where a false death is rare, short where only cost is asked. */
const PEACE_RUNS = [
  [3, 0, 3],
  [10, 0, 3],
  [200, 0, 3],
  [1_000, 0, 5],
  [3, 0.05, 200],
  [10, 0.05, 200],
  [200, 0.05, 20],
  [1_000, 0.05, 10],
  [3, 0.2, 1_000],
  [10, 0.2, 1_000],
  [200, 0.2, 100],
  [1_000, 0.2, 30],
] as const;

/** Clusters so large are simulated in several shorter lives. */
const LIFE_NODE_HOURS_MAX = 10;
const LARGE = 200;

const SPLITS = [
  [1, 2, 100],
  [2, 3, 100],
  [3, 3, 100],
  [50, 50, 6],
  [100, 100, 2],
] as const;

const SPREAD_RUNS = [
  [3, 40],
  [10, 40],
  [200, 10],
  [1_000, 2],
] as const;

export interface TableLimits {
  /** 0.25 runs a quarter of the seeds and hours. */
  readonly scale: number;
  readonly nodesMax: number;
}

function seedsOf(runs: number, { scale }: TableLimits): number[] {
  return Array.from({ length: Math.max(1, Math.round(runs * scale)) }, (_none, seed) => seed);
}

function quantiles(valuesMs: readonly number[]): Quantiles {
  const sorted = [...valuesMs].sort((left, right) => left - right);
  const at = (share: number) =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]! / 1_000;
  return [at(0.5), at(0.99)];
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

export function* crashRows(limits: TableLimits): Generator<CrashRow> {
  for (const { name, parameters } of PROFILES) {
    for (const [nodes, runs] of CRASH_RUNS) {
      if (nodes > limits.nodesMax) continue;
      for (const lossShare of [0, 0.05]) {
        const crashes = seedsOf(runs, limits).map((seed) =>
          measureCrash(nodes, { seed, parameters, lossShare }),
        );
        yield {
          profile: name,
          nodes,
          lossShare,
          runs: crashes.length,
          suspect: quantiles(crashes.map(({ suspectedMs }) => suspectedMs)),
          allKnow: quantiles(crashes.map(({ allKnowMs }) => allKnowMs)),
          spread: quantiles(crashes.map(({ allKnowMs, firstDeadMs }) => allKnowMs - firstDeadMs)),
          falseDeaths: sum(crashes.map(({ falseDeaths }) => falseDeaths)),
        };
      }
    }
  }
}

export function* peaceRows(limits: TableLimits): Generator<PeaceRow> {
  for (const [nodes, lossShare, nodeHours] of PEACE_RUNS) {
    if (nodes > limits.nodesMax) continue;
    yield peaceRow(OURS, nodes, lossShare, nodeHours * limits.scale);
    if (lossShare < 0.2 || nodes < LARGE) continue;
    yield peaceRow(WITHOUT_LAST_CALL, nodes, lossShare, nodeHours * limits.scale);
  }
}

function peaceRow(
  { name, parameters }: SwimProfile,
  nodes: number,
  lossShare: number,
  nodeHours: number,
): PeaceRow {
  const lives = nodes < LARGE ? 1 : Math.max(1, Math.round(nodeHours / LIFE_NODE_HOURS_MAX));
  const seconds = (nodeHours * 3_600) / nodes / lives;
  const costs = Array.from({ length: lives }, (_none, seed) =>
    measurePeace(nodes, seconds, { seed: nodes + seed, parameters, lossShare }),
  );
  const mean = (read: (cost: (typeof costs)[0]) => number) => sum(costs.map(read)) / lives;
  return {
    profile: name,
    nodes,
    lossShare,
    nodeHours: sum(costs.map((cost) => cost.nodeHours)),
    packets: mean(({ packets }) => packets),
    packetBytes: mean(({ packetBytes }) => packetBytes),
    streamBytes: mean(({ streamBytes }) => streamBytes),
    suspicions: mean(({ suspicions }) => suspicions),
    falseDeaths: sum(costs.map(({ falseDeaths }) => falseDeaths)),
  };
}

export function* healRows(limits: TableLimits): Generator<HealRow> {
  for (const [left, right, runs] of SPLITS) {
    if (left + right > limits.nodesMax) continue;
    const times = seedsOf(runs, limits).map((seed) => measureHealing(left, right, { seed }));
    yield { split: `${left} | ${right}`, runs: times.length, seconds: quantiles(times) };
  }
}

export function* spreadRows(limits: TableLimits): Generator<SpreadRow> {
  for (const [nodes, runs] of SPREAD_RUNS) {
    if (nodes > limits.nodesMax) continue;
    const spreads = seedsOf(runs, limits).map((seed) => measureSpread(nodes, { seed }));
    yield {
      nodes,
      runs: spreads.length,
      join: quantiles(spreads.map(({ joinMs }) => joinMs)),
      leave: quantiles(spreads.map(({ leaveMs }) => leaveMs)),
    };
  }
}
