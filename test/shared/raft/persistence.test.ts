import assert from "node:assert/strict";
import test from "node:test";
import { MessageType, type RaftMessage } from "../../../src/shared/raft/message.ts";
import { Role } from "../../../src/shared/raft/ready.ts";
import { bytesOf, confOf, entryOf, messageOf, TestGroup } from "../../helpers/raft-group.ts";

const THREE = confOf([1, 2, 3]);

function typesOf(messages: readonly RaftMessage[]): number[] {
  return messages.map(({ type }) => type);
}

test("persistence: a candidate's own vote counts when it is on disk, not before [raft pitfall 1]", () => {
  const group = new TestGroup(confOf([1]), { preVote: false });
  const sole = group.get(1);
  sole.core.campaign();
  const { append } = sole.takeReady();
  assert.equal(sole.core.role, Role.CANDIDATE);
  assert.deepEqual([append?.hardState?.term, append?.hardState?.vote], [1, 1]);
  sole.persist();
  assert.equal(sole.core.role, Role.LEADER);
});

test("persistence: nobody leads before its own vote is durable, whatever others say [raft pitfall 1]", () => {
  const group = new TestGroup(THREE, { preVote: false });
  const candidate = group.get(1);
  candidate.core.campaign();
  candidate.takeReady();
  for (const from of [2, 3]) {
    candidate.core.step(messageOf(MessageType.VOTE_RESPONSE, from, 1, { term: 1 }));
  }
  assert.equal(
    candidate.core.role,
    Role.CANDIDATE,
    "a majority, but the own vote may be forgotten",
  );
  candidate.persist();
  assert.equal(candidate.core.role, Role.LEADER);
});

test("persistence: votes are asked for when the own one is on disk [raft pitfall 1]", () => {
  const group = new TestGroup(THREE, { preVote: false });
  const candidate = group.get(1);
  candidate.core.campaign();
  const { messages } = candidate.takeReady();
  assert.deepEqual(messages, []);
  const requests = candidate.persist().map(({ type, to, term }) => [type, to, term]);
  assert.deepEqual(requests, [
    [MessageType.VOTE, 2, 1],
    [MessageType.VOTE, 3, 1],
  ]);
});

test("persistence: votes for a log that was lost elect nobody [raft pitfall 1]", () => {
  const group = new TestGroup(THREE, { preVote: false });
  const leader = group.elect(2);
  leader.core.propose([new Uint8Array([1])]);
  group.settle();
  const loser = group.get(1);
  const { lastIndex, term } = loser.core;
  const entries = [entryOf(lastIndex + 1, term)];
  loser.core.step(
    messageOf(MessageType.APPEND, 2, 1, { term, index: lastIndex, logTerm: term, entries }),
  );
  loser.takeReady();
  loser.core.campaign();
  assert.deepEqual(loser.takeReady().messages, [], "nobody is told of what the disk may forget");
  loser.restart();
  assert.deepEqual([loser.core.lastIndex, loser.core.term], [lastIndex, term]);
});

test("persistence: a granted vote leaves after it is written, also a refusal [raft pitfall 2]", () => {
  const group = new TestGroup(THREE, { preVote: false });
  const voter = group.get(2);
  voter.core.step(messageOf(MessageType.VOTE, 1, 2, { term: 1 }));
  voter.core.step(messageOf(MessageType.VOTE, 3, 2, { term: 1 }));
  const { messages, append } = voter.takeReady();
  assert.deepEqual(messages, []);
  assert.equal(append?.hardState?.vote, 1);
  assert.equal(append?.mustSync, true);
  const answers = append?.messagesAfterPersist.map(({ to, isRejected }) => [to, isRejected]);
  assert.deepEqual(answers, [
    [1, false],
    [3, true],
  ]);
});

test("persistence: entries never become durable before their term [raft pitfall 3]", () => {
  const group = new TestGroup(THREE);
  const follower = group.get(2);
  const entries = [entryOf(1, 5)];
  follower.core.step(messageOf(MessageType.APPEND, 1, 2, { term: 5, entries }));
  const { append } = follower.takeReady();
  assert.equal(append?.hardState?.term, 5, "in one write with the entry");
  assert.equal(append?.entries.length, 1);
});

test("persistence: an empty append is acknowledged behind the entries before it [raft pitfall 4]", () => {
  const group = new TestGroup(THREE);
  const follower = group.get(2);
  const append = messageOf(MessageType.APPEND, 1, 2, { term: 1, entries: [entryOf(1, 1)] });
  follower.core.step(append);
  follower.takeReady();
  const empty = messageOf(MessageType.APPEND, 1, 2, { term: 1, index: 1, logTerm: 1 });
  follower.core.step(empty);
  follower.core.step(append);
  const second = follower.takeReady();
  assert.deepEqual(second.messages, [], "nothing may overtake the write");
  const answers = second.append?.messagesAfterPersist ?? [];
  assert.deepEqual(typesOf(answers), [MessageType.APPEND_RESPONSE, MessageType.APPEND_RESPONSE]);
  assert.deepEqual(
    answers.map(({ index }) => index),
    [1, 1],
  );
});

test("persistence: an acknowledgement keeps the term in which the entry came [raft pitfall 5]", () => {
  const group = new TestGroup(THREE);
  const follower = group.get(2);
  follower.core.step(messageOf(MessageType.APPEND, 1, 2, { term: 1, entries: [entryOf(1, 1)] }));
  follower.takeReady();
  follower.core.step(messageOf(MessageType.HEARTBEAT, 3, 2, { term: 2 }));
  const [answer] = follower.persist();
  assert.deepEqual([answer?.to, answer?.term, answer?.index], [1, 1, 1]);
});

