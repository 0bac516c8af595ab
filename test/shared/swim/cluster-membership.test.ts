/** Joining, leaving, restarting and healing of whole clusters on a virtual clock. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Prng } from "../../../src/shared/base/prng.ts";
import { MemberStatus } from "../../../src/shared/swim/member.ts";
import { MemberChange } from "../../../src/shared/swim/swim-output.ts";
import { SWIM_DEFAULTS } from "../../../src/shared/swim/swim-parameters.ts";
import { nodeIdOf, SimCluster, type SimNode } from "./sim-cluster.ts";

function acquainted(count: number, seed: number, lossShare = 0): SimCluster {
  const cluster = new SimCluster({ seed, lossShare });
  cluster.addAcquainted(count);
  cluster.run(2_000);
  return cluster;
}

function converge(cluster: SimCluster, limitMs: number): number {
  return cluster.runUntil(() => cluster.isConverged(), limitMs);
}

test("swim cluster: whoever is asked to join, all know the newcomer within five gossip rounds", () => {
  for (const count of [3, 10, 50, 200, 1_000]) {
    const cluster = acquainted(count, count);
    const newcomer = cluster.add();
    cluster.join(newcomer, cluster.nodes[count >> 1]!);
    const ms = converge(cluster, 10_000);
    assert.ok(ms <= 5 * cluster.parameters.gossipIntervalMs, `${count} members: ${ms} ms`);
    assert.equal(cluster.eventsOf(MemberChange.JOINED, newcomer).length, count);
  }
});

test("swim cluster: forty nodes that start at once through one seed find each other", () => {
  const cluster = new SimCluster({ seed: 4, lossShare: 0.05 });
  cluster.addJoined(40);
  assert.ok(converge(cluster, 10_000) < 3_000);
});

test("swim cluster: a seed that comes up later is found by retrying", () => {
  const cluster = new SimCluster({ seed: 4 });
  const [late, early] = [cluster.add(), cluster.add()] as const;
  cluster.crash(late);
  cluster.join(early, late);
  cluster.run(20_000);
  cluster.restart(late);
  assert.ok(converge(cluster, 20_000) <= 12_000);
});

test("swim cluster: a graceful leave is known to all and never counts as a failure", () => {
  const cluster = acquainted(50, 6);
  const leaver = cluster.nodes[7]!;
  cluster.act(leaver, (swim) => swim.leave(cluster.nowMs));
  cluster.run(1_000);
  cluster.crash(leaver);
  assert.equal(cluster.holding(leaver, MemberStatus.LEFT).length, 49);
  cluster.run(60_000);
  assert.equal(cluster.eventsOf(MemberChange.DEAD).length, 0);
  assert.equal(cluster.eventsOf(MemberChange.SUSPECTED).length, 0);
  assert.ok(cluster.up.every(({ swim }) => swim.healingSize === 0));
});

test("swim cluster: a leave that the network garbles is still no failure", () => {
  for (const [count, lossShare] of [
    [3, 0.05],
    [10, 0.05],
    [200, 0.05],
    [3, 0.2],
    [20, 0.2],
  ] as const) {
    const cluster = acquainted(count, count, lossShare);
    const leaver = cluster.nodes[2]!;
    cluster.act(leaver, (swim) => swim.leave(cluster.nowMs));
    cluster.run(1_000);
    cluster.crash(leaver);
    cluster.run(4_000);
    const where = `${count} members, ${lossShare * 100} %`;
    assert.equal(cluster.holding(leaver, MemberStatus.LEFT).length, count - 1, where);
    assert.deepEqual(cluster.eventsOf(MemberChange.DEAD), [], where);
    assert.equal(cluster.eventsOf(MemberChange.LEFT, leaver).length, count - 1, where);
  }
});

test("swim cluster: a node that left does not come back by old gossip", () => {
  const cluster = acquainted(6, 2);
  const [leaver, isolated] = [cluster.nodes[1]!, cluster.nodes[2]!];
  const others = cluster.nodes.filter((node) => node !== isolated);
  cluster.split([isolated], others);
  cluster.act(leaver, (swim) => swim.leave(cluster.nowMs));
  cluster.run(2_000);
  cluster.crash(leaver);
  cluster.run(3_000);
  cluster.unblock();
  assert.ok(converge(cluster, 60_000) < 60_000);
  assert.equal(
    cluster.holding(leaver, MemberStatus.LEFT).length,
    5,
    "the isolated one learns it too",
  );
  const back = cluster.eventsOf(MemberChange.JOINED, leaver);
  assert.deepEqual(back, []);
});

test("swim cluster: a restart before anybody noticed is a restart for all, and no failure", () => {
  const cluster = acquainted(20, 3);
  const node = cluster.nodes[5]!;
  cluster.crash(node);
  cluster.run(100);
  cluster.restart(node);
  cluster.join(node, cluster.nodes[0]!);
  assert.ok(converge(cluster, 5_000) < 600);
  assert.equal(cluster.eventsOf(MemberChange.RESTARTED, node).length, 19);
  cluster.run(20_000);
  assert.deepEqual(cluster.falseDeaths(), []);
});

test("swim cluster: another node on the address of a dead one replaces it within a round or two", () => {
  const cluster = acquainted(20, 9);
  const node = cluster.nodes[5]!;
  const ghostId = node.nodeId;
  cluster.crash(node);
  cluster.run(100);
  cluster.restart(node, nodeIdOf(777));
  cluster.join(node, cluster.nodes[0]!);
  assert.ok(converge(cluster, 5_000) < 600);
  cluster.run(30_000);
  assert.equal(cluster.eventsOf(MemberChange.DEAD).length, 0, "nobody waited for the ghost");
  for (const { swim } of cluster.up) {
    if (swim.self.nodeId === node.nodeId) continue;
    assert.equal(swim.member(ghostId)?.status, MemberStatus.LEFT);
  }
});

test("swim cluster: back on its address before it is missed, without a seed, it is found by a probe", () => {
  for (const isSameNode of [true, false]) {
    for (const count of [2, 3, 10, 50]) {
      const waits: number[] = [];
      for (let seed = 0; seed < 9; seed++) {
        const cluster = acquainted(count, seed);
        const node = cluster.nodes[1]!;
        cluster.crash(node);
        cluster.run(50);
        cluster.restart(node, isSameNode ? node.nodeId : nodeIdOf(777));
        waits.push(converge(cluster, 30_000));
        assert.deepEqual(cluster.eventsOf(MemberChange.DEAD), []);
      }
      waits.sort((left, right) => left - right);
      // Whoever is probed by one member a period on average waits about a period; the list and the
      // news of it take a few rounds of gossip.
      const { probeIntervalMs, gossipIntervalMs } = SWIM_DEFAULTS;
      const where = `${count} members, same node ${isSameNode}: ${waits}`;
      assert.ok(waits[4]! <= 1.5 * probeIntervalMs + 5 * gossipIntervalMs, where);
      assert.ok(waits[8]! <= 6 * probeIntervalMs, where);
    }
  }
});

test("swim cluster: a restarted node is found again by its own healing call, without any seed", () => {
  const cluster = acquainted(8, 5);
  const node = cluster.nodes[3]!;
  cluster.crash(node);
  cluster.run(20_000);
  assert.equal(cluster.holding(node, MemberStatus.DEAD).length, 7);
  cluster.restart(node);
  assert.ok(converge(cluster, 20_000) < 6_500);
});

for (const [left, right] of [
  [1, 2],
  [2, 3],
  [3, 3],
  [20, 20],
] as const) {
  test(`swim cluster: a split ${left} | ${right} heals by itself within one healing interval`, () => {
    const runs = left + right > 10 ? 1 : 5;
    for (let seed = 0; seed < runs; seed++) {
      const cluster = acquainted(left + right, seed);
      cluster.split(cluster.nodes.slice(0, left), cluster.nodes.slice(left));
      cluster.run(60_000);
      const sizes = cluster.nodes.map(({ swim }) => swim.liveMembers.length);
      const expected = cluster.nodes.map(({ index }) => (index < left ? left : right));
      assert.deepEqual(sizes, expected, "each side knows itself alone");
      cluster.unblock();
      const ms = converge(cluster, 30_000);
      assert.ok(ms < 6_500, `seed ${seed}: ${ms} ms`);
    }
  });
}

test("swim cluster: after a split, one contact is enough for all to know all", () => {
  for (const [left, right] of [
    [1, 2],
    [2, 2],
    [2, 3],
    [3, 3],
  ] as const) {
    for (let seed = 0; seed < 25; seed++) {
      const cluster = acquainted(left + right, seed);
      cluster.split(cluster.nodes.slice(0, left), cluster.nodes.slice(left));
      cluster.run(60_000 + seed * 91);
      cluster.unblock();
      const before = cluster.eventsOf(MemberChange.JOINED).length;
      const healedMs = cluster.nowMs + converge(cluster, 30_000);
      const contact = cluster.eventsOf(MemberChange.JOINED)[before];
      assert.ok(contact !== undefined, "the first to be taken back");
      const ms = healedMs - contact.atMs;
      assert.ok(ms <= 7 * cluster.parameters.gossipIntervalMs, `${left} | ${right}: ${ms} ms`);
    }
  }
});

test("swim cluster: whom gossip passed over after a large split, the comparison tells", () => {
  for (const seed of [4, 5]) {
    const cluster = acquainted(100, seed);
    cluster.split(cluster.nodes.slice(0, 50), cluster.nodes.slice(50));
    cluster.run(30_000);
    cluster.unblock();
    const ms = converge(cluster, 30_000);
    assert.ok(ms <= 4_500, `seed ${seed}: ${ms} ms`);
  }
});

test("swim cluster: a bridge node keeps both sides together", () => {
  const cluster = acquainted(5, 1);
  const [a, b, bridge, c, d] = cluster.nodes as [SimNode, SimNode, SimNode, SimNode, SimNode];
  cluster.split([a, b], [c, d]);
  cluster.run(120_000);
  assert.equal(bridge.swim.liveMembers.length, 5);
  assert.deepEqual(cluster.falseDeaths(), []);
});

test("swim cluster: two processes with one id: the newer one stays, the older one ends", () => {
  const cluster = acquainted(5, 1);
  const older = cluster.nodes[2]!;
  const newer = cluster.add({ nodeId: older.nodeId });
  cluster.join(newer, cluster.nodes[0]!);
  cluster.run(5_000);
  const ended = cluster.events.filter(({ node, output }) => {
    return node === older && output.kind === "self" && output.change === "displaced";
  });
  assert.equal(ended.length, 1);
  assert.equal(newer.swim.nextDeadlineMs < Number.POSITIVE_INFINITY, true);
  for (const node of [0, 1, 3, 4]) {
    const member = cluster.nodes[node]!.swim.member(older.nodeId);
    assert.equal(member?.node.address, newer.address);
  }
});

/** One random blow to the cluster. */
function strike(cluster: SimCluster, chance: { below: (count: number) => number }): void {
  const { nodes, up } = cluster;
  const node = nodes[chance.below(nodes.length)]!;
  const seeds = [nodes[0]!, nodes[1]!, nodes[2]!].filter((seed) => seed !== node);
  switch (chance.below(7)) {
    case 0:
      if (up.length > 2) cluster.crash(node);
      return;
    case 1:
      cluster.restart(node);
      cluster.join(node, ...seeds);
      return;
    case 2:
      if (node.isUp) return;
      cluster.restart(node, nodeIdOf(1_000 + chance.below(1_000)));
      cluster.join(node, ...seeds);
      return;
    case 3: {
      const cut = 1 + chance.below(nodes.length - 1);
      cluster.split(nodes.slice(0, cut), nodes.slice(cut));
      return;
    }
    case 4:
      cluster.block(node, nodes[chance.below(nodes.length)]!);
      return;
    case 5:
      if (node.isUp) cluster.pause(node, chance.below(4_000));
      return;
    default:
      cluster.unblock();
  }
}

