/**
 * All illegal packets of the table: here the faults of header and packet, in illegal-fields.ts
 * those of fields.
 */

import { FILTER_FAULTS, PROPERTY_FAULTS, TEXT_FAULTS } from "./illegal-fields.ts";
import { type FaultCase, illegal } from "./packet-case.ts";
import {
  auth,
  bytes,
  concat,
  connect,
  disconnect,
  field,
  packet,
  pingreq,
  property,
  puback,
  pubcomp,
  publish,
  pubrel,
  subscribe,
  u8,
  u16,
  unsubscribe,
  varint,
} from "./packets.ts";

const MALFORMED = 0x81;
const PROTOCOL = 0x82;
const VERSION = 0x84;
const TOPIC = 0x90;
const TOO_LARGE = 0x95;

const headerFaults: readonly FaultCase[] = [
  illegal(
    "remaining length of five bytes",
    5,
    MALFORMED,
    bytes(0x30, 0xff, 0xff, 0xff, 0xff, 0x7f),
  ),
  illegal("remaining length not in shortest form", 5, MALFORMED, concat(u8(0xc0), varint(0, 2))),
  illegal(
    "remaining length of 256 MiB before CONNECT",
    0,
    TOO_LARGE,
    bytes(0x10, 0xff, 0xff, 0xff, 0x7f),
  ),
  illegal("remaining length of 256 MiB", 5, TOO_LARGE, bytes(0x30, 0xff, 0xff, 0xff, 0x7f)),
  illegal("packet type 0", 5, MALFORMED, bytes(0x00, 0)),
  illegal("packet type 15 in MQTT 3.1.1", 4, MALFORMED, bytes(0xf0, 0)),
  illegal("PUBLISH before CONNECT", 0, PROTOCOL, publish({ topic: "t" })),
  illegal("PINGREQ before CONNECT", 0, PROTOCOL, pingreq()),
  illegal("a second CONNECT", 5, PROTOCOL, connect()),
  illegal("HTTP instead of CONNECT", 0, PROTOCOL, new TextEncoder().encode("GET / HTTP/1.1\r\n")),
  illegal("TLS instead of CONNECT", 0, MALFORMED, bytes(0x16, 0x03, 0x01, 0x00, 0xa5)),
  ...[0x20, 0x90, 0xb0, 0xd0].map((first) =>
    illegal(`a server's packet, first byte ${first}`, 5, PROTOCOL, packet(first, u16(1), u8(0))),
  ),
  ...[0x11, 0x41, 0x52, 0x60, 0x64, 0x71, 0x80, 0x83, 0xa0, 0xa6, 0xc1, 0xe1, 0xf8].map((first) =>
    illegal(
      `reserved flags, first byte ${first}`,
      first === 0x11 ? 0 : 5,
      MALFORMED,
      packet(first, u16(1)),
    ),
  ),
  illegal("PUBREL 3.1.1 with DUP", 4, MALFORMED, packet(0x6a, u16(3))),
];

const publishFaults: readonly FaultCase[] = [
  illegal("PUBLISH with QoS 3", 5, MALFORMED, publish({ topic: "t", qos: 3 })),
  illegal("DUP with QoS 0", 5, PROTOCOL, publish({ topic: "t", dup: true })),
  illegal(
    "PUBLISH QoS 1 with packet identifier 0",
    5,
    PROTOCOL,
    publish({ topic: "t", qos: 1, packetId: 0 }),
  ),
  illegal("PUBLISH QoS 1 without packet identifier", 4, MALFORMED, packet(0x32, field("t"))),
  illegal(
    "PUBLISH QoS 1 with half a packet identifier",
    4,
    MALFORMED,
    packet(0x32, field("t"), u8(1)),
  ),
  illegal("empty topic in MQTT 3.1.1", 4, PROTOCOL, publish({ level: 4, topic: "" })),
  illegal("empty topic without alias", 5, PROTOCOL, publish({ topic: "" })),
  illegal("topic with #", 4, TOPIC, publish({ level: 4, topic: "#" })),
  illegal("topic with +", 5, TOPIC, publish({ topic: "a/+/b" })),
  illegal("topic with # behind an emoji", 5, TOPIC, publish({ topic: "a/\u{1f600}/#" })),
  illegal("topic length beyond the packet", 4, MALFORMED, packet(0x30, field("t", 500))),
  illegal("PUBLISH of length 0", 4, MALFORMED, bytes(0x30, 0)),
  illegal("PUBLISH of length 1", 4, MALFORMED, bytes(0x30, 1, 0)),
];

