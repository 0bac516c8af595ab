import assert from "node:assert/strict";
import test from "node:test";
import { NO_REPLICA } from "../../../src/shared/raft/entry.ts";
import { MessageType, type RaftMessage } from "../../../src/shared/raft/message.ts";
import { Role } from "../../../src/shared/raft/ready.ts";
import { StepStatus } from "../../../src/shared/raft/step.ts";
import {
  bytesOf,
  changeOf,
  confOf,
  entryOf,
  messageOf,
  TestGroup,
  type TestReplica,
} from "../../helpers/raft-group.ts";

const THREE = confOf([1, 2, 3]);
const QUIET = { preVote: false, checkQuorum: false } as const;

/** The one answer that a replica gives, once it is durable. */
function answerOf(replica: TestReplica): RaftMessage | undefined {
  const { append } = replica.takeReady();
  replica.persist();
  return append?.messagesAfterPersist[0];
}

function tickOne(replica: TestReplica, count: number): void {
  for (let i = 0; i < count; i++) replica.core.tick(0);
}

for (const { name, index, logTerm, isGranted } of [
  { name: "the same log", index: 2, logTerm: 2, isGranted: true },
  { name: "a longer log of the same term", index: 3, logTerm: 2, isGranted: true },
  { name: "a shorter log of the same term", index: 1, logTerm: 2, isGranted: false },
  { name: "a shorter log of a later term", index: 1, logTerm: 3, isGranted: true },
  { name: "a longer log of an earlier term", index: 9, logTerm: 1, isGranted: false },
]) {
  test(`election: ${name} is ${isGranted ? "granted" : "refused"} a vote [raft pitfall 16]`, () => {
    const group = new TestGroup(THREE, QUIET);
    const voter = group.get(2);
    const entries = [entryOf(1, 1), entryOf(2, 2)];
    voter.core.step(messageOf(MessageType.APPEND, 1, 2, { term: 2, entries }));
    // Not written yet: unstable entries count as well.
    voter.core.step(messageOf(MessageType.VOTE, 3, 2, { term: 3, index, logTerm }));
    const { append } = voter.takeReady();
    const vote = append?.messagesAfterPersist.find(({ to }) => to === 3);
    assert.equal(vote?.isRejected, !isGranted);
  });
}

test("election: a pre-vote changes neither term nor vote of either side [raft pitfall 17]", () => {
  const group = new TestGroup(THREE);
  const [asker, voter] = [group.get(1), group.get(2)];
  asker.core.campaign();
  assert.deepEqual([asker.core.term, asker.core.vote], [0, NO_REPLICA]);
  const { messages } = asker.takeReady();
  assert.deepEqual(
    messages.map(({ type, term }) => [type, term]),
    [
      [MessageType.PRE_VOTE, 1],
      [MessageType.PRE_VOTE, 1],
    ],
  );
  voter.core.step(messages[0]!);
  const answer = answerOf(voter);
  assert.deepEqual([answer?.term, answer?.isRejected], [1, false], "a grant names the asked term");
  assert.deepEqual([voter.core.term, voter.core.vote], [0, NO_REPLICA]);
});

test("election: a refused pre-vote carries the refuser's term, so the asker catches up [raft pitfall 17]", () => {
  const group = new TestGroup(THREE);
  const voter = group.get(2);
  voter.core.step(messageOf(MessageType.VOTE, 3, 2, { term: 7 }));
  answerOf(voter);
  voter.core.step(messageOf(MessageType.PRE_VOTE, 1, 2, { term: 2 }));
  const answer = answerOf(voter)!;
  assert.deepEqual([answer.term, answer.isRejected], [7, true]);
  const asker = group.get(1);
  asker.core.campaign();
  asker.core.step(answer);
  assert.deepEqual([asker.core.term, asker.core.role], [7, Role.FOLLOWER]);
});

