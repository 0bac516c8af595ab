/**
 * Topic filters: where wildcards may stand, and the matching rule in its plainest form.
 * `matchesFilter` serves single questions (access control) and is the oracle that the tries are
 * tested against; it shares no code with them on purpose.
 *
 * Flow: subscribe. Thread: any.
 */

import {
  LEVEL_SEPARATOR,
  levelEnd,
  MAX_TOPIC_SIZE,
  MULTI_LEVEL_WILDCARD,
  SINGLE_LEVEL_WILDCARD,
  TopicFault,
} from "./topic-name.ts";

/** True when the filter, a string without its share prefix, can match more than one topic. */
export function hasWildcard(filter: string): boolean {
  return filter.includes("+") || filter.includes("#");
}

/**
 * Checks a topic filter in bytes[offset, offset + length), without its share prefix: wildcards fill
 * whole levels, and `#` is the last of them. O(length), allocates nothing.
 */
export function checkTopicFilter(bytes: Uint8Array, offset: number, length: number): TopicFault {
  if (length === 0) return TopicFault.EMPTY; // [MQTT-4.7.3-1]
  if (length > MAX_TOPIC_SIZE) return TopicFault.TOO_LONG; // [MQTT-4.7.3-3]
  const end = offset + length;
  for (let from = offset; from <= end; ) {
    const to = levelEnd(bytes, from, end);
    for (let at = from; at < to; at++) {
      const byte = bytes[at];
      if (byte === 0) return TopicFault.NUL; // [MQTT-4.7.3-2]
      const isHash = byte === MULTI_LEVEL_WILDCARD;
      if (!isHash && byte !== SINGLE_LEVEL_WILDCARD) continue;
      if (to - from !== 1) return TopicFault.WILDCARD; // [MQTT-4.7.1-1] [MQTT-4.7.1-2]
      if (isHash && to !== end) return TopicFault.WILDCARD; // [MQTT-4.7.1-1]
    }
    from = to + 1;
  }
  return TopicFault.NONE;
}

/** Index of the separator at or after `from`, or the string's length. */
function textLevelEnd(text: string, from: number): number {
  const at = text.indexOf("/", from);
  return at < 0 ? text.length : at;
}

function isSameLevel(filter: string, from: number, to: number, topic: string, at: number): boolean {
  for (let index = from; index < to; index++) {
    if (filter.charCodeAt(index) !== topic.charCodeAt(at + index - from)) return false;
  }
  // The topic's level must end here as well: at its separator or at the end of the topic.
  const next = at + to - from;
  return next === topic.length || topic.charCodeAt(next) === LEVEL_SEPARATOR;
}

/**
 * True when a valid topic filter (without share prefix) matches a valid topic name, character by
 * character, without normalisation [MQTT-4.7.3-4]. O(length), allocates nothing.
 */
export function matchesFilter(filter: string, topic: string): boolean {
  const startsWild = filter.startsWith("+") || filter.startsWith("#");
  if (startsWild && topic.startsWith("$")) return false; // [MQTT-4.7.2-1]
  let from = 0;
  let at = 0;
  while (from <= filter.length) {
    const to = textLevelEnd(filter, from);
    const first = to - from === 1 ? filter.charCodeAt(from) : -1;
    // Before the check for the topic's end: `a/#` matches `a` (MQTT5 §4.7.1.2).
    if (first === MULTI_LEVEL_WILDCARD) return true;
    if (at > topic.length) return false;
    if (first !== SINGLE_LEVEL_WILDCARD && !isSameLevel(filter, from, to, topic, at)) return false;
    at = textLevelEnd(topic, at) + 1;
    from = to + 1;
  }
  return at > topic.length;
}
