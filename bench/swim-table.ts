/**
 * How quickly a simulated cluster detects, spreads and heals, and what it costs: real membership
 * cores on a virtual clock and a seeded network (test/shared/swim/sim-cluster.ts), so the figures
 * are those of the protocol, not of this machine, and a run repeats exactly.
 *
 *   node scripts/run.mjs script bench/swim-table.js [--scale 1] [--only crash|loss|heal|spread]
 *
 * `--scale 0.25` runs a quarter of the seeds; the whole takes some ten minutes on one core.
 */

import { parseArgs } from "node:util";
import { MemberStatus } from "../src/shared/swim/member.ts";
import { MemberChange } from "../src/shared/swim/swim-output.ts";
import { SWIM_DEFAULTS, type SwimParameters } from "../src/shared/swim/swim-parameters.ts";
import { SimCluster, type SimNode, type SimOptions } from "../test/shared/swim/sim-cluster.ts";
import { formatTable } from "./statistics.ts";

/** The protocols that ours is measured beside, in its own core: only the numbers differ. */
const PROFILES: readonly (readonly [string, SwimParameters])[] = [
  [
    "memberlist LAN",
    {
      ...SWIM_DEFAULTS,
      probeIntervalMs: 1_000,
      probeTimeoutMs: 500,
      gossipIntervalMs: 200,
      smallClusterSize: 0,
      antiEntropyIntervalMs: 30_000,
    },
  ],
  [
    "BifroMQ",
    {
      ...SWIM_DEFAULTS,
      probeIntervalMs: 2_000,
      probeTimeoutMs: 500,
      gossipIntervalMs: 200,
      gossipFanout: 4,
      awarenessMax: 4,
      smallClusterSize: 0,
      healIntervalMs: 10_000,
    },
  ],
  ["Ratatosk", SWIM_DEFAULTS],
];

const WARM_UP_MS = 2_000;
const LIMIT_MS = 120_000;

const { values: options } = parseArgs({
  options: { scale: { type: "string", default: "1" }, only: { type: "string", default: "" } },
});
const scale = Number(options.scale);

function runsOf(count: number): number {
  return Math.max(1, Math.round(count * scale));
}

function clusterOf(count: number, simOptions: SimOptions): SimCluster {
  const cluster = new SimCluster(simOptions);
  cluster.addAcquainted(count);
  cluster.run(WARM_UP_MS + simOptions.seed * 37);
  return cluster;
}

/** Seconds at the given share of all values, e.g. "0.9 / 1.4". */
function quantiles(valuesMs: readonly number[]): string {
  const sorted = [...valuesMs].sort((left, right) => left - right);
  const at = (share: number) =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
  return [0.5, 0.99].map((share) => (at(share) / 1_000).toFixed(1)).join(" / ");
}

interface Crash {
  readonly suspectedMs: number;
  readonly firstDeadMs: number;
  readonly allKnowMs: number;
  readonly falseDeaths: number;
}

/** One silent crash. */
function crash(count: number, simOptions: SimOptions): Crash {
  const cluster = clusterOf(count, simOptions);
  const victim = cluster.nodes[1]!;
  const startMs = cluster.nowMs;
  cluster.crash(victim);
  let seen = cluster.events.length;
  let informed = 0;
  const allKnowMs = cluster.runUntil(() => {
    for (; seen < cluster.events.length; seen++) {
      const { output } = cluster.events[seen]!;
      const isDeath = output.kind === "member" && output.change === MemberChange.DEAD;
      if (isDeath && output.member.node.nodeId === victim.nodeId) informed += 1;
    }
    return informed === count - 1;
  }, LIMIT_MS);
  const first = (change: MemberChange) => {
    return (cluster.eventsOf(change, victim)[0]?.atMs ?? Number.NaN) - startMs;
  };
  return {
    suspectedMs: first(MemberChange.SUSPECTED),
    firstDeadMs: first(MemberChange.DEAD),
    allKnowMs,
    falseDeaths: cluster.falseDeaths().length,
  };
}

function crashTable(): void {
  const head = ["one silent crash (s)", "N", "runs", "loss", "suspect p50 / p99"];
  const rows = [[...head, "all know p50 / p99", "spread p50 / p99", "false deaths"]];
  for (const [name, parameters] of PROFILES) {
    for (const [count, runs] of [
      [3, 40],
      [10, 40],
      [200, 10],
      [1_000, 4],
    ] as const) {
      for (const lossShare of [0, 0.05]) {
        const crashes = Array.from({ length: runsOf(runs) }, (_none, seed) =>
          crash(count, { seed, parameters, lossShare }),
        );
        rows.push([
          name,
          `${count}`,
          `${crashes.length}`,
          `${lossShare * 100} %`,
          quantiles(crashes.map(({ suspectedMs }) => suspectedMs)),
          quantiles(crashes.map(({ allKnowMs }) => allKnowMs)),
          quantiles(crashes.map(({ allKnowMs, firstDeadMs }) => allKnowMs - firstDeadMs)),
          `${crashes.reduce((sum, { falseDeaths }) => sum + falseDeaths, 0)}`,
        ]);
      }
    }
  }
  process.stdout.write(`${formatTable(rows)}\n`);
}

