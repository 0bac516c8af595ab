import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  compareVersions,
  INCARNATION_MAX,
  isLive,
  MemberStatus,
  START_EPOCH_MAX,
  subjectOf,
  supersedes,
  versionAbove,
} from "../../../src/shared/swim/member.ts";
import { claims, versions } from "./swim-arbitraries.ts";

const statements = fc
  .tuple(fc.nat(2), fc.nat(2), fc.constantFrom(0 as const, 1 as const, 2 as const, 3 as const))
  .map(([startEpoch, incarnation, status]) => ({ startEpoch, incarnation, status }));

test("member: statements heard in any order leave the same belief", () => {
  const believe = (heard: { startEpoch: number; incarnation: number; status: 0 | 1 | 2 | 3 }[]) =>
    heard.reduce((known, next) =>
      supersedes(next, next.status, known, known.status) ? next : known,
    );
  fc.assert(
    fc.property(
      fc
        .array(statements, { minLength: 1, maxLength: 8 })
        .chain((heard) =>
          fc.tuple(fc.constant(heard), fc.shuffledSubarray(heard, { minLength: heard.length })),
        ),
      ([heard, shuffled]) => assert.deepEqual(believe(heard), believe(shuffled)),
    ),
  );
});

test("member: at one version the graver status wins, a higher version always [SWIM §4.2]", () => {
  const version = { startEpoch: 5, incarnation: 3 };
  const { ALIVE, SUSPECT, DEAD, LEFT } = MemberStatus;
  assert.ok(supersedes(version, SUSPECT, version, ALIVE));
  assert.ok(supersedes(version, DEAD, version, SUSPECT));
  assert.ok(supersedes(version, LEFT, version, DEAD));
  assert.ok(!supersedes(version, ALIVE, version, ALIVE), "a repetition is no news");
  assert.ok(!supersedes(version, ALIVE, version, SUSPECT));
  assert.ok(supersedes({ startEpoch: 5, incarnation: 4 }, ALIVE, version, LEFT));
  assert.ok(!supersedes({ startEpoch: 5, incarnation: 2 }, LEFT, version, ALIVE));
});

test("member: a new life is newer than any incarnation of the old one", () => {
  const old = { startEpoch: 5, incarnation: INCARNATION_MAX };
  assert.ok(compareVersions({ startEpoch: 6, incarnation: 0 }, old) > 0);
});

test("member: the answer to any claim is above it, except above the very last version", () => {
  fc.assert(
    fc.property(versions, (seen) => {
      const isLast = seen.startEpoch === START_EPOCH_MAX && seen.incarnation === INCARNATION_MAX;
      assert.equal(compareVersions(versionAbove(seen), seen) > 0, !isLast);
    }),
    { examples: [[{ startEpoch: 1, incarnation: INCARNATION_MAX }]] },
  );
  const last = { startEpoch: START_EPOCH_MAX, incarnation: INCARNATION_MAX };
  assert.equal(versionAbove(last).startEpoch, START_EPOCH_MAX);
});

test("member: suspects count as live, the dead and those who left do not", () => {
  assert.deepEqual(
    [0, 1, 2, 3].map((status) => isLive(status as MemberStatus)),
    [true, true, false, false],
  );
});

test("member: every claim names its subject", () => {
  fc.assert(
    fc.property(claims, (claim) => {
      const expected = claim.status === MemberStatus.ALIVE ? claim.node.nodeId : claim.nodeId;
      assert.equal(subjectOf(claim), expected);
    }),
  );
});
