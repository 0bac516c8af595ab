/**
 * Rules for the texts of cold packets: strings, topic names, topic filters. Each reads a field with
 * its two length bytes, and returns the offset behind it or a fault.
 *
 * Flow: connect and subscribe, inside the decoder. Thread: any. Cold.
 */

import { decodeUtf8, scanUtf8, UTF8_NUL, UTF8_WILDCARD } from "../bytes/utf8.ts";
import { INVALID_SHARE, splitShareFilter } from "../topic/share-filter.ts";
import { checkTopicFilter } from "../topic/topic-filter.ts";
import { HIDDEN_TOPIC_MARK, levelEnd, TopicFault } from "../topic/topic-name.ts";
import { fault } from "./decode-fault.ts";
import type { PacketView } from "./packet-view.ts";
import { ReasonCode } from "./reason-code.ts";

/** Bytes of a field's length prefix: the content starts here. */
export const FIELD_PREFIX = 2;

/** A field of any bytes at `at`. */
export function checkBinary(view: PacketView, bytes: Uint8Array, at: number, end: number): number {
  const content = at + FIELD_PREFIX;
  const next = content > end ? content : content + ((bytes[at]! << 8) | bytes[at + 1]!);
  return next > end
    ? fault(view, ReasonCode.MALFORMED_PACKET, "field goes beyond the packet")
    : next;
}

/** A UTF-8 string at `at`: well-formed, without U+0000 [MQTT-1.5.4-1] [MQTT-1.5.4-2]. */
export function checkText(view: PacketView, bytes: Uint8Array, at: number, end: number): number {
  const next = checkBinary(view, bytes, at, end);
  if (next < 0) return next;
  const flags = scanUtf8(bytes, at + FIELD_PREFIX, next);
  return flags < 0 || (flags & UTF8_NUL) !== 0
    ? fault(view, ReasonCode.MALFORMED_PACKET, "text is not well-formed UTF-8")
    : next;
}

/** A topic name at `at`: not empty [MQTT-4.7.3-1], no wildcards [MQTT-4.7.0-1]. */
export function checkTopicField(
  view: PacketView,
  bytes: Uint8Array,
  at: number,
  end: number,
): number {
  const next = checkText(view, bytes, at, end);
  if (next < 0) return next;
  const length = next - at - FIELD_PREFIX;
  // A second walk: topics are fields of cold packets here, PUBLISH has its own path.
  const flags = scanUtf8(bytes, at + FIELD_PREFIX, next);
  return length === 0 || (flags & UTF8_WILDCARD) !== 0
    ? fault(view, ReasonCode.TOPIC_NAME_INVALID, "topic is empty or contains a wildcard")
    : next;
}

/** A topic filter at `at`, with or without a share prefix [MQTT-3.8.3-1] [MQTT-3.10.3-1]. */
export function checkFilterField(
  view: PacketView,
  bytes: Uint8Array,
  at: number,
  end: number,
): number {
  const next = checkText(view, bytes, at, end);
  if (next < 0) return next;
  const filterOffset = shareFilterOffset(bytes, at + FIELD_PREFIX, next);
  if (filterOffset < 0) {
    return fault(view, ReasonCode.TOPIC_FILTER_INVALID, "shared filter without a valid group name");
  }
  return checkTopicFilter(bytes, filterOffset, next - filterOffset) === TopicFault.NONE
    ? next
    : fault(view, ReasonCode.TOPIC_FILTER_INVALID, "topic filter is empty or misplaces a wildcard");
}

/** Where the filter to match begins: `start` for a plain one, -1 when the share part is broken. */
function shareFilterOffset(bytes: Uint8Array, start: number, end: number): number {
  if (start === end || bytes[start] !== HIDDEN_TOPIC_MARK) return start;
  const share = splitShareFilter(decodeUtf8(bytes, start, end)); // [MQTT-4.8.2-1] [MQTT-4.8.2-2]
  if (share === null) return start;
  if (share === INVALID_SHARE) return -1;
  // Behind the first two levels, `$share` and the group.
  return levelEnd(bytes, levelEnd(bytes, start, end) + 1, end) + 1;
}
