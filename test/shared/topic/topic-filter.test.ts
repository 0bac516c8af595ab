/** Topic filters: where wildcards may stand, and what they match. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  checkTopicFilter,
  hasWildcard,
  matchesFilter,
} from "../../../src/shared/topic/topic-filter.ts";
import { TopicFault } from "../../../src/shared/topic/topic-name.ts";
import { anyFilter, anyTopic, utf8 } from "./topics.ts";

function faultOf(filter: string): number {
  const bytes = utf8(`#\0${filter}+\0`);
  return checkTopicFilter(bytes, 2, bytes.length - 4);
}

test("topic filter: # alone or after a separator, and last [MQTT-4.7.1-1]", () => {
  for (const filter of ["#", "/#", "a/#", "a/b/#", "+/#", "//#"]) {
    assert.equal(faultOf(filter), TopicFault.NONE, filter);
  }
  for (const filter of ["a#", "#a", "a/b#", "a/#/b", "#/", "##", "#/#", "+#"]) {
    assert.equal(faultOf(filter), TopicFault.WILDCARD, filter);
  }
});

test("topic filter: + fills a whole level [MQTT-4.7.1-2]", () => {
  for (const filter of ["+", "+/a", "a/+/b", "/+", "+/", "+/+/+"]) {
    assert.equal(faultOf(filter), TopicFault.NONE, filter);
  }
  for (const filter of ["a+", "+a", "a/b+/c", "++", "a/++"]) {
    assert.equal(faultOf(filter), TopicFault.WILDCARD, filter);
  }
});

test("topic filter: 1 to 65,535 bytes without U+0000 [MQTT-4.7.3-1] [MQTT-4.7.3-2] [MQTT-4.7.3-3]", () => {
  assert.equal(faultOf(""), TopicFault.EMPTY);
  assert.equal(faultOf("a/\0"), TopicFault.NUL);
  assert.equal(faultOf("a".repeat(65_535)), TopicFault.NONE);
  assert.equal(faultOf("a".repeat(65_536)), TopicFault.TOO_LONG);
});

test("topic filter: every filter of the generator is accepted", () => {
  fc.assert(fc.property(anyFilter, (filter) => faultOf(filter) === TopicFault.NONE));
});

test("topic filter: knows whether it has a wildcard", () => {
  for (const filter of ["+", "#", "a/+/b", "a/#"]) assert.equal(hasWildcard(filter), true, filter);
  for (const filter of ["a", "a/b", "/", "$SYS/x"])
    assert.equal(hasWildcard(filter), false, filter);
});

/** Filter, a topic, whether they match: the examples of MQTT5 §4.7 and the corners around them. */
const MATCHES: readonly (readonly [string, string, boolean])[] = [
  ["sport/tennis/player1/#", "sport/tennis/player1", true],
  ["sport/tennis/player1/#", "sport/tennis/player1/ranking", true],
  ["sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true],
  ["sport/#", "sport", true],
  ["sport/#", "sports", false],
  ["#", "a/b/c", true],
  ["#", "/", true],
  ["sport/tennis/+", "sport/tennis/player1", true],
  ["sport/tennis/+", "sport/tennis/player1/ranking", false],
  ["sport/+", "sport", false],
  ["sport/+", "sport/", true],
  ["+/+", "/finance", true],
  ["/+", "/finance", true],
  ["+", "/finance", false],
  ["a//b", "a//b", true],
  ["a/b", "a//b", false],
  ["a/+/b", "a//b", true],
  ["a/", "a", false],
  ["a", "a/", false],
  ["a/b", "a/bc", false],
  ["a/bc", "a/b", false],
  ["ab/c", "a/bc", false],
  ["Sport", "sport", false],
  ["+/tennis/#", "sport/tennis", true],
  ["+/tennis/#", "sport/golf", false],
  ["漢/+", "漢/🐿", true],
  ["🐿", "🐿", true],
];

test("topic filter: matches as the specification's examples say [MQTT-4.7.3-4]", () => {
  for (const [filter, topic, expected] of MATCHES) {
    assert.equal(matchesFilter(filter, topic), expected, `${filter} and ${topic}`);
  }
});

test("topic filter: a leading wildcard does not match a $ topic [MQTT-4.7.2-1]", () => {
  assert.equal(matchesFilter("#", "$SYS/broker"), false);
  assert.equal(matchesFilter("+/broker", "$SYS/broker"), false);
  assert.equal(matchesFilter("+", "$"), false);
  assert.equal(matchesFilter("$SYS/#", "$SYS"), true);
  assert.equal(matchesFilter("$SYS/+", "$SYS/broker"), true);
  assert.equal(matchesFilter("a/#", "a/$b"), true);
  assert.equal(matchesFilter("+/$b", "a/$b"), true);
});

test("topic filter: canonically equal text in different code points does not match [MQTT-4.7.3-4]", () => {
  assert.equal(matchesFilter("caf\u00e9", "cafe\u0301"), false);
  assert.equal(matchesFilter("\u212b", "\u00c5"), false);
});

/** The rule once more, over split strings. */
function matchesLevels(filter: readonly string[], topic: readonly string[]): boolean {
  if (filter[0] === "#") return true;
  if (filter.length === 0 || topic.length === 0) return filter.length === topic.length;
  if (filter[0] !== "+" && filter[0] !== topic[0]) return false;
  return matchesLevels(filter.slice(1), topic.slice(1));
}

test("topic filter: agrees with matching level by level", () => {
  fc.assert(
    fc.property(anyFilter, anyTopic, (filter, topic) => {
      const isHidden = topic.startsWith("$") && /^[+#]/.test(filter);
      const expected = !isHidden && matchesLevels(filter.split("/"), topic.split("/"));
      assert.equal(matchesFilter(filter, topic), expected);
    }),
    { numRuns: 3000 },
  );
});
