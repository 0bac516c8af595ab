/** MQTT 5 chapter 3.1: CONNECT, and the opening of a session. */

import assert from "node:assert/strict";
import * as packets from "../helpers/packets.ts";
import type { RawClient } from "../helpers/raw-client.ts";
import { expectRefusal, MALFORMED, PROTOCOL_ERROR } from "./expect.ts";
import { conformanceSuite } from "./suite.ts";

const suite = conformanceSuite();
const { property } = packets;

const UNSUPPORTED_VERSION = 0x84;
const CLIENT_ID_INVALID = 0x85;
const BAD_CREDENTIALS = 0x86;
const NOT_AUTHORIZED = 0x87;
const SESSION_TAKEN_OVER = 0x8e;
/** The same fault as MQTT 3.x names it. */
const V3_UNSUPPORTED_VERSION = 0x01;

const NOT_CONNECT: readonly (readonly [string, Uint8Array])[] = [
  ["PUBLISH", packets.publish({ topic: "x" })],
  ["SUBSCRIBE", packets.subscribe({ filters: [{ filter: "x" }] })],
  ["PINGREQ", packets.pingreq()],
  ["DISCONNECT", packets.disconnect()],
  ["AUTH", packets.auth(0x18, [property.authMethod("x")])],
  ["PUBACK", packets.puback({ packetId: 1 })],
];

for (const [name, packet] of NOT_CONNECT) {
  suite.check(
    `CONNECT: ${name} in its place closes the connection, silently [MQTT-3.1.0-1] [MQTT-3.14.0-1]`,
    async (bench) => {
      const client = await bench.open();
      client.send(packet);
      await client.expectClose();
    },
  );
}

suite.check("CONNECT: a second one is a protocol error [MQTT-3.1.0-2]", async (bench) => {
  const client = await bench.connect();
  client.send(packets.connect({ clientId: bench.clientId("again") }));
  await client.expectFault(PROTOCOL_ERROR);
  const old = await bench.connect({ level: 4 });
  old.send(packets.connect({ level: 4, clientId: bench.clientId("again") }));
  await old.expectClose();
});

suite.check(
  "CONNECT: another protocol name closes the connection [MQTT-3.1.2-1]",
  async (bench) => {
    for (const protocolName of ["MQTY", "mqtt", "", "MQTTT", "HTTP"]) {
      const client = await bench.open();
      client.send(packets.connect({ protocolName }));
      await expectUnsupported(client);
    }
  },
);

suite.check("CONNECT: an unknown version closes the connection [MQTT-3.1.2-2]", async (bench) => {
  for (const levelByte of [0, 1, 2, 6, 127, 0x84]) {
    const client = await bench.open(levelByte < 5 ? 4 : 5);
    client.send(packets.connect({ levelByte }));
    await expectUnsupported(client);
  }
});

suite.check("CONNECT: name and version must belong together [MQTT-3.1.2-1]", async (bench) => {
  const client = await bench.open(4);
  client.send(packets.connect({ level: 4, protocolName: "MQIsdp" }));
  await expectRefusal(client, V3_UNSUPPORTED_VERSION);
});

suite.check("CONNECT: the reserved flag must be 0 [MQTT-3.1.2-3]", async (bench) => {
  const client = await bench.open();
  client.send(packets.connect({ flags: 0x03 }));
  await expectRefusal(client, MALFORMED, PROTOCOL_ERROR);
});

