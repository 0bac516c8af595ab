/**
 * The packet table's illegal packets whose fault lies in a text, a filter or a property. See
 * packet-case.ts.
 */

import { type FaultCase, illegal } from "./packet-case.ts";
import {
  auth,
  bytes,
  concat,
  connect,
  field,
  packet,
  properties,
  property,
  publish,
  subscribe,
  unsubscribe,
  varint,
} from "./packets.ts";

const MALFORMED = 0x81;
const PROTOCOL = 0x82;
const FILTER = 0x8f;
const ALIAS = 0x94;

const BAD_UTF8: readonly (readonly [string, Uint8Array])[] = [
  ["U+0000", bytes(0x61, 0)],
  ["an overlong U+0000", bytes(0xc0, 0x80)],
  ["an overlong slash of two bytes", bytes(0xc0, 0xaf)],
  ["an overlong slash of three bytes", bytes(0xe0, 0x80, 0xaf)],
  ["an overlong slash of four bytes", bytes(0xf0, 0x80, 0x80, 0xaf)],
  ["a high surrogate", bytes(0xed, 0xa0, 0x80)],
  ["a low surrogate", bytes(0xed, 0xbf, 0xbf)],
  ["a code point above U+10FFFF", bytes(0xf4, 0x90, 0x80, 0x80)],
  ["a five-byte sequence", bytes(0xf8, 0x88, 0x80, 0x80, 0x80)],
  ["FF FE", bytes(0xff, 0xfe)],
  ["a lone continuation byte", bytes(0x61, 0x80)],
  ["a sequence cut short", bytes(0x61, 0xe2, 0x82)],
  ["a sequence broken by ASCII", bytes(0xe2, 0x82, 0x41)],
];

export const TEXT_FAULTS: readonly FaultCase[] = BAD_UTF8.flatMap(([name, text]) => [
  illegal(`topic with ${name}`, 4, MALFORMED, publish({ level: 4, topic: text })),
  illegal(`client identifier with ${name}`, 0, MALFORMED, connect({ clientId: text })),
  illegal(`user name with ${name}`, 0, MALFORMED, connect({ username: text })),
  illegal(`will topic with ${name}`, 0, MALFORMED, connect({ will: { topic: text } })),
  illegal(`filter with ${name}`, 5, MALFORMED, subscribe({ filters: [{ filter: text }] })),
  illegal(
    `user property name with ${name}`,
    5,
    MALFORMED,
    publish({ topic: "t", properties: [property.user(text, "")] }),
  ),
  illegal(
    `user property value with ${name}`,
    5,
    MALFORMED,
    publish({ topic: "t", properties: [property.user("", text)] }),
  ),
  illegal(
    `content type with ${name}`,
    5,
    MALFORMED,
    publish({ topic: "t", properties: [property.contentType(text)] }),
  ),
]);

const BAD_FILTERS = [
  "",
  "#/a",
  "a/#/b",
  "a#",
  "a/b#",
  "##",
  "a+",
  "+a",
  "a/+b/c",
  "++",
  "$share/",
  "$share/g",
  "$share/g/",
  "$share//a",
  "$share/g+/a",
  "$share/#/a",
  "$share/g/a#",
  "$oshare/",
  "$oshare/g",
  "$oshare//a",
  "$oshare/+/a",
];

export const FILTER_FAULTS: readonly FaultCase[] = BAD_FILTERS.flatMap((filter) => [
  illegal(`SUBSCRIBE to "${filter}"`, 5, FILTER, subscribe({ filters: [{ filter }] })),
  illegal(
    `SUBSCRIBE 3.1.1 to "${filter}"`,
    4,
    FILTER,
    subscribe({ level: 4, filters: [{ filter }] }),
  ),
  illegal(`UNSUBSCRIBE from "${filter}"`, 5, FILTER, unsubscribe({ filters: [filter] })),
]);

function publishWith(...list: Uint8Array[]): Uint8Array {
  return publish({ topic: "t", properties: list });
}

