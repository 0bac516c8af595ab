/** MQTT 5 chapters 3.10 to 3.12: UNSUBSCRIBE, UNSUBACK, PINGREQ. */

import assert from "node:assert/strict";
import * as packets from "../helpers/packets.ts";
import { expectNothingBefore, MALFORMED, PROTOCOL_ERROR } from "./expect.ts";
import { conformanceSuite } from "./suite.ts";

const suite = conformanceSuite();
const { property } = packets;

const NO_SUBSCRIPTION_EXISTED = 0x11;
const FILTER_INVALID = 0x8f;

suite.check("UNSUBSCRIBE: without a filter ends the connection [MQTT-3.10.3-2]", async (bench) => {
  for (const level of [3, 4, 5] as const) {
    const client = await bench.connect({ level });
    client.send(packets.unsubscribe({ level, filters: [] }));
    await client.expectFault(PROTOCOL_ERROR, MALFORMED);
  }
});

suite.check(
  "UNSUBSCRIBE: a malformed filter ends the connection [MQTT-3.10.3-1]",
  async (bench) => {
    const client = await bench.connect();
    client.send(packets.unsubscribe({ filters: [packets.bytes(0x61, 0xff)] }));
    await client.expectFault(MALFORMED, PROTOCOL_ERROR, FILTER_INVALID);
  },
);

suite.check(
  "UNSUBSCRIBE: answered by UNSUBACK with a code per filter, in order [MQTT-3.10.4-4] [MQTT-3.10.4-5] [MQTT-3.11.3-1] [MQTT-3.11.3-2]",
  async (bench) => {
    const client = await bench.connect();
    await client.subscribe([{ filter: bench.topic("a") }, { filter: bench.topic("b") }]);
    const filters = [bench.topic("a"), bench.topic("never"), bench.topic("b")];
    const unsuback = await client.unsubscribe(...filters);
    assert.deepEqual(unsuback.reasonCodes, [0, NO_SUBSCRIPTION_EXISTED, 0]);
  },
);

suite.check(
  "UNSUBSCRIBE: MQTT 3.1.1 gets an UNSUBACK without codes [MQTT-3.10.4-4] [MQTT-3.10.4-5]",
  async (bench) => {
    const client = await bench.connect({ level: 4 });
    assert.deepEqual((await client.unsubscribe(bench.topic("never"))).reasonCodes, []);
  },
);

suite.check("UNSUBSCRIBE: no more messages come [MQTT-3.10.4-2]", async (bench) => {
  const publisher = await bench.connect();
  const client = await bench.connect();
  await client.subscribe([{ filter: bench.topic("a"), qos: 1 }, { filter: bench.topic("end") }]);
  await publisher.publish({ topic: bench.topic("a"), qos: 1, payload: "1" });
  await client.expectPublish("1");
  await client.unsubscribe(bench.topic("a"));
  await publisher.publish({ topic: bench.topic("a"), qos: 1, payload: "2" });
  await expectNothingBefore(client, publisher, bench.topic("end"));
});

suite.check(
  "UNSUBSCRIBE: filters compare character by character [MQTT-3.10.4-1]",
  async (bench) => {
    const client = await bench.connect();
    await client.subscribe([{ filter: bench.topic("a/+") }, { filter: bench.topic("a/#") }]);
    const unsuback = await client.unsubscribe(
      bench.topic("a/b"),
      bench.topic("a/+/"),
      bench.topic("A/+"),
      bench.topic("a/+"),
    );
    assert.deepEqual(unsuback.reasonCodes, [0x11, 0x11, 0x11, 0]);
    client.send(packets.publish({ topic: bench.topic("a/b"), payload: "still" }));
    await client.expectPublish("still");
    await client.expectQuiet();
  },
);

suite.check(
  "UNSUBSCRIBE: removes one of several overlapping subscriptions only [MQTT-3.10.4-1]",
  async (bench) => {
    const client = await bench.connect();
    await client.subscribe([
      { filter: bench.topic("a"), qos: 2 },
      { filter: bench.topic("+"), qos: 1 },
    ]);
    await client.unsubscribe(bench.topic("a"));
    const publisher = await bench.connect();
    await publisher.publish({ topic: bench.topic("a"), qos: 2, payload: "x" });
    assert.equal((await client.expectPublish("x")).qos, 1);
  },
);

suite.check("UNSUBSCRIBE: deliveries already begun are finished [MQTT-3.10.4-3]", async (bench) => {
  const client = await bench.connect();
  client.autoAck = false;
  await client.subscribe(bench.topic("a"), 2);
  const publisher = await bench.connect();
  await publisher.publish({ topic: bench.topic("a"), qos: 2 });
  const { packetId } = await client.expect("publish");
  await client.unsubscribe(bench.topic("a"));
  client.send(packets.pubrec({ packetId }));
  assert.equal((await client.expect("pubrel")).packetId, packetId);
  client.send(packets.pubcomp({ packetId }));
  await client.expectQuiet();
});

suite.check(
  "UNSUBSCRIBE: many filters behave as many UNSUBSCRIBEs [MQTT-3.10.4-6]",
  async (bench) => {
    const client = await bench.connect();
    const filters = Array.from({ length: 100 }, (_none, index) => bench.topic(`${index}`));
    await client.subscribe(filters.map((filter) => ({ filter })));
    const unsuback = await client.unsubscribe(...filters);
    assert.deepEqual(new Set(unsuback.reasonCodes), new Set([0]));
    const again = await client.unsubscribe(...filters);
    assert.deepEqual(new Set(again.reasonCodes), new Set([NO_SUBSCRIPTION_EXISTED]));
  },
);

suite.check(
  "UNSUBACK: fits the client's maximum packet size [MQTT-3.11.2-1] [MQTT-3.11.2-2]",
  async (bench) => {
    const client = await bench.connect({ properties: [property.maximumPacketSize(20)] });
    await client.unsubscribe(bench.topic("never"));
  },
);

suite.check("PINGREQ: answered by PINGRESP [MQTT-3.12.4-1]", async (bench) => {
  for (const level of [3, 4, 5] as const) {
    const client = await bench.connect({ level });
    client.send(packets.pingreq(), packets.pingreq(), packets.pingreq());
    for (let count = 0; count < 3; count += 1) await client.expect("pingresp");
  }
});

suite.check("PINGREQ: with a payload ends the connection [MQTT-4.13.1-1]", async (bench) => {
  const client = await bench.connect();
  client.send(packets.packet(0xc0, packets.bytes(0)));
  await client.expectFault(MALFORMED, PROTOCOL_ERROR);
});