const FLAG_FAULTS: readonly (readonly [string, packets.ConnectFields])[] = [
  ["Will QoS without Will Flag [MQTT-3.1.2-11]", { flags: 0x0a }],
  ["Will Retain without Will Flag [MQTT-3.1.2-13]", { flags: 0x22 }],
  ["Will QoS 3 [MQTT-3.1.2-12]", { will: { topic: "w" }, flags: 0x1e }],
  ["Will Flag without will fields [MQTT-3.1.2-9]", { flags: 0x06 }],
  ["user name flag without user name [MQTT-3.1.2-17]", { flags: 0x82 }],
  ["password flag without password [MQTT-3.1.2-19]", { flags: 0x42 }],
  ["user name without its flag [MQTT-3.1.2-16]", { username: "u", flags: 0x02 }],
  ["password without its flag [MQTT-3.1.2-18]", { username: "u", password: "p", flags: 0x82 }],
  ["bytes behind the payload [MQTT-3.1.4-1]", { trailing: packets.bytes(1) }],
  ["receive maximum 0 [MQTT5 §3.1.2.11.3]", { properties: [property.receiveMaximum(0)] }],
  ["maximum packet size 0 [MQTT5 §3.1.2.11.4]", { properties: [property.maximumPacketSize(0)] }],
  ["a will topic with wildcards [MQTT-3.1.3-11]", { will: { topic: "a/#" } }],
  ["an empty will topic [MQTT-4.7.3-1]", { will: { topic: "" } }],
  [
    "session expiry twice [MQTT5 §3.1.2.11.2]",
    { properties: [property.sessionExpiry(1), property.sessionExpiry(1)] },
  ],
  [
    "problem information 2 [MQTT5 §3.1.2.11.7]",
    { properties: [property.requestProblemInformation(2)] },
  ],
  [
    "response information 2 [MQTT5 §3.1.2.11.6]",
    { properties: [property.requestResponseInformation(2)] },
  ],
  [
    "authentication data without a method [MQTT5 §3.1.2.11.10]",
    { properties: [property.authData("x")] },
  ],
  ["a property of PUBLISH [MQTT5 §2.2.2.2]", { properties: [property.contentType("x")] }],
];

for (const [name, fields] of FLAG_FAULTS) {
  suite.check(`CONNECT: ${name.replace(" [", " is refused [")}`, async (bench) => {
    const client = await bench.open();
    client.send(packets.connect({ clientId: bench.clientId("bad"), ...fields }));
    await expectRefusal(client, MALFORMED, PROTOCOL_ERROR, 0x90);
  });
}

suite.check(
  "CONNECT: a password without user name is legal in MQTT 5 [MQTT-3.1.2-19]",
  async (bench) => {
    const client = await bench.open();
    client.send(packets.connect({ clientId: bench.clientId("pw"), password: "secret" }));
    const connack = await client.expect("connack");
    assert.ok([0, BAD_CREDENTIALS, NOT_AUTHORIZED].includes(connack.reasonCode));
  },
);

suite.check(
  "CONNECT: clean start 1 discards the old session [MQTT-3.1.2-4] [MQTT-3.1.4-4] [MQTT-3.2.2-2]",
  async (bench) => {
    const clientId = bench.clientId("s");
    const topic = bench.topic("a");
    const properties = [property.sessionExpiry(60)];
    const first = await bench.connect({ clientId, cleanStart: false, properties });
    await first.subscribe(topic, 1);
    await first.disconnect();
    const second = await bench.connect({ clientId, cleanStart: true, properties });
    assert.equal(second.connack?.sessionPresent, false);
    await second.publish({ topic, qos: 1 });
    await second.expectQuiet();
  },
);

suite.check(
  "CONNECT: clean start 0 resumes a stored session [MQTT-3.1.2-5] [MQTT-3.2.2-3]",
  async (bench) => {
    const clientId = bench.clientId("s");
    const topic = bench.topic("a");
    const properties = [property.sessionExpiry(60)];
    const first = await bench.connect({ clientId, cleanStart: false, properties });
    assert.equal(first.connack?.sessionPresent, false, "no session is stored yet [MQTT-3.1.2-6]");
    await first.subscribe(topic, 1);
    await first.disconnect();
    const publisher = await bench.connect();
    await publisher.publish({ topic, qos: 1, payload: "while away" });
    const second = await bench.connect({ clientId, cleanStart: false, properties });
    assert.equal(second.connack?.sessionPresent, true);
    await second.expectPublish("while away");
  },
);

suite.check(
  "CONNECT: sessions resume whatever worker the client lands on [MQTT-3.1.2-5]",
  async (bench) => {
    const topic = bench.topic("a");
    const properties = [property.sessionExpiry(60)];
    const clientId = bench.clientId("s");
    const publisher = await bench.connect();
    const first = await bench.connect({ clientId, cleanStart: false, properties });
    await first.subscribe(topic, 2);
    await first.disconnect();
    for (let round = 0; round < 12; round += 1) {
      await publisher.publish({ topic, qos: 1 + (round % 2), payload: `${round}` });
      const client = await bench.connect({ clientId, cleanStart: false, properties });
      assert.equal(client.connack?.sessionPresent, true);
      await client.expectPublish(`${round}`);
      await client.expectQuiet();
      await client.disconnect();
    }
  },
);