export const PROPERTY_FAULTS: readonly FaultCase[] = [
  illegal(
    "message expiry twice",
    5,
    PROTOCOL,
    publishWith(property.messageExpiry(1), property.messageExpiry(2)),
  ),
  illegal(
    "message expiry 0 and then 2",
    5,
    PROTOCOL,
    publishWith(property.messageExpiry(0), property.messageExpiry(2)),
  ),
  illegal(
    "content type twice",
    5,
    PROTOCOL,
    publishWith(property.contentType("a"), property.contentType("a")),
  ),
  illegal("payload format 7", 5, PROTOCOL, publishWith(property.payloadFormat(7))),
  illegal("topic alias 0", 5, ALIAS, publishWith(property.topicAlias(0))),
  illegal("topic alias above the maximum", 5, ALIAS, publishWith(property.topicAlias(11))),
  illegal(
    "subscription identifier in a client's PUBLISH",
    5,
    PROTOCOL,
    publishWith(property.subscriptionIdentifier(1)),
  ),
  illegal("response topic with +", 5, PROTOCOL, publishWith(property.responseTopic("a/+"))),
  illegal("response topic with #", 5, PROTOCOL, publishWith(property.responseTopic("#"))),
  illegal("empty response topic", 5, PROTOCOL, publishWith(property.responseTopic(""))),
  illegal("session expiry in PUBLISH", 5, MALFORMED, publishWith(property.sessionExpiry(1))),
  illegal("unknown property", 5, MALFORMED, publishWith(bytes(0x7f, 0))),
  illegal("property identifier of two bytes", 5, MALFORMED, publishWith(bytes(0x81, 0x00, 1))),
  illegal("user property without its value", 5, MALFORMED, publishWith(bytes(0x26, 0, 1, 0x61))),
  illegal("number cut off by the property length", 5, MALFORMED, publishWith(bytes(0x02, 0, 0))),
  illegal(
    "text cut off by the property length",
    5,
    MALFORMED,
    publishWith(bytes(0x03, 0, 9, 0x61)),
  ),
  illegal(
    "property length of five bytes",
    5,
    MALFORMED,
    packet(0x30, field("t"), bytes(0x80, 0x80, 0x80, 0x80, 0)),
  ),
  illegal(
    "property length not in shortest form",
    5,
    MALFORMED,
    packet(0x30, field("t"), varint(0, 2)),
  ),
  illegal("property length missing", 5, MALFORMED, packet(0x30, field("t"))),
  illegal(
    "property length beyond the packet, into the next one",
    5,
    MALFORMED,
    concat(
      packet(0x30, field("t"), properties([property.payloadFormat(0)], 20)),
      publish({ topic: "next", payload: "0123456789" }),
    ),
  ),
  illegal("receive maximum 0", 0, PROTOCOL, connect({ properties: [property.receiveMaximum(0)] })),
  illegal(
    "maximum packet size 0",
    0,
    PROTOCOL,
    connect({ properties: [property.maximumPacketSize(0)] }),
  ),
  illegal(
    "request problem information 2",
    0,
    PROTOCOL,
    connect({ properties: [property.requestProblemInformation(2)] }),
  ),
  illegal(
    "request response information 2",
    0,
    PROTOCOL,
    connect({ properties: [property.requestResponseInformation(2)] }),
  ),
  illegal(
    "authentication data without a method",
    0,
    PROTOCOL,
    connect({ properties: [property.authData("d")] }),
  ),
  illegal(
    "topic alias in CONNECT",
    0,
    MALFORMED,
    connect({ properties: [property.topicAlias(1)] }),
  ),
  illegal(
    "will delay among CONNECT's properties",
    0,
    MALFORMED,
    connect({ properties: [property.willDelay(1)] }),
  ),
  illegal(
    "a server's property in CONNECT",
    0,
    MALFORMED,
    connect({ properties: [property.serverKeepAlive(1)] }),
  ),
  illegal(
    "will delay twice",
    0,
    PROTOCOL,
    connect({ will: { topic: "w", properties: [property.willDelay(1), property.willDelay(1)] } }),
  ),
  illegal(
    "topic alias in a will",
    0,
    MALFORMED,
    connect({ will: { topic: "w", properties: [property.topicAlias(1)] } }),
  ),
  illegal(
    "subscription identifier 0",
    5,
    PROTOCOL,
    subscribe({ filters: [{ filter: "a" }], properties: [property.subscriptionIdentifier(0)] }),
  ),
  illegal(
    "two subscription identifiers",
    5,
    PROTOCOL,
    subscribe({
      filters: [{ filter: "a" }],
      properties: [property.subscriptionIdentifier(1), property.subscriptionIdentifier(2)],
    }),
  ),
  illegal(
    "reason string in SUBSCRIBE",
    5,
    MALFORMED,
    subscribe({ filters: [{ filter: "a" }], properties: [property.reasonString("r")] }),
  ),
  illegal(
    "session expiry in AUTH",
    5,
    MALFORMED,
    auth(0x18, [property.authMethod("m"), property.sessionExpiry(1)]),
  ),
];
