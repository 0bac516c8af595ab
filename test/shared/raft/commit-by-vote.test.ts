import assert from "node:assert/strict";
import { test } from "node:test";
import { changeOf, confOf, TestGroup } from "../../helpers/raft-group.ts";

/** The leader has applied its own removal, and nobody else knows that it is committed. */
function groupWithoutNews(options: object): TestGroup {
  const group = new TestGroup(confOf([1, 2]), options);
  const leader = group.elect(1);
  group.propose("a");
  const before = group.get(2).core.committed;
  leader.core.proposeConfChange(changeOf("r1"));
  leader.core.propose([new Uint8Array(1)]);
  group.work(leader);
  // The change reaches the other one, the entry behind it does not.
  group.isLost = ({ entries }) => entries.some(({ index }) => index > before + 1);
  group.deliver();
  group.work(group.get(2));
  group.deliver();
  group.isLost = ({ from, to }) => from !== to;
  group.settle();
  assert.deepEqual(leader.core.conf, confOf([2]));
  assert.deepEqual(group.get(2).core.conf, confOf([1, 2]));
  assert.equal(group.get(2).core.committed, before);
  group.heal();
  return group;
}

for (const preVote of [true, false]) {
  const kind = preVote ? "pre-vote" : "vote";
  test(`election: a refused ${kind} brings news of the commit that removed the refuser [raft pitfall 59]`, () => {
    const group = groupWithoutNews({ preVote, checkQuorum: false });
    group.tick(60);
    assert.ok(group.get(2).isLeader);
    assert.deepEqual(group.get(2).core.conf, confOf([2]));
    group.propose("b");
    assert.deepEqual(group.get(2).applied, ["a", "b"]);
  });
}
