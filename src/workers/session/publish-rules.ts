/**
 * What a tenant's settings and MQTT say about one inbound PUBLISH, beyond what the decoder has
 * checked. Thread: worker. Allocates nothing for a legal publish.
 */

import { isValidUtf8 } from "../../shared/bytes/utf8.ts";
import type { PacketView } from "../../shared/mqtt/packet-view.ts";
import { ReasonCode } from "../../shared/mqtt/reason-code.ts";
import type { TenantSettings } from "../../shared/tenant/tenant-settings.ts";
import { checkTopicLimits, TopicLimit } from "../../shared/topic/topic-name.ts";

/** "$SYS" in ASCII. */
const RESERVED = [0x24, 0x53, 0x59, 0x53] as const;
const SLASH = 0x2f;

/**
 * Faults that end the connection: a reason code, or 0. `topic`: where the topic name lies, alias
 * resolved.
 */
export function checkPublish(
  view: PacketView,
  topicBytes: Uint8Array,
  topicOffset: number,
  topicLength: number,
  settings: TenantSettings,
): number {
  if (view.qos > settings.MaximumQoS) return ReasonCode.QOS_NOT_SUPPORTED;
  if (view.retain && !settings.RetainEnabled) return ReasonCode.RETAIN_NOT_SUPPORTED;
  if (view.payloadLength > settings.MaxUserPayloadBytes) return ReasonCode.PACKET_TOO_LARGE;
  const limit = checkTopicLimits(topicBytes, topicOffset, topicLength, settings);
  return limit === TopicLimit.OK ? 0 : ReasonCode.TOPIC_NAME_INVALID;
}

/** Clients may not publish as the broker: `$SYS` and below. */
export function isReservedTopicName(bytes: Uint8Array, offset: number, length: number): boolean {
  if (length < RESERVED.length || bytes[offset] !== RESERVED[0]) return false;
  for (let at = 1; at < RESERVED.length; at += 1) {
    if (bytes[offset + at] !== RESERVED[at]) return false;
  }
  return length === RESERVED.length || bytes[offset + RESERVED.length] === SLASH;
}

/** True when the payload says that it is UTF-8 and is not (MQTT5 §3.3.2.3.2). */
export function breaksPayloadFormat(view: PacketView, settings: TenantSettings): boolean {
  if (view.payloadFormat !== 1 || !settings.PayloadFormatValidationEnabled) return false;
  return !isValidUtf8(view.bytes, view.payloadOffset, view.payloadOffset + view.payloadLength);
}