test("election: grants count for the campaign that asked for them only [raft pitfall 18]", () => {
  const group = new TestGroup(THREE);
  const asker = group.get(1);
  asker.core.campaign();
  group.send(asker.takeReady().messages);
  asker.persist();
  asker.core.step(messageOf(MessageType.VOTE_RESPONSE, 2, 1, { term: 0 }));
  asker.core.step(messageOf(MessageType.PRE_VOTE_RESPONSE, 2, 1, { term: 5 }));
  assert.equal(asker.core.role, Role.PRE_CANDIDATE, "neither is a grant of this pre-vote");
  asker.core.step(messageOf(MessageType.PRE_VOTE_RESPONSE, 2, 1, { term: 1 }));
  assert.equal(asker.core.role, Role.CANDIDATE);
  group.work(asker);
  asker.core.step(messageOf(MessageType.PRE_VOTE_RESPONSE, 3, 1, { term: 1 }));
  assert.equal(asker.core.role, Role.CANDIDATE, "a pre-vote is no vote");
  asker.core.step(messageOf(MessageType.VOTE_RESPONSE, 3, 1, { term: 1 }));
  assert.equal(asker.core.role, Role.LEADER);
});

test("election: a vote counts once, however often it comes", () => {
  const group = new TestGroup(confOf([1, 2, 3, 4, 5]), QUIET);
  const asker = group.get(1);
  asker.core.campaign();
  group.work(asker);
  for (let i = 0; i < 5; i++) {
    asker.core.step(messageOf(MessageType.VOTE_RESPONSE, 2, 1, { term: 1 }));
  }
  assert.equal(asker.core.role, Role.CANDIDATE);
});

test("election: a pre-candidate has no leader any more, and so can vote [raft pitfall 19]", () => {
  const group = new TestGroup(THREE);
  group.elect(1);
  const follower = group.get(2);
  follower.core.campaign();
  assert.equal(follower.core.leader, NO_REPLICA);
  follower.core.step(messageOf(MessageType.PRE_VOTE, 3, 2, { term: 2, index: 1, logTerm: 1 }));
  const { append } = follower.takeReady();
  const answer = append?.messagesAfterPersist.find(({ to }) => to === 3);
  assert.equal(answer?.isRejected, false);
});

test("election: who hears a leader ignores requests, unless the leader wants it [raft pitfall 20]", () => {
  const group = new TestGroup(THREE);
  group.elect(1);
  const { core } = group.get(2);
  const request = { term: 2, index: 9, logTerm: 9 };
  for (const type of [MessageType.PRE_VOTE, MessageType.VOTE]) {
    assert.equal(core.step(messageOf(type, 3, 2, request)), StepStatus.IGNORED);
  }
  assert.deepEqual([core.term, core.leader], [1, 1]);
  core.step(messageOf(MessageType.VOTE, 3, 2, { ...request, isForced: true }));
  assert.deepEqual([core.term, core.vote], [2, 3]);
});

test("election: without check-quorum a known leader is no reason to refuse [raft pitfall 20]", () => {
  const group = new TestGroup(THREE, QUIET);
  group.elect(1);
  const { core } = group.get(2);
  core.step(messageOf(MessageType.VOTE, 3, 2, { term: 2, index: 9, logTerm: 9 }));
  assert.equal(core.vote, 3);
});

test("election: a stale leader is told the higher term, a stale pre-candidate too [raft pitfall 21]", () => {
  const group = new TestGroup(THREE);
  const follower = group.get(2);
  follower.core.step(messageOf(MessageType.HEARTBEAT, 3, 2, { term: 5 }));
  group.work(follower);
  for (const type of [MessageType.HEARTBEAT, MessageType.APPEND]) {
    follower.core.step(messageOf(type, 1, 2, { term: 4 }));
    const answer = answerOf(follower);
    assert.deepEqual([answer?.type, answer?.term], [MessageType.APPEND_RESPONSE, 5]);
  }
  follower.core.step(messageOf(MessageType.PRE_VOTE, 1, 2, { term: 5, index: 9, logTerm: 4 }));
  follower.core.step(messageOf(MessageType.PRE_VOTE, 1, 2, { term: 4, index: 9, logTerm: 4 }));
  const { append } = follower.takeReady();
  const answers = append?.messagesAfterPersist.map(({ isRejected, term }) => [isRejected, term]);
  assert.deepEqual(answers, [
    [true, 5],
    [true, 5],
  ]);
});

