import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AddWinsSet } from "../../../src/shared/crdt/add-wins-set.ts";
import type { CausalContext } from "../../../src/shared/crdt/causal-context.ts";
import { OrMap } from "../../../src/shared/crdt/or-map.ts";

const STAMP = { physicalMs: 1, counter: 0 };

function setOn(replica: string): { map: OrMap; set: AddWinsSet } {
  const map = new OrMap(replica);
  return { map, set: new AddWinsSet(map, "set/") };
}

function carry(from: OrMap, touched: CausalContext, to: OrMap): void {
  to.merge(from.deltaOf(touched, 1_000).delta);
}

test("add-wins set: on one replica it is a set", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.string({ maxLength: 2 }))), (steps) => {
      const { map, set } = setOn("a");
      map.put("elsewhere", new Uint8Array(0), STAMP);
      const model = new Set<string>();
      for (const [isAdded, element] of steps) {
        if (isAdded) {
          set.add(element, STAMP);
          model.add(element);
        } else {
          set.remove(element);
          model.delete(element);
        }
        assert.equal(set.has(element), isAdded);
      }
      assert.deepEqual(set.elements().sort(), [...model].sort());
    }),
  );
});

test("add-wins set: an addition survives a concurrent removal", () => {
  const [a, b] = [setOn("a"), setOn("b")];
  carry(a.map, a.set.add("x", STAMP), b.map);
  const removal = b.set.remove("x");
  const addition = a.set.add("x", STAMP);
  carry(a.map, addition, b.map);
  carry(b.map, removal, a.map);
  assert.ok(a.set.has("x") && b.set.has("x"));
  carry(b.map, b.set.remove("x"), a.map);
  assert.ok(!a.set.has("x") && !b.set.has("x"));
});

test("add-wins set: an element added again and again costs one dot", () => {
  const { map, set } = setOn("a");
  for (let i = 0; i < 50; i++) set.add("x", STAMP);
  assert.equal(map.entriesBy("a").length, 1);
  assert.equal(map.historySize, 1);
});
