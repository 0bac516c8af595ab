import assert from "node:assert/strict";
import test from "node:test";
import { isJoint, Transition } from "../../../src/shared/raft/conf-state.ts";
import { EntryType } from "../../../src/shared/raft/entry.ts";
import { TransferStatus } from "../../../src/shared/raft/leader.ts";
import { ProposalStatus } from "../../../src/shared/raft/leader-proposals.ts";
import { MessageType } from "../../../src/shared/raft/message.ts";
import { Role } from "../../../src/shared/raft/ready.ts";
import { bytesOf, changeOf, confOf, messageOf, TestGroup } from "../../helpers/raft-group.ts";

const THREE = confOf([1, 2, 3]);
const QUIET = { preVote: false, checkQuorum: false } as const;
const EXPLICIT = Transition.JOINT_EXPLICIT;

function change(group: TestGroup, text: string, transition: Transition = Transition.AUTO) {
  const status = group.leader.core.proposeConfChange(changeOf(text, transition));
  group.settle();
  return status;
}

test("membership: fewer voters commit what was waiting, and everybody is told [raft pitfall 50]", () => {
  const group = new TestGroup(confOf([1, 2, 3, 4]), QUIET);
  const leader = group.elect(1);
  leader.core.proposeConfChange(changeOf("r4"));
  leader.core.propose([bytesOf("x")]);
  // Only 2 gets the last entry; of four voters that is too few, of three it is enough.
  group.work(leader);
  const isLast = ({ to, entries }: { to: number; entries: readonly { index: number }[] }) =>
    to !== 2 && entries.some(({ index }) => index === 3);
  group.isLost = isLast;
  group.deliver();
  for (const id of [2, 3, 4]) group.work(group.get(id));
  group.deliver();
  assert.equal(leader.core.committed, 2);
  leader.takeReady();
  leader.persist();
  leader.apply();
  assert.equal(leader.core.committed, 3, "counted anew at the switch");
  const { messages } = leader.takeReady();
  assert.ok(
    messages.some(
      ({ type, to, commit }) => type === MessageType.APPEND && to === 3 && commit === 3,
    ),
  );
});

test("membership: one change at a time [raft pitfall 51]", () => {
  const group = new TestGroup(THREE);
  const leader = group.elect(1);
  assert.equal(leader.core.proposeConfChange(changeOf("l4")), ProposalStatus.ACCEPTED);
  assert.equal(leader.core.proposeConfChange(changeOf("l5")), ProposalStatus.CONF_REFUSED);
  group.settle();
  assert.deepEqual(leader.core.conf.learners, [4]);
  assert.equal(leader.storage.all[2]?.type, EntryType.NORMAL, "an empty entry took its place");
});

test("membership: a new leader waits until its whole tail is applied [raft pitfall 51]", () => {
  const group = new TestGroup(THREE, QUIET);
  group.elect(1);
  group.isolate(1);
  group.leader.core.proposeConfChange(changeOf("l4"));
  group.work(group.get(1));
  group.get(1).core.step(messageOf(MessageType.HEARTBEAT, 2, 1, { term: 2 }));
  group.heal();
  const again = group.get(1);
  again.core.campaign();
  group.work(again);
  again.core.step(messageOf(MessageType.VOTE_RESPONSE, 3, 1, { term: 3 }));
  assert.equal(again.core.role, Role.LEADER);
  assert.equal(again.core.proposeConfChange(changeOf("l5")), ProposalStatus.CONF_REFUSED);
});

test("membership: no change takes effect before an entry of the leader's term is committed [raft pitfall 52]", () => {
  const group = new TestGroup(THREE, QUIET);
  const leader = group.get(1);
  leader.core.campaign();
  group.work(leader);
  leader.core.step(messageOf(MessageType.VOTE_RESPONSE, 2, 1, { term: 1 }));
  leader.core.proposeConfChange(changeOf("r3"));
  group.work(leader);
  assert.deepEqual(leader.core.conf.voters, [1, 2, 3]);
  leader.core.step(messageOf(MessageType.APPEND_RESPONSE, 2, 1, { term: 1, index: 1 }));
  group.work(leader);
  assert.deepEqual(
    leader.core.conf.voters,
    [1, 2, 3],
    "only the leader's first entry is committed",
  );
  leader.core.step(messageOf(MessageType.APPEND_RESPONSE, 2, 1, { term: 1, index: 2 }));
  group.work(leader);
  assert.deepEqual(leader.core.conf.voters, [1, 2]);
});

test("membership: what does not fit the configuration is refused [raft pitfall 53]", () => {
  const group = new TestGroup(THREE, QUIET);
  group.elect(1);
  assert.equal(change(group, ""), ProposalStatus.CONF_REFUSED, "nothing to leave");
  assert.equal(change(group, "v4 v5", EXPLICIT), ProposalStatus.ACCEPTED);
  assert.ok(isJoint(group.leader.core.conf));
  assert.equal(change(group, "v6"), ProposalStatus.CONF_REFUSED, "joint: leave first");
});

test("membership: two voters at once go through a joint configuration that leaves itself [raft pitfall 54]", () => {
  const group = new TestGroup(THREE);
  group.elect(1);
  group.join(4);
  group.join(5);
  change(group, "v4 v5");
  group.tick(4);
  for (const { core } of group.replicas) assert.deepEqual(core.conf, confOf([1, 2, 3, 4, 5]));
});