test("swim cluster: whatever happened, versions only grow, and peace brings agreement", () => {
  for (let seed = 0; seed < 30; seed++) {
    const chance = new Prng(seed);
    const cluster = new SimCluster({ seed, lossShare: chance.below(3) * 0.05 });
    cluster.addAcquainted(3 + chance.below(6));
    const seen = new Map<string, [number, number]>();
    for (let blow = 0; blow < 25; blow++) {
      strike(cluster, chance);
      cluster.run(chance.below(8_000));
      checkVersions(cluster, seen, seed);
    }
    cluster.unblock();
    cluster.lossShare = 0;
    const ms = converge(cluster, 120_000);
    assert.ok(ms < 60_000, `seed ${seed}: ${ms} ms`);
  }
});

/** Each process's view of each member: (epoch, incarnation) never falls. */
function checkVersions(
  cluster: SimCluster,
  seen: Map<string, [number, number]>,
  seed: number,
): void {
  for (const node of cluster.up) {
    for (const { nodeId } of cluster.nodes) {
      const member = node.swim.member(nodeId);
      if (member === undefined) continue;
      const key = `${node.index} ${node.swim.self.startEpoch} ${nodeId}`;
      const [epoch, incarnation] = seen.get(key) ?? [0, 0];
      const isGrowing =
        member.startEpoch > epoch ||
        (member.startEpoch === epoch && member.incarnation >= incarnation);
      assert.ok(isGrowing, `seed ${seed}: ${key}`);
      seen.set(key, [member.startEpoch, member.incarnation]);
    }
  }
}
