/**
 * Scans of one worker: batches, and that nothing stays behind in the trie.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { COUNTER_COLUMNS } from "../../../src/shared/metrics/counter-table.ts";
import { messageInRecord, recordOfMessage } from "../../../src/shared/mqtt/message-codec.ts";
import { RetainCursors } from "../../../src/shared/retain/retain-cursors.ts";
import {
  expiresAtMs,
  type RetainedEntry,
  RetainedTopics,
} from "../../../src/shared/retain/retained-topics.ts";
import { RetainedTrie } from "../../../src/shared/topic/retained-trie.ts";
import { message, payloadOf, topicOf } from "../../helpers/service-workers.ts";

const decoder = new TextDecoder();
const READER = { thread: 1, scanId: 7 };
const EVERYTHING = new TextEncoder().encode("#");

/** `isCold`: every message is read from a store. */
function fixture(names: readonly string[], isCold = false) {
  const trie = new RetainedTrie<RetainedEntry>();
  const stored = new Map<string, Uint8Array>();
  const topics = new RetainedTopics({
    trie,
    counters: new Float64Array(COUNTER_COLUMNS),
    hotBytes: 0,
    readCold: (_tenantId, topic) => stored.get(decoder.decode(topic)) ?? null,
  });
  const cursors = new RetainCursors(topics);
  const put = (name: string, payload = "x", expirySeconds = -1) => {
    const record = recordOfMessage(
      message({ topic: name, payload, expirySeconds, receivedAtMs: 0 }),
    );
    const one = messageInRecord(record);
    if (payload === "") {
      topics.remove("t", one.topic, 0);
    } else if (isCold) {
      stored.set(name, record);
      topics.putCold("t", one.topic, {
        contentBytes: 1,
        expiresAt: expiresAtMs(one),
        keyNumber: 0,
      });
    } else {
      topics.put(record, 0, 0);
    }
  };
  for (const name of names) put(name);
  const next = (maxMessages: number, nowMs = 0) => {
    const found: string[] = [];
    const payloads: (string | null)[] = [];
    const isEnd = cursors.next(READER, maxMessages, nowMs, ({ message: one, record }) => {
      found.push(topicOf(one!));
      payloads.push(payloadOf(messageInRecord(record)));
    });
    return { found, payloads, isEnd };
  };
  return { trie, topics, cursors, put, next };
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

for (const isCold of [false, true]) {
  const where = isCold ? "cold" : "in memory";
  test(`retain cursors: what changes between two batches is handed out as it is then, ${where}`, () => {
    const { cursors, put, next } = fixture(TOPICS, isCold);
    cursors.open(READER.thread, READER.scanId, "t", EVERYTHING);
    const first = next(1).found;
    const [replaced, cleared, expired, ...others] = TOPICS.filter((name) => !first.includes(name));
    put(replaced!, "new");
    put(cleared!, "");
    put(expired!, "x", 1);
    const rest = next(100, 1000);
    assert.equal(rest.isEnd, true);
    assert.deepEqual(rest.found.sort(), [...others, replaced!].sort());
    assert.equal(rest.payloads.filter((payload) => payload === "new").length, 1);
  });
}

test("retain cursors: a message that has gone cold since it was fetched is read", () => {
  const { topics, cursors, next } = fixture(TOPICS.slice(0, 10));
  cursors.open(READER.thread, READER.scanId, "t", EVERYTHING);
  const [first] = next(1).found;
  const other = TOPICS.slice(0, 10).find((name) => name !== first)!;
  const entry = topics.find("t", new TextEncoder().encode(other))!;
  // No memory is allowed for stored ones, and this fixture's store has lost it.
  topics.noteStored(entry);
  assert.equal(entry.isGone, true);
  const { found } = next(100);
  assert.equal(found.length, 8);
  assert.equal(found.includes(other), false);
});