test("membership: leaving is tried again after a transfer refused it [raft pitfall 54]", () => {
  const group = new TestGroup(THREE, QUIET);
  const leader = group.elect(1);
  group.join(4);
  leader.core.proposeConfChange(changeOf("v4 r2"));
  // The transfer never ends: 3 hears nothing.
  group.isLost = ({ to }) => to === 3;
  group.work(leader);
  leader.core.transferLeadership(3);
  group.settle();
  assert.ok(isJoint(leader.core.conf), "refused while the transfer lasts");
  group.heal();
  group.tick(10);
  group.propose("any entry that is applied");
  assert.deepEqual(leader.core.conf, confOf([1, 3, 4]));
});

test("membership: a voter becomes a learner when the joint configuration is left [raft pitfall 55]", () => {
  const group = new TestGroup(THREE, QUIET);
  const leader = group.elect(1);
  group.propose("x");
  change(group, "l3 v4", EXPLICIT);
  assert.deepEqual(leader.core.conf.learnersNext, [3]);
  assert.deepEqual(leader.core.conf.learners, []);
  const before = leader.core.matchOf(3);
  change(group, "");
  group.join(4);
  group.tick(6);
  assert.deepEqual(leader.core.conf, confOf([1, 2, 4], { learners: [3] }));
  assert.ok(leader.core.matchOf(3) >= before && before > 0, "its progress is kept");
});

test("membership: nobody can remove the last voter [raft pitfall 56]", () => {
  const group = new TestGroup(confOf([1]), QUIET);
  group.elect(1);
  assert.equal(change(group, "r1"), ProposalStatus.CONF_REFUSED);
  assert.equal(change(group, "l1"), ProposalStatus.CONF_REFUSED);
  assert.deepEqual(group.leader.core.conf.voters, [1]);
});

test("membership: a member just added does not cost the leader its quorum [raft pitfall 57]", () => {
  const group = new TestGroup(confOf([1]));
  const leader = group.elect(1);
  for (let i = 0; i < 9; i++) leader.core.tick(0);
  change(group, "v2");
  leader.core.tick(0);
  assert.equal(leader.core.role, Role.LEADER, "it has not had the time to answer");
});

test("membership: a learner is caught up when a round takes no longer than a timeout [raft pitfall 58]", () => {
  const group = new TestGroup(THREE);
  const leader = group.elect(1);
  group.propose("a", "b");
  const learner = group.join(4);
  group.isolate(4);
  change(group, "l4");
  assert.equal(leader.core.isCaughtUp(4), false);
  group.tick(8);
  assert.equal(leader.core.isCaughtUp(4), false);
  group.heal();
  group.tick(6);
  assert.equal(learner.core.committed, 4);
  assert.equal(leader.core.isCaughtUp(4), true);
  group.isolate(4);
  group.propose("c");
  group.tick(12);
  assert.equal(leader.core.isCaughtUp(4), false, "it fell behind");
  assert.equal(leader.core.isCaughtUp(2), false, "a voter is none");
});

test("membership: a removed leader steps down, or leads on without counting itself [raft pitfall 59]", () => {
  for (const stepsDownOnRemoval of [true, false]) {
    const group = new TestGroup(THREE, { ...QUIET, stepsDownOnRemoval });
    const leader = group.elect(1);
    change(group, "r1");
    assert.equal(leader.isLeader, !stepsDownOnRemoval);
    if (stepsDownOnRemoval) continue;
    assert.equal(leader.core.propose([bytesOf("x")]), ProposalStatus.REMOVED);
    assert.deepEqual(group.get(2).core.conf.voters, [2, 3], "the others have the change");
  }
});

test("membership: two members in turn leave a group of two alive [raft pitfall 59]", () => {
  const group = new TestGroup(confOf([1, 2]));
  group.elect(1);
  change(group, "r1");
  group.tick(40);
  assert.equal(group.get(2).isLeader, true);
  assert.equal(group.get(1).isLeader, false);
});

test("membership: a transfer to somebody who is removed is given up [raft pitfall 62]", () => {
  const group = new TestGroup(THREE, QUIET);
  const leader = group.elect(1);
  leader.core.proposeConfChange(changeOf("r3"));
  group.isLost = ({ to }) => to === 3;
  assert.equal(leader.core.transferLeadership(3), TransferStatus.STARTED);
  group.settle();
  assert.equal(leader.core.status().transferTarget, 0);
  assert.equal(leader.core.propose([bytesOf("x")]), ProposalStatus.ACCEPTED);
});

test("membership: a joint configuration is left only when its entry is committed [raft pitfall 63]", () => {
  const group = new TestGroup(THREE, QUIET);
  const leader = group.elect(1);
  group.isLost = () => true;
  leader.core.proposeConfChange(changeOf("v4 v5"));
  group.work(leader);
  assert.deepEqual(leader.core.conf, THREE, "not even entered");
  assert.equal(leader.core.lastIndex, 2);
});

test("membership: in a joint configuration both majorities must have an entry [raft pitfall 30]", () => {
  const group = new TestGroup(confOf([1, 2, 3], { outgoing: [1, 4, 5] }), QUIET);
  const leader = group.elect(1);
  group.isolate(4, 5);
  group.propose("x");
  assert.equal(leader.core.committed, 1);
  group.heal();
  group.tick(4);
  assert.equal(leader.core.committed, 2);
});

test("membership: without one of the joint majorities the leader steps down [raft pitfall 30]", () => {
  const group = new TestGroup(confOf([1, 2, 3], { outgoing: [1, 4, 5] }));
  const leader = group.elect(1);
  group.isolate(4, 5);
  group.tick(21);
  assert.equal(leader.core.role, Role.FOLLOWER);
});

test("membership: nobody can propose to reset a group", () => {
  const group = new TestGroup(THREE);
  group.elect(1);
  assert.equal(change(group, "v1", Transition.RESET), ProposalStatus.CONF_REFUSED);
  assert.deepEqual(group.leader.core.conf, THREE);
});