test("persistence: a late report of an earlier term says nothing about entries [raft pitfall 6]", () => {
  const group = new TestGroup(THREE);
  const { core, appendWork } = group.get(2);
  const append = (from: number, term: number, entryTerm: number, index: number, logTerm: number) =>
    core.step(
      messageOf(MessageType.APPEND, from, 2, {
        term,
        index,
        logTerm,
        entries: [entryOf(index + 1, entryTerm)],
      }),
    );
  append(1, 1, 1, 0, 0);
  group.get(2).takeReady();
  append(3, 2, 2, 0, 0);
  group.get(2).takeReady();
  // The first leader is back in term 3 and brings its old entry again: same index, same term.
  append(1, 3, 1, 0, 0);
  group.get(2).takeReady();
  assert.equal(appendWork.length, 3);
  const [first] = appendWork;
  core.appendDone(first!);
  assert.equal(core.status().stableIndex, 0, "the second write will still replace it");
  group.work(group.get(2));
  assert.equal(core.status().stableIndex, 1);
});

test("persistence: the log's end is reported again after a change of term [raft pitfall 6]", () => {
  const group = new TestGroup(THREE);
  const follower = group.get(2);
  follower.core.step(messageOf(MessageType.APPEND, 1, 2, { term: 1, entries: [entryOf(1, 1)] }));
  follower.takeReady();
  follower.core.step(messageOf(MessageType.HEARTBEAT, 3, 2, { term: 2 }));
  const { append } = follower.takeReady();
  assert.deepEqual(append?.entries, []);
  assert.deepEqual(append?.ack, { term: 2, index: 1, logTerm: 1, snapshot: null });
  follower.persist();
  assert.equal(follower.core.status().stableIndex, 0);
  follower.persist();
  assert.equal(follower.core.status().stableIndex, 1);
});

test("persistence: a leader replicates while it writes; its own copy counts later [raft pitfall 7]", () => {
  const group = new TestGroup(THREE);
  const leader = group.elect(1);
  leader.core.propose([bytesOf("x")]);
  const { messages } = leader.takeReady();
  assert.deepEqual(typesOf(messages), [MessageType.APPEND, MessageType.APPEND]);
  assert.equal(leader.core.matchOf(1), 1, "not on its own disk yet");
  group.send(messages);
  group.deliver();
  for (const id of [2, 3]) group.work(group.get(id));
  group.deliver();
  assert.equal(leader.core.committed, 2, "two others are a majority");
  leader.takeReady();
  assert.deepEqual(leader.applyWork, [], "and yet it may not apply it [raft pitfall 8]");
  group.settle();
  assert.equal(leader.core.matchOf(1), 2);
  assert.deepEqual(leader.applied, ["x"]);
});

test("persistence: a sole voter applies nothing that is not on its disk [raft pitfall 8]", () => {
  const group = new TestGroup(confOf([1]));
  const sole = group.elect(1);
  sole.core.propose([bytesOf("x")]);
  assert.equal(sole.takeReady().apply, null);
  assert.equal(sole.core.committed, 1);
  sole.persist();
  const { apply } = sole.takeReady();
  assert.deepEqual(
    apply?.entries.map(({ index }) => index),
    [2],
  );
});

test("persistence: the commit index alone needs no flush [raft pitfall 9]", () => {
  const group = new TestGroup(THREE);
  const leader = group.elect(1);
  leader.core.propose([bytesOf("x")]);
  group.work(leader);
  group.deliver();
  for (const id of [2, 3]) group.work(group.get(id));
  group.deliver();
  const { append } = leader.takeReady();
  assert.equal(append?.hardState?.commit, 2);
  assert.equal(append?.mustSync, false);
});

test("persistence: a restart takes the higher of commit and applied [raft pitfall 9]", () => {
  const group = new TestGroup(THREE);
  group.elect(1);
  group.propose("x");
  const follower = group.get(2);
  follower.storage.hardState = { ...follower.storage.hardState, commit: 1 };
  follower.restart();
  assert.equal(follower.core.committed, 2, "it had applied index 2");
});

test("persistence: a log that lost committed entries does not start [raft pitfall 9]", () => {
  const group = new TestGroup(THREE);
  const follower = group.get(2);
  follower.storage.hardState = { ...follower.storage.hardState, term: 1, commit: 7 };
  assert.throws(() => follower.restart(), /committed entries are missing/);
});

test("persistence: a conflict's write begins at the conflict and replaces the tail [raft pitfall 10]", () => {
  const group = new TestGroup(THREE);
  const follower = group.get(2);
  const old = [entryOf(1, 1), entryOf(2, 1), entryOf(3, 1)];
  follower.core.step(messageOf(MessageType.APPEND, 1, 2, { term: 1, entries: old }));
  group.work(follower);
  const entries = [entryOf(2, 2)];
  follower.core.step(
    messageOf(MessageType.APPEND, 3, 2, { term: 2, index: 1, logTerm: 1, entries }),
  );
  const { append } = follower.takeReady();
  assert.deepEqual(append?.entries, entries);
  assert.equal(append?.hardState?.term, 2, "in one write with the new term");
  group.work(follower);
  assert.deepEqual(
    follower.storage.all.map(({ term }) => term),
    [1, 2],
  );
});

test("persistence: a halted replica says and writes nothing more", () => {
  const group = new TestGroup(THREE);
  const follower = group.get(2);
  follower.core.step(messageOf(MessageType.APPEND, 1, 2, { term: 1, entries: [entryOf(1, 1)] }));
  follower.core.step(messageOf(MessageType.HEARTBEAT, 1, 2, { term: 1, commit: 9 }));
  assert.equal(follower.core.hasReady, false);
  assert.deepEqual(follower.core.ready().append, null);
});
