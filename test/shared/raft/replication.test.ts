import assert from "node:assert/strict";
import test from "node:test";
import { EntryType, entryBytes, UNLIMITED } from "../../../src/shared/raft/entry.ts";
import { ProposalStatus } from "../../../src/shared/raft/leader-proposals.ts";
import { MessageType, type RaftMessage } from "../../../src/shared/raft/message.ts";
import { ProgressState } from "../../../src/shared/raft/progress.ts";
import { RaftLog } from "../../../src/shared/raft/raft-log.ts";
import { HaltReason } from "../../../src/shared/raft/raft-state.ts";
import { Role } from "../../../src/shared/raft/ready.ts";
import {
  bytesOf,
  changeOf,
  confOf,
  entryOf,
  messageOf,
  TestGroup,
  type TestReplica,
} from "../../helpers/raft-group.ts";
import { MemoryStorage } from "../../helpers/raft-memory-storage.ts";

const THREE = confOf([1, 2, 3]);
const QUIET = { preVote: false, checkQuorum: false } as const;

function memberOf(leader: TestReplica, id: number) {
  return leader.core.status().members.find((member) => member.id === id)!;
}

function appendsTo(messages: readonly RaftMessage[], id: number): RaftMessage[] {
  return messages.filter(({ type, to }) => type === MessageType.APPEND && to === id);
}

/** The one answer that a replica gives, once it is durable. */
function answerOf(replica: TestReplica): RaftMessage | undefined {
  const { append } = replica.takeReady();
  replica.persist();
  return append?.messagesAfterPersist.at(-1);
}

function acknowledge(leader: TestReplica, from: number, index: number): void {
  const { term } = leader.core;
  leader.core.step(messageOf(MessageType.APPEND_RESPONSE, from, leader.id, { term, index }));
}

function reject(leader: TestReplica, from: number, index: number, hint: number, logTerm = 0): void {
  const fields = { term: leader.core.term, index, hint, logTerm, isRejected: true };
  leader.core.step(messageOf(MessageType.APPEND_RESPONSE, from, leader.id, fields));
}

test("commit: entries of earlier terms follow one of the own term [raft pitfall 31]", () => {
  const group = new TestGroup(confOf([1, 2, 3, 4, 5]), QUIET);
  group.elect(1);
  group.isolate(3, 4, 5);
  group.propose("old");
  // Only 1 and 2 have it. 1 is elected again, and must not count copies of the old entry.
  group.get(1).core.step(messageOf(MessageType.HEARTBEAT, 5, 1, { term: 2 }));
  group.heal();
  group.get(1).core.campaign();
  const leader = group.get(1);
  group.work(leader);
  for (const from of [2, 3]) {
    leader.core.step(messageOf(MessageType.VOTE_RESPONSE, from, 1, { term: 3 }));
  }
  group.work(leader);
  for (const from of [2, 3]) acknowledge(leader, from, 2);
  assert.equal(leader.core.committed, 1, "on three of five disks, and of no use");
  for (const from of [2, 3]) acknowledge(leader, from, 3);
  assert.equal(leader.core.committed, 3);
});

test("proposals: a new leader's first entry passes any quota, and so does leaving [raft pitfall 32]", () => {
  const group = new TestGroup(THREE, { maxUncommittedBytes: 1, ...QUIET });
  const leader = group.elect(1);
  assert.deepEqual(leader.storage.all[0]?.data.length, 0);
  leader.core.propose([bytesOf("fills the quota")]);
  assert.equal(leader.core.propose([bytesOf("x")]), ProposalStatus.QUOTA_EXCEEDED);
  assert.equal(leader.core.propose([new Uint8Array(0)]), ProposalStatus.ACCEPTED);
  const joint = confOf([1, 2, 3], { outgoing: [1, 2, 4] });
  const { core } = new TestGroup(joint, { maxUncommittedBytes: 1, ...QUIET }).elect(1);
  core.propose([bytesOf("fills the quota")]);
  assert.equal(core.proposeConfChange(changeOf("v5")), ProposalStatus.QUOTA_EXCEEDED);
  assert.equal(core.proposeConfChange(changeOf("")), ProposalStatus.ACCEPTED);
});

