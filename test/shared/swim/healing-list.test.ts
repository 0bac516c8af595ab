import assert from "node:assert/strict";
import { test } from "node:test";
import { MemberStatus } from "../../../src/shared/swim/member.ts";
import { type Heal, MessageKind } from "../../../src/shared/swim/swim-message.ts";
import { alive, claim, EPOCH, nodeNumber, TestNode } from "./test-node.ts";

const { DEAD, LEFT } = MemberStatus;
const QUIET = { probeIntervalMs: 1_000_000, antiEntropyIntervalMs: 1e9 };

function nodeMissing(numbers: number[], changes: object = {}): TestNode {
  const node = new TestNode(20, { ...QUIET, ...changes });
  for (const number of numbers) {
    node.hearClaims(nodeNumber(20), claim(DEAD, nodeNumber(number), nodeNumber(20)));
  }
  return node;
}

test("healing list: every failed member is called every five seconds, in the version it died in", () => {
  const node = nodeMissing([3, 4]);
  node.pass(15_000);
  const calls = node.sentOf(MessageKind.HEAL);
  assert.deepEqual(
    calls.map(({ address }) => address).sort(),
    [3, 3, 3, 4, 4, 4].map((number) => nodeNumber(number).address),
  );
  const { expected, startEpoch, incarnation } = calls[0]!.message as Heal;
  assert.deepEqual([expected, startEpoch, incarnation], [nodeNumber(3).nodeId, EPOCH, 0]);
});

test("healing list: who is back, has left, or lost its address is called no more", () => {
  const node = nodeMissing([3, 4, 5]);
  assert.equal(node.swim.healingSize, 3);
  node.hearClaims(nodeNumber(3), alive(nodeNumber(3, { incarnation: 1 })));
  assert.equal(node.swim.healingSize, 2);
  node.hearClaims(nodeNumber(4), claim(LEFT, nodeNumber(4), nodeNumber(4)));
  assert.equal(node.swim.healingSize, 1);
  const { address } = nodeNumber(5);
  node.hearClaims(nodeNumber(9), alive(nodeNumber(30, { address, startEpoch: EPOCH + 1 })));
  assert.equal(node.swim.healingSize, 0);
  node.pass(20_000);
  assert.deepEqual(node.sentOf(MessageKind.HEAL), []);
});

test("healing list: gives up after the life of a tombstone, and takes new entries afterwards", () => {
  const node = nodeMissing([3], { tombstoneMs: 30_000 });
  node.pass(40_000);
  assert.equal(node.swim.healingSize, 0);
  const calls = node.sentOf(MessageKind.HEAL).length;
  assert.ok(calls === 5 || calls === 6, `${calls} in 30 s, the first at a random moment`);
  node.hearClaims(nodeNumber(20), claim(DEAD, nodeNumber(6), nodeNumber(20)));
  node.pass(6_000);
  assert.equal(node.sentOf(MessageKind.HEAL).length, 1);
});

test("healing list: full, the one missing longest makes room", () => {
  const node = nodeMissing([3, 4, 5], { healingMax: 2 });
  node.pass(5_000);
  const called = node.sentOf(MessageKind.HEAL).map(({ address }) => address);
  assert.deepEqual(called.sort(), [nodeNumber(4).address, nodeNumber(5).address]);
});

test("healing list: the lately failed still hear the gossip, so that they can refute", () => {
  const node = new TestNode(4, { ...QUIET, gossipToTheDeadMs: 10_000, healIntervalMs: 1e9 });
  const isTold = () => {
    for (let i = 0; i < 20; i++) {
      node.hearClaims(nodeNumber(1), alive(nodeNumber(2, { incarnation: node.nowMs })));
      node.pass(100);
    }
    return node.sent().some(({ address }) => address === nodeNumber(3).address);
  };
  node.hearClaims(nodeNumber(1), claim(DEAD, nodeNumber(3), nodeNumber(1)));
  assert.ok(isTold());
  node.pass(10_000);
  node.sent();
  assert.equal(isTold(), false);
});
