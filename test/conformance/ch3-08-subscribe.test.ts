/** MQTT 5 chapters 3.8 and 3.9: SUBSCRIBE and SUBACK. */

import assert from "node:assert/strict";
import * as packets from "../helpers/packets.ts";
import {
  expectNothingBefore,
  MALFORMED,
  PROTOCOL_ERROR,
  payloads,
  takePublishes,
} from "./expect.ts";
import { conformanceSuite } from "./suite.ts";

const suite = conformanceSuite();
const { property } = packets;

const FILTER_INVALID = 0x8f;

suite.check("SUBSCRIBE: without a filter ends the connection [MQTT-3.8.3-2]", async (bench) => {
  for (const level of [3, 4, 5] as const) {
    const client = await bench.connect({ level });
    client.send(packets.subscribe({ level, filters: [] }));
    await client.expectFault(PROTOCOL_ERROR, MALFORMED);
  }
});

suite.check(
  "SUBSCRIBE: a filter without options ends the connection [MQTT-3.8.3-2]",
  async (bench) => {
    const client = await bench.connect();
    client.send(packets.packet(0x82, packets.u16(1), packets.properties(), packets.field("a")));
    await client.expectFault(PROTOCOL_ERROR, MALFORMED);
  },
);

for (const [what, options] of [
  ["bit 6", 0x40],
  ["bit 7", 0x80],
  ["QoS 3", 0x03],
  ["retain handling 3", 0x30],
] as const) {
  suite.check(
    `SUBSCRIBE: reserved options (${what}) end the connection [MQTT-3.8.3-5]`,
    async (bench) => {
      const client = await bench.connect();
      client.send(packets.subscribe({ filters: [{ filter: "a", options }] }));
      await client.expectFault(MALFORMED, PROTOCOL_ERROR);
    },
  );
}

suite.check("SUBSCRIBE: MQTT 3.1.1 has no options beside QoS [MQTT-3.8.3-5]", async (bench) => {
  for (const options of [0x03, 0x04, 0x08, 0x10, 0x40]) {
    const client = await bench.connect({ level: 4 });
    client.send(packets.subscribe({ level: 4, filters: [{ filter: "a", options }] }));
    await client.expectClose();
  }
});

suite.check(
  "SUBSCRIBE: subscription identifier 0 or two of them end the connection [MQTT5 §3.8.2.1.2]",
  async (bench) => {
    const identifier = property.subscriptionIdentifier;
    for (const properties of [[identifier(0)], [identifier(1), identifier(2)]]) {
      const client = await bench.connect();
      client.send(packets.subscribe({ filters: [{ filter: "a" }], properties }));
      await client.expectFault(PROTOCOL_ERROR, MALFORMED);
    }
  },
);

suite.check(
  "SUBSCRIBE: answered by SUBACK with one code per filter, in order [MQTT-3.8.4-1] [MQTT-3.8.4-2] [MQTT-3.8.4-6] [MQTT-3.9.3-1] [MQTT-3.9.3-2] [MQTT-3.8.4-7]",
  async (bench) => {
    for (const level of [3, 4, 5] as const) {
      const client = await bench.connect({ level });
      const qos = [2, 0, 1, 1, 0, 2];
      const filters = qos.map((value, index) => ({ filter: bench.topic(`f${index}`), qos: value }));
      client.send(packets.subscribe({ level, packetId: 77, filters }));
      const suback = await client.expect("suback");
      assert.equal(suback.packetId, 77);
      assert.deepEqual(suback.reasonCodes, qos);
    }
  },
);

suite.check("SUBSCRIBE: many filters behave as many SUBSCRIBEs [MQTT-3.8.4-5]", async (bench) => {
  const client = await bench.connect();
  const filters = Array.from({ length: 200 }, (_none, index) => ({
    filter: bench.topic(`${index}`),
    qos: index % 3,
  }));
  await client.subscribe(filters);
  const publisher = await bench.connect();
  for (const index of [0, 100, 199]) {
    await publisher.publish({ topic: bench.topic(`${index}`), qos: 2, payload: `${index}` });
    assert.equal((await client.expectPublish(`${index}`)).qos, index % 3);
  }
});

suite.check(
  "SUBSCRIBE: the same filter twice in one packet counts once, the last wins [MQTT-3.8.4-3] [MQTT-3.8.4-5]",
  async (bench) => {
    const client = await bench.connect();
    const filter = bench.topic("twice");
    const suback = await client.subscribe([
      { filter, qos: 0 },
      { filter, qos: 1 },
    ]);
    assert.equal(suback.reasonCodes.length, 2);
    const publisher = await bench.connect();
    await publisher.publish({ topic: filter, qos: 2, payload: "once" });
    assert.equal((await client.expectPublish("once")).qos, 1);
    await client.expectQuiet();
  },
);

suite.check(
  "SUBSCRIBE: an identical filter replaces the subscription [MQTT-3.8.4-3]",
  async (bench) => {
    const client = await bench.connect();
    const publisher = await bench.connect();
    const topic = bench.topic("replaced");
    for (const qos of [2, 0, 1]) {
      await client.subscribe(topic, qos);
      await publisher.publish({ topic, qos: 2, payload: `${qos}` });
      assert.equal((await client.expectPublish(`${qos}`)).qos, qos);
      await client.expectQuiet();
    }
  },
);