test("append: what is there already is left alone, also behind the message [raft pitfall 33]", () => {
  const group = new TestGroup(THREE);
  const follower = group.get(2);
  const entries = [entryOf(1, 1, "a"), entryOf(2, 1, "b"), entryOf(3, 1, "c")];
  follower.core.step(messageOf(MessageType.APPEND, 1, 2, { term: 1, entries }));
  group.work(follower);
  const late = messageOf(MessageType.APPEND, 1, 2, { term: 1, entries: entries.slice(0, 1) });
  follower.core.step(late);
  const answer = answerOf(follower);
  assert.deepEqual([answer?.index, answer?.isRejected], [1, false]);
  assert.equal(follower.core.lastIndex, 3, "a late message shortens nothing");
  assert.equal(follower.storage.all.length, 3);
});

test("append: a leader that contradicts a committed entry stops this replica [raft pitfall 34]", () => {
  for (const { index, logTerm, isStopped } of [
    { index: 2, logTerm: 2, isStopped: true },
    { index: 1, logTerm: 2, isStopped: true },
    { index: 2, logTerm: 1, isStopped: false },
    { index: 3, logTerm: 2, isStopped: false },
  ]) {
    const group = new TestGroup(THREE);
    const follower = group.get(2);
    const entries = [entryOf(1, 1), entryOf(2, 1), entryOf(3, 1)];
    follower.core.step(messageOf(MessageType.APPEND, 1, 2, { term: 1, entries, commit: 2 }));
    group.work(follower);
    follower.core.step(messageOf(MessageType.APPEND, 3, 2, { term: 3, index, logTerm }));
    const reason = isStopped ? HaltReason.DIVERGED : HaltReason.NONE;
    assert.equal(follower.core.haltReason, reason, `anchor ${index}/${logTerm}`);
    assert.equal(follower.core.lastIndex, 3);
  }
});

test("log: committed entries are never replaced [raft pitfall 34]", () => {
  const log = new RaftLog(new MemoryStorage(), UNLIMITED, false);
  log.append([entryOf(1, 1), entryOf(2, 1)]);
  log.commitTo(1);
  assert.throws(() => log.append([entryOf(1, 2)]), /committed entries are never replaced/);
  log.append([entryOf(2, 2)]);
  assert.equal(log.lastTerm, 2);
});

test("append: commit goes no further than this message's entries [raft pitfall 35]", () => {
  const group = new TestGroup(THREE);
  const follower = group.get(2);
  const old = [entryOf(1, 1), entryOf(2, 1), entryOf(3, 1)];
  follower.core.step(messageOf(MessageType.APPEND, 1, 2, { term: 1, entries: old }));
  const anchor = { term: 2, index: 1, logTerm: 1, commit: 3 };
  follower.core.step(messageOf(MessageType.APPEND, 3, 2, anchor));
  assert.equal(follower.core.committed, 1, "entries 2 and 3 may be another leader's");
});

test("heartbeat: carries no commit index beyond what the member has [raft pitfall 36]", () => {
  const group = new TestGroup(THREE, QUIET);
  const leader = group.elect(1);
  group.isolate(3);
  group.propose("x", "y");
  for (let i = 0; i < 2; i++) leader.core.tick(0);
  const beats = leader.takeReady().messages.filter(({ type }) => type === MessageType.HEARTBEAT);
  assert.deepEqual(
    beats.map(({ to, commit }) => [to, commit]),
    [
      [2, 3],
      [3, 1],
    ],
  );
});

test("heartbeat: a commit index beyond the log means that the disk forgot [raft pitfall 13]", () => {
  const { core } = new TestGroup(THREE).get(2);
  core.step(messageOf(MessageType.HEARTBEAT, 1, 2, { term: 1, commit: 1 }));
  assert.equal(core.haltReason, HaltReason.LOG_LOST);
  assert.equal(core.campaign(), false);
  assert.equal(core.propose([bytesOf("x")]), ProposalStatus.HALTED);
});

