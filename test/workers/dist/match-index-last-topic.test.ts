/** The topic matched last is not walked again, and never answered from before a change. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { FIXED_HASH_KEY } from "../../../src/shared/topic/level-hash.ts";
import { MatchIndex } from "../../../src/workers/dist/match-index.ts";

const encoder = new TextEncoder();

function countOf(index: MatchIndex, tenantId: string, topic: string): number {
  const bytes = encoder.encode(topic);
  return index.match(tenantId, bytes, 0, bytes.length);
}

test("match index: the same topic again sees filters added and removed in between", () => {
  const index = new MatchIndex(FIXED_HASH_KEY);
  index.addWorker("t", "a/b", 1);
  assert.equal(countOf(index, "t", "a/b"), 1);
  index.addWorker("t", "a/+", 1);
  assert.equal(countOf(index, "t", "a/b"), 2);
  index.removeWorker("t", "a/b", 1);
  assert.equal(countOf(index, "t", "a/b"), 1);
  index.removeWorker("t", "a/+", 1);
  assert.equal(countOf(index, "t", "a/b"), 0);
  index.addWorker("t", "a/b", 1);
  assert.equal(countOf(index, "t", "a/b"), 1);
});

test("match index: the same topic of another tenant, and topics alike but for a byte, are others", () => {
  const index = new MatchIndex(FIXED_HASH_KEY);
  index.addWorker("t", "a/b", 1);
  index.addWorker("u", "a/#", 1);
  index.addWorker("u", "#", 1);
  for (let round = 0; round < 2; round++) {
    assert.equal(countOf(index, "t", "a/b"), 1);
    assert.equal(countOf(index, "u", "a/b"), 2);
    assert.equal(countOf(index, "t", "a/c"), 0);
    assert.equal(countOf(index, "t", "b/b"), 0);
    assert.equal(countOf(index, "t", "a/b"), 1);
    assert.equal(countOf(index, "t", "a/b"), 1);
  }
});

test("match index: topics longer than what is remembered are matched each time", () => {
  const index = new MatchIndex(FIXED_HASH_KEY);
  const long = `a/${"x".repeat(300)}`;
  index.addWorker("t", "a/+", 1);
  assert.equal(countOf(index, "t", long), 1);
  assert.equal(countOf(index, "t", `${long.slice(0, -1)}y`), 1);
  assert.equal(countOf(index, "t", `b${long.slice(1)}`), 0);
});
