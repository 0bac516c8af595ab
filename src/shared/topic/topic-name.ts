/**
 * Topic names as bytes: what a PUBLISH may carry, the size limits that names and filters share, and
 * the walk from level to level that every trie uses. Topics are UTF-8, checked by the decoder; the
 * four bytes that mean something here are ASCII, so no byte of a longer character can be mistaken
 * for one of them.
 *
 * Flow: publish 3/8 (rules). Thread: any. Nothing here allocates.
 */

/**
 * `/` separates levels; two in a row enclose an empty level, which counts like any other (MQTT5
 * §4.7.1.1).
 */
export const LEVEL_SEPARATOR = 0x2f;
/** `+` fills exactly one level. */
export const SINGLE_LEVEL_WILDCARD = 0x2b;
/** `#` stands for its parent level and all levels below. */
export const MULTI_LEVEL_WILDCARD = 0x23;
/** `$` as first character hides a topic from filters that begin with a wildcard. */
export const HIDDEN_TOPIC_MARK = 0x24;

/** What `checkTopicName` and `checkTopicFilter` say. */
export const TopicFault = {
  NONE: 0,
  /** No character at all [MQTT-4.7.3-1]. */
  EMPTY: 1,
  /** More than 65,535 bytes [MQTT-4.7.3-3]. */
  TOO_LONG: 2,
  /** Contains U+0000 [MQTT-4.7.3-2]. */
  NUL: 3,
  /** A wildcard in a topic name, or at a place of a filter where none may stand. */
  WILDCARD: 4,
} as const;
export type TopicFault = (typeof TopicFault)[keyof typeof TopicFault];

/** Which tenant limit a topic breaks; see `checkTopicLimits`. */
export const TopicLimit = { OK: 0, LENGTH: 1, LEVELS: 2, LEVEL_LENGTH: 3 } as const;
export type TopicLimit = (typeof TopicLimit)[keyof typeof TopicLimit];

/** 65,535: what the two length bytes of an MQTT string can say [MQTT-4.7.3-3]. */
export const MAX_TOPIC_SIZE = 0xffff;

/**
 * Index of the separator that ends the level starting at `from`, or `end` when it is the last
 * level. A level that starts at `end` exists too: it is the empty one after a trailing separator.
 */
export function levelEnd(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end && bytes[at] !== LEVEL_SEPARATOR) at++;
  return at;
}

/**
 * Checks a topic name in bytes[offset, offset + length): no wildcard anywhere [MQTT-4.7.0-1].
 * O(length).
 */
export function checkTopicName(bytes: Uint8Array, offset: number, length: number): TopicFault {
  if (length === 0) return TopicFault.EMPTY; // [MQTT-4.7.3-1]
  if (length > MAX_TOPIC_SIZE) return TopicFault.TOO_LONG; // [MQTT-4.7.3-3]
  for (let at = offset; at < offset + length; at++) {
    const byte = bytes[at];
    if (byte === 0) return TopicFault.NUL; // [MQTT-4.7.3-2]
    if (byte === SINGLE_LEVEL_WILDCARD || byte === MULTI_LEVEL_WILDCARD) {
      return TopicFault.WILDCARD; // [MQTT-4.7.0-1]
    }
  }
  return TopicFault.NONE;
}

/** A tenant's limits, all inclusive; `TenantSettings` fits as it is. */
export interface TopicLimits {
  /** Levels, empty ones included. */
  readonly MaxTopicLevels: number;
  /** Bytes in one level. */
  readonly MaxTopicLevelLength: number;
  /** Bytes in all, separators included. */
  readonly MaxTopicLength: number;
}

/**
 * Checks a topic name, or a topic filter without its share prefix, against a tenant's limits. The
 * length is looked at before any byte is, so an oversized topic costs nothing. O(length).
 */
export function checkTopicLimits(
  bytes: Uint8Array,
  offset: number,
  length: number,
  limits: TopicLimits,
): TopicLimit {
  if (length > limits.MaxTopicLength) return TopicLimit.LENGTH;
  const end = offset + length;
  let levels = 0;
  for (let from = offset; from <= end; levels++) {
    if (levels === limits.MaxTopicLevels) return TopicLimit.LEVELS;
    const to = levelEnd(bytes, from, end);
    if (to - from > limits.MaxTopicLevelLength) return TopicLimit.LEVEL_LENGTH;
    from = to + 1;
  }
  return TopicLimit.OK;
}