const connectFaults: readonly FaultCase[] = [
  illegal("MQIsdp with level 5", 0, VERSION, connect({ protocolName: "MQIsdp", levelByte: 5 })),
  illegal("MQIsdp with level 4", 0, VERSION, connect({ protocolName: "MQIsdp", levelByte: 4 })),
  illegal("MQTT with level 3", 0, VERSION, connect({ levelByte: 3 })),
  illegal("MQTT with level 6", 0, VERSION, connect({ levelByte: 6 })),
  illegal("MQTT with a bridge's level", 0, VERSION, connect({ levelByte: 0x84 })),
  illegal("protocol name in small letters", 0, VERSION, connect({ protocolName: "mqtt" })),
  illegal("reserved CONNECT flag", 0, MALFORMED, connect({ flags: 0x03 })),
  illegal("will QoS without a will", 0, MALFORMED, connect({ flags: 0x0a })),
  illegal("will retain without a will", 0, MALFORMED, connect({ flags: 0x22 })),
  illegal("will QoS 3", 0, MALFORMED, connect({ will: { topic: "w", qos: 3 } })),
  illegal("will topic with a wildcard", 0, TOPIC, connect({ will: { topic: "w/#" } })),
  illegal("empty will topic", 0, TOPIC, connect({ will: { topic: "" } })),
  illegal(
    "password without user name in MQTT 3.1.1",
    0,
    MALFORMED,
    connect({ level: 4, password: "p" }),
  ),
  illegal(
    "password without user name in MQTT 3.1",
    0,
    MALFORMED,
    connect({ level: 3, password: "p" }),
  ),
  illegal("user name flag without user name", 0, MALFORMED, connect({ flags: 0x82 })),
  illegal(
    "password flag without password",
    0,
    MALFORMED,
    connect({ flags: 0xc2, trailing: field("u") }),
  ),
  illegal("will flag without a will", 0, MALFORMED, connect({ flags: 0x06 })),
  illegal("bytes after CONNECT's payload", 0, MALFORMED, connect({ trailing: bytes(1) })),
  illegal("CONNECT of length 0", 0, MALFORMED, bytes(0x10, 0)),
  illegal("CONNECT that ends within the protocol name", 0, MALFORMED, packet(0x10, field("MQ", 4))),
  illegal("empty protocol name", 0, VERSION, connect({ protocolName: "" })),
  illegal("protocol name with more behind it", 0, VERSION, connect({ protocolName: "MQTT5" })),
  illegal("CONNECT that ends after the protocol name", 0, MALFORMED, packet(0x10, field("MQTT"))),
  illegal("CONNECT that ends after the level", 0, MALFORMED, packet(0x10, field("MQTT"), u8(5))),
  illegal(
    "CONNECT without client identifier",
    0,
    MALFORMED,
    packet(0x10, field("MQTT"), bytes(5, 2, 0, 60, 0)),
  ),
];

const ackFaults: readonly FaultCase[] = [
  illegal(
    "PUBACK of length 0, another packet behind it",
    5,
    MALFORMED,
    concat(bytes(0x40, 0), pingreq()),
  ),
  illegal("PUBACK of length 1", 4, MALFORMED, bytes(0x40, 1, 0)),
  illegal("PUBACK with packet identifier 0", 5, PROTOCOL, puback({ packetId: 0 })),
  illegal("PUBACK 3.1.1 of length 3", 4, MALFORMED, puback({ packetId: 1, reasonCode: 0 })),
  illegal("PUBACK with a code of PUBREL", 5, PROTOCOL, puback({ packetId: 1, reasonCode: 0x92 })),
  illegal("PUBREL with a code of PUBACK", 5, PROTOCOL, pubrel({ packetId: 1, reasonCode: 0x10 })),
  illegal("PUBCOMP with an unknown code", 5, PROTOCOL, pubcomp({ packetId: 1, reasonCode: 0x7f })),
  illegal(
    "PUBREC with bytes after its properties",
    5,
    MALFORMED,
    packet(0x50, u16(1), bytes(0, 0, 0)),
  ),
  illegal(
    "PUBACK whose property length lies",
    5,
    MALFORMED,
    packet(0x40, u16(1), bytes(0, 9, 0x1f)),
  ),
];