test("election: a learner tells a stale leader the higher term, as it asks nobody for votes [raft pitfall 21]", () => {
  const group = new TestGroup(confOf([1, 2], { learners: [3] }), QUIET);
  const answersOf = (id: number) => {
    const replica = group.get(id);
    replica.core.step(messageOf(MessageType.VOTE, 9, id, { term: 5 }));
    group.work(replica);
    replica.core.step(messageOf(MessageType.HEARTBEAT, 1, id, { term: 4 }));
    const { append } = replica.takeReady();
    return append?.messagesAfterPersist.map(({ type, term, to }) => [type, term, to]) ?? [];
  };
  assert.deepEqual(answersOf(3), [[MessageType.APPEND_RESPONSE, 5, 1]]);
  assert.deepEqual(answersOf(2), [], "a voter raises it when it campaigns");
});

test("election: a vote given is given again, to the same asker only [raft pitfall 22]", () => {
  const group = new TestGroup(THREE, QUIET);
  const voter = group.get(2);
  const ask = (from: number) => {
    voter.core.step(messageOf(MessageType.VOTE, from, 2, { term: 1 }));
    return answerOf(voter)?.isRejected;
  };
  assert.deepEqual([ask(1), ask(3), ask(1)], [false, true, false]);
});

test("election: no vote in a term whose leader is known [raft pitfall 22]", () => {
  const group = new TestGroup(THREE, QUIET);
  const voter = group.get(2);
  voter.core.step(messageOf(MessageType.HEARTBEAT, 1, 2, { term: 1 }));
  group.work(voter);
  voter.core.step(messageOf(MessageType.VOTE, 3, 2, { term: 1, index: 5, logTerm: 1 }));
  assert.equal(answerOf(voter)?.isRejected, true);
});

test("election: a learner answers, for it may be a voter already [raft pitfall 23]", () => {
  const group = new TestGroup(confOf([1, 2], { learners: [3] }), QUIET);
  const learner = group.get(3);
  learner.core.step(messageOf(MessageType.VOTE, 2, 3, { term: 1 }));
  assert.equal(answerOf(learner)?.isRejected, false);
  tickOne(learner, 40);
  assert.equal(learner.core.role, Role.FOLLOWER, "but never campaigns");
});

test("election: no campaign while a committed configuration change is not applied [raft pitfall 24]", () => {
  const group = new TestGroup(THREE);
  group.elect(1);
  const { core } = group.leader;
  core.proposeConfChange(changeOf("v4"));
  group.work(group.leader);
  group.deliver();
  const follower = group.get(2);
  group.work(follower);
  group.get(3).takeReady();
  group.deliver();
  group.work(group.leader);
  group.deliver();
  follower.takeReady();
  assert.equal(follower.core.committed, 2);
  assert.equal(follower.applyWork.length, 1, "handed out, not applied");
  assert.equal(follower.core.campaign(), false);
  group.work(follower);
  assert.equal(follower.core.campaign(), true);
});

test("election: no campaign while storage cannot show what is committed [raft pitfall 24]", () => {
  const group = new TestGroup(THREE);
  group.elect(1);
  const follower = group.get(2);
  group.propose("x");
  follower.storage.hardState = { ...follower.storage.hardState, commit: 2 };
  follower.appliedIndex = 1;
  follower.storage.isFetching = true;
  follower.restart();
  assert.equal(follower.core.campaign(), false);
  follower.storage.isFetching = false;
  follower.core.storageReady();
  assert.equal(follower.core.campaign(), true);
});

