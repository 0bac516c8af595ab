import assert from "node:assert/strict";
import test from "node:test";
import { NO_BYTES } from "../../../src/shared/bytes/copy-bytes.ts";
import { EMPTY_CONF } from "../../../src/shared/raft/conf-state.ts";
import { MessageType } from "../../../src/shared/raft/message.ts";
import { ProgressState } from "../../../src/shared/raft/progress.ts";
import { NOT_YET } from "../../../src/shared/raft/storage.ts";
import {
  bytesOf,
  confOf,
  entryOf,
  messageOf,
  TestGroup,
  type TestReplica,
} from "../../helpers/raft-group.ts";

const THREE = confOf([1, 2, 3]);
const QUIET = { preVote: false, checkQuorum: false } as const;

function snapshotOf(index: number, term: number, conf = THREE) {
  return { index, term, conf, data: NO_BYTES };
}

function offer(replica: TestReplica, index: number, term: number, conf = THREE): void {
  const snapshot = snapshotOf(index, term, conf);
  replica.core.step(messageOf(MessageType.SNAPSHOT, 1, replica.id, { term: 5, snapshot }));
}

function answerOf(replica: TestReplica) {
  const { append } = replica.takeReady();
  replica.persist();
  return append?.messagesAfterPersist.at(-1);
}

/** A group whose third replica slept while the others compacted their logs. */
function groupWithLaggard(): TestGroup {
  const group = new TestGroup(THREE, QUIET);
  group.elect(1);
  group.isolate(3);
  group.propose("a", "b", "c");
  for (const id of [1, 2]) group.get(id).compact();
  group.leader.core.reportUnreachable(3);
  group.heal();
  return group;
}

test("snapshot: one at or below the commit index is ignored and answered with it [raft pitfall 64]", () => {
  const group = new TestGroup(THREE, QUIET);
  group.elect(1);
  group.propose("a");
  const follower = group.get(2);
  offer(follower, 1, 1);
  assert.equal(answerOf(follower)?.index, 2);
  assert.equal(follower.core.lastIndex, 2);
});

test("snapshot: of an entry that is in the log it moves the commit index only [raft pitfall 64]", () => {
  const group = new TestGroup(THREE, QUIET);
  const follower = group.get(2);
  const entries = [entryOf(1, 1), entryOf(2, 1), entryOf(3, 1)];
  follower.core.step(messageOf(MessageType.APPEND, 1, 2, { term: 5, entries }));
  group.work(follower);
  offer(follower, 2, 1);
  const { append } = follower.takeReady();
  assert.equal(append?.snapshot, null);
  assert.deepEqual([follower.core.committed, follower.core.lastIndex], [2, 3]);
});

test("snapshot: one that does not name this replica is refused [raft pitfall 65]", () => {
  const group = new TestGroup(THREE, QUIET);
  const follower = group.get(2);
  offer(follower, 10, 4, confOf([1, 3]));
  assert.equal(answerOf(follower)?.index, 0);
  assert.equal(follower.core.lastIndex, 0);
  for (const conf of [
    confOf([1, 3], { learners: [2] }),
    confOf([1, 3], { outgoing: [1, 2, 3], learnersNext: [2] }),
  ]) {
    const other = new TestGroup(THREE, QUIET).get(2);
    offer(other, 10, 4, conf);
    assert.equal(other.core.lastIndex, 10);
  }
});

test("snapshot: brings the configuration of its index, joint and all [raft pitfall 66]", () => {
  const group = new TestGroup(THREE, QUIET);
  const joint = confOf([1, 2, 4], {
    outgoing: [1, 2, 3],
    learners: [5],
    learnersNext: [3],
    autoLeave: true,
  });
  const follower = group.join(4, EMPTY_CONF);
  offer(follower, 10, 4, joint);
  assert.deepEqual(follower.core.conf, joint);
});

test("snapshot: while one is pending nothing is applied and nobody campaigns [raft pitfall 67]", () => {
  const group = new TestGroup(THREE, QUIET);
  const follower = group.get(2);
  offer(follower, 10, 4);
  const entries = [entryOf(11, 5)];
  follower.core.step(
    messageOf(MessageType.APPEND, 1, 2, { term: 5, index: 10, logTerm: 4, entries, commit: 11 }),
  );
  const { append, apply } = follower.takeReady();
  assert.ok(append?.snapshot);
  assert.equal(append.mustSync, true);
  assert.equal(
    append.hardState?.commit,
    11,
    "state, log and hard state in one step [raft pitfall 12]",
  );
  assert.equal(apply, null);
  assert.equal(follower.core.campaign(), false);
  follower.persist();
  assert.deepEqual(
    follower.takeReady().apply?.entries.map(({ index }) => index),
    [11],
  );
});

