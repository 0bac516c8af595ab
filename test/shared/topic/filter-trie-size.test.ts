/** What the match index costs: bytes per filter, bytes after churn, and no allocation per match. */

import assert from "node:assert/strict";
import { test } from "node:test";
import v8 from "node:v8";
import { FilterTrie } from "../../../src/shared/topic/filter-trie.ts";
import { FIXED_HASH_KEY } from "../../../src/shared/topic/level-hash.ts";
import { FilterIndex } from "./filter-index.ts";
import { utf8 } from "./topics.ts";

const FILTERS = 100_000;

function deviceFilter(index: number): string {
  return index % 2 === 0 ? `site/${index % 100}/device/${index}/temp` : `a/${index}/+/b/#`;
}

test("filter trie: a hundred thousand five-level filters take at most 150 bytes each", () => {
  const index = new FilterIndex();
  for (let n = 0; n < FILTERS; n++) index.insert(deviceFilter(n));
  assert.equal(index.trie.size, FILTERS);
  // 2 to 4 nodes of 24 bytes and one symbol of 36 per filter; the goal of 250 leaves room for the
  // routes beside them.
  const bytesPerFilter = index.trie.memoryBytes / FILTERS;
  assert.ok(bytesPerFilter <= 150, `${bytesPerFilter} bytes per filter`);
});

test("filter trie: removing all filters gives the memory back", () => {
  const index = new FilterIndex();
  for (let n = 0; n < FILTERS; n++) index.insert(deviceFilter(n));
  const full = index.trie.memoryBytes;
  for (let n = 0; n < FILTERS; n++) index.remove(deviceFilter(n));
  assert.equal(index.trie.nodeCount, 0);
  assert.equal(index.trie.symbolCount, 0);
  assert.ok(index.trie.memoryBytes < full / 5, `${index.trie.memoryBytes} of ${full} bytes stay`);
});

test("filter trie: a steady number of ever new filters does not grow", () => {
  const index = new FilterIndex();
  const live = 2000;
  for (let n = 0; n < live; n++) index.insert(deviceFilter(n));
  const { memoryBytes, capacity, nodeCount } = index.trie;
  for (let n = live; n < FILTERS; n++) {
    index.insert(deviceFilter(n));
    index.remove(deviceFilter(n - live));
  }
  assert.equal(index.trie.memoryBytes, memoryBytes);
  assert.equal(index.trie.capacity, capacity);
  // A few inner nodes come and go with the numbers; none is left behind.
  assert.ok(index.trie.nodeCount <= nodeCount + 100, `${index.trie.nodeCount} nodes`);
});

/** Bytes allocated on the heap so far; present from Node 26 on. */
function allocatedBytes(): number | undefined {
  const statistics = v8.getHeapStatistics() as unknown as Record<string, number | undefined>;
  return statistics["total_allocated_bytes"];
}

const noCounter =
  allocatedBytes() === undefined ? "this Node has no counter of allocated bytes" : false;

test("filter trie: a match allocates nothing", { skip: noCounter }, () => {
  const trie = new FilterTrie(FIXED_HASH_KEY);
  const root = trie.tenantRoot("t");
  for (let n = 0; n < 1000; n++) {
    const filter = utf8(deviceFilter(n));
    trie.insert(root, filter, 0, filter.length);
  }
  const wild = utf8("+/+/device/#");
  trie.insert(root, wild, 0, wild.length);
  const topics = ["site/8/device/8/temp", "a/7/x/b/c/d", "nobody/wants/this"].map(utf8);
  const matchAll = (rounds: number) => {
    let count = 0;
    for (let round = 0; round < rounds; round++) {
      for (let index = 0; index < topics.length; index++) {
        const topic = topics[index] ?? wild;
        count += trie.match(root, topic, 0, topic.length);
      }
    }
    return count;
  };
  matchAll(20_000);
  const before = allocatedBytes() ?? 0;
  const rounds = 100_000;
  assert.equal(matchAll(rounds), 3 * rounds, "two filters, one filter, none");
  const bytesPerMatch = ((allocatedBytes() ?? 0) - before) / (rounds * topics.length);
  // The smallest object takes more than 8 bytes; anything below is the noise of the counter.
  assert.ok(bytesPerMatch < 8, `${bytesPerMatch} bytes per match`);
});
