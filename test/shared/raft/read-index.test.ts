import assert from "node:assert/strict";
import test from "node:test";
import { ReadStatus } from "../../../src/shared/raft/leader-reads.ts";
import { MessageType } from "../../../src/shared/raft/message.ts";
import { ReadIndexQueue } from "../../../src/shared/raft/read-index.ts";
import { StepStatus } from "../../../src/shared/raft/step.ts";
import { bytesOf, changeOf, confOf, messageOf, TestGroup } from "../../helpers/raft-group.ts";

const THREE = confOf([1, 2, 3]);
const QUIET = { preVote: false, checkQuorum: false } as const;

test("reads: a new leader answers none before its first commit [raft pitfall 71]", () => {
  const group = new TestGroup(THREE, QUIET);
  const leader = group.get(1);
  leader.core.campaign();
  group.work(leader);
  leader.core.step(messageOf(MessageType.VOTE_RESPONSE, 2, 1, { term: 1 }));
  assert.equal(leader.core.readIndex(7), ReadStatus.QUEUED);
  group.work(leader);
  group.network = group.network.filter(({ type }) => type === MessageType.HEARTBEAT);
  group.settle();
  assert.deepEqual(leader.readStates, []);
  group.tick(4);
  assert.deepEqual(leader.readStates, [{ requestId: 7, index: 1 }]);
});

test("reads: a sole voter waits for its first commit too [raft pitfall 71]", () => {
  const group = new TestGroup(confOf([1]), QUIET);
  const sole = group.get(1);
  sole.core.campaign();
  sole.takeReady();
  sole.persist();
  sole.core.readIndex(1);
  sole.takeReady();
  assert.deepEqual(sole.readStates, []);
  group.settle();
  assert.deepEqual(sole.readStates, [{ requestId: 1, index: 1 }]);
});

test("reads: an answer to a heartbeat from before the read confirms nothing [raft pitfall 72]", () => {
  const group = new TestGroup(THREE, QUIET);
  const leader = group.elect(1);
  for (let i = 0; i < 2; i++) leader.core.tick(0);
  const beats = leader.takeReady().messages;
  leader.core.readIndex(1);
  const rounds = leader.takeReady().messages;
  const answer = (context: number) =>
    leader.core.step(messageOf(MessageType.HEARTBEAT_RESPONSE, 2, 1, { term: 1, context }));
  answer(beats[0]!.context);
  leader.takeReady();
  assert.deepEqual(leader.readStates, []);
  assert.ok(rounds[0]!.context > beats[0]!.context, "a round of its own");
  answer(rounds[0]!.context);
  leader.takeReady();
  assert.equal(leader.readStates.length, 1);
});

test("reads: a later round confirms earlier reads; numbers are never used again [raft pitfall 72]", () => {
  const queue = new ReadIndexQueue(10, false);
  queue.add(1, 100, 5);
  assert.equal(queue.beginRound(0), 1);
  queue.add(1, 101, 6);
  assert.equal(queue.beginRound(0), 2);
  assert.deepEqual(
    queue.confirm(2).map(({ requestId }) => requestId),
    [100, 101],
  );
  queue.reset();
  assert.equal(queue.beginRound(0), 3);
  queue.add(1, 102, 7);
  assert.deepEqual(queue.confirm(3), [], "this one needs round 4");
  assert.equal(queue.needsRound, true);
});

test("reads: answered with the commit index of when they came in [raft pitfall 73]", () => {
  const group = new TestGroup(THREE, QUIET);
  const leader = group.elect(1);
  group.propose("a");
  leader.core.readIndex(1);
  leader.core.propose([bytesOf("b")]);
  group.settle();
  assert.deepEqual(leader.readStates, [{ requestId: 1, index: 2 }]);
  assert.equal(leader.core.committed, 3);
});

test("reads: all of one turn share one heartbeat round", () => {
  const group = new TestGroup(THREE, QUIET);
  const leader = group.elect(1);
  for (let id = 1; id <= 50; id++) leader.core.readIndex(id);
  assert.equal(leader.takeReady().messages.length, 2);
});

test("reads: a follower asks the leader and gets the answer", () => {
  const group = new TestGroup(THREE);
  group.elect(1);
  group.propose("a");
  assert.equal(group.get(2).core.readIndex(9), ReadStatus.FORWARDED);
  group.settle();
  assert.deepEqual(group.get(2).readStates, [{ requestId: 9, index: 2 }]);
  assert.deepEqual(group.leader.readStates, []);
});

test("reads: without a leader, or with too many waiting, the asker is told", () => {
  const group = new TestGroup(THREE, { ...QUIET, maxPendingReads: 2 });
  assert.equal(group.get(2).core.readIndex(1), ReadStatus.NO_LEADER);
  const leader = group.elect(1);
  const statuses = [1, 2, 3].map((id) => leader.core.readIndex(id));
  assert.deepEqual(statuses, [ReadStatus.QUEUED, ReadStatus.QUEUED, ReadStatus.BUSY]);
});

test("reads: a leader without a quorum answers none, and drops them when deposed", () => {
  const group = new TestGroup(THREE);
  const leader = group.elect(1);
  group.isolate(1);
  leader.core.readIndex(1);
  group.tick(25);
  assert.equal(leader.isLeader, false);
  group.heal();
  group.tick(5);
  assert.deepEqual(leader.readStates, []);
});

