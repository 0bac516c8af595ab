/**
 * SUBSCRIBE and UNSUBSCRIBE (MQTT5 §3.8, §3.10): a packet identifier, properties, then filters,
 * with an options byte each in SUBSCRIBE.
 *
 *   options, MQTT 5:  7 6 reserved | 5 4 retain handling | 3 retain as published | 2 no local | 1 0 QoS
 *   options, MQTT 3:  7 .. 2 reserved                                                       | 1 0 QoS
 *
 * Flow: subscribe 1. Thread: worker. Cold: one object per filter.
 */

import { decodeUtf8 } from "../bytes/utf8.ts";
import { splitShareFilter } from "../topic/share-filter.ts";
import { DECODED, fault } from "./decode-fault.ts";
import type { DecodeOptions } from "./decode-options.ts";
import { PacketType, ProtocolVersion } from "./packet-type.ts";
import type { PacketView, SubscriptionRequest } from "./packet-view.ts";
import { PropertyId } from "./property.ts";
import { propertyBlock } from "./property-block.ts";
import { ReasonCode } from "./reason-code.ts";
import { checkFilterField, FIELD_PREFIX } from "./validate.ts";

/**
 * Filters of one packet, whatever the tenant's MaxTopicFiltersPerSub (at most 65,535) says: bounds
 * the heap that one packet of minimal filters can cost before the session sees it.
 */
const MAX_FILTERS = 65_535;

const OPTION_QOS = 0x03;
const OPTION_NO_LOCAL = 0x04;
const OPTION_RETAIN_AS_PUBLISHED = 0x08;
const OPTION_RETAIN_HANDLING = 0x30;
const OPTION_RESERVED_V5 = 0xc0;
const OPTION_RESERVED_V3 = 0xfc;

/** Decodes the body bytes[start, end) of a SUBSCRIBE into view.cold. */
export function decodeSubscribe(
  view: PacketView,
  bytes: Uint8Array,
  start: number,
  end: number,
  options: DecodeOptions,
): number {
  let at = readHead(view, start, end, options);
  if (at < 0) return at;
  const subscriptions: SubscriptionRequest[] = [];
  while (at < end) {
    const next = checkFilterField(view, bytes, at, end);
    if (next < 0) return next;
    if (next >= end) {
      return fault(view, ReasonCode.MALFORMED_PACKET, "filter without subscription options");
    }
    const request = readRequest(view, at + FIELD_PREFIX, next, options.protocolVersion);
    if (typeof request === "number") return request;
    subscriptions.push(request);
    if (subscriptions.length > MAX_FILTERS) return tooMany(view);
    at = next + 1;
  }
  if (subscriptions.length === 0) {
    return fault(view, ReasonCode.PROTOCOL_ERROR, "SUBSCRIBE without a filter"); // [MQTT-3.8.3-2]
  }
  view.cold = {
    packetId: view.packetId,
    subscriptions,
    subscriptionIdentifier: propertyBlock.numberOr(PropertyId.SUBSCRIPTION_IDENTIFIER, 0),
    userProperties: propertyBlock.userProperties(),
  };
  return DECODED;
}

/** Decodes the body bytes[start, end) of an UNSUBSCRIBE into view.cold. */
export function decodeUnsubscribe(
  view: PacketView,
  bytes: Uint8Array,
  start: number,
  end: number,
  options: DecodeOptions,
): number {
  let at = readHead(view, start, end, options);
  if (at < 0) return at;
  const filters: string[] = [];
  while (at < end) {
    const next = checkFilterField(view, bytes, at, end); // [MQTT-3.10.3-1]
    if (next < 0) return next;
    filters.push(decodeUtf8(bytes, at + FIELD_PREFIX, next));
    if (filters.length > MAX_FILTERS) return tooMany(view);
    at = next;
  }
  if (filters.length === 0) {
    return fault(view, ReasonCode.PROTOCOL_ERROR, "UNSUBSCRIBE without a filter"); // [MQTT-3.10.3-2]
  }
  view.cold = {
    packetId: view.packetId,
    filters,
    userProperties: propertyBlock.userProperties(),
  };
  return DECODED;
}

/** Packet identifier and properties; returns the offset of the first filter, or a fault. */
function readHead(view: PacketView, start: number, end: number, options: DecodeOptions): number {
  if (start + 2 > end) {
    return fault(view, ReasonCode.MALFORMED_PACKET, "packet identifier missing");
  }
  view.packetId = (view.bytes[start]! << 8) | view.bytes[start + 1]!;
  if (view.packetId === 0) {
    return fault(view, ReasonCode.PROTOCOL_ERROR, "packet identifier 0"); // [MQTT-2.2.1-3]
  }
  propertyBlock.clear(start + 2);
  if (options.protocolVersion === ProtocolVersion.V5) {
    const result = propertyBlock.read(view, view.bytes, start + 2, end, view.type);
    if (result < 0) return result;
  }
  return propertyBlock.end;
}

/** The filter in [start, end) with the options byte that follows it; a number is a fault. */
function readRequest(
  view: PacketView,
  start: number,
  end: number,
  protocolVersion: number,
): SubscriptionRequest | number {
  const option = view.bytes[end]!;
  const reserved = protocolVersion === ProtocolVersion.V5 ? OPTION_RESERVED_V5 : OPTION_RESERVED_V3;
  if ((option & reserved) !== 0) {
    // [MQTT-3.8.3-5]
    return fault(view, ReasonCode.MALFORMED_PACKET, "reserved subscription option bits are set");
  }
  if ((option & OPTION_QOS) === OPTION_QOS) {
    return fault(view, ReasonCode.PROTOCOL_ERROR, "subscription with QoS 3"); // MQTT5 §3.8.3.1
  }
  if ((option & OPTION_RETAIN_HANDLING) === OPTION_RETAIN_HANDLING) {
    return fault(view, ReasonCode.PROTOCOL_ERROR, "retain handling 3"); // MQTT5 §3.8.3.1
  }
  const filter = decodeUtf8(view.bytes, start, end);
  const noLocal = (option & OPTION_NO_LOCAL) !== 0;
  if (noLocal && splitShareFilter(filter) !== null) {
    // [MQTT-3.8.3-4]
    return fault(view, ReasonCode.PROTOCOL_ERROR, "no local on a shared subscription");
  }
  return {
    filter,
    qos: (option & OPTION_QOS) as 0 | 1 | 2,
    noLocal,
    retainAsPublished: (option & OPTION_RETAIN_AS_PUBLISHED) !== 0,
    retainHandling: ((option & OPTION_RETAIN_HANDLING) >> 4) as 0 | 1 | 2,
  };
}

function tooMany(view: PacketView): number {
  const name = view.type === PacketType.SUBSCRIBE ? "SUBSCRIBE" : "UNSUBSCRIBE";
  return fault(view, ReasonCode.QUOTA_EXCEEDED, `${name} with too many filters`);
}