function totalOf(cluster: SimCluster, read: (node: SimNode) => number): number {
  return cluster.nodes.reduce((sum, node) => sum + read(node), 0);
}

/** Nothing fails but the network: what it costs, and whom it accuses. */
function lossTable(): void {
  const head = [
    "nobody fails",
    "N",
    "loss",
    "node hours",
    "packets/s",
    "bytes/s",
    "stream bytes/s",
  ];
  const rows = [[...head, "suspicions", "false deaths"]];
  for (const [count, minutes] of [
    [3, 400],
    [10, 120],
    [200, 6],
    [1_000, 0.5],
  ] as const) {
    for (const lossShare of [0, 0.05, 0.2]) {
      const cluster = clusterOf(count, { seed: count, lossShare });
      const before = {
        packets: totalOf(cluster, ({ packetsSent }) => packetsSent),
        bytes: totalOf(cluster, ({ bytesSent }) => bytesSent),
        streams: totalOf(cluster, ({ streamBytesSent }) => streamBytesSent),
      };
      const seconds = Math.max(20, minutes * 60 * scale);
      cluster.run(seconds * 1_000);
      const perNode = (after: number, first: number) =>
        ((after - first) / count / seconds).toFixed(1);
      // Every member notes each suspicion once.
      const suspicions = cluster.eventsOf(MemberChange.SUSPECTED).length / (count - 1);
      rows.push([
        "",
        `${count}`,
        `${lossShare * 100} %`,
        ((count * seconds) / 3_600).toFixed(1),
        perNode(
          totalOf(cluster, ({ packetsSent }) => packetsSent),
          before.packets,
        ),
        perNode(
          totalOf(cluster, ({ bytesSent }) => bytesSent),
          before.bytes,
        ),
        perNode(
          totalOf(cluster, ({ streamBytesSent }) => streamBytesSent),
          before.streams,
        ),
        suspicions.toFixed(0),
        `${cluster.falseDeaths().length}`,
      ]);
    }
  }
  process.stdout.write(`${formatTable(rows)}\n`);
}

/** From the end of a split of a minute to equal member lists everywhere. */
function healTable(): void {
  const rows = [["healing of a split (s)", "split", "runs", "p50 / p99"]];
  for (const [left, right, runs] of [
    [1, 2, 100],
    [2, 3, 100],
    [3, 3, 100],
    [50, 50, 6],
  ] as const) {
    const times = Array.from({ length: runsOf(runs) }, (_none, seed) => {
      const cluster = clusterOf(left + right, { seed });
      cluster.split(cluster.nodes.slice(0, left), cluster.nodes.slice(left));
      cluster.run(60_000 + seed * 91);
      cluster.unblock();
      return cluster.runUntil(() => cluster.isConverged(), LIMIT_MS);
    });
    rows.push(["", `${left} | ${right}`, `${times.length}`, quantiles(times)]);
  }
  process.stdout.write(`${formatTable(rows)}\n`);
}

/** From the first word of a join or a leave until the last member knows. */
function spreadTable(): void {
  const rows = [["spread (s)", "N", "runs", "join p50 / p99", "leave p50 / p99"]];
  for (const [count, runs] of [
    [3, 40],
    [10, 40],
    [200, 10],
    [1_000, 2],
  ] as const) {
    const joins: number[] = [];
    const leaves: number[] = [];
    for (let seed = 0; seed < runsOf(runs); seed++) {
      const cluster = clusterOf(count, { seed });
      const newcomer = cluster.add();
      cluster.join(newcomer, cluster.nodes[0]!);
      joins.push(cluster.runUntil(() => cluster.isConverged(), LIMIT_MS));
      const leaver = cluster.nodes[1]!;
      cluster.act(leaver, (swim) => swim.leave(cluster.nowMs));
      const informed = () => cluster.holding(leaver, MemberStatus.LEFT).length === count;
      leaves.push(cluster.runUntil(informed, LIMIT_MS));
    }
    rows.push(["", `${count}`, `${joins.length}`, quantiles(joins), quantiles(leaves)]);
  }
  process.stdout.write(`${formatTable(rows)}\n`);
}

const TABLES: Readonly<Record<string, () => void>> = {
  crash: crashTable,
  loss: lossTable,
  heal: healTable,
  spread: spreadTable,
};
for (const [name, print] of Object.entries(TABLES)) {
  if (name.includes(options.only)) print();
}
