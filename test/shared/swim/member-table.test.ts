import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Prng } from "../../../src/shared/base/prng.ts";
import { isLive, type MemberStatus } from "../../../src/shared/swim/member.ts";
import { MemberTable } from "../../../src/shared/swim/member-table.ts";
import { nodeNumber } from "./test-node.ts";

test("member table: like a plain map, whatever changes in whatever order", () => {
  const step = fc.tuple(fc.nat(9), fc.nat(3), fc.nat(3));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const table = new MemberTable();
      const model = new Map<string, { status: MemberStatus; incarnation: number }>();
      steps.forEach(([number, status, incarnation], nowMs) => {
        const node = nodeNumber(number, { incarnation });
        table.set(node, status as MemberStatus, node, nowMs);
        model.set(node.nodeId, { status: status as MemberStatus, incarnation });
      });
      const live = [...model].filter(([, { status }]) => isLive(status)).map(([id]) => id);
      assert.equal(table.size, model.size);
      assert.deepEqual(
        table
          .liveMembers()
          .map(({ node }) => node.nodeId)
          .sort(),
        live.sort(),
      );
      for (const [nodeId, { status, incarnation }] of model) {
        assert.equal(table.get(nodeId)?.status, status);
        assert.equal(table.get(nodeId)?.incarnation, incarnation);
        assert.equal(table.isLive(nodeId), isLive(status));
      }
      // Built anew in another order, the digest is the same.
      const again = new MemberTable();
      for (const [nodeId, { status, incarnation }] of [...model].reverse()) {
        const number = Number.parseInt(nodeId.slice(-4), 16);
        const node = nodeNumber(number, { incarnation });
        again.set(node, status, node, 0);
      }
      assert.deepEqual(again.digest, table.digest);
    }),
  );
});

test("member table: the digest tells versions apart, and forgets the dead", () => {
  const table = new MemberTable();
  const node = nodeNumber(1);
  const empty = table.digest;
  table.set(node, 0, node, 0);
  const first = table.digest;
  table.set(node, 0, { ...node, incarnation: 1 }, 0);
  assert.notDeepEqual(table.digest, first);
  table.set(node, 0, { startEpoch: node.startEpoch + 2 ** 32, incarnation: 0 }, 0);
  assert.notDeepEqual(table.digest, first);
  table.set(node, 1, node, 0);
  assert.deepEqual(table.digest, first, "suspicion is no difference worth a whole list");
  table.set(node, 2, node, 0);
  assert.deepEqual(table.digest, empty);
});

test("member table: the time of a status is that of its beginning", () => {
  const table = new MemberTable();
  const node = nodeNumber(1);
  table.set(node, 0, node, 10);
  table.set(node, 0, { ...node, incarnation: 1 }, 20);
  assert.equal(table.get(node.nodeId)?.statusSinceMs, 10);
  table.set(node, 1, node, 30);
  assert.equal(table.get(node.nodeId)?.statusSinceMs, 30);
});

test("member table: addresses lead to live members only", () => {
  const table = new MemberTable();
  const node = nodeNumber(1);
  table.set(node, 0, node, 0);
  assert.equal(table.liveAt(node.address)?.node, node);
  const moved = nodeNumber(1, { address: "elsewhere:1", incarnation: 1 });
  table.set(moved, 0, moved, 0);
  assert.equal(table.liveAt(node.address), undefined);
  assert.equal(table.liveAt("elsewhere:1")?.node, moved);
  table.set(moved, 2, moved, 0);
  assert.equal(table.liveAt("elsewhere:1"), undefined);
});

test("member table: picks different wanted members at random, in small and large lists", () => {
  for (const count of [5, 16, 17, 200]) {
    const table = new MemberTable();
    for (let i = 0; i < count; i++) table.set(nodeNumber(i), 0, nodeNumber(i), 0);
    const prng = new Prng(count);
    const seen = new Set<string>();
    for (let draw = 0; draw < 40 * count; draw++) {
      const picked = table.pick(3, prng, ({ node }) => node.nodeId !== nodeNumber(0).nodeId);
      assert.equal(new Set(picked).size, picked.length);
      assert.ok(picked.length === 3);
      for (const { node } of picked) seen.add(node.nodeId);
    }
    assert.equal(seen.size, count - 1);
    assert.deepEqual(
      table.pick(3, prng, () => false),
      [],
    );
  }
});

test("member table: a full table makes room with its oldest tombstone", () => {
  const table = new MemberTable();
  [50, 20, 90].forEach((sinceMs, number) => {
    table.set(nodeNumber(number), 2, nodeNumber(number), sinceMs);
  });
  table.set(nodeNumber(9), 0, nodeNumber(9), 0);
  assert.ok(table.removeOldestTombstone());
  assert.equal(table.get(nodeNumber(1).nodeId), undefined);
  table.remove(nodeNumber(0).nodeId);
  table.remove(nodeNumber(0).nodeId);
  assert.ok(table.removeOldestTombstone());
  assert.equal(table.removeOldestTombstone(), false, "live members stay");
  assert.equal(table.size, 1);
});
