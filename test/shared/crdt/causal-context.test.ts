/** Causal contexts against plain sets. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { CausalContext } from "../../../src/shared/crdt/causal-context.ts";
import { contextOf, dotLists, dotsOf } from "./crdt-arbitraries.ts";

/** Runs ascend and leave at least one number between them. */
function assertCompact(context: CausalContext): void {
  for (const replica of context.replicas()) {
    const runs = context.runsOf(replica);
    assert.ok(runs.length > 0);
    runs.forEach(({ from, to }, index) => {
      assert.ok(from <= to);
      if (index > 0) assert.ok(from > runs[index - 1]!.to + 1);
    });
  }
}

function namesOf(dots: readonly (readonly [string, number])[]): Set<string> {
  return new Set(dots.map(([replica, sequence]) => `${replica}:${sequence}`));
}

test("causal context: adding, removing and asking, like a set", () => {
  fc.assert(
    fc.property(dotLists, dotLists, (added, removed) => {
      const context = contextOf(added);
      const model = namesOf(added);
      for (const [replica, sequence] of removed) {
        assert.equal(context.has(replica, sequence), model.has(`${replica}:${sequence}`));
        context.remove(replica, sequence);
        model.delete(`${replica}:${sequence}`);
      }
      assert.deepEqual(dotsOf(context), model);
      assert.equal(context.isEmpty, model.size === 0);
      assertCompact(context);
    }),
  );
});

test("causal context: union and difference, like sets", () => {
  fc.assert(
    fc.property(dotLists, dotLists, (left, right) => {
      const union = contextOf(left);
      union.addAll(contextOf(right));
      assert.deepEqual(dotsOf(union), namesOf([...left, ...right]));
      assertCompact(union);
      const rest = contextOf(left).without(contextOf(right));
      const others = namesOf(right);
      assert.deepEqual(dotsOf(rest), new Set([...namesOf(left)].filter((dot) => !others.has(dot))));
      assertCompact(rest);
    }),
  );
});

test("causal context: long runs are as cheap as short ones", () => {
  const context = new CausalContext();
  context.addRun("a", 1, 2 ** 47);
  context.addRun("a", 2 ** 47 + 2, 2 ** 48 - 2);
  assert.equal(context.runCount, 2);
  context.add("a", 2 ** 47 + 1);
  assert.equal(context.runCount, 1);
  assert.equal(context.lastOf("a"), 2 ** 48 - 2);
  const other = new CausalContext();
  other.addRun("a", 10, 2 ** 48 - 10);
  assert.deepEqual(context.without(other).runsOf("a"), [
    { from: 1, to: 9 },
    { from: 2 ** 48 - 9, to: 2 ** 48 - 2 },
  ]);
});

test("causal context: a history received in any order is one run in the end", () => {
  const sequences = Array.from({ length: 30 }, (_none, index) => index + 1);
  fc.assert(
    fc.property(fc.shuffledSubarray(sequences, { minLength: 30 }), (order) => {
      const context = new CausalContext();
      for (const sequence of order) context.add("a", sequence);
      assert.deepEqual(context.runsOf("a"), [{ from: 1, to: 30 }]);
    }),
  );
});

test("causal context: forgetting a replica leaves the others", () => {
  const context = contextOf([
    ["a", 1],
    ["b", 2],
  ]);
  context.forget("a");
  context.remove("nobody", 1);
  assert.deepEqual(dotsOf(context), new Set(["b:2"]));
  assert.equal(context.lastOf("a"), 0);
  assert.equal(context.has("a", 1), false);
});