test("append: anchored below the commit index is answered with it [raft pitfall 37]", () => {
  const group = new TestGroup(THREE);
  group.elect(1);
  group.propose("x");
  const follower = group.get(2);
  follower.core.step(messageOf(MessageType.APPEND, 1, 2, { term: 1, index: 1, logTerm: 1 }));
  const answer = answerOf(follower);
  assert.deepEqual([answer?.index, answer?.isRejected], [2, false]);
});

test("append: a refusal names the highest index that can match [raft pitfall 38]", () => {
  const group = new TestGroup(THREE);
  const follower = group.get(2);
  const terms = [1, 3, 3, 4, 4, 5, 5, 5, 6];
  const entries = terms.map((term, at) => entryOf(at + 1, term));
  follower.core.step(messageOf(MessageType.APPEND, 1, 2, { term: 6, entries }));
  group.work(follower);
  follower.core.step(messageOf(MessageType.APPEND, 3, 2, { term: 7, index: 8, logTerm: 3 }));
  const answer = answerOf(follower);
  assert.deepEqual([answer?.isRejected, answer?.hint, answer?.logTerm], [true, 3, 3]);
});

test("append: a leader skips all its terms above the refusal's [raft pitfall 38]", () => {
  const group = new TestGroup(THREE, QUIET);
  const leader = group.get(1);
  const terms = [1, 3, 3, 3, 5, 5, 5, 5, 5];
  const entries = terms.map((term, at) => entryOf(at + 1, term));
  leader.core.step(messageOf(MessageType.APPEND, 2, 1, { term: 5, entries }));
  group.work(leader);
  leader.core.campaign();
  group.work(leader);
  leader.core.step(messageOf(MessageType.VOTE_RESPONSE, 3, 1, { term: 6 }));
  leader.takeReady();
  reject(leader, 2, 9, 6, 2);
  const [probe] = appendsTo(leader.takeReady().messages, 2);
  assert.equal(probe?.index, 1, "2 to 6 are of terms 3 and 5 here, of term 2 at most there");
});

test("append: old refusals change nothing [raft pitfall 39]", () => {
  const group = new TestGroup(THREE, QUIET);
  const leader = group.elect(1);
  group.propose("x", "y");
  reject(leader, 2, 2, 0);
  assert.equal(memberOf(leader, 2).state, ProgressState.REPLICATE, "2 was acknowledged since");
  leader.core.reportUnreachable(2);
  reject(leader, 2, 1, 0);
  assert.equal(memberOf(leader, 2).next, 4, "not the anchor of the last probe");
});

test("append: match never goes down [raft pitfall 40]", () => {
  const group = new TestGroup(THREE, QUIET);
  const leader = group.elect(1);
  group.propose("x", "y");
  acknowledge(leader, 2, 1);
  assert.equal(leader.core.matchOf(2), 3);
});

test("append: an acknowledgement beyond the log is counted, not believed [raft pitfall 40]", () => {
  const group = new TestGroup(THREE, QUIET);
  const leader = group.elect(1);
  acknowledge(leader, 2, 100);
  assert.equal(leader.core.matchOf(2), 1);
  assert.equal(leader.core.status().counters.acksBeyondLog, 1);
});

test("append: a probe is repeated once per heartbeat round [raft pitfall 41]", () => {
  const group = new TestGroup(THREE, QUIET);
  const leader = group.elect(1);
  leader.core.reportUnreachable(2);
  const probesAfter = (act: () => void) => {
    act();
    return appendsTo(leader.takeReady().messages, 2).length;
  };
  assert.equal(
    probesAfter(() => leader.core.propose([bytesOf("a")])),
    1,
  );
  assert.equal(
    probesAfter(() => leader.core.propose([bytesOf("b")])),
    0,
  );
  const beat = messageOf(MessageType.HEARTBEAT_RESPONSE, 2, 1, { term: 1 });
  assert.equal(
    probesAfter(() => leader.core.step(beat)),
    1,
  );
});

