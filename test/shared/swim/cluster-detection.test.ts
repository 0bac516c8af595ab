/**
 * Failure detection of whole clusters on a virtual clock: complete, timely, and without false
 * deaths (the full table of figures is bench/swim-table.ts).
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { detectionBoundMs, suspicionMinMs } from "../../../src/shared/swim/formulas.ts";
import { MemberStatus } from "../../../src/shared/swim/member.ts";
import { MemberChange } from "../../../src/shared/swim/swim-output.ts";
import { SimCluster, type SimOptions } from "./sim-cluster.ts";

const WARM_UP_MS = 2_000;

function clusterOf(count: number, options: SimOptions): SimCluster {
  const cluster = new SimCluster(options);
  cluster.addAcquainted(count);
  cluster.run(WARM_UP_MS);
  return cluster;
}

/** Milliseconds from a silent crash until every other node holds it dead. */
function timeToKnow(cluster: SimCluster): number {
  const victim = cluster.nodes[1]!;
  cluster.crash(victim);
  let seen = cluster.events.length;
  let informed = 0;
  return cluster.runUntil(() => {
    for (; seen < cluster.events.length; seen++) {
      const { output } = cluster.events[seen]!;
      const isDeath = output.kind === "member" && output.change === MemberChange.DEAD;
      if (isDeath && output.member.node.nodeId === victim.nodeId) informed += 1;
    }
    return informed === cluster.nodes.length - 1;
  }, 60_000);
}

for (const [count, runs] of [
  [3, 40],
  [10, 40],
  [200, 3],
  [1_000, 1],
] as const) {
  test(`swim cluster: ${count} members at four packets a second each all know of a crash within the bound`, () => {
    for (let seed = 0; seed < runs; seed++) {
      const cluster = clusterOf(count, { seed });
      const packets = cluster.nodes.reduce((sum, node) => sum + node.packetsSent, 0);
      const rate = packets / count / (WARM_UP_MS / 1_000);
      // Two probes and two acks a second, whatever the size of the cluster.
      assert.ok(rate > 3.4 && rate <= 4.1, `${rate} packets per node and second in peace`);
      const { suspicionMultiplier, probeIntervalMs, gossipIntervalMs } = cluster.parameters;
      const shortestMs = suspicionMinMs(suspicionMultiplier, count, probeIntervalMs);
      // Without loss every accuser finds the suspect within a round or two: near the shortest.
      const boundMs = detectionBoundMs(1.5 * shortestMs, 2 * probeIntervalMs, gossipIntervalMs);
      const knownMs = timeToKnow(cluster);
      assert.ok(knownMs <= boundMs, `seed ${seed}: ${knownMs} ms, bound ${boundMs}`);
      assert.deepEqual(cluster.falseDeaths(), []);
    }
  });
}

test("swim cluster: a crash is found at 5 % loss too, in about the same time", () => {
  for (let seed = 0; seed < 20; seed++) {
    const knownMs = timeToKnow(clusterOf(10, { seed, lossShare: 0.05 }));
    assert.ok(knownMs <= 10_000, `seed ${seed}: ${knownMs} ms`);
  }
});

for (const [count, lossShare, minutes] of [
  [3, 0.05, 20],
  [10, 0.05, 15],
  [200, 0.05, 1],
  [1_000, 0.05, 0.05],
  [3, 0.2, 30],
  [10, 0.2, 10],
  [200, 0.2, 0.5],
] as const) {
  test(`swim cluster: ${count} members lose ${lossShare * 100} % of packets, and nobody dies`, () => {
    const cluster = clusterOf(count, { seed: count, lossShare });
    cluster.run(minutes * 60_000);
    assert.deepEqual(cluster.falseDeaths(), []);
    assert.ok(cluster.isConverged() || lossShare > 0.1);
  });
}

test("swim cluster: at 20 % loss a crash is found too, and takes nobody else along", () => {
  for (const count of [10, 50]) {
    const cluster = clusterOf(count, { seed: count, lossShare: 0.2 });
    assert.ok(timeToKnow(cluster) <= 20_000);
    assert.deepEqual(cluster.falseDeaths(), []);
  }
});

test("swim cluster: a node that stalls for two seconds doubts itself and buries nobody", () => {
  for (const count of [3, 20, 200]) {
    const cluster = clusterOf(count, { seed: 1 });
    const [slow] = cluster.nodes as [(typeof cluster.nodes)[0]];
    let mostDoubt = 0;
    for (let i = 0; i < (count > 100 ? 4 : 20); i++) {
      cluster.pause(slow, 2_000);
      cluster.run(2_500);
      mostDoubt = Math.max(mostDoubt, slow.swim.awarenessScore);
    }
    assert.deepEqual(cluster.falseDeaths(), []);
    const accused = cluster.eventsOf(MemberChange.SUSPECTED).filter(({ node, output }) => {
      return node === slow && output.kind === "member";
    });
    assert.deepEqual(accused, [], "the stalled node accuses nobody");
    assert.ok(mostDoubt > 0);
  }
});

test("swim cluster: one broken direction is bridged by the helpers and the stream's other side", () => {
  for (let seed = 0; seed < 5; seed++) {
    const cluster = clusterOf(6, { seed });
    cluster.block(cluster.nodes[0]!, cluster.nodes[1]!);
    cluster.run(120_000);
    assert.deepEqual(cluster.falseDeaths(), []);
  }
});

test("swim cluster: halves of a pair do not bury each other for a short break", () => {
  const cluster = clusterOf(2, { seed: 3 });
  cluster.split([cluster.nodes[0]!], [cluster.nodes[1]!]);
  cluster.run(25_000);
  assert.equal(cluster.eventsOf(MemberChange.SUSPECTED).length, 2);
  assert.deepEqual(cluster.falseDeaths(), []);
  cluster.unblock();
  const healedMs = cluster.runUntil(() => cluster.isConverged(), 5_000);
  assert.ok(healedMs < 2_000);
  cluster.run(60_000);
  assert.deepEqual(cluster.falseDeaths(), []);
});

test("swim cluster: no datagram above 1,400 bytes, in the worst of turmoils", () => {
  const cluster = new SimCluster({ seed: 8, lossShare: 0.1 });
  for (let i = 0; i < 60; i++) {
    const node = cluster.add({ metadata: new Uint8Array(i * 8) });
    cluster.join(node, cluster.nodes[0]!);
  }
  cluster.run(3_000);
  for (const node of cluster.nodes.slice(40)) cluster.crash(node);
  cluster.run(10_000);
  assert.ok(cluster.largestPacketBytes <= 1_400 && cluster.largestPacketBytes > 1_200);
  assert.equal(cluster.holding(cluster.nodes[59]!, MemberStatus.DEAD).length, 40);
});

test("swim cluster: the same seed repeats exactly, another one does not", () => {
  const run = (seed: number) => {
    const cluster = clusterOf(12, { seed, lossShare: 0.1 });
    cluster.crash(cluster.nodes[4]!);
    cluster.run(20_000);
    return cluster.traceHash();
  };
  assert.equal(run(5), run(5));
  assert.notEqual(run(5), run(6));
});
