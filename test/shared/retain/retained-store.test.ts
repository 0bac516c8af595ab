/**
 * Retained messages of one partition: replace, clear, expire, caps, gauges.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { COUNTER_COLUMNS, Counter } from "../../../src/shared/metrics/counter-table.ts";
import { RetainStatus } from "../../../src/shared/retain/retain-types.ts";
import { RetainUsage } from "../../../src/shared/retain/retain-usage.ts";
import { type RetainedEntry, RetainedStore } from "../../../src/shared/retain/retained-store.ts";
import { RetainedTrie } from "../../../src/shared/topic/retained-trie.ts";
import { message, payloadOf } from "../../helpers/service-workers.ts";

const NO_LIMITS = { RetainMaxTopics: 0, RetainMaxBytes: 0 };
const encoder = new TextEncoder();

function fixture() {
  const counters = new Float64Array(COUNTER_COLUMNS);
  const usage = new RetainUsage();
  const store = new RetainedStore(new RetainedTrie<RetainedEntry>(), usage, counters);
  const put = (topic: string, payload: string, nowMs = 0, expirySeconds = -1) =>
    store.store(message({ topic, payload, expirySeconds, receivedAtMs: nowMs }), NO_LIMITS, nowMs);
  const get = (topic: string, nowMs = 0) =>
    payloadOf(store.get("t", encoder.encode(topic), nowMs)?.message ?? null);
  const gauges = () => [counters[Counter.RETAINED_MESSAGES], counters[Counter.RETAINED_BYTES]];
  return { store, usage, put, get, gauges };
}

test("retained store: keeps the last message of a topic [MQTT-3.3.1-5]", () => {
  const { put, get, gauges } = fixture();
  put("a", "one");
  put("a", "three");
  assert.equal(get("a"), "three");
  assert.equal(get("b"), null);
  assert.deepEqual(gauges(), [1, 6]);
});

test("retained store: an empty payload clears the topic and is not kept [MQTT-3.3.1-6] [MQTT-3.3.1-7]", () => {
  const { put, get, gauges, store } = fixture();
  put("a", "one");
  assert.equal(put("a", ""), RetainStatus.OK);
  assert.equal(put("never", ""), RetainStatus.OK);
  assert.equal(get("a"), null);
  assert.equal(store.size, 0);
  assert.deepEqual(gauges(), [0, 0]);
});

test("retained store: an expired message is not handed out, and swept at the next full second", () => {
  const { put, get, gauges, store } = fixture();
  put("a", "x", 1500, 2);
  put("b", "x", 0);
  assert.equal(get("a", 3499), "x");
  assert.equal(get("a", 3500), null);
  assert.equal(store.nextDeadlineMs, 4000);
  store.handleTimeout(3000);
  assert.equal(store.size, 2);
  store.handleTimeout(4000);
  assert.equal(store.size, 1);
  assert.deepEqual(gauges(), [1, 2]);
  assert.equal(store.nextDeadlineMs, Number.POSITIVE_INFINITY);
});

test("retained store: a replacement without expiry is not swept with its predecessor's", () => {
  const { put, get, store } = fixture();
  put("a", "old", 0, 1);
  put("a", "new", 500);
  store.handleTimeout(10_000);
  assert.equal(get("a", 10_000), "new");
});

test("retained store: a message that arrives expired replaces and leaves nothing", () => {
  const { put, get, store } = fixture();
  put("a", "old");
  put("a", "dead", 100, 0);
  assert.equal(get("a", 100), null);
  assert.equal(store.size, 0);
});

test("retained store: caps refuse what is new, never what shrinks or clears", () => {
  const { store } = fixture();
  const limits = { RetainMaxTopics: 2, RetainMaxBytes: 10 };
  const put = (topic: string, payload: string) =>
    store.store(message({ topic, payload }), limits, 0);
  const { OK, QUOTA } = RetainStatus;
  assert.equal(put("a", "1234"), OK);
  assert.equal(put("b", "1234"), OK);
  assert.equal(put("c", ""), OK, "clearing nothing");
  assert.equal(put("a", "12345"), QUOTA, "eleven bytes");
  assert.equal(put("a", "12"), OK);
  assert.equal(put("c", "1"), QUOTA, "third topic");
  assert.equal(put("b", ""), OK);
  assert.equal(put("c", "1"), OK);
});

test("retained store: caps count what other partitions told", () => {
  const { store, usage } = fixture();
  const limits = { RetainMaxTopics: 3, RetainMaxBytes: 0 };
  const put = (topic: string) => store.store(message({ topic }), limits, 0);
  usage.learn(2, "t", { topics: 1, bytes: 100 });
  usage.learn(3, "t", { topics: 1, bytes: 100 });
  usage.learn(3, "u", { topics: 50, bytes: 100 });
  assert.equal(put("a"), RetainStatus.OK);
  assert.equal(put("b"), RetainStatus.QUOTA);
  usage.peerLost(3);
  assert.equal(put("b"), RetainStatus.OK);
  usage.learn(2, "t", { topics: 0, bytes: 0 });
  assert.equal(put("c"), RetainStatus.OK);
});

test("retained store: capped tenants are announced once per change, others never", () => {
  const { put, usage } = fixture();
  put("a", "12345");
  const announced: [string, number, number][] = [];
  const drain = (maxTopics: number) =>
    usage.drainChanged(
      () => ({ RetainMaxTopics: maxTopics, RetainMaxBytes: 0 }),
      (tenantId, { topics, bytes }) => announced.push([tenantId, topics, bytes]),
    );
  drain(0);
  assert.deepEqual(announced, []);
  usage.announceAll();
  drain(5);
  drain(5);
  assert.deepEqual(announced, [["t", 1, 6]]);
  put("a", "");
  drain(5);
  assert.deepEqual(announced.at(-1), ["t", 0, 0]);
});

test("retained store: gauges, usage and expiry agree with a map, over random histories", () => {
  const step = fc.record({
    topic: fc.constantFrom("a", "a/b", "a/c", "$x", "/"),
    payload: fc.constantFrom("", "1", "22", "333"),
    expirySeconds: fc.constantFrom(-1, -1, 1, 3),
    waitMs: fc.nat(1500),
    sweeps: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { store, put, get, gauges, usage } = fixture();
      const model = new Map<string, { payload: string; endMs: number }>();
      let nowMs = 0;
      for (const { topic, payload, expirySeconds, waitMs, sweeps } of steps) {
        nowMs += waitMs;
        put(topic, payload, nowMs, expirySeconds);
        const endMs = expirySeconds < 0 ? Number.POSITIVE_INFINITY : nowMs + expirySeconds * 1000;
        if (payload === "") model.delete(topic);
        else model.set(topic, { payload, endMs });
        if (sweeps) store.handleTimeout(nowMs);
        for (const name of ["a", "a/b", "a/c", "$x", "/"]) {
          const known = model.get(name);
          const expected = known !== undefined && known.endMs > nowMs ? known.payload : null;
          assert.equal(get(name, nowMs), expected);
        }
      }
      store.handleTimeout(nowMs);
      const live = [...model].filter(([, { endMs }]) => endMs > nowMs);
      const bytes = live.reduce(
        (sum, [topic, { payload }]) => sum + topic.length + payload.length,
        0,
      );
      assert.deepEqual(gauges(), [live.length, bytes]);
      assert.deepEqual({ ...usage.own("t") }, { topics: live.length, bytes });
    }),
    { numRuns: 200 },
  );
});
