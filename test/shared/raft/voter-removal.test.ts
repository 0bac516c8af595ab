import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { VoterRemoval } from "../../../src/shared/raft/voter-removal.ts";
import { changeOf, confOf, TestGroup } from "../../helpers/raft-group.ts";

const PATIENCE = 10;
const FIVE = confOf([1, 2, 3, 4, 5]);

/** What it says after `ticks` more in which `missing` were away. */
function after(removal: VoterRemoval, ticks: number, missing: readonly number[], conf = FIVE) {
  let named = 0;
  for (let i = 0; i < ticks; i++) named = removal.tick(conf, (voter) => !missing.includes(voter));
  return named;
}

test("voter removal: who is missing for long is named until it is removed, or back [raft pitfall 82]", () => {
  const removal = new VoterRemoval(PATIENCE);
  assert.equal(after(removal, 9, [3]), 0);
  assert.equal(after(removal, 1, [3]), 3);
  assert.equal(after(removal, 1, [3]), 3);
  assert.equal(after(removal, 1, [3], confOf([1, 2, 4, 5])), 0, "removed");
  assert.equal(after(removal, 9, [3]), 0, "as a new voter it has its time again");
  assert.equal(after(removal, 1, []), 0, "back");
  assert.equal(after(removal, 9, [3]), 0);
});

test("voter removal: a rolling restart removes nobody [raft pitfall 82]", () => {
  const removal = new VoterRemoval(PATIENCE);
  for (const voter of [1, 2, 3, 4, 5]) assert.equal(after(removal, 9, [voter]), 0);
  // One that does not come back is nobody's business while the others have their turns.
  assert.equal(after(removal, 9, [2]), 0);
  assert.equal(after(removal, 5, [2, 3]), 0);
  assert.equal(after(removal, 5, [2, 4]), 0);
  assert.equal(after(removal, 1, [2]), 2);
});

test("voter removal: the one missing longest first, and none while a change is under way [raft pitfall 82]", () => {
  const removal = new VoterRemoval(PATIENCE);
  after(removal, 1, [4]);
  assert.equal(after(removal, 10, [2, 4]), 4);
  const joint = confOf([1, 2, 3, 5], { outgoing: [1, 2, 3, 4, 5] });
  assert.equal(after(removal, 20, [2], joint), 0);
  assert.equal(after(removal, 1, [2], confOf([1, 2, 3, 5])), 2);
});

test("voter removal: without a majority nobody is removed [raft pitfall 82]", () => {
  const lost = [
    { conf: confOf([1, 2]), missing: [2] },
    { conf: confOf([1, 2, 3]), missing: [2, 3] },
    { conf: confOf([1, 2, 3, 4]), missing: [3, 4] },
    { conf: FIVE, missing: [1, 2, 3] },
  ];
  for (const { conf, missing } of lost) {
    assert.equal(after(new VoterRemoval(PATIENCE), 50, missing, conf), 0);
  }
});

test("voter removal: another leader counts for itself [raft pitfall 82]", () => {
  const removal = new VoterRemoval(PATIENCE);
  after(removal, 9, [3]);
  removal.reset();
  assert.equal(after(removal, 9, [3]), 0);
  assert.equal(after(removal, 1, [3]), 3);
});

test("voter removal: whoever is named was away for all its patience, and most are there [raft pitfall 82]", () => {
  const voters = fc.uniqueArray(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 7 });
  const absences = fc.array(fc.subarray([1, 2, 3, 4, 5, 6, 7]), { maxLength: 12 });
  fc.assert(
    fc.property(voters, absences, fc.integer({ min: 1, max: 4 }), (ids, history, patience) => {
      const removal = new VoterRemoval(patience);
      const conf = confOf(ids);
      for (const [tick, missing] of history.entries()) {
        const named = removal.tick(conf, (voter) => !missing.includes(voter));
        if (named === 0) continue;
        const lately = history.slice(tick + 1 - patience, tick + 1);
        assert.equal(lately.length, patience);
        assert.ok(lately.every((absent) => absent.includes(named)));
        assert.ok(ids.filter((id) => !missing.includes(id)).length > ids.length / 2);
      }
    }),
  );
});

test("voter removal: proposed all the same without the old quorum, it never counts [raft pitfall 82]", () => {
  const group = new TestGroup(FIVE, { preVote: false, checkQuorum: false });
  const { core } = group.elect(1);
  group.isolate(3, 4, 5);
  const { committed } = core;
  core.proposeConfChange(changeOf("r5"));
  group.tick(40);
  assert.equal(core.committed, committed);
  assert.deepEqual(core.conf.voters, [1, 2, 3, 4, 5]);
  group.isolate(5);
  group.tick(40);
  assert.deepEqual(group.leader.core.conf.voters.length, 4, "three of five have committed it");
});