test("election: patience begins anew with the leader's messages and with a vote, nothing else [raft pitfall 25]", () => {
  const calming: RaftMessage[] = [
    messageOf(MessageType.HEARTBEAT, 1, 2, { term: 1 }),
    messageOf(MessageType.APPEND, 1, 2, { term: 1 }),
    messageOf(MessageType.VOTE, 3, 2, { term: 1, index: 1, logTerm: 1 }),
  ];
  const other: RaftMessage[] = [
    messageOf(MessageType.PRE_VOTE, 3, 2, { term: 2, index: 1, logTerm: 1 }),
    messageOf(MessageType.VOTE, 3, 2, { term: 1, index: 0, logTerm: 0 }),
    messageOf(MessageType.VOTE, 3, 2, { term: 2, index: 0, logTerm: 0 }),
    messageOf(MessageType.APPEND_RESPONSE, 3, 2, { term: 1, index: 1 }),
    messageOf(MessageType.HEARTBEAT, 1, 2, { term: 0 }),
  ];
  const isCalmed = (message: RaftMessage) => {
    const group = new TestGroup(THREE, QUIET);
    const { core } = group.get(2);
    core.step(messageOf(MessageType.APPEND, 1, 2, { term: 1, entries: [entryOf(1, 1)] }));
    core.forgetLeader();
    tickOne(group.get(2), 13);
    core.step(message);
    tickOne(group.get(2), 1);
    return core.role === Role.FOLLOWER;
  };
  assert.deepEqual(calming.map(isCalmed), [true, true, true]);
  assert.deepEqual(other.map(isCalmed), [false, false, false, false, false]);
});

test("election: every attempt waits for a time of its own [raft pitfall 26]", () => {
  const group = new TestGroup(THREE, QUIET);
  const { core } = group.get(1);
  const waits: number[] = [];
  for (let wait = 1, term = 0; waits.length < 4; wait++) {
    core.tick(0);
    if (core.term === term) continue;
    waits.push(wait);
    wait = 0;
    term = core.term;
  }
  assert.ok(
    waits.every((wait) => wait >= 10 && wait < 20),
    `between one and two timeouts: ${waits}`,
  );
});

test("election: after a restart no vote for one timeout, if leases are on [raft pitfall 27]", () => {
  const group = new TestGroup(THREE, { leaseReads: true });
  const first = group.get(3).core;
  first.step(messageOf(MessageType.VOTE, 1, 3, { term: 1 }));
  assert.equal(first.vote, 0, "nobody knows which process is the very first");
  group.elect(1);
  const voter = group.get(2);
  voter.restart();
  const ask = () =>
    voter.core.step(messageOf(MessageType.VOTE, 3, 2, { term: 9, index: 9, logTerm: 9 }));
  assert.equal(ask(), StepStatus.IGNORED);
  assert.equal(voter.core.campaign(), false, "its own vote is bound as well");
  tickOne(voter, 9);
  assert.equal(ask(), StepStatus.IGNORED);
  voter.core.tick(0);
  assert.equal(ask(), StepStatus.HANDLED);
});

test("election: a leader without a quorum stops to send heartbeats [raft pitfall 28]", () => {
  const group = new TestGroup(confOf([1, 2, 3, 4, 5]));
  const { core } = group.elect(1);
  // The bridge: 2 still hears the leader, everybody else does not.
  group.isLost = ({ from, to }) => (from === 1 || to === 1) && from !== 2 && to !== 2;
  group.tick(21);
  assert.equal(core.role, Role.FOLLOWER);
  group.tick(40);
  assert.notEqual(group.leader.id, 1);
  assert.ok(group.leader.core.term > 1, "those who hear each other have a leader again");
});

test("election: a candidate that the configuration does not name may still be right [raft pitfall 29]", () => {
  const group = new TestGroup(THREE, QUIET);
  const voter = group.get(2);
  voter.core.step(messageOf(MessageType.VOTE, 7, 2, { term: 1 }));
  assert.equal(answerOf(voter)?.isRejected, false);
});