suite.check(
  "SUBSCRIBE: replacing a subscription loses nothing meanwhile [MQTT-3.8.4-4]",
  async (bench) => {
    const client = await bench.connect();
    const publisher = await bench.connect();
    const filter = bench.topic("busy");
    await client.subscribe(filter, 1);
    const total = 200;
    const sender = (async () => {
      for (let index = 0; index < total; index += 1) {
        await publisher.publish({ topic: filter, qos: 1, payload: `${index}` });
      }
    })();
    const received: string[] = [];
    let packetId = 1000;
    while (received.length < total) {
      if (received.length % 10 === 0) {
        packetId += 1;
        client.send(packets.subscribe({ packetId, filters: [{ filter, qos: 1 }] }));
      }
      const packet = await client.next();
      if (packet?.type === "publish") received.push(Buffer.from(packet.payload).toString());
    }
    await sender;
    assert.deepEqual(
      received,
      Array.from({ length: total }, (_none, index) => `${index}`),
    );
  },
);

const BAD_FILTERS = ["", "a/#/b", "a#", "#a", "a/b#", "a+", "+a", "a/+b", "a/b+/c", "##", "a/##"];

for (const filter of BAD_FILTERS) {
  suite.check(
    `SUBSCRIBE: filter "${filter}" is refused [MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.7.3-1]`,
    async (bench) => {
      const client = await bench.connect();
      client.send(packets.subscribe({ filters: [{ filter }] }));
      const answer = await client.next();
      if (answer === null) return;
      if (answer.type === "suback") assert.deepEqual(answer.reasonCodes, [FILTER_INVALID]);
      else
        assert.ok(
          answer.type === "disconnect" &&
            [FILTER_INVALID, MALFORMED, PROTOCOL_ERROR].includes(answer.reasonCode),
        );
    },
  );
}

suite.check("SUBSCRIBE: odd but legal filters are accepted [MQTT-4.7.1-2]", async (bench) => {
  const client = await bench.connect();
  for (const filter of [
    "/",
    "//",
    "/+",
    "+/+",
    "#",
    "+/#",
    "/#",
    " ",
    "a b",
    "+",
    "$x/+",
    "a//b",
  ]) {
    await client.subscribe(filter, 1);
    await client.unsubscribe(filter);
  }
});

suite.check(
  "no local: the publisher does not get its own messages [MQTT-3.8.3-3]",
  async (bench) => {
    const client = await bench.connect();
    const other = await bench.connect();
    await client.subscribe([
      { filter: bench.topic("a"), qos: 1, noLocal: true },
      { filter: bench.topic("end") },
    ]);
    await client.publish({ topic: bench.topic("a"), qos: 1, payload: "own" });
    await other.publish({ topic: bench.topic("a"), qos: 1, payload: "other" });
    await client.expectPublish("other");
    await client.publish({ topic: bench.topic("a"), qos: 1, payload: "own" });
    await expectNothingBefore(client, other, bench.topic("end"));
  },
);

suite.check(
  "no local: goes by client identifier, also after a reconnect [MQTT-3.8.3-3]",
  async (bench) => {
    const clientId = bench.clientId("s");
    const session = { clientId, cleanStart: false, properties: [property.sessionExpiry(60)] };
    const first = await bench.connect(session);
    await first.subscribe([{ filter: bench.topic("a"), qos: 1, noLocal: true }]);
    await first.disconnect();
    const other = await bench.connect();
    const second = await bench.connect(session);
    await second.publish({ topic: bench.topic("a"), qos: 1, payload: "own" });
    await other.publish({ topic: bench.topic("a"), qos: 1, payload: "other" });
    await second.expectPublish("other");
  },
);

suite.check(
  "no local: on a shared subscription ends the connection [MQTT-3.8.3-4]",
  async (bench) => {
    const client = await bench.connect();
    client.send(packets.subscribe({ filters: [{ filter: "$share/g/a", noLocal: true }] }));
    await client.expectFault(PROTOCOL_ERROR, MALFORMED);
  },
);

suite.check(
  "SUBACK: fits the client's maximum packet size [MQTT-3.9.2-1] [MQTT-3.9.2-2]",
  async (bench) => {
    const client = await bench.connect({ properties: [property.maximumPacketSize(30)] });
    await client.subscribe(bench.topic("a"), 1);
    await client.unsubscribe(bench.topic("a"));
  },
);

suite.check(
  "SUBSCRIBE: a publish right after SUBACK arrives, whatever the worker [MQTT-3.8.4-1]",
  async (bench) => {
    const publishers = await Promise.all(Array.from({ length: 6 }, () => bench.connect()));
    const subscriber = await bench.connect();
    for (let round = 0; round < 50; round += 1) {
      const topic = bench.topic(`round/${round}`);
      await subscriber.subscribe(topic, 1);
      for (const [index, publisher] of publishers.entries()) {
        publisher.send(packets.publish({ topic, payload: `${index}` }));
      }
      const received = await takePublishes(subscriber, publishers.length);
      assert.deepEqual(payloads(received).sort(), ["0", "1", "2", "3", "4", "5"]);
    }
  },
);

suite.check(
  "SUBSCRIBE: QoS 1 messages published before it do not come [MQTT-3.8.4-1]",
  async (bench) => {
    const publisher = await bench.connect();
    const subscriber = await bench.connect();
    await publisher.publish({ topic: bench.topic("a"), qos: 1, payload: "before" });
    await subscriber.subscribe(bench.topic("a"), 1);
    await publisher.publish({ topic: bench.topic("a"), qos: 1, payload: "after" });
    await subscriber.expectPublish("after");
  },
);
