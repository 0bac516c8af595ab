/**
 * The match index, case by case. Random cases: filter-trie-property.test.ts; sizes:
 * filter-trie-size.test.ts.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { NOT_FOUND } from "../../../src/shared/topic/filter-trie.ts";
import { FilterIndex, naiveMatch } from "./filter-index.ts";
import { utf8 } from "./topics.ts";

test("filter trie: an empty one matches nothing and knows nobody", () => {
  const index = new FilterIndex();
  assert.equal(index.trie.findTenant("t"), NOT_FOUND);
  assert.deepEqual(index.match("a"), []);
  assert.equal(index.find("a"), NOT_FOUND);
  assert.equal(index.trie.nodeCount, 0);
});

test("filter trie: plain filters match themselves only", () => {
  const index = new FilterIndex();
  for (const filter of ["a", "a/b", "a/b/c", "a//c", "/", "/a", "a/"]) index.insert(filter);
  for (const topic of ["a", "a/b", "a/b/c", "a//c", "/", "/a", "a/"]) {
    assert.deepEqual(index.match(topic), [topic]);
  }
  for (const topic of ["b", "a/c", "a/b/", "//", "", "a/b/c/d", "A"]) {
    assert.deepEqual(index.match(topic), [], topic);
  }
});

test("filter trie: # matches its parent level and everything below (MQTT5 §4.7.1.2)", () => {
  const index = new FilterIndex();
  index.insert("sport/tennis/#");
  assert.deepEqual(index.match("sport/tennis"), ["sport/tennis/#"]);
  assert.deepEqual(index.match("sport/tennis/"), ["sport/tennis/#"]);
  assert.deepEqual(index.match("sport/tennis/player/ranking"), ["sport/tennis/#"]);
  assert.deepEqual(index.match("sport"), []);
  assert.deepEqual(index.match("sport/tenni"), []);
});

test("filter trie: + matches one level, an empty one too [MQTT-4.7.1-2]", () => {
  const index = new FilterIndex();
  for (const filter of ["+", "+/+", "/+", "a/+", "+/b"]) index.insert(filter);
  assert.deepEqual(index.match("a"), ["+"]);
  assert.deepEqual(index.match("a/b"), ["+/+", "+/b", "a/+"]);
  assert.deepEqual(index.match("/b"), ["+/+", "+/b", "/+"]);
  assert.deepEqual(index.match("a/"), ["+/+", "a/+"]);
  assert.deepEqual(index.match("a/b/c"), []);
});

test("filter trie: leading wildcards do not match $ topics, later ones do [MQTT-4.7.2-1]", () => {
  const index = new FilterIndex();
  for (const filter of ["#", "+", "+/a", "+/#", "$SYS/#", "$SYS/+", "$SYS/a", "b/#", "b/+"]) {
    index.insert(filter);
  }
  assert.deepEqual(index.match("$SYS/a"), ["$SYS/#", "$SYS/+", "$SYS/a"]);
  assert.deepEqual(index.match("$SYS"), ["$SYS/#"]);
  assert.deepEqual(index.match("$other"), []);
  assert.deepEqual(index.match("b/$SYS"), ["#", "+/#", "b/#", "b/+"]);
});

test("filter trie: text is compared byte by byte, a leading U+FEFF included [MQTT-4.7.3-4]", () => {
  const index = new FilterIndex();
  for (const filter of ["\uFEFFa", "caf\u00e9/#", "🐿/+"]) index.insert(filter);
  assert.deepEqual(index.match("\uFEFFa"), ["\uFEFFa"]);
  assert.deepEqual(index.match("a"), []);
  assert.deepEqual(index.match("cafe\u0301/x"), []);
  assert.deepEqual(index.match("🐿/漢"), ["🐿/+"]);
});

test("filter trie: a filter has one node id, however often it is inserted", () => {
  const index = new FilterIndex();
  const node = index.insert("a/+/#");
  assert.equal(index.insert("a/+/#"), node);
  assert.equal(index.find("a/+/#"), node);
  assert.equal(index.trie.size, 1);
  assert.equal(index.trie.filterOf(node), "a/+/#");
  index.remove("a/+/#");
  assert.equal(index.trie.size, 0);
});

test("filter trie: a filter within a longer one is a filter only once inserted", () => {
  const index = new FilterIndex();
  index.insert("a/b/c");
  assert.equal(index.find("a/b"), NOT_FOUND);
  assert.deepEqual(index.match("a/b"), []);
  index.insert("a/b");
  assert.deepEqual(index.match("a/b"), ["a/b"]);
  index.remove("a/b/c");
  assert.deepEqual(index.match("a/b"), ["a/b"]);
  assert.equal(index.trie.nodeCount, 3);
});

test("filter trie: children are found while their number goes up, down and up again", () => {
  const index = new FilterIndex();
  const filters = ["p/a", "p/b", "p/c"];
  const orders = [
    [0, 1, 2],
    [2, 1, 0],
    [1, 0, 2],
  ];
  for (const order of orders) {
    const present = new Set<string>();
    const check = () => {
      for (const filter of filters) {
        assert.deepEqual(index.match(filter), present.has(filter) ? [filter] : []);
      }
    };
    for (const at of order) {
      present.add(filters[at] ?? "");
      index.insert(filters[at] ?? "");
      check();
    }
    for (const at of order) {
      present.delete(filters[at] ?? "");
      index.remove(filters[at] ?? "");
      check();
    }
    assert.equal(index.trie.nodeCount, 0);
  }
});

test("filter trie: tenants see only their own filters, and go with the last of them", () => {
  const index = new FilterIndex();
  index.insert("#", "red");
  index.insert("a", "blue");
  assert.deepEqual(index.match("a", "red"), ["#"]);
  assert.deepEqual(index.match("a", "blue"), ["a"]);
  assert.deepEqual(index.match("a", "green"), []);
  assert.equal(index.trie.tenantOf(index.find("#", "red")), "red");
  assert.equal(index.trie.tenantOf(index.find("a", "blue")), "blue");
  index.remove("#", "red");
  assert.equal(index.trie.findTenant("red"), NOT_FOUND);
  assert.deepEqual(index.match("a", "blue"), ["a"]);
});

test("filter trie: one topic may match thousands of filters, each once", () => {
  const index = new FilterIndex();
  const filters: string[] = [];
  for (let bits = 0; bits < 2 ** 12; bits++) {
    const levels = Array.from({ length: 12 }, (_, level) => ((bits >> level) & 1 ? "+" : "a"));
    filters.push(levels.join("/"), [...levels, "#"].join("/"));
  }
  for (const filter of filters) index.insert(filter);
  const topic = "a/".repeat(11).concat("a");
  assert.deepEqual(index.match(topic), filters.sort());
  assert.deepEqual(index.match("b"), []);
  assert.deepEqual(index.match(`${topic}/x`), naiveMatch(filters, `${topic}/x`));
});

test("filter trie: matches found early stay while later levels find thousands more", () => {
  const index = new FilterIndex();
  const filters = ["#"];
  for (let depth = 1; depth <= 10; depth++) {
    for (let bits = 0; bits < 2 ** depth; bits++) {
      const levels = Array.from({ length: depth }, (_, level) => ((bits >> level) & 1 ? "+" : "a"));
      filters.push([...levels, "#"].join("/"));
    }
  }
  for (const filter of filters) index.insert(filter);
  assert.deepEqual(index.match("a/".repeat(10).concat("b")), filters.sort());
});

test("filter trie: ten thousand levels, matched, named and removed without recursion", () => {
  const index = new FilterIndex();
  const topic = "a/".repeat(9999).concat("a");
  const plus = "+/".repeat(9999).concat("+");
  const filters = [topic, plus, `${topic}/#`];
  for (const filter of filters) index.insert(filter);
  assert.deepEqual(index.match(topic), filters.sort());
  assert.deepEqual(index.match(`${topic}/a`), [`${topic}/#`]);
  for (const filter of filters) index.remove(filter);
  assert.equal(index.trie.nodeCount, 0);
  assert.equal(index.trie.symbolCount, 0);
});

test("filter trie: many levels against many + filters visit each node once", () => {
  const index = new FilterIndex();
  for (let levels = 1; levels <= 1000; levels++) {
    index.insert("+/".repeat(levels - 1).concat("+"));
  }
  assert.equal(index.trie.nodeCount, 1001);
  assert.equal(index.matchNodes("a/".repeat(999).concat("a")).length, 1);
  assert.equal(index.matchNodes("a/".repeat(1000).concat("a")).length, 0);
});

test("filter trie: node ids and matches hold while the trie grows by pages", () => {
  const index = new FilterIndex();
  const early = index.insert("site/1/+/temp");
  const nodes = Array.from({ length: 40_000 }, (_, n) => index.insert(`site/${n % 7}/device/${n}`));
  assert.ok(index.trie.capacity > 40_000);
  assert.equal(new Set([early, ...nodes]).size, 40_001);
  nodes.forEach((node, n) => {
    assert.equal(index.find(`site/${n % 7}/device/${n}`), node);
  });
  assert.deepEqual(index.matchNodes("site/1/x/temp"), [early]);
  assert.ok(Math.max(...nodes.slice(-1000)) < index.trie.capacity);
});

test("filter trie: another hash key, the same answers", () => {
  const filters = ["a/b", "+/b", "#", "a/#", "$a", "/"];
  const one = new FilterIndex({ word0: 1, word1: 2 });
  const other = new FilterIndex({ word0: -1, word1: 0x7fff_ffff });
  for (const filter of filters) {
    one.insert(filter);
    other.insert(filter);
  }
  for (const topic of ["a/b", "a", "b", "/", "$a"]) {
    assert.deepEqual(one.match(topic), other.match(topic));
    assert.deepEqual(one.match(topic), naiveMatch(filters, topic));
  }
});

test("filter trie: misuse is an assertion, not a wrong index", () => {
  const index = new FilterIndex();
  assert.throws(() => index.insert(""), /at least one character/);
  assert.throws(() => index.insert("#/a"), /last level/);
  const inner = new FilterIndex();
  inner.insert("a/b");
  const { trie } = inner;
  const bytes = utf8("a");
  assert.equal(trie.find(trie.findTenant("t"), bytes, 0, 1), NOT_FOUND);
  assert.throws(() => trie.remove(trie.findTenant("t")), /ends a filter/);
});
