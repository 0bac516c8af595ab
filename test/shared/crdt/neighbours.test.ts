import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { neighboursOf } from "../../../src/shared/crdt/neighbours.ts";

function names(count: number): string[] {
  return Array.from({ length: count }, (_none, index) => `node-${index}`);
}

test("neighbours: links are mutual, and nobody is linked with itself", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 120 }), (count) => {
      const all = names(count);
      const links = new Map(all.map((name) => [name, neighboursOf(name, all)]));
      for (const [name, neighbours] of links) {
        assert.equal(neighbours.has(name), false);
        for (const other of neighbours) assert.ok(links.get(other)?.has(name), `${name} ${other}`);
      }
    }),
    { numRuns: 40 },
  );
});

test("neighbours: few nodes know each other all", () => {
  for (const count of [1, 2, 3, 7]) {
    assert.equal(neighboursOf("node-0", names(count)).size, count - 1);
  }
  assert.deepEqual([...neighboursOf("me", ["you"])], ["you"], "in the list or not");
});

test("neighbours: many nodes have few links and few hops between any two", () => {
  for (const [count, linksMax, hopsMax] of [
    [50, 6, 8],
    [200, 6, 14],
    [1_000, 8, 14],
  ] as const) {
    const all = names(count);
    const links = new Map(all.map((name) => [name, neighboursOf(name, all)]));
    for (const neighbours of links.values()) assert.ok(neighbours.size <= linksMax);
    const hops = new Map([[all[0]!, 0]]);
    for (const [name, distance] of hops) {
      for (const other of links.get(name)!) {
        if (!hops.has(other)) hops.set(other, distance + 1);
      }
    }
    assert.equal(hops.size, count, "connected");
    assert.ok(Math.max(...hops.values()) <= hopsMax, `${count}: ${Math.max(...hops.values())}`);
  }
});
