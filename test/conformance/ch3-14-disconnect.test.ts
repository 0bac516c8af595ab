/** MQTT 5 chapters 3.14, 3.15 and 4.12: DISCONNECT, AUTH, enhanced authentication. */

import assert from "node:assert/strict";
import * as packets from "../helpers/packets.ts";
import { expectRefusal, MALFORMED, PROTOCOL_ERROR } from "./expect.ts";
import { conformanceSuite } from "./suite.ts";

const suite = conformanceSuite();
const { property } = packets;

const NOT_AUTHORIZED = 0x87;
const BAD_METHOD = 0x8c;

suite.check(
  "DISCONNECT: the server closes and sends nothing more [MQTT-3.14.4-1] [MQTT-3.14.4-2]",
  async (bench) => {
    for (const level of [3, 4, 5] as const) {
      const client = await bench.connect({ level });
      await client.subscribe(bench.topic("a"));
      client.send(
        packets.disconnect(),
        packets.publish({ level, topic: bench.topic("a") }),
        packets.pingreq(),
      );
      await client.expectClose();
    }
  },
);

suite.check("DISCONNECT: with all its properties is accepted [MQTT-3.14.2-1]", async (bench) => {
  const client = await bench.connect({ properties: [property.sessionExpiry(10)] });
  const list = [property.sessionExpiry(5), property.reasonString("bye"), property.user("a", "b")];
  client.send(packets.disconnect(0, list));
  await client.expectClose();
});

suite.check(
  "DISCONNECT: session expiry over 0 after CONNECT with 0 is a protocol error [MQTT5 §3.14.2.2.2]",
  async (bench) => {
    const client = await bench.connect();
    client.send(packets.disconnect(0, [property.sessionExpiry(5)]));
    await client.expectFault(PROTOCOL_ERROR);
  },
);

suite.check(
  "DISCONNECT: a reason code that only servers send is refused [MQTT-3.14.2-1]",
  async (bench) => {
    for (const code of [0x01, 0x8e, 0x8b]) {
      const client = await bench.connect();
      client.send(packets.disconnect(code));
      await client.expectFault(PROTOCOL_ERROR, MALFORMED);
    }
  },
);

suite.check("DISCONNECT: in MQTT 3.1.1 it has no body [MQTT-3.14.1-1]", async (bench) => {
  const watcher = await bench.connect();
  await watcher.subscribe(bench.topic("will"));
  const client = await bench.connect({
    level: 4,
    will: { topic: bench.topic("will"), payload: "fault" },
  });
  client.send(packets.bytes(0xe0, 1, 0));
  await client.expectClose();
  await watcher.expectPublish("fault");
});

suite.check(
  "DISCONNECT: the server's fits the client's limits and has no session expiry [MQTT-3.14.2-2] [MQTT-3.14.2-3] [MQTT-3.14.2-4]",
  async (bench) => {
    const client = await bench.connect({ properties: [property.maximumPacketSize(16)] });
    client.send(packets.bytes(0x36, 0));
    const answer = await client.next();
    if (answer === null) return;
    assert.equal(answer.type, "disconnect");
    assert.ok(answer.type === "disconnect" && answer.properties.sessionExpiry === undefined);
    await client.expectClose();
  },
);

suite.check("AUTH: reserved flags end the connection [MQTT-3.15.1-1]", async (bench) => {
  const client = await bench.connect();
  client.send(packets.packet(0xf1, packets.bytes(0x18, 0)));
  await client.expectFault(MALFORMED, PROTOCOL_ERROR);
});

suite.check(
  "AUTH: without a method in CONNECT it is a protocol error [MQTT-4.12.0-7]",
  async (bench) => {
    for (const packet of [
      packets.auth(0x18, [property.authMethod("SCRAM-SHA-256"), property.authData("x")]),
      packets.auth(0x19, [property.authMethod("SCRAM-SHA-256")]),
      packets.bytes(0xf0, 0),
    ]) {
      const client = await bench.connect();
      client.send(packet);
      await client.expectFault(PROTOCOL_ERROR, MALFORMED);
    }
  },
);

suite.check(
  "AUTH: an unlisted reason code ends the connection [MQTT-3.15.2-1] [MQTT-4.13.2-1]",
  async (bench) => {
    const client = await bench.connect();
    client.send(packets.auth(0x01, [property.authMethod("x")]));
    await client.expectFault(PROTOCOL_ERROR, MALFORMED);
  },
);

suite.check(
  "AUTH: an unsupported method is refused [MQTT-4.12.0-1] [MQTT-4.12.0-4] [MQTT-3.1.4-2]",
  async (bench) => {
    const client = await bench.open();
    const properties = [property.authMethod("NO-SUCH-METHOD"), property.authData("x")];
    client.send(packets.connect({ clientId: bench.clientId("m"), properties }));
    await expectRefusal(client, BAD_METHOD, NOT_AUTHORIZED);
  },
);

suite.check("AUTH: no method in CONNECT, none in CONNACK [MQTT-4.12.0-6]", async (bench) => {
  const client = await bench.connect();
  assert.equal(client.connack?.properties.authMethod, undefined);
  assert.equal(client.connack?.properties.authData, undefined);
});