test("snapshot: takes the place of entries that storage was still fetching", () => {
  const group = new TestGroup(THREE, QUIET);
  group.elect(1);
  group.propose("a");
  const follower = group.get(2);
  follower.appliedIndex = 1;
  follower.storage.isFetching = true;
  follower.restart();
  assert.equal(follower.takeReady().apply, null);
  offer(follower, 10, 4);
  const append = messageOf(MessageType.APPEND, 1, 2, {
    term: 5,
    index: 10,
    logTerm: 4,
    entries: [entryOf(11, 5, "b")],
    commit: 11,
  });
  follower.core.step(append);
  follower.storage.isFetching = false;
  group.work(follower);
  assert.deepEqual(follower.applied.at(-1), "b");
});

test("snapshot: its installation counts also if the term has changed [raft pitfall 6]", () => {
  const group = new TestGroup(THREE, QUIET);
  const follower = group.get(2);
  offer(follower, 10, 4);
  follower.takeReady();
  follower.core.step(messageOf(MessageType.HEARTBEAT, 3, 2, { term: 6 }));
  follower.persist();
  assert.equal(follower.core.status().applied, 10);
  assert.equal(follower.core.campaign(), true);
});

test("snapshot: a member that the log cannot reach gets one and goes on by the log", () => {
  const group = groupWithLaggard();
  group.tick(4);
  assert.equal(group.get(3).storage.firstIndex(), 5);
  group.propose("d");
  assert.deepEqual(group.get(3).applied, ["d"]);
  assert.equal(group.leader.core.matchOf(3), 5);
});

test("snapshot: any acknowledgement that reaches the log ends it [raft pitfall 68]", () => {
  const group = groupWithLaggard();
  const leader = group.leader;
  leader.core.step(messageOf(MessageType.HEARTBEAT_RESPONSE, 3, 1, { term: 1 }));
  const member = () => leader.core.status().members.find(({ id }) => id === 3)!;
  assert.equal(member().state, ProgressState.SNAPSHOT);
  leader.core.step(messageOf(MessageType.APPEND_RESPONSE, 3, 1, { term: 1, index: 2 }));
  assert.equal(member().state, ProgressState.SNAPSHOT, "the log begins behind index 4");
  leader.core.propose([bytesOf("d")]);
  leader.core.step(messageOf(MessageType.APPEND_RESPONSE, 3, 1, { term: 1, index: 4 }));
  assert.equal(member().state, ProgressState.REPLICATE);
});

test("snapshot: after a failure the leader waits for a heartbeat round [raft pitfall 68]", () => {
  const group = groupWithLaggard();
  const leader = group.leader;
  const beat = messageOf(MessageType.HEARTBEAT_RESPONSE, 3, 1, { term: 1 });
  leader.core.step(beat);
  leader.takeReady();
  leader.core.reportSnapshot(3, false);
  leader.core.propose([bytesOf("d")]);
  const to3 = () => leader.takeReady().messages.filter(({ to }) => to === 3);
  assert.deepEqual(to3(), []);
  leader.core.step(beat);
  assert.deepEqual(
    to3().map(({ type }) => type),
    [MessageType.SNAPSHOT],
  );
  leader.core.reportSnapshot(3, true);
  const member = leader.core.status().members.find(({ id }) => id === 3)!;
  assert.deepEqual([member.state, member.next], [ProgressState.PROBE, 5]);
});

test("snapshot: none for a member that was not heard of [raft pitfall 68]", () => {
  const group = groupWithLaggard();
  const leader = group.elect(2);
  group.isolate(3);
  leader.core.reportUnreachable(3);
  leader.core.propose([bytesOf("d")]);
  const sent = leader.takeReady().messages.filter(({ type }) => type === MessageType.SNAPSHOT);
  assert.deepEqual(
    sent.map(({ to }) => to),
    [],
  );
});

test("snapshot: one that is still being made is waited for", () => {
  const group = groupWithLaggard();
  const leader = group.leader;
  const make = leader.storage.newestSnapshot;
  leader.storage.newestSnapshot = () => NOT_YET;
  group.tick(4);
  assert.equal(leader.core.status().counters.snapshotsSent, 0);
  leader.storage.newestSnapshot = make;
  group.tick(4);
  assert.equal(leader.core.matchOf(3), 4);
});
