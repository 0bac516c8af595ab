/** Checks of topic names and of the limits that names and filters share. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DEFAULT_TENANT_SETTINGS } from "../../../src/shared/tenant/tenant-settings.ts";
import {
  checkTopicLimits,
  checkTopicName,
  levelEnd,
  TopicFault,
  TopicLimit,
} from "../../../src/shared/topic/topic-name.ts";
import { anyTopic, utf8 } from "./topics.ts";

function faultOf(topic: string): number {
  // Wildcards and NUL around the topic must not be looked at.
  const bytes = utf8(`#\0${topic}+\0`);
  return checkTopicName(bytes, 2, bytes.length - 4);
}

test("topic name: at least one character [MQTT-4.7.3-1]", () => {
  assert.equal(faultOf(""), TopicFault.EMPTY);
  assert.equal(faultOf("/"), TopicFault.NONE);
  assert.equal(faultOf(" "), TopicFault.NONE);
});

test("topic name: no wildcard anywhere [MQTT-4.7.0-1]", () => {
  for (const topic of ["+", "#", "a/+", "a/#", "a+", "#a", "a/b+c/d"]) {
    assert.equal(faultOf(topic), TopicFault.WILDCARD, topic);
  }
});

test("topic name: no U+0000 [MQTT-4.7.3-2]", () => {
  assert.equal(faultOf("\0"), TopicFault.NUL);
  assert.equal(faultOf("a/b\0"), TopicFault.NUL);
});

test("topic name: at most 65,535 bytes [MQTT-4.7.3-3]", () => {
  assert.equal(faultOf("a".repeat(65_535)), TopicFault.NONE);
  assert.equal(faultOf("a".repeat(65_536)), TopicFault.TOO_LONG);
});

test("topic name: every topic of the generator is accepted", () => {
  fc.assert(fc.property(anyTopic, (topic) => faultOf(topic) === TopicFault.NONE));
});

test("topic level: ends at the next separator or at the end given", () => {
  const bytes = utf8("ab//c/");
  assert.deepEqual(
    [0, 1, 2, 3, 4, 6].map((from) => levelEnd(bytes, from, bytes.length)),
    [2, 2, 2, 3, 5, 6],
  );
  assert.equal(levelEnd(bytes, 0, 1), 1);
});

function limitOf(topic: string, levels: number, levelLength: number, length: number): number {
  const bytes = utf8(`//${topic}//`);
  return checkTopicLimits(bytes, 2, bytes.length - 4, {
    MaxTopicLevels: levels,
    MaxTopicLevelLength: levelLength,
    MaxTopicLength: length,
  });
}

test("topic limits: each is inclusive and counts bytes, not characters", () => {
  const cases: readonly (readonly [string, number, number, number, number])[] = [
    ["a/b/c", 3, 1, 5, TopicLimit.OK],
    ["a/b/c", 2, 1, 5, TopicLimit.LEVELS],
    ["a/b/c", 3, 1, 4, TopicLimit.LENGTH],
    ["a/bb/c", 3, 1, 9, TopicLimit.LEVEL_LENGTH],
    ["a/b/cc", 3, 1, 9, TopicLimit.LEVEL_LENGTH],
    ["🐿", 1, 4, 4, TopicLimit.OK],
    ["🐿", 1, 3, 4, TopicLimit.LEVEL_LENGTH],
    ["🐿", 1, 4, 3, TopicLimit.LENGTH],
  ];
  for (const [topic, levels, levelLength, length, expected] of cases) {
    assert.equal(limitOf(topic, levels, levelLength, length), expected, topic);
  }
});

test("topic limits: empty levels count, also the ones before and after the outer separators", () => {
  assert.equal(limitOf("/", 2, 1, 9), TopicLimit.OK);
  assert.equal(limitOf("/", 1, 1, 9), TopicLimit.LEVELS);
  assert.equal(limitOf("//", 2, 1, 9), TopicLimit.LEVELS);
  assert.equal(limitOf("a/", 1, 1, 9), TopicLimit.LEVELS);
});

test("topic limits: agree with splitting the string, whatever the limits", () => {
  const limit = fc.integer({ min: 1, max: 30 });
  fc.assert(
    fc.property(anyTopic, limit, limit, limit, (topic, levels, levelLength, length) => {
      const parts = topic.split("/").map((part) => utf8(part).length);
      const isFine =
        parts.length <= levels && Math.max(...parts) <= levelLength && utf8(topic).length <= length;
      assert.equal(limitOf(topic, levels, levelLength, length) === TopicLimit.OK, isFine);
    }),
  );
});

test("topic limits: tenant settings are taken as they are", () => {
  const deep = utf8("a/".repeat(DEFAULT_TENANT_SETTINGS.MaxTopicLevels - 1));
  const within = deep.length - 1;
  assert.equal(checkTopicLimits(deep, 0, within, DEFAULT_TENANT_SETTINGS), TopicLimit.OK);
  const deeper = utf8("a/".repeat(DEFAULT_TENANT_SETTINGS.MaxTopicLevels));
  const limit = checkTopicLimits(deeper, 0, deeper.length, DEFAULT_TENANT_SETTINGS);
  assert.equal(limit, TopicLimit.LEVELS);
});
