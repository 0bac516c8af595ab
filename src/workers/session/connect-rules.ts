/**
 * What a tenant's settings say about a CONNECT, as pure functions. Thread: worker.
 */

import { isValidUtf8 } from "../../shared/bytes/utf8.ts";
import { ProtocolVersion } from "../../shared/mqtt/packet-type.ts";
import type { ConnectPacket, WillPacket } from "../../shared/mqtt/packet-view.ts";
import { ReasonCode } from "../../shared/mqtt/reason-code.ts";
import type { TenantSettings } from "../../shared/tenant/tenant-settings.ts";
import { checkTopicLimits, TopicLimit } from "../../shared/topic/topic-name.ts";

export interface Refusal {
  readonly reasonCode: number;
  readonly text: string;
}

const NEVER = 0xffff_ffff;
const encoder = new TextEncoder();

/** Null: the tenant accepts the CONNECT. */
export function checkConnect(packet: ConnectPacket, settings: TenantSettings): Refusal | null {
  if (!isVersionEnabled(packet.protocolVersion, settings)) {
    return {
      reasonCode: ReasonCode.UNSUPPORTED_PROTOCOL_VERSION,
      text: "this protocol version is switched off",
    };
  }
  return packet.will === null ? null : checkWill(packet.will, settings);
}

function isVersionEnabled(version: number, settings: TenantSettings): boolean {
  if (version === ProtocolVersion.V31) return settings.MQTT3Enabled;
  if (version === ProtocolVersion.V311) return settings.MQTT4Enabled;
  return settings.MQTT5Enabled;
}

function checkWill(will: WillPacket, settings: TenantSettings): Refusal | null {
  // [MQTT-3.2.2-12]
  if (will.qos > settings.MaximumQoS) {
    return { reasonCode: ReasonCode.QOS_NOT_SUPPORTED, text: "will QoS above the maximum" };
  }
  // [MQTT-3.2.2-13]
  if (will.retain && !settings.RetainEnabled) {
    return { reasonCode: ReasonCode.RETAIN_NOT_SUPPORTED, text: "retained wills are switched off" };
  }
  if (will.payload.length > settings.MaxLastWillBytes) {
    return { reasonCode: ReasonCode.QUOTA_EXCEEDED, text: "will payload above the limit" };
  }
  const topic = encoder.encode(will.topic);
  const isTooBig = checkTopicLimits(topic, 0, topic.length, settings) !== TopicLimit.OK;
  if (isTooBig || isReservedTopic(will.topic)) {
    return { reasonCode: ReasonCode.TOPIC_NAME_INVALID, text: "will topic not allowed" };
  }
  const checksPayload = settings.PayloadFormatValidationEnabled && will.payloadFormat === 1;
  if (checksPayload && !isValidUtf8(will.payload, 0, will.payload.length)) {
    return { reasonCode: ReasonCode.PAYLOAD_FORMAT_INVALID, text: "will payload is not UTF-8" };
  }
  return null;
}

/** Clients may not publish as the broker: `$SYS` and below. */
export function isReservedTopic(topic: string): boolean {
  return topic === "$SYS" || topic.startsWith("$SYS/");
}

/**
 * Seconds a session is kept after its connection. MQTT 3.x: Clean Session 0 means "as long as
 * allowed". Zero stays zero: the session ends with the connection.
 */
export function grantedSessionExpiry(packet: ConnectPacket, settings: TenantSettings): number {
  if (settings.ForceTransient) return 0;
  const isV5 = packet.protocolVersion === ProtocolVersion.V5;
  const wanted = isV5 ? packet.sessionExpirySeconds : packet.cleanStart ? 0 : NEVER;
  return clampSessionExpiry(wanted, settings);
}

export function clampSessionExpiry(wantedSeconds: number, settings: TenantSettings): number {
  if (wantedSeconds === 0 || settings.ForceTransient) return 0;
  const atLeast = Math.max(wantedSeconds, settings.MinSessionExpirySeconds);
  return Math.min(atLeast, settings.MaxSessionExpirySeconds);
}

/**
 * Seconds; 0 (off) stays off. What the broker goes by and MQTT 5 clients are told [MQTT-3.2.2-22].
 */
export function grantedKeepAlive(wantedSeconds: number, settings: TenantSettings): number {
  return wantedSeconds === 0 ? 0 : Math.max(wantedSeconds, settings.MinKeepAliveSeconds);
}
