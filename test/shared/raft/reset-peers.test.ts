import assert from "node:assert/strict";
import test from "node:test";
import { EMPTY_CONF } from "../../../src/shared/raft/conf-state.ts";
import { MessageType } from "../../../src/shared/raft/message.ts";
import { HaltReason } from "../../../src/shared/raft/raft-state.ts";
import { StepStatus } from "../../../src/shared/raft/step.ts";
import { bytesOf, changeOf, confOf, messageOf, TestGroup } from "../../helpers/raft-group.ts";

const THREE = confOf([1, 2, 3]);

/** 2 and 3 are lost; 1 has a command and an unfinished change of the members that they may have. */
function groupThatLostItsMajority(): TestGroup {
  const group = new TestGroup(THREE);
  group.elect(1);
  group.propose("a");
  group.isolate(2, 3);
  group.leader.core.propose([bytesOf("b")]);
  group.leader.core.proposeConfChange(changeOf("v4 v5"));
  group.settle();
  group.tick(25);
  return group;
}

test("reset: the survivor goes on alone, in a new term and epoch, with all it has [raft pitfall 81]", () => {
  const group = groupThatLostItsMajority();
  const survivor = group.get(1);
  assert.equal(survivor.isLeader, false);
  survivor.core.resetPeers({ epoch: 1, term: 9 });
  assert.equal(survivor.isLeader, false, "not before its vote is durable");
  group.settle();
  assert.equal(survivor.isLeader, true);
  assert.deepEqual([survivor.core.term, survivor.core.epoch], [9, 1]);
  assert.deepEqual(survivor.applied, ["a", "b"]);
  assert.deepEqual(survivor.core.conf, confOf([1]), "the unfinished change came to nothing");
  const reset = survivor.storage.all.at(-1);
  assert.equal(reset?.term, 9, "written in the new term");
  group.propose("c");
  assert.deepEqual(survivor.applied, ["a", "b", "c"]);
});

test("reset: a restart at any point goes on where it was [raft pitfall 81]", () => {
  for (const persisted of [0, 1, 2]) {
    const group = groupThatLostItsMajority();
    const survivor = group.get(1);
    survivor.core.resetPeers({ epoch: 1, term: 9 });
    for (let i = 0; i < persisted; i++) {
      survivor.takeReady();
      survivor.persist();
    }
    survivor.restart();
    if (persisted === 0) {
      assert.equal(survivor.core.epoch, 0, "nothing of it was written");
      survivor.core.resetPeers({ epoch: 1, term: 9 });
    }
    group.tick(25);
    assert.equal(survivor.isLeader, true, `after ${persisted} writes`);
    assert.deepEqual(survivor.core.conf, confOf([1]));
    assert.deepEqual(survivor.applied, ["a", "b"]);
    survivor.restart();
    assert.deepEqual(survivor.core.conf, confOf([1]));
  }
});

test("reset: old members are fenced when they meet the epoch, in either direction [raft pitfall 81]", () => {
  const group = groupThatLostItsMajority();
  const survivor = group.get(1);
  survivor.core.resetPeers({ epoch: 1, term: 9 });
  group.settle();
  group.heal();
  // 2 asks for votes in the old epoch, and learns that it is over.
  group.get(2).core.campaign();
  group.settle();
  assert.equal(group.get(2).core.haltReason, HaltReason.FENCED);
  assert.equal(survivor.isLeader, true);
  const { core } = group.get(3);
  const beat = messageOf(MessageType.HEARTBEAT, 1, 3, { term: 9, epoch: 1 });
  assert.equal(core.step(beat), StepStatus.FENCED);
  assert.equal(core.haltReason, HaltReason.FENCED);
  assert.equal(core.step(beat), StepStatus.HALTED);
});

test("reset: news of an epoch leaves when the epoch is durable [raft pitfall 81]", () => {
  const group = groupThatLostItsMajority();
  const survivor = group.get(1);
  survivor.core.resetPeers({ epoch: 1, term: 9 });
  survivor.core.step(messageOf(MessageType.VOTE, 2, 1, { term: 8 }));
  const { messages, append } = survivor.takeReady();
  assert.deepEqual(messages, []);
  assert.equal(append?.hardState?.epoch, 1);
  const fences = append?.messagesAfterPersist.filter(({ to }) => to === 2);
  assert.deepEqual(
    fences?.map(({ type, epoch }) => [type, epoch]),
    [[MessageType.EPOCH_FENCE, 1]],
  );
});

test("reset: a new replica joins the epoch and gets everything [raft pitfall 81]", () => {
  const group = groupThatLostItsMajority();
  const survivor = group.get(1);
  survivor.core.resetPeers({ epoch: 1, term: 9 });
  group.settle();
  survivor.compact();
  const newcomer = group.join(6, EMPTY_CONF);
  survivor.core.proposeConfChange(changeOf("v6"));
  group.settle();
  group.tick(6);
  assert.equal(newcomer.core.epoch, 1);
  assert.deepEqual(newcomer.core.conf, confOf([1, 6]));
  group.propose("d");
  assert.deepEqual(newcomer.applied, ["d"]);
  newcomer.restart();
  assert.equal(newcomer.core.epoch, 1, "the epoch is on its disk");
});

test("reset: a plan that is not above what is known is refused [raft pitfall 81]", () => {
  const { core } = groupThatLostItsMajority().get(1);
  assert.throws(() => core.resetPeers({ epoch: 0, term: 9 }), /epoch/);
  assert.throws(() => core.resetPeers({ epoch: 1, term: core.term }), /term/);
});