test("election: in a joint configuration a majority of each half must agree [raft pitfall 30]", () => {
  const group = new TestGroup(confOf([1, 2, 3], { outgoing: [1, 4, 5] }), QUIET);
  const { core } = group.get(1);
  core.campaign();
  group.work(group.get(1));
  for (const from of [2, 3]) core.step(messageOf(MessageType.VOTE_RESPONSE, from, 1, { term: 1 }));
  assert.equal(core.role, Role.CANDIDATE);
  core.step(messageOf(MessageType.VOTE_RESPONSE, 5, 1, { term: 1 }));
  assert.equal(core.role, Role.LEADER);
});

test("election: lost votes send the candidate back to follow", () => {
  const group = new TestGroup(THREE, QUIET);
  const { core } = group.get(1);
  core.campaign();
  group.work(group.get(1));
  for (const from of [2, 3]) {
    core.step(messageOf(MessageType.VOTE_RESPONSE, from, 1, { term: 1, isRejected: true }));
  }
  assert.equal(core.role, Role.FOLLOWER);
});

test("election: a partitioned replica with pre-vote does not raise the term", () => {
  const group = new TestGroup(THREE);
  group.elect(1);
  group.isolate(3);
  group.tick(60);
  assert.equal(group.get(3).core.term, 1);
  group.heal();
  group.tick(5);
  assert.equal(group.leader.id, 1);
});

test("election: whoever is removed is told so when it asks for votes [raft pitfall 60]", () => {
  const group = new TestGroup(THREE);
  group.elect(1);
  group.isolate(3);
  group.leader.core.proposeConfChange(changeOf("r3"));
  group.settle();
  group.heal();
  group.get(3).core.campaign();
  group.settle();
  assert.equal(group.get(3).core.status().removedAt, 2);
  assert.equal(group.leader.core.term, 1);
});

test("step: what no correct peer sends, or sends to another, is counted and dropped [raft pitfall 61]", () => {
  const group = new TestGroup(THREE);
  const { core } = group.get(2);
  const gap = [entryOf(3, 1), entryOf(5, 1)];
  const bad = [
    messageOf(MessageType.APPEND, 1, 2, { term: 1, entries: gap, index: 2 }),
    messageOf(MessageType.APPEND, 1, 2, { term: 1, entries: [entryOf(1, 4)] }),
    messageOf(MessageType.HEARTBEAT, 0, 2, { term: 1 }),
    messageOf(MessageType.HEARTBEAT, 1, 3, { term: 1 }),
    messageOf(MessageType.SNAPSHOT, 1, 2, { term: 1 }),
    messageOf(MessageType.VOTE, 1, 2, { term: 1, entries: [entryOf(1, 1)] }),
  ];
  for (const message of bad) assert.equal(core.step(message), StepStatus.IMPLAUSIBLE);
  assert.equal(core.status().counters.implausibleMessages, bad.length);
  assert.equal(core.hasReady, false);
});

test("step: an answer of a stranger is refused", () => {
  const { core } = new TestGroup(THREE).get(2);
  const answer = messageOf(MessageType.APPEND_RESPONSE, 9, 2, { term: 1, index: 1 });
  assert.equal(core.step(answer), StepStatus.UNKNOWN_PEER);
});

test("forget leader: a follower votes at once, unless leases rest on its promise", () => {
  for (const leaseReads of [false, true]) {
    const group = new TestGroup(THREE, { leaseReads });
    group.elect(1);
    const { core } = group.get(2);
    core.forgetLeader();
    core.step(messageOf(MessageType.VOTE, 3, 2, { term: 2, index: 9, logTerm: 9 }));
    assert.equal(core.vote === 3, !leaseReads);
  }
});

test("proposals: a candidate takes none", () => {
  const { core } = new TestGroup(THREE).get(1);
  core.campaign();
  assert.notEqual(core.propose([bytesOf("x")]), 0);
});
