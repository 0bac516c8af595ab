/**
 * One figure each: a simulated cluster from its start to what is asked of it. All times are virtual
 * and in milliseconds.
 */

import { MemberStatus } from "../../src/shared/swim/member.ts";
import { MemberChange } from "../../src/shared/swim/swim-output.ts";
import { SimCluster, type SimNode, type SimOptions } from "../../test/shared/swim/sim-cluster.ts";

const WARM_UP_MS = 2_000;
const LIMIT_MS = 120_000;
/** So that runs do not all begin at the same place of their periods. */
const SEED_SHIFT_MS = 37;
const SPLIT_MS = 60_000;

function clusterOf(count: number, options: SimOptions): SimCluster {
  const cluster = new SimCluster(options);
  cluster.addAcquainted(count);
  cluster.run(WARM_UP_MS + options.seed * SEED_SHIFT_MS);
  return cluster;
}

export interface CrashTimes {
  readonly suspectedMs: number;
  /** Somebody declares it dead. */
  readonly firstDeadMs: number;
  readonly allKnowMs: number;
  readonly falseDeaths: number;
}

/** One silent crash. */
export function measureCrash(count: number, options: SimOptions): CrashTimes {
  const cluster = clusterOf(count, options);
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

export interface PeaceCosts {
  readonly nodeHours: number;
  /** Per node and second. */
  readonly packets: number;
  readonly packetBytes: number;
  readonly streamBytes: number;
  /** Per node and hour. */
  readonly suspicions: number;
  /** Members that somebody buried alive, each refutation ending one such death. */
  readonly falseDeaths: number;
}

/** Nothing fails but the network: what it costs, and whom it accuses. */
export function measurePeace(count: number, seconds: number, options: SimOptions): PeaceCosts {
  const cluster = clusterOf(count, options);
  const totals = () => [
    totalOf(cluster, ({ packetsSent }) => packetsSent),
    totalOf(cluster, ({ bytesSent }) => bytesSent),
    totalOf(cluster, ({ streamBytesSent }) => streamBytesSent),
  ];
  const before = totals();
  cluster.run(seconds * 1_000);
  const [packets, packetBytes, streamBytes] = totals().map((total, index) => {
    return (total - before[index]!) / count / seconds;
  }) as [number, number, number];
  const nodeHours = (count * seconds) / 3_600;
  const buried = cluster.falseDeaths().map(({ output }) => {
    if (output.kind !== "member") return "";
    const { node, startEpoch, incarnation } = output.member;
    return `${node.nodeId} ${startEpoch} ${incarnation}`;
  });
  // Every other member notes each suspicion once.
  const suspicions = cluster.eventsOf(MemberChange.SUSPECTED).length / (count - 1) / nodeHours;
  const falseDeaths = new Set(buried).size;
  return { nodeHours, packets, packetBytes, streamBytes, suspicions, falseDeaths };
}

function totalOf(cluster: SimCluster, read: (node: SimNode) => number): number {
  return cluster.nodes.reduce((sum, node) => sum + read(node), 0);
}

/** From the end of a split of a minute to equal member lists everywhere. */
export function measureHealing(left: number, right: number, options: SimOptions): number {
  const cluster = clusterOf(left + right, options);
  cluster.split(cluster.nodes.slice(0, left), cluster.nodes.slice(left));
  cluster.run(SPLIT_MS + options.seed * SEED_SHIFT_MS);
  cluster.unblock();
  return cluster.runUntil(() => cluster.isConverged(), LIMIT_MS);
}

/** From the first word of a join, and of a leave, until the last member knows. */
export function measureSpread(
  count: number,
  options: SimOptions,
): { readonly joinMs: number; readonly leaveMs: number } {
  const cluster = clusterOf(count, options);
  const newcomer = cluster.add();
  cluster.join(newcomer, cluster.nodes[0]!);
  const joinMs = cluster.runUntil(() => cluster.isConverged(), LIMIT_MS);
  const leaver = cluster.nodes[1]!;
  cluster.act(leaver, (swim) => swim.leave(cluster.nowMs));
  const informed = () => cluster.holding(leaver, MemberStatus.LEFT).length === count;
  return { joinMs, leaveMs: cluster.runUntil(informed, LIMIT_MS) };
}
