/** MQTT 5 chapter 3.2: what a server with limits announces, and how it holds clients to it. */

import assert from "node:assert/strict";
import * as packets from "../helpers/packets.ts";
import { expectRefusal } from "./expect.ts";
import { conformanceSuite } from "./suite.ts";

const suite = conformanceSuite({
  config: {
    tenants: {
      defaults: {
        MaximumQoS: 1,
        RetainEnabled: false,
        WildcardSubscriptionEnabled: false,
        SharedSubscriptionEnabled: false,
        SubscriptionIdentifierEnabled: false,
        ReceivingMaximum: 10,
        MaxTopicAlias: 5,
        MinKeepAliveSeconds: 30,
      },
    },
  },
  reference: ["max_qos 1", "retain_available false"],
});
const { property } = packets;

suite.check("CONNACK: announces what the server does not offer [MQTT-3.2.2-9]", async (bench) => {
  const client = await bench.connect({ keepAlive: 10 });
  const announced = client.connack?.properties;
  assert.equal(announced?.maximumQos, 1);
  assert.equal(announced?.retainAvailable, 0);
  assert.equal(announced?.wildcardAvailable, 0);
  assert.equal(announced?.sharedAvailable, 0);
  assert.equal(announced?.subscriptionIdentifiersAvailable, 0);
  assert.equal(announced?.receiveMaximum, 10);
  assert.equal(announced?.topicAliasMaximum, 5);
  assert.equal(announced?.serverKeepAlive, 30, "keep alive below the minimum [MQTT-3.2.2-21]");
});

suite.check(
  "CONNACK: SUBSCRIBE at QoS 2 is accepted and granted less [MQTT-3.2.2-10]",
  async (bench) => {
    const client = await bench.connect();
    client.send(packets.subscribe({ filters: [{ filter: bench.topic("a"), qos: 2 }] }));
    assert.ok([1, 2].includes((await client.expect("suback")).reasonCodes[0] ?? -1));
  },
);

suite.check(
  "CONNACK: PUBLISH above the maximum QoS ends the connection with 0x9B [MQTT-3.2.2-11]",
  async (bench) => {
    const client = await bench.connect();
    client.send(packets.publish({ topic: bench.topic("a"), qos: 2 }));
    await client.expectFault(0x9b);
  },
);

suite.check(
  "CONNACK: a retained PUBLISH ends the connection with 0x9A [MQTT-3.2.2-14]",
  async (bench) => {
    const client = await bench.connect();
    client.send(packets.publish({ topic: bench.topic("a"), retain: true, payload: "x" }));
    await client.expectFault(0x9a);
  },
);

suite.check(
  "CONNACK: a will above the maximum QoS is refused with 0x9B [MQTT-3.2.2-12]",
  async (bench) => {
    const client = await bench.open();
    client.send(packets.connect({ clientId: bench.clientId("w"), will: { topic: "w", qos: 2 } }));
    await expectRefusal(client, 0x9b);
  },
);

suite.check("CONNACK: a retained will is refused with 0x9A [MQTT-3.2.2-13]", async (bench) => {
  const client = await bench.open();
  client.send(
    packets.connect({ clientId: bench.clientId("w"), will: { topic: "w", retain: true } }),
  );
  await expectRefusal(client, 0x9a);
});

suite.check(
  "SUBSCRIBE: wildcards are refused with 0xA2 where not offered [MQTT5 §3.9.3]",
  async (bench) => {
    const client = await bench.connect();
    client.send(
      packets.subscribe({ filters: [{ filter: bench.topic("+") }, { filter: bench.topic("a") }] }),
    );
    const answer = await client.next();
    if (answer?.type === "suback") assert.deepEqual(answer.reasonCodes, [0xa2, 0]);
    else assert.ok(answer?.type === "disconnect" && answer.reasonCode === 0xa2);
  },
);

suite.check(
  "SUBSCRIBE: shared subscriptions are refused with 0x9E where not offered [MQTT5 §3.9.3]",
  async (bench) => {
    const client = await bench.connect();
    client.send(packets.subscribe({ filters: [{ filter: `$share/g/${bench.topic("a")}` }] }));
    const answer = await client.next();
    if (answer?.type === "suback") assert.deepEqual(answer.reasonCodes, [0x9e]);
    else assert.ok(answer?.type === "disconnect" && answer.reasonCode === 0x9e);
  },
);

suite.check(
  "SUBSCRIBE: subscription identifiers are refused with 0xA1 where not offered [MQTT5 §3.9.3]",
  async (bench) => {
    const client = await bench.connect();
    const properties = [property.subscriptionIdentifier(1)];
    client.send(packets.subscribe({ filters: [{ filter: bench.topic("a") }], properties }));
    const answer = await client.next();
    if (answer?.type === "suback") assert.deepEqual(answer.reasonCodes, [0xa1]);
    else assert.ok(answer?.type === "disconnect" && answer.reasonCode === 0xa1);
  },
);

suite.check(
  "PUBLISH: a topic alias above the server's maximum ends the connection with 0x94 [MQTT-3.3.2-9] [MQTT-3.2.2-17]",
  async (bench) => {
    const client = await bench.connect();
    client.send(packets.publish({ topic: bench.topic("a"), properties: [property.topicAlias(6)] }));
    await client.expectFault(0x94);
  },
);

suite.check(
  "PUBLISH: an eleventh QoS 1 message in flight is legal only within the window [MQTT-3.3.4-7]",
  async (bench) => {
    const client = await bench.connect();
    for (let packetId = 1; packetId <= 30; packetId += 1) {
      await client.publish({ topic: bench.topic("a"), qos: 1, packetId });
    }
    await client.expectQuiet();
  },
);

suite.check(
  "CONNACK: a refusal leaves out its reason string to fit the client's limit [MQTT-3.2.2-19] [MQTT-3.2.2-20] [MQTT-3.2.2-7]",
  async (bench) => {
    const client = await bench.open();
    client.send(
      packets.connect({
        clientId: bench.clientId("tiny"),
        will: { topic: "w", qos: 2 },
        properties: [property.maximumPacketSize(8)],
      }),
    );
    const answer = await client.next();
    if (answer !== null) {
      assert.ok(answer.type === "connack" && answer.reasonCode === 0x9b);
      assert.equal(answer.properties.reasonString, undefined);
      await client.expectClose();
    }
  },
);