const otherFaults: readonly FaultCase[] = [
  illegal("SUBSCRIBE without a filter", 5, PROTOCOL, subscribe({ filters: [] })),
  illegal("SUBSCRIBE 3.1.1 without a filter", 4, PROTOCOL, subscribe({ level: 4, filters: [] })),
  illegal(
    "SUBSCRIBE with packet identifier 0",
    5,
    PROTOCOL,
    subscribe({ packetId: 0, filters: [{ filter: "a" }] }),
  ),
  illegal(
    "SUBSCRIBE with QoS 3",
    5,
    PROTOCOL,
    subscribe({ filters: [{ filter: "a", options: 3 }] }),
  ),
  illegal(
    "SUBSCRIBE with retain handling 3",
    5,
    PROTOCOL,
    subscribe({ filters: [{ filter: "a", options: 0x30 }] }),
  ),
  illegal(
    "SUBSCRIBE with reserved option bits",
    5,
    MALFORMED,
    subscribe({ filters: [{ filter: "a", options: 0x40 }] }),
  ),
  illegal(
    "SUBSCRIBE 3.1.1 with MQTT 5 options",
    4,
    MALFORMED,
    subscribe({ level: 4, filters: [{ filter: "a", options: 4 }] }),
  ),
  illegal(
    "no local on a shared subscription",
    5,
    PROTOCOL,
    subscribe({ filters: [{ filter: "$share/g/a", noLocal: true }] }),
  ),
  illegal(
    "no local on an ordered shared subscription",
    5,
    PROTOCOL,
    subscribe({ filters: [{ filter: "$oshare/g/a", noLocal: true }] }),
  ),
  illegal("SUBSCRIBE that ends before the options", 4, MALFORMED, packet(0x82, u16(1), field("a"))),
  illegal("SUBSCRIBE of length 1", 4, MALFORMED, bytes(0x82, 1, 0)),
  illegal("UNSUBSCRIBE without a filter", 5, PROTOCOL, unsubscribe({ filters: [] })),
  illegal(
    "UNSUBSCRIBE with packet identifier 0",
    5,
    PROTOCOL,
    unsubscribe({ packetId: 0, filters: ["a"] }),
  ),
  illegal("UNSUBSCRIBE with half a filter", 4, MALFORMED, packet(0xa2, u16(1), bytes(0))),
  illegal("PINGREQ of length 2", 5, MALFORMED, bytes(0xc0, 2, 0, 0)),
  illegal("DISCONNECT 3.1.1 with a reason code", 4, MALFORMED, disconnect(0)),
  illegal("DISCONNECT with a server's code", 5, PROTOCOL, disconnect(0x8e)),
  illegal("DISCONNECT with a code of CONNACK", 5, PROTOCOL, disconnect(0x86)),
  illegal("DISCONNECT with bytes after its properties", 5, MALFORMED, packet(0xe0, bytes(0, 0, 1))),
  illegal("AUTH of length 0", 5, PROTOCOL, bytes(0xf0, 0)),
  illegal("AUTH with a server's code", 5, PROTOCOL, auth(0, [property.authMethod("m")])),
  illegal("AUTH without a method", 5, PROTOCOL, auth(0x18, [])),
];

export const ILLEGAL_PACKETS: readonly FaultCase[] = [
  ...headerFaults,
  ...connectFaults,
  ...publishFaults,
  ...ackFaults,
  ...otherFaults,
  ...PROPERTY_FAULTS,
  ...FILTER_FAULTS,
  ...TEXT_FAULTS,
];