test("append: a full window still sends one empty append per heartbeat round [raft pitfall 42]", () => {
  const group = new TestGroup(THREE, { ...QUIET, maxInflightMessages: 2 });
  const leader = group.elect(1);
  for (const text of ["a", "b", "c"]) leader.core.propose([bytesOf(text)]);
  const sent = appendsTo(leader.takeReady().messages, 2);
  assert.equal(sent.length, 2);
  assert.ok(memberOf(leader, 2).isWindowFull);
  leader.core.step(messageOf(MessageType.HEARTBEAT_RESPONSE, 2, 1, { term: 1 }));
  const [empty] = appendsTo(leader.takeReady().messages, 2);
  assert.deepEqual([empty?.entries.length, empty?.index], [0, 3]);
  // It is refused, because the window was lost; that gets things going again.
  reject(leader, 2, 3, 1);
  const [again] = appendsTo(leader.takeReady().messages, 2);
  assert.deepEqual([again?.index, again?.entries.length], [1, 3]);
});

test("append: the window is limited by bytes as well", () => {
  const bytes = entryBytes(entryOf(1, 1, "0123456789"));
  const limits = { maxMessageBytes: bytes, maxInflightBytes: bytes, maxInflightMessages: 100 };
  const group = new TestGroup(THREE, { ...QUIET, ...limits });
  const leader = group.elect(1);
  for (let i = 0; i < 9; i++) leader.core.propose([bytesOf("0123456789")]);
  assert.equal(appendsTo(leader.takeReady().messages, 2).length, 4, "31 bytes, 10 a message");
});

test("append: an unreachable member is probed [raft pitfall 43]", () => {
  const group = new TestGroup(THREE, QUIET);
  const leader = group.elect(1);
  leader.core.propose([bytesOf("lost")]);
  leader.takeReady();
  leader.core.reportUnreachable(2);
  const { state, next, match } = memberOf(leader, 2);
  assert.deepEqual([state, next, match], [ProgressState.PROBE, 2, 1]);
});

test("append: a message holds one entry at least, whatever its size [raft pitfall 45]", () => {
  const group = new TestGroup(THREE, { maxMessageBytes: 1, ...QUIET });
  const leader = group.elect(1);
  group.propose("much larger than the limit", "and so is this");
  assert.equal(leader.core.matchOf(2), 3);
  assert.deepEqual(group.get(2).applied, ["much larger than the limit", "and so is this"]);
});

test("proposals: uncommitted bytes are limited, the first is always admitted [raft pitfall 46]", () => {
  const group = new TestGroup(THREE, { maxUncommittedBytes: 10, ...QUIET });
  const leader = group.elect(1);
  const propose = (text: string) => leader.core.propose([bytesOf(text)]);
  assert.equal(propose("larger than the whole quota"), ProposalStatus.ACCEPTED);
  assert.equal(propose("x"), ProposalStatus.QUOTA_EXCEEDED);
  group.settle();
  assert.equal(propose("123456"), ProposalStatus.ACCEPTED, "applied entries count no longer");
  assert.equal(propose("7890"), ProposalStatus.ACCEPTED);
  assert.equal(propose("!"), ProposalStatus.QUOTA_EXCEEDED);
  leader.core.step(messageOf(MessageType.HEARTBEAT, 2, 1, { term: 2 }));
  assert.equal(leader.core.status().uncommittedBytes, 0, "a new term begins anew");
});

test("apply: bytes handed out and not applied are limited [raft pitfall 47]", () => {
  const one = entryBytes(entryOf(1, 1, "a"));
  const group = new TestGroup(confOf([1]), { maxApplyingBytes: 2 * one });
  const sole = group.elect(1);
  for (const text of "abcde") sole.core.propose([bytesOf(text)]);
  sole.takeReady();
  sole.persist();
  const { apply } = sole.takeReady();
  assert.equal(apply?.entries.length, 2);
  assert.equal(sole.core.hasReady && sole.takeReady().apply !== null, false);
  sole.apply();
  assert.equal(sole.takeReady().apply?.entries.length, 2);
  group.settle();
  assert.deepEqual(sole.applied.join(""), "abcde");
});

