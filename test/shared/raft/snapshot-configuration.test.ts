import assert from "node:assert/strict";
import { test } from "node:test";
import { MessageType } from "../../../src/shared/raft/message.ts";
import { changeOf, confOf, entryOf, messageOf, TestGroup } from "../../helpers/raft-group.ts";

test("snapshot: its configuration outlives changes that were handed out before it [raft pitfall 66]", () => {
  const group = new TestGroup(confOf([1, 2, 3]));
  const leader = group.elect(1);
  leader.core.proposeConfChange(changeOf("r3"));
  const follower = group.get(2);
  group.send(leader.takeReady().messages);
  group.isLost = ({ to }) => to === 3;
  // The change is committed, and on its way to the follower's state machine.
  for (let round = 0; round < 3; round++) {
    group.work(leader);
    group.deliver();
    while (follower.core.hasReady) group.send(follower.takeReady().messages);
    group.send(follower.persist());
    group.deliver();
  }
  while (follower.core.hasReady) follower.takeReady();
  assert.equal(follower.applyWork[0]?.entries.length, 1);
  const joint = confOf([1, 2, 4], { outgoing: [1, 2], autoLeave: true });
  const snapshot = { index: 20, term: 1, conf: joint, data: new Uint8Array(0) };
  const message = messageOf(MessageType.SNAPSHOT, 1, 2, { term: leader.core.term, snapshot });
  follower.core.step(message);
  assert.deepEqual(follower.core.conf, joint);
  follower.apply();
  assert.deepEqual(follower.core.conf, joint);
});

test("snapshot: changes behind it take effect [raft pitfall 66]", () => {
  const group = new TestGroup(confOf([1, 2]));
  const { core } = group.get(2);
  const joint = confOf([1, 2, 3], { outgoing: [1, 2] });
  const snapshot = { index: 20, term: 1, conf: joint, data: new Uint8Array(0) };
  core.step(messageOf(MessageType.SNAPSHOT, 1, 2, { term: 1, snapshot }));
  const leave = { ...entryOf(21, 1), type: 1 } as const;
  core.applyConfChange(leave);
  assert.deepEqual(core.conf, confOf([1, 2, 3]));
});

test("snapshot: entries that it contradicts are gone, also those on their way to the disk [raft pitfall 12]", () => {
  const group = new TestGroup(confOf([1, 2, 3]));
  const old = group.elect(1);
  const { core } = old;
  // Ten entries of a leader that nobody hears any more, none of them on its disk.
  for (let count = 0; count < 10; count++) core.propose([new Uint8Array(1)]);
  old.takeReady();
  const end = core.lastIndex;
  const snapshot = { index: end - 5, term: 7, conf: confOf([1, 2, 3]), data: new Uint8Array(0) };
  core.step(messageOf(MessageType.SNAPSHOT, 2, 1, { term: 8, snapshot }));
  assert.equal(core.lastIndex, end - 5);
  while (core.hasReady || old.appendWork.length > 0) {
    if (core.hasReady) old.takeReady();
    const [answer] = old.persist();
    if (answer?.type === MessageType.APPEND_RESPONSE) assert.equal(answer.index, end - 5);
  }
  assert.equal(old.storage.lastIndex(), end - 5);
});
