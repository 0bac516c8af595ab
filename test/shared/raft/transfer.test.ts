import assert from "node:assert/strict";
import test from "node:test";
import { TransferStatus } from "../../../src/shared/raft/leader.ts";
import { ProposalStatus } from "../../../src/shared/raft/leader-proposals.ts";
import { MessageType } from "../../../src/shared/raft/message.ts";
import { Role } from "../../../src/shared/raft/ready.ts";
import { bytesOf, confOf, TestGroup } from "../../helpers/raft-group.ts";

const THREE = confOf([1, 2, 3]);

test("transfer: goes to a voter with the whole log, at once and past pre-vote [raft pitfall 78]", () => {
  const group = new TestGroup(THREE);
  const leader = group.elect(1);
  group.tick(2);
  assert.equal(leader.core.transferLeadership(2), TransferStatus.STARTED);
  const { messages } = leader.takeReady();
  assert.deepEqual(
    messages.map(({ type, to }) => [type, to]),
    [[MessageType.TIMEOUT_NOW, 2]],
  );
  group.get(2).core.step(messages[0]!);
  assert.equal(group.get(2).core.role, Role.CANDIDATE);
  group.get(2).takeReady();
  const votes = group.get(2).persist();
  assert.deepEqual(
    votes.map(({ type, to, isForced }) => [type, to, isForced]),
    [
      [MessageType.VOTE, 1, true],
      [MessageType.VOTE, 3, true],
    ],
  );
  group.send(votes);
  group.settle();
  assert.equal(group.leader.id, 2);
  assert.equal(group.leader.core.term, 2);
});

test("transfer: a target that is behind gets the log first [raft pitfall 78]", () => {
  const group = new TestGroup(THREE);
  const leader = group.elect(1);
  group.isolate(2);
  group.propose("a", "b");
  leader.core.transferLeadership(2);
  const types = leader.takeReady().messages.map(({ type }) => type);
  assert.equal(types.includes(MessageType.TIMEOUT_NOW), false);
  group.heal();
  group.tick(4);
  assert.equal(group.leader.id, 2);
  assert.deepEqual(group.get(2).applied, ["a", "b"]);
});

test("transfer: meanwhile no proposals; after an election timeout it is given up [raft pitfall 78]", () => {
  const group = new TestGroup(THREE);
  const leader = group.elect(1);
  group.isolate(3);
  group.propose("a");
  leader.core.transferLeadership(3);
  assert.equal(leader.core.propose([bytesOf("x")]), ProposalStatus.TRANSFERRING);
  group.tick(9);
  assert.equal(leader.core.propose([bytesOf("x")]), ProposalStatus.TRANSFERRING);
  group.tick(1);
  assert.equal(leader.core.propose([bytesOf("x")]), ProposalStatus.ACCEPTED);
});

test("transfer: not to learners, strangers, itself [raft pitfall 78]", () => {
  const group = new TestGroup(confOf([1, 2], { learners: [3] }));
  const { core } = group.elect(1);
  for (const target of [1, 3, 9]) {
    assert.equal(core.transferLeadership(target), TransferStatus.BAD_TARGET);
  }
});

test("transfer: wishes that change all the time do not put off the check of the quorum [raft pitfall 28]", () => {
  const group = new TestGroup(THREE);
  const { core } = group.elect(1);
  group.isolate(1);
  for (let round = 0; round < 10 && core.role === Role.LEADER; round++) {
    core.transferLeadership(round % 2 === 0 ? 2 : 3);
    for (let i = 0; i < 5; i++) core.tick(0);
  }
  assert.equal(core.role, Role.FOLLOWER);
});

test("transfer: a newer wish replaces the older one", () => {
  const group = new TestGroup(THREE);
  const leader = group.elect(1);
  group.isolate(2);
  group.propose("a");
  leader.core.transferLeadership(2);
  leader.core.transferLeadership(3);
  assert.equal(leader.core.status().transferTarget, 3);
  group.settle();
  assert.equal(group.leader.id, 3);
});

test("transfer: a follower passes the wish on, if it knows a leader", () => {
  const group = new TestGroup(THREE);
  assert.equal(group.get(2).core.transferLeadership(3), TransferStatus.NOT_LEADER);
  group.elect(1);
  assert.equal(group.get(2).core.transferLeadership(3), TransferStatus.PASSED_ON);
  group.settle();
  assert.equal(group.leader.id, 3);
});
