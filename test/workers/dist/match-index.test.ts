/** Worker bits, entries and filters of the match index, one by one. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_WORKERS } from "../../../src/shared/metrics/shared-words.ts";
import { FIXED_HASH_KEY } from "../../../src/shared/topic/level-hash.ts";
import { MatchIndex, NO_FILTER } from "../../../src/workers/dist/match-index.ts";
import { RouteTable } from "../../../src/workers/dist/route-table.ts";
import { FakeReceiver, subscriptionOf } from "./dist-workers.ts";

const TOPIC = new TextEncoder().encode("a/b");

function matchCount(index: MatchIndex, tenantId = "t"): number {
  return index.match(tenantId, TOPIC, 0, TOPIC.length);
}

test("match index: each of 62 workers has a bit of its own", () => {
  const index = new MatchIndex(FIXED_HASH_KEY);
  for (let thread = 1; thread <= MAX_WORKERS; thread += 1) {
    index.addWorker("t", "a/b", thread);
    index.addWorker("t", "a/b", thread);
  }
  assert.equal(index.filterCount, 1);
  assert.equal(matchCount(index), 1);
  assert.equal(index.matchedWorkersLow(0), 0x7fff_ffff);
  assert.equal(index.matchedWorkersHigh(0), 0x7fff_ffff);
  for (let thread = 1; thread <= MAX_WORKERS; thread += 1) {
    const node = index.nextFilter(0);
    assert.ok(index.hasWorker(node, thread));
    index.removeWorker("t", "a/b", thread);
    assert.ok(thread === MAX_WORKERS || !index.hasWorker(node, thread));
  }
  assert.equal(index.filterCount, 0);
});

test("match index: a filter that only workers want needs no entry", () => {
  const index = new MatchIndex(FIXED_HASH_KEY);
  index.addWorker("t", "a/+", 2);
  assert.equal(matchCount(index), 1);
  assert.equal(index.matched(0), null);
  assert.equal(index.find("t", "a/+"), null);
  const entry = index.ensure("t", "a/+");
  assert.equal(index.ensure("t", "a/+"), entry);
  index.prune(entry);
  assert.equal(matchCount(index), 1);
  assert.equal(index.matched(0), null);
});

test("match index: an entry outlives the last worker bit, and the filter outlives neither", () => {
  const index = new MatchIndex(FIXED_HASH_KEY);
  const entry = index.ensure("t", "a/b");
  entry.local = subscriptionOf(new FakeReceiver("c"), "a/b");
  index.addWorker("t", "a/b", 1);
  index.removeWorker("t", "a/b", 1);
  assert.equal(matchCount(index), 1);
  assert.equal(index.matched(0), entry);
  assert.equal(index.matchedWorkersLow(0), 0);
  entry.local = null;
  index.prune(entry);
  assert.equal(matchCount(index), 0);
  assert.equal(index.filterCount, 0);
});

test("match index: removing what is not there changes nothing", () => {
  const index = new MatchIndex(FIXED_HASH_KEY);
  index.removeWorker("t", "a/b", 1);
  index.addWorker("t", "a/b", 2);
  index.removeWorker("t", "a/b", 1);
  index.removeWorker("t", "a", 2);
  index.removeWorker("u", "a/b", 2);
  assert.equal(matchCount(index), 1);
  assert.equal(matchCount(index, "u"), 0);
});

test("match index: a walk over all filters goes on while they come and go", () => {
  const index = new MatchIndex(FIXED_HASH_KEY);
  for (let number = 0; number < 100; number += 1) index.addWorker("t", `f/${number}`, 1);
  const seen: string[] = [];
  for (let node = index.nextFilter(0); node !== NO_FILTER; node = index.nextFilter(node + 1)) {
    const filter = index.filterAt(node);
    seen.push(filter);
    const number = Number(filter.slice(2));
    if (number % 2 === 0) index.removeWorker("t", filter, 1);
    index.addWorker("u", `g/${number}`, 1);
    if (seen.length > 400) break;
  }
  const first = seen.filter((filter) => filter.startsWith("f/"));
  assert.equal(new Set(first).size, 100);
  assert.equal(first.length, 100);
  assert.equal(index.filterCount, 50 + 100);
});

test("match index: a hundred thousand filters leave nothing behind", () => {
  const index = new MatchIndex(FIXED_HASH_KEY);
  const table = new RouteTable(index);
  for (let number = 0; number < 100_000; number += 1) {
    index.addWorker("t", `site/${number % 100}/device/${number}/temp`, 1 + (number % 3));
  }
  assert.equal(index.filterCount, 100_000);
  for (const thread of [2, 1, 3]) table.forgetWorker(thread);
  assert.equal(index.filterCount, 0);
  assert.equal(index.nextFilter(0), NO_FILTER);
});
