/**
 * The match index against the naive matcher, over random filters, topics, and orders of insertion
 * and removal.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FilterIndex, naiveMatch } from "./filter-index.ts";
import { anyFilter, anyTopic } from "./topics.ts";

test("filter trie: matches what the naive matcher matches", () => {
  fc.assert(
    fc.property(
      fc.array(anyFilter, { maxLength: 60 }),
      fc.array(anyTopic, { minLength: 1, maxLength: 10 }),
      (filters, topics) => {
        const index = new FilterIndex();
        for (const filter of filters) index.insert(filter);
        assert.equal(index.trie.size, new Set(filters).size);
        for (const topic of topics) {
          assert.deepEqual(index.match(topic), naiveMatch(filters, topic), topic);
        }
      },
    ),
    { numRuns: 500 },
  );
});

test("filter trie: a filter's own text comes back from its node", () => {
  fc.assert(
    fc.property(fc.array(anyFilter, { minLength: 1, maxLength: 30 }), (filters) => {
      const index = new FilterIndex();
      const nodes = filters.map((filter) => index.insert(filter));
      assert.deepEqual(
        nodes.map((node) => index.trie.filterOf(node)),
        filters,
      );
    }),
  );
});

const TENANTS = ["red", "blue"];

test("filter trie: stays right under any churn of two tenants, and ends with nothing", () => {
  const step = fc.record({
    filter: anyFilter,
    topic: anyTopic,
    tenantId: fc.constantFrom(...TENANTS),
    removes: fc.boolean(),
    pick: fc.nat(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120, size: "max" }), (steps) => {
      const index = new FilterIndex();
      const model = new Map(TENANTS.map((tenantId) => [tenantId, new Map<string, number>()]));
      const filtersOf = (tenantId: string) => model.get(tenantId) ?? new Map<string, number>();
      for (const { filter, topic, tenantId, removes, pick } of steps) {
        const present = filtersOf(tenantId);
        const victim = [...present.keys()][pick % Math.max(1, present.size)];
        if (removes && victim !== undefined) {
          index.remove(victim, tenantId);
          present.delete(victim);
        } else {
          const node = index.insert(filter, tenantId);
          assert.equal(node, present.get(filter) ?? node, "the id of a present filter stays");
          present.set(filter, node);
        }
        assert.deepEqual(index.match(topic, tenantId), naiveMatch(present.keys(), topic));
      }
      for (const tenantId of TENANTS) {
        for (const [filter, node] of filtersOf(tenantId)) {
          assert.equal(index.find(filter, tenantId), node);
          index.trie.remove(node);
        }
      }
      const { size, nodeCount, symbolCount } = index.trie;
      assert.deepEqual({ size, nodeCount, symbolCount }, { size: 0, nodeCount: 0, symbolCount: 0 });
    }),
    { numRuns: 200 },
  );
});
