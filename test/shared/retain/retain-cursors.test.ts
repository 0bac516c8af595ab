/**
 * Scans of one partition: batches, and that nothing stays behind in the trie.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { COUNTER_COLUMNS } from "../../../src/shared/metrics/counter-table.ts";
import { RetainCursors } from "../../../src/shared/retain/retain-cursors.ts";
import { RetainUsage } from "../../../src/shared/retain/retain-usage.ts";
import { type RetainedEntry, RetainedStore } from "../../../src/shared/retain/retained-store.ts";
import { RetainedTrie } from "../../../src/shared/topic/retained-trie.ts";
import { message, topicOf } from "../../helpers/service-workers.ts";

const NO_LIMITS = { RetainMaxTopics: 0, RetainMaxBytes: 0 };
const READER = { thread: 1, scanId: 7 };
const EVERYTHING = new TextEncoder().encode("#");

function fixture(topics: readonly string[]) {
  const trie = new RetainedTrie<RetainedEntry>();
  const counters = new Float64Array(COUNTER_COLUMNS);
  const store = new RetainedStore(trie, new RetainUsage(), counters);
  const cursors = new RetainCursors(store);
  const put = (topic: string, payload = "x", expirySeconds = -1) =>
    store.store(message({ topic, payload, expirySeconds, receivedAtMs: 0 }), NO_LIMITS, 0);
  for (const topic of topics) put(topic);
  const next = (maxMessages: number, nowMs = 0) => {
    const found: string[] = [];
    const isEnd = cursors.next(READER, maxMessages, nowMs, (one) =>
      found.push(topicOf(one.message)),
    );
    return { found, isEnd };
  };
  return { trie, store, cursors, put, next };
}

const TOPICS = Array.from({ length: 50 }, (_, i) => `a/${i % 5}/${i}`);

test("retain cursors: a scan given up at any point leaves nothing pinned in the trie", () => {
  for (const [end, batches] of [
    ["close", 0],
    ["close", 2],
    ["peerLost", 2],
    ["timeout", 2],
    ["reopen", 2],
  ] as const) {
    const { trie, cursors, put, next } = fixture(TOPICS);
    cursors.open(READER.thread, READER.scanId, "t", EVERYTHING);
    for (let i = 0; i < batches; i++) next(3);
    if (end === "close") cursors.close(READER.thread, READER.scanId);
    if (end === "peerLost") cursors.peerLost(READER.thread);
    if (end === "timeout") cursors.handleTimeout(600_000);
    if (end === "reopen") {
      cursors.open(READER.thread, READER.scanId, "t", EVERYTHING);
      while (!next(100).isEnd);
    }
    assert.equal(cursors.size, 0, end);
    assert.equal(cursors.nextDeadlineMs, Number.POSITIVE_INFINITY, end);
    for (const topic of TOPICS) put(topic, "");
    assert.equal(trie.nodeCount, 0, `${end} after ${batches} batches`);
  }
});

test("retain cursors: asking keeps a cursor alive", () => {
  const { cursors, next } = fixture(TOPICS);
  cursors.open(READER.thread, READER.scanId, "t", EVERYTHING);
  next(1, 0);
  next(1, 500_000);
  cursors.handleTimeout(600_000);
  assert.equal(next(1, 600_000).found.length, 1);
});

test("retain cursors: expired messages are passed over and do not count", () => {
  const { cursors, put, next } = fixture(["a", "z"]);
  for (let i = 0; i < 40; i++) put(`m/${i}`, "x", 1);
  cursors.open(READER.thread, READER.scanId, "t", EVERYTHING);
  const seen: string[] = [];
  for (let isEnd = false; !isEnd; ) {
    const batch = next(1, 5000);
    seen.push(...batch.found);
    isEnd = batch.isEnd;
  }
  assert.deepEqual(seen.sort(), ["a", "z"]);
});

/** How many batches of up to 512 a scan takes, and what all of them hold. */
function scanAll(filter: string, topics: readonly string[], nowMs: number) {
  const { cursors, put, next } = fixture([]);
  for (const topic of topics) put(topic, "x", topic.endsWith("old") ? 1 : -1);
  cursors.open(READER.thread, READER.scanId, "t", new TextEncoder().encode(filter));
  const found: string[] = [];
  let batches = 0;
  for (let isEnd = false; !isEnd; batches += 1) {
    const batch = next(512, nowMs);
    found.push(...batch.found);
    isEnd = batch.isEnd;
  }
  return { batches, found: found.length };
}

test("retain cursors: rare matches do not make one batch walk over all topics", () => {
  const topics = Array.from({ length: 20_000 }, (_, i) => `${i}/${i % 1000 === 0 ? "x" : "y"}`);
  const { batches, found } = scanAll("+/x", topics, 0);
  assert.equal(found, 20);
  assert.ok(batches >= 4, `${batches} batches`);
});

test("retain cursors: expired messages do not make one batch walk over all topics", () => {
  const topics = Array.from({ length: 10_000 }, (_, i) => `${i}/${i % 1000 === 0 ? "x" : "old"}`);
  const { batches, found } = scanAll("#", topics, 5000);
  assert.equal(found, 10);
  assert.ok(batches >= 4, `${batches} batches`);
});

test("retain cursors: another thread's scan of the same number is another scan", () => {
  const { cursors, next } = fixture(TOPICS);
  cursors.open(1, 7, "t", EVERYTHING);
  cursors.open(2, 7, "t", EVERYTHING);
  cursors.close(2, 7);
  assert.equal(next(1).found.length, 1);
});

test("retain cursors: a cursor that was never asked for is freed like any other", () => {
  const { cursors } = fixture(TOPICS);
  cursors.open(1, 7, "t", EVERYTHING);
  cursors.peerLost(1);
  assert.equal(
    cursors.next(READER, 1, 0, () => assert.fail("gone")),
    true,
  );
});
