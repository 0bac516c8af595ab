import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { UNLIMITED } from "../../../src/shared/raft/entry.ts";
import {
  lossesTolerated,
  majorityReached,
  majorityVote,
  quorumReached,
  quorumVote,
  VoteResult,
} from "../../../src/shared/raft/quorum.ts";
import { confOf } from "../../helpers/raft-group.ts";

const ids = fc.uniqueArray(fc.integer({ min: 1, max: 12 }), { maxLength: 9 });

test("quorum: an index is reached when more than half have it", () => {
  const property = fc.property(
    ids,
    fc.func(fc.integer({ min: 0, max: 9 })),
    (voters, reachedBy) => {
      const index = majorityReached(voters, { reachedBy });
      if (voters.length === 0) return index === UNLIMITED;
      const have = (wanted: number) => voters.filter((id) => reachedBy(id) >= wanted).length;
      return have(index) * 2 > voters.length && have(index + 1) * 2 <= voters.length;
    },
  );
  fc.assert(property);
});

test("quorum: a joint one reaches what both halves reach, in either order [raft pitfall 30]", () => {
  const property = fc.property(ids, ids, fc.func(fc.nat(9)), (voters, outgoing, reachedBy) => {
    const conf = confOf(voters, { outgoing });
    const mirrored = confOf(outgoing, { outgoing: voters });
    const index = quorumReached(conf, { reachedBy });
    assert.equal(index, quorumReached(mirrored, { reachedBy }));
    assert.ok(index <= majorityReached(voters, { reachedBy }));
  });
  fc.assert(property);
});

test("quorum: a vote is won, lost or pending, and more votes never undo a verdict", () => {
  const votes = fc.array(fc.tuple(fc.integer({ min: 1, max: 12 }), fc.boolean()));
  const property = fc.property(ids, votes, (voters, cast) => {
    const known = new Map<number, boolean>();
    let before: VoteResult = majorityVote(voters, known);
    for (const [id, isGranted] of cast) {
      if (!known.has(id)) known.set(id, isGranted);
      const result = majorityVote(voters, known);
      if (before !== VoteResult.PENDING) assert.equal(result, before);
      before = result;
    }
  });
  fc.assert(property);
});

test("quorum: groups of one or two can lose nobody, joint ones what the smaller half can [raft pitfall 56]", () => {
  const tolerated = [0, 0, 0, 1, 1, 2, 2, 3];
  for (const [count, losses] of tolerated.entries()) {
    const voters = Array.from({ length: count }, (_none, at) => at + 1);
    assert.equal(lossesTolerated(confOf(voters)), losses);
  }
  assert.equal(lossesTolerated(confOf([1, 2, 3, 4, 5], { outgoing: [1, 2] })), 0);
  assert.equal(lossesTolerated(confOf([1, 2, 3], { outgoing: [1, 2, 3, 4, 5] })), 1);
});

test("quorum: a joint vote is lost when either half is, won when both are [raft pitfall 30]", () => {
  const conf = confOf([1, 2, 3], { outgoing: [3, 4, 5] });
  const result = (votes: [number, boolean][]) => quorumVote(conf, new Map(votes));
  assert.equal(
    result([
      [1, true],
      [2, true],
    ]),
    VoteResult.PENDING,
  );
  assert.equal(
    result([
      [1, true],
      [2, true],
      [4, false],
      [5, false],
    ]),
    VoteResult.LOST,
  );
  assert.equal(
    result([
      [1, true],
      [3, true],
      [4, true],
    ]),
    VoteResult.WON,
  );
});
