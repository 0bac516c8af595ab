/**
 * Retained topics: set, get, delete, and what a scan of a filter returns when nothing changes
 * meanwhile.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RetainedTrie } from "../../../src/shared/topic/retained-trie.ts";
import { matchesFilter } from "../../../src/shared/topic/topic-filter.ts";
import { RetainedIndex } from "./retained-index.ts";
import { anyFilter, anyTopic, utf8 } from "./topics.ts";

test("retained trie: set returns what was there, get what is", () => {
  const trie = new RetainedTrie<{ readonly n: number }>();
  const first = { n: 1 };
  const second = { n: 2 };
  assert.equal(trie.set("t", utf8("a/b"), first), null);
  assert.equal(trie.set("t", utf8("a/b"), second), first);
  assert.equal(trie.get("t", utf8("a/b")), second);
  assert.equal(trie.size, 1);
  assert.equal(trie.get("t", utf8("a")), null);
  assert.equal(trie.get("t", utf8("a/b/c")), null);
  assert.equal(trie.get("other", utf8("a/b")), null);
});

test("retained trie: delete returns what it removes, and only the topic itself goes", () => {
  const index = new RetainedIndex();
  const parent = index.set("a");
  const child = index.set("a/b");
  assert.equal(index.delete("a/c"), null);
  assert.equal(index.delete("x/y"), null);
  assert.equal(index.delete("a"), parent);
  assert.equal(index.delete("a"), null);
  assert.equal(index.get("a/b"), child);
  assert.equal(index.delete("a/b"), child);
  assert.equal(index.trie.size, 0);
  assert.equal(index.trie.nodeCount, 0);
  assert.equal(index.trie.symbolCount, 0);
});

test("retained trie: an inner level has no value to delete", () => {
  const index = new RetainedIndex();
  index.set("a/b/c");
  assert.equal(index.delete("a/b"), null);
  assert.notEqual(index.get("a/b/c"), null);
});

test("retained trie: tenants share nothing", () => {
  const index = new RetainedIndex();
  const red = index.set("a", "red");
  const blue = index.set("a", "blue");
  assert.deepEqual(index.topics("#", 1, "green"), []);
  assert.equal(index.delete("a", "red"), red);
  assert.equal(index.get("a", "blue"), blue);
});

test("retained trie: a topic has at least one character [MQTT-4.7.3-1]", () => {
  const index = new RetainedIndex();
  assert.throws(() => index.set(""), /at least one character/);
  assert.equal(index.get(""), null);
});

test("retained scan: matches as the specification says", () => {
  const index = new RetainedIndex();
  const topics = ["a", "a/b", "a/b/c", "a//c", "/", "/b", "$SYS", "$SYS/b", "a/$b", "\uFEFFa"];
  for (const topic of topics) index.set(topic);
  const filters = ["#", "+", "+/+", "a/#", "a/+", "a/+/c", "+/b", "/+", "/#", "$SYS/#", "$SYS/+"];
  for (const filter of [...filters, ...topics, "b", "a/b/c/d", "+/b/#", "+/+/#"]) {
    const expected = topics.filter((topic) => matchesFilter(filter, topic)).sort();
    assert.deepEqual(index.topics(filter), expected, filter);
  }
});

test("retained scan: hides $ topics from leading wildcards only [MQTT-4.7.2-1]", () => {
  const index = new RetainedIndex();
  for (const topic of ["$SYS/a", "$SYS", "a/$SYS"]) index.set(topic);
  assert.deepEqual(index.topics("#"), ["a/$SYS"]);
  assert.deepEqual(index.topics("+/a"), []);
  assert.deepEqual(index.topics("$SYS/#"), ["$SYS", "$SYS/a"]);
});

test("retained scan: returns what the naive matcher selects, in batches of any size", () => {
  fc.assert(
    fc.property(
      fc.array(anyTopic, { maxLength: 60 }),
      anyFilter,
      fc.integer({ min: 1, max: 7 }),
      fc.integer({ min: 1, max: 7 }),
      (topics, filter, batch, visits) => {
        const index = new RetainedIndex();
        for (const topic of topics) index.set(topic);
        const scan = index.scan(filter);
        const found: { readonly topic: string }[] = [];
        for (let size = 0; !scan.next(batch, found, visits); size = found.length) {
          assert.ok(found.length - size <= batch);
        }
        const expected = [...new Set(topics)].filter((topic) => matchesFilter(filter, topic));
        assert.deepEqual(found.map((value) => value.topic).sort(), expected.sort());
      },
    ),
    { numRuns: 500 },
  );
});

test("retained scan: looks at no more nodes per call than it may", () => {
  const index = new RetainedIndex();
  for (let n = 0; n < 1000; n++) index.set(`site/${n}/door`);
  const scan = index.scan("site/+/window");
  const found: { readonly topic: string }[] = [];
  let calls = 1;
  while (!scan.next(10, found, 100)) calls++;
  assert.deepEqual(found, []);
  // The root, "site" and a thousand numbers, a hundred at a time.
  assert.equal(calls, 11);
});

test("retained scan: hidden topics count as visits", () => {
  const index = new RetainedIndex();
  for (let n = 0; n < 1000; n++) index.set(`$${n}`);
  const scan = index.scan("#");
  let calls = 1;
  while (!scan.next(10, [], 100)) calls++;
  assert.equal(calls, 11);
});

test("retained scan: ten thousand levels without recursion", () => {
  const index = new RetainedIndex();
  const deep = "a/".repeat(9999).concat("a");
  index.set(deep);
  index.set("a");
  assert.deepEqual(index.topics("#"), ["a", deep]);
  assert.deepEqual(index.topics("+/#", 1), ["a", deep]);
  assert.deepEqual(index.topics(deep), [deep]);
  index.delete(deep);
  assert.equal(index.trie.nodeCount, 2);
});

test("retained scan: of a tenant without topics is over at once", () => {
  const index = new RetainedIndex();
  const scan = index.scan("#");
  assert.equal(scan.isEnded, true);
  assert.equal(scan.next(1, []), true);
});

test("retained scan: the filter's bytes may be overwritten after the call", () => {
  const index = new RetainedIndex();
  index.set("a/b");
  const bytes = utf8("a/+");
  const scan = index.trie.scan("t", bytes);
  bytes.fill(0x78);
  const found: { readonly topic: string }[] = [];
  assert.equal(scan.next(10, found), true);
  assert.deepEqual(
    found.map((value) => value.topic),
    ["a/b"],
  );
});

test("retained trie: a hundred thousand five-level topics take at most 150 bytes each, and give them back", () => {
  const index = new RetainedIndex();
  const count = 100_000;
  for (let n = 0; n < count; n++) index.set(`site/${n % 100}/device/${n}/temp`);
  const full = index.trie.memoryBytes;
  assert.ok(full / count <= 150, `${full / count} bytes per topic`);
  for (let n = 0; n < count; n++) index.delete(`site/${n % 100}/device/${n}/temp`);
  assert.equal(index.trie.nodeCount, 0);
  assert.ok(index.trie.memoryBytes < full / 5, `${index.trie.memoryBytes} of ${full} bytes stay`);
});