test("proposals: each refusal has a status of its own [raft pitfall 48]", () => {
  const group = new TestGroup(THREE, { maxEntryBytes: 4, stepsDownOnRemoval: false, ...QUIET });
  const leader = group.elect(1);
  const propose = (id: number, text: string) => group.get(id).core.propose([bytesOf(text)]);
  assert.equal(propose(2, "x"), ProposalStatus.NOT_LEADER);
  assert.equal(propose(1, "12345"), ProposalStatus.TOO_LARGE);
  assert.equal(propose(1, "x"), ProposalStatus.ACCEPTED);
  leader.core.transferLeadership(2);
  assert.equal(propose(1, "x"), ProposalStatus.TRANSFERRING);
  assert.ok(leader.core.status().counters.proposalsRefused >= 2);
});

test("proposals: a batch is appended whole and in order", () => {
  const group = new TestGroup(THREE);
  group.elect(1);
  group.propose("a", "b", "c");
  for (const replica of group.replicas) assert.deepEqual(replica.applied, ["a", "b", "c"]);
});

test("proposals: followers do not forward unless told to [raft pitfall 49]", () => {
  for (const forwardsProposals of [false, true]) {
    const group = new TestGroup(THREE, { forwardsProposals });
    group.elect(1);
    const status = group.get(2).core.propose([bytesOf("x")]);
    group.settle();
    assert.equal(status, forwardsProposals ? ProposalStatus.FORWARDED : ProposalStatus.NOT_LEADER);
    assert.deepEqual(group.get(3).applied, forwardsProposals ? ["x"] : []);
  }
});

test("proposals: a configuration change of a follower is forwarded as one", () => {
  const group = new TestGroup(THREE, { forwardsProposals: true });
  group.elect(1);
  group.join(4);
  group.get(2).core.proposeConfChange(changeOf("l4"));
  group.settle();
  assert.deepEqual(group.leader.core.conf.learners, [4]);
});

test("storage: entries that are not there yet are sent when they are", () => {
  const group = new TestGroup(THREE, QUIET);
  const leader = group.elect(1);
  group.isolate(3);
  group.propose("a", "b");
  leader.core.reportUnreachable(3);
  group.heal();
  leader.storage.isFetching = true;
  leader.core.step(messageOf(MessageType.HEARTBEAT_RESPONSE, 3, 1, { term: 1 }));
  assert.deepEqual(appendsTo(leader.takeReady().messages, 3), []);
  leader.storage.isFetching = false;
  leader.core.storageReady();
  group.settle();
  assert.deepEqual(group.get(3).applied, ["a", "b"]);
});

test("storage: entries to apply are waited for without a busy loop", () => {
  const group = new TestGroup(THREE);
  group.elect(1);
  group.propose("a");
  const follower = group.get(2);
  follower.appliedIndex = 1;
  follower.applied.length = 0;
  follower.storage.isFetching = true;
  follower.restart();
  assert.equal(follower.takeReady().apply, null);
  assert.equal(follower.core.hasReady, false);
  follower.storage.isFetching = false;
  follower.core.storageReady();
  group.settle();
  assert.deepEqual(follower.applied, ["a"]);
});

test("append: disorder and repetition end in the same log [raft pitfall 44]", () => {
  const group = new TestGroup(THREE);
  const leader = group.elect(1);
  for (const text of ["a", "b", "c", "d"]) leader.core.propose([bytesOf(text)]);
  const { messages } = leader.takeReady();
  group.send([...messages].reverse());
  group.send(messages);
  group.settle();
  group.tick(6);
  for (const replica of group.replicas) assert.deepEqual(replica.applied, ["a", "b", "c", "d"]);
});

test("append: a leader that sees a higher term follows, its unwritten entries may be lost", () => {
  const group = new TestGroup(THREE);
  const leader = group.elect(1);
  leader.core.step(messageOf(MessageType.APPEND, 2, 1, { term: 2, index: 1, logTerm: 1 }));
  assert.deepEqual([leader.core.role, leader.core.leader], [Role.FOLLOWER, 2]);
  assert.equal(leader.storage.all[0]?.type, EntryType.NORMAL);
});