suite.check(
  "CONNECT: client identifiers of 1 to 23 letters and digits are accepted [MQTT-3.1.3-5] [MQTT-3.1.3-3]",
  async (bench) => {
    for (const clientId of ["a", "Z", "0123456789abcdefghijABC", "KLMNOPQRSTUVWXYZklmnopq"]) {
      const client = await bench.connect({ clientId });
      assert.equal(client.connack?.properties.assignedClientId, undefined);
    }
  },
);

suite.check(
  "CONNECT: an empty client identifier gets one assigned [MQTT-3.1.3-6] [MQTT-3.1.3-7] [MQTT-3.2.2-16]",
  async (bench) => {
    const first = await bench.connect({ clientId: "", properties: [property.sessionExpiry(30)] });
    const second = await bench.connect({ clientId: "" });
    const assigned = first.connack?.properties.assignedClientId ?? "";
    assert.notEqual(assigned, "");
    assert.notEqual(second.connack?.properties.assignedClientId, assigned);
    await first.disconnect();
    const again = await bench.connect({ clientId: assigned, cleanStart: false });
    assert.equal(again.connack?.sessionPresent, true, "the assigned identifier names the session");
  },
);

suite.check(
  "CONNECT: a client identifier that the server refuses closes the connection [MQTT-3.1.3-8]",
  async (bench) => {
    const client = await bench.open(4);
    client.send(packets.connect({ level: 4, clientId: "", cleanStart: false }));
    await expectRefusal(client, 0x02, CLIENT_ID_INVALID);
  },
);

suite.check(
  "CONNECT: a second connection of the same client takes over [MQTT-3.1.4-3]",
  async (bench) => {
    const clientId = bench.clientId("twin");
    let holder = await bench.connect({ clientId });
    for (let round = 0; round < 10; round += 1) {
      const next = await bench.connect({ clientId });
      await holder.expectDisconnect(SESSION_TAKEN_OVER);
      await next.expectQuiet();
      holder = next;
    }
  },
);

suite.check(
  "CONNECT: take-over closes an MQTT 3.1.1 connection without a word [MQTT-3.1.4-2]",
  async (bench) => {
    const clientId = bench.clientId("twin");
    const first = await bench.connect({ level: 4, clientId });
    const second = await bench.connect({ level: 4, clientId });
    await first.expectClose();
    await second.expectQuiet();
  },
);

suite.check(
  "CONNECT: packets sent before CONNACK are processed in order [MQTT-3.2.0-1]",
  async (bench) => {
    const topic = bench.topic("eager");
    const client = await bench.open();
    client.send(
      packets.connect({ clientId: bench.clientId("eager") }),
      packets.subscribe({ filters: [{ filter: topic, qos: 1 }] }),
      packets.publish({ topic, qos: 0, payload: "early" }),
    );
    await client.expect("connack");
    const names = [(await client.next())?.type, (await client.next())?.type];
    assert.deepEqual(names.sort(), ["publish", "suback"], "in either order (MQTT5 §3.8.4)");
  },
);

suite.check("CONNECT: nothing is processed after a refusal [MQTT-3.1.4-6]", async (bench) => {
  const topic = bench.topic("refused");
  const refused = await bench.open();
  refused.send(
    packets.connect({ flags: 0x03 }),
    packets.publish({ topic, retain: true, payload: "no" }),
  );
  await refused.closed;
  const client = await bench.connect();
  await client.subscribe(topic);
  await client.expectQuiet();
});

suite.check(
  "CONNECT: values above the server's own limits are accepted [MQTT5 §3.1.2.11]",
  async (bench) => {
    await bench.connect({
      keepAlive: 65_535,
      properties: [
        property.receiveMaximum(65_535),
        property.maximumPacketSize(0xffff_ffff),
        property.topicAliasMaximum(65_535),
        property.sessionExpiry(0xffff_ffff),
      ],
    });
  },
);

suite.check(
  "CONNECT: server sends exactly one CONNACK [MQTT-3.2.0-2] [MQTT-3.1.4-5] [MQTT-3.2.2-1]",
  async (bench) => {
    const client = await bench.connect();
    await client.expectQuiet();
  },
);

/**
 * Refused as an unsupported protocol, or closed. Which form the answer has is open, as there is no
 * reader for a protocol that does not exist: one that our reader does not understand must still be
 * followed by the close.
 */
async function expectUnsupported(client: RawClient): Promise<void> {
  const codes = [UNSUPPORTED_VERSION, V3_UNSUPPORTED_VERSION, MALFORMED];
  await expectRefusal(client, ...codes).catch((error: unknown) => {
    assert.match(String(error), /server sent/);
  });
  await client.closed;
}