test("reads: in a joint configuration both majorities must answer [raft pitfall 30]", () => {
  const group = new TestGroup(confOf([1, 2, 3], { outgoing: [1, 4, 5] }), QUIET);
  const leader = group.elect(1);
  group.isolate(4, 5);
  leader.core.readIndex(1);
  group.settle();
  assert.deepEqual(leader.readStates, []);
  group.heal();
  group.tick(2);
  assert.equal(leader.readStates.length, 1);
});

const LEASES = { leaseReads: true, leaseMs: 800 } as const;

test("lease: off by default, and none for followers [raft pitfall 77]", () => {
  const group = new TestGroup(THREE);
  group.elect(1);
  group.tick(4);
  assert.equal(group.leader.core.leaseUntilMs, Number.NEGATIVE_INFINITY);
  const leased = new TestGroup(THREE, LEASES);
  leased.elect(1);
  leased.tick(4);
  const untils = leased.replicas.map(({ core }) => core.leaseUntilMs);
  assert.deepEqual(untils.slice(1), [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY]);
  assert.ok(untils[0]! > leased.nowMs);
});

test("lease: the clock alone tells a leader that slept that others may lead now [raft pitfall 77]", () => {
  const group = new TestGroup(THREE, LEASES);
  const sleeper = group.elect(1);
  group.tick(4);
  const untilMs = sleeper.core.leaseUntilMs;
  let nowMs = group.nowMs;
  const others = [group.get(2), group.get(3)];
  group.isolate(1);
  while (!others.some(({ isLeader }) => isLeader)) {
    nowMs += 100;
    for (const { core } of others) core.tick(nowMs);
    group.settle();
  }
  assert.equal(sleeper.isLeader, true, "it has not ticked, and has heard nothing");
  assert.equal(sleeper.core.leaseUntilMs, untilMs);
  assert.ok(untilMs < nowMs);
});

test("lease: counts from when the heartbeat was sent, not from its answers [raft pitfall 75]", () => {
  const group = new TestGroup(THREE, LEASES);
  const leader = group.elect(1);
  assert.equal(leader.core.leaseUntilMs, Number.NEGATIVE_INFINITY, "no heartbeat was answered yet");
  for (const nowMs of [1000, 1100]) leader.core.tick(nowMs);
  const beats = leader.takeReady().messages;
  // The answers come in late; meanwhile time goes on.
  leader.core.tick(1200);
  group.send(beats);
  group.deliver();
  for (const id of [2, 3]) group.work(group.get(id));
  group.deliver();
  assert.equal(leader.core.leaseUntilMs, 1100 + 800);
});

test("lease: a quorum heard of within the last timeout is no lease [raft pitfall 74]", () => {
  const group = new TestGroup(THREE, LEASES);
  const leader = group.elect(1);
  group.tick(4);
  const until = leader.core.leaseUntilMs;
  group.isolate(1);
  group.tick(9);
  assert.equal(leader.isLeader, true, "check-quorum has not noticed yet");
  assert.equal(leader.core.leaseUntilMs, until);
  assert.ok(group.nowMs > until, "but the lease is over");
});

test("lease: ends when somebody was told to campaign, also if nothing comes of it [raft pitfall 76]", () => {
  const group = new TestGroup(THREE, LEASES);
  const leader = group.elect(1);
  group.tick(4);
  assert.ok(leader.core.leaseUntilMs > group.nowMs);
  group.isLost = ({ type }) => type === MessageType.TIMEOUT_NOW;
  leader.core.transferLeadership(2);
  group.tick(12);
  assert.equal(leader.isLeader, true);
  assert.equal(leader.core.status().transferTarget, 0, "given up");
  assert.equal(leader.core.leaseUntilMs, Number.NEGATIVE_INFINITY);
});

test("lease: new electors have promised nothing", () => {
  const group = new TestGroup(THREE, LEASES);
  const leader = group.elect(1);
  group.join(4);
  group.tick(4);
  leader.core.proposeConfChange(changeOf("v4"));
  group.settle();
  assert.equal(leader.core.leaseUntilMs, Number.NEGATIVE_INFINITY);
  group.tick(4);
  assert.ok(leader.core.leaseUntilMs > group.nowMs);
});

test("lease: who promised does not vote, for itself neither [raft pitfall 20]", () => {
  const group = new TestGroup(THREE, LEASES);
  group.elect(1);
  group.tick(2);
  assert.equal(group.get(2).core.campaign(), false);
});

test("lease: the higher term of a late answer does not end a promise [raft pitfall 20]", () => {
  const group = new TestGroup(THREE, LEASES);
  group.elect(1);
  group.tick(4);
  assert.ok(group.leader.core.leaseUntilMs > group.nowMs);
  const { core } = group.get(2);
  // As 3, which lost touch, refuses the pre-vote that 2 asked for before it heard of 1.
  const refusal = { term: 2, isRejected: true };
  const types = [MessageType.PRE_VOTE_RESPONSE, MessageType.APPEND_RESPONSE];
  for (const type of types) {
    assert.equal(core.step(messageOf(type, 3, 2, refusal)), StepStatus.IGNORED);
  }
  core.step(messageOf(MessageType.VOTE, 3, 2, { term: 2, index: 9, logTerm: 9 }));
  assert.deepEqual([core.term, core.vote, core.leader], [1, 1, 1]);
  core.step(messageOf(MessageType.HEARTBEAT, 3, 2, { term: 2 }));
  assert.deepEqual([core.term, core.leader], [2, 3], "a leader was elected, whoever promised");
});
