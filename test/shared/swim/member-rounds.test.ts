import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Prng } from "../../../src/shared/base/prng.ts";
import { MemberRounds } from "../../../src/shared/swim/member-rounds.ts";

const everybody = () => true;

function roundsOf(count: number, seed: number): MemberRounds {
  const rounds = new MemberRounds(new Prng(seed));
  for (let i = 0; i < count; i++) rounds.add(`n${i}`);
  return rounds;
}

test("member rounds: each member once a round, so none waits for two rounds [SWIM §4.3]", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 30 }), fc.integer(), (count, seed) => {
      const rounds = roundsOf(count, seed);
      for (let round = 0; round < 3; round++) {
        const probed = Array.from({ length: count }, () => rounds.next(everybody));
        assert.equal(new Set(probed).size, count);
      }
    }),
  );
});

test("member rounds: rounds differ in order [SWIM §4.3]", () => {
  const rounds = roundsOf(20, 3);
  const round = () => Array.from({ length: 20 }, () => rounds.next(everybody)).join();
  assert.notEqual(round(), round());
});

test("member rounds: a newcomer is probed within the running round, wherever it stands", () => {
  const waits = new Set<number>();
  for (let seed = 0; seed < 200; seed++) {
    const rounds = roundsOf(6, seed);
    rounds.next(everybody);
    rounds.add("new");
    let wait = 1;
    while (rounds.next(everybody) !== "new") wait += 1;
    waits.add(wait);
  }
  assert.deepEqual([...waits].sort(), [1, 2, 3, 4, 5, 6]);
});

test("member rounds: who is not to be probed is passed over, and comes back only when added", () => {
  const rounds = roundsOf(4, 1);
  const others = (nodeId: string) => nodeId !== "n2";
  const probed = Array.from({ length: 9 }, () => rounds.next(others));
  assert.equal(probed.includes("n2"), false);
  assert.equal(rounds.size, 3);
  rounds.add("n2");
  rounds.add("n2");
  assert.equal(rounds.size, 4);
});

test("member rounds: nobody to probe", () => {
  assert.equal(roundsOf(0, 1).next(everybody), null);
  assert.equal(
    roundsOf(3, 1).next(() => false),
    null,
  );
});
