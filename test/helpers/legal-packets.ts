/**
 * The packet table's legal half: every packet type, version and form that a server must accept. See
 * packet-case.ts.
 */

import { legal, type PacketCase } from "./packet-case.ts";
import {
  auth,
  bytes,
  connect,
  disconnect,
  packet,
  pingreq,
  property,
  puback,
  pubcomp,
  publish,
  pubrec,
  pubrel,
  subscribe,
  u16,
  unsubscribe,
} from "./packets.ts";

const WILL_PROPERTIES = [
  property.willDelay(7),
  property.user("first", "1"),
  property.messageExpiry(9),
  property.user("second", "2"),
  property.payloadFormat(1),
];

const CONNECT_PROPERTIES = [
  property.sessionExpiry(0xffff_ffff),
  property.receiveMaximum(20),
  property.maximumPacketSize(1000),
  property.topicAliasMaximum(5),
  property.requestResponseInformation(1),
  property.requestProblemInformation(0),
  property.user("b", "1"),
  property.user("a", "2"),
  property.user("b", "3"),
  property.authMethod("SCRAM-SHA-256"),
  property.authData(bytes(1, 0, 255)),
];

const PUBLISH_PROPERTIES = [
  property.payloadFormat(1),
  property.topicAlias(3),
  property.contentType("text/plain"),
  property.messageExpiry(0),
  property.responseTopic("answer/here"),
  property.correlationData(bytes(0, 1, 2)),
  property.user("", ""),
];

/**
 * `\u{1f600}` is an emoji, `\ufeff` the byte order mark, `\u0001` a control character: all legal.
 */
const ODD_TOPIC = "\ufeffa/\u{1f600}/\u0001/ \u007f/é/ꙮ//";

export const LEGAL_PACKETS: readonly PacketCase[] = [
  legal("CONNECT 3.1", 0, connect({ level: 3 })),
  legal(
    "CONNECT 3.1 whose user name and password are missing",
    0,
    connect({ level: 3, flags: 0xc2 }),
  ),
  legal("CONNECT 3.1.1", 0, connect({ level: 4, clientId: "", username: "u", password: "p" })),
  legal("CONNECT 3.1.1 with a will", 0, connect({ level: 4, will: { topic: "w", payload: "x" } })),
  legal("CONNECT 5", 0, connect()),
  legal("CONNECT 5 with every property", 0, connect({ properties: CONNECT_PROPERTIES })),
  legal(
    "CONNECT 5 with a will and its properties",
    0,
    connect({
      will: { topic: "w/t", payload: "", qos: 2, retain: true, properties: WILL_PROPERTIES },
    }),
  ),
  legal("CONNECT 5 with a password alone", 0, connect({ password: bytes(0, 255) })),
  legal("CONNECT 5 with an emoji as client identifier", 0, connect({ clientId: "\u{1f600}" })),
  legal("PUBLISH 3.1.1 QoS 0", 4, publish({ level: 4, topic: "a/b", payload: "hello" })),
  legal("PUBLISH 3.1.1 empty payload", 4, publish({ level: 4, topic: "a/b", retain: true })),
  legal(
    "PUBLISH 3.1 QoS 2 DUP",
    3,
    publish({ level: 3, topic: "a", qos: 2, dup: true, packetId: 65535 }),
  ),
  legal("PUBLISH 5 QoS 0", 5, publish({ topic: "a/b", payload: "hello" })),
  legal(
    "PUBLISH 5 QoS 1 with every property",
    5,
    publish({ topic: "t", qos: 1, properties: PUBLISH_PROPERTIES }),
  ),
  legal(
    "PUBLISH 5 by alias alone",
    5,
    publish({ topic: "", properties: [property.topicAlias(1)] }),
  ),
  legal(
    "PUBLISH 5 to a topic of unusual characters",
    5,
    publish({ topic: ODD_TOPIC, payload: "x" }),
  ),
  legal(
    "PUBLISH 5 with a payload of 20,000 bytes",
    5,
    publish({ topic: "t", payload: new Uint8Array(20_000) }),
  ),
  legal("PUBACK 3.1.1", 4, puback({ packetId: 1 })),
  legal("PUBACK 5, two bytes", 5, puback({ packetId: 65535 })),
  legal("PUBACK 5 with a reason code", 5, puback({ packetId: 2, reasonCode: 0x10 })),
  legal(
    "PUBREC 5 with properties",
    5,
    pubrec({
      packetId: 2,
      reasonCode: 0x97,
      properties: [property.reasonString("full"), property.user("k", "v")],
    }),
  ),
  legal("PUBREL 5", 5, pubrel({ packetId: 3 })),
  legal("PUBREL 3.1 repeated, with DUP", 3, packet(0x6a, u16(3))),
  legal(
    "PUBREL 5 for an unknown identifier",
    5,
    pubrel({ packetId: 3, reasonCode: 0x92, properties: [] }),
  ),
  legal("PUBCOMP 5", 5, pubcomp({ packetId: 3 })),
  legal("SUBSCRIBE 3.1.1", 4, subscribe({ level: 4, filters: [{ filter: "a/+/#", qos: 2 }] })),
  legal(
    "SUBSCRIBE 5 with every option",
    5,
    subscribe({
      packetId: 9,
      filters: [
        { filter: "a/#", qos: 1, noLocal: true, retainAsPublished: true, retainHandling: 2 },
        { filter: "$share/group/+/b", qos: 2 },
        { filter: "$oshare/group/b" },
        { filter: "$SYS/#" },
        { filter: "/" },
        { filter: "$share" },
        { filter: "$sharex/y" },
      ],
      properties: [property.subscriptionIdentifier(268_435_455), property.user("k", "v")],
    }),
  ),
  legal("UNSUBSCRIBE 3.1.1", 4, unsubscribe({ level: 4, filters: ["a/+/#", "#"] })),
  legal(
    "UNSUBSCRIBE 5",
    5,
    unsubscribe({ filters: ["+", "$share/g/#"], properties: [property.user("k", "v")] }),
  ),
  legal("PINGREQ 3.1.1", 4, pingreq()),
  legal("PINGREQ 5", 5, pingreq()),
  legal("DISCONNECT 3.1.1", 4, disconnect()),
  legal("DISCONNECT 5", 5, disconnect()),
  legal("DISCONNECT 5 with a reason code alone", 5, disconnect(4)),
  legal(
    "DISCONNECT 5 with a session expiry",
    5,
    disconnect(0, [property.sessionExpiry(0), property.reasonString("bye")]),
  ),
  legal("AUTH 5", 5, auth(0x18, [property.authMethod("m"), property.authData("d")])),
];
