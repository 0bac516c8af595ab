/** MQTT 5 chapter 3.3: PUBLISH, its flags, its topic, and who gets it. */

import assert from "node:assert/strict";
import * as packets from "../helpers/packets.ts";
import { textOf } from "../helpers/raw-client.ts";
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

const TOPIC_INVALID = 0x90;
const ALIAS_INVALID = 0x94;

suite.check("PUBLISH: QoS 3 ends the connection [MQTT-3.3.1-4]", async (bench) => {
  for (const level of [4, 5] as const) {
    const client = await bench.connect({ level });
    client.send(packets.publish({ level, topic: bench.topic("a"), qos: 3 }));
    await client.expectFault(MALFORMED, PROTOCOL_ERROR);
  }
});

suite.check("PUBLISH: DUP with QoS 0 ends the connection [MQTT-3.3.1-2]", async (bench) => {
  const client = await bench.connect();
  client.send(packets.publish({ topic: bench.topic("a"), dup: true }));
  await client.expectFault(MALFORMED, PROTOCOL_ERROR);
});

suite.check(
  "PUBLISH: DUP is not passed on [MQTT-3.3.1-3] [MQTT-4.3.2-2] [MQTT-4.3.3-2]",
  async (bench) => {
    const subscriber = await bench.connect();
    await subscriber.subscribe(bench.topic("a"), 2);
    const publisher = await bench.connect();
    for (const qos of [1, 2]) {
      await publisher.publish({ topic: bench.topic("a"), qos, dup: true });
      assert.equal((await subscriber.expect("publish")).dup, false);
    }
  },
);

for (const topic of ["a/#", "#", "a/+/b", "+", "a+b", "a#"]) {
  suite.check(
    `PUBLISH: topic name "${topic}" ends the connection [MQTT-3.3.2-2] [MQTT-4.7.0-1]`,
    async (bench) => {
      for (const level of [4, 5] as const) {
        const client = await bench.connect({ level });
        client.send(packets.publish({ level, topic }));
        await client.expectFault(TOPIC_INVALID, MALFORMED, PROTOCOL_ERROR);
      }
    },
  );
}

suite.check(
  "PUBLISH: an empty topic without alias ends the connection [MQTT-4.7.3-1]",
  async (bench) => {
    for (const level of [4, 5] as const) {
      const client = await bench.connect({ level });
      client.send(packets.publish({ level, topic: "" }));
      await client.expectFault(TOPIC_INVALID, MALFORMED, PROTOCOL_ERROR);
    }
  },
);

suite.check(
  "PUBLISH: a missing packet identifier ends the connection [MQTT-3.3.2-1]",
  async (bench) => {
    const client = await bench.connect();
    client.send(packets.packet(0x32, packets.field("a"), packets.bytes(0)));
    await client.expectFault(MALFORMED, PROTOCOL_ERROR);
  },
);

suite.check(
  "PUBLISH: a subscription identifier from a client ends the connection [MQTT-3.3.4-6]",
  async (bench) => {
    const client = await bench.connect();
    const properties = [property.subscriptionIdentifier(1)];
    client.send(packets.publish({ topic: bench.topic("a"), properties }));
    await client.expectFault(PROTOCOL_ERROR, MALFORMED);
  },
);

suite.check(
  "PUBLISH: is answered as its QoS demands [MQTT-3.3.4-1] [MQTT-2.2.1-2]",
  async (bench) => {
    for (const level of [3, 4, 5] as const) {
      const client = await bench.connect({ level });
      client.send(packets.publish({ level, topic: bench.topic("a") }));
      await client.expectQuiet();
      await client.publish({ topic: bench.topic("a"), qos: 1 });
      await client.publish({ topic: bench.topic("a"), qos: 2 });
      await client.expectQuiet();
    }
  },
);

suite.check("PUBLISH: delivered to matching filters only [MQTT-3.3.2-3]", async (bench) => {
  const client = await bench.connect();
  const matching = ["a/b/c", "a/+/c", "a/#", "+/b/c", "a/b/c/#"];
  for (const filter of [...matching, "a/b", "a/+", "b/#", "a/b/c/+", "a/b/C"]) {
    const subscriber = await bench.connect();
    await subscriber.subscribe([{ filter: bench.topic(filter) }, { filter: bench.topic("end") }]);
    client.send(packets.publish({ topic: bench.topic("a/b/c"), payload: filter }));
    if (matching.includes(filter)) await subscriber.expectPublish(filter);
    await expectNothingBefore(subscriber, client, bench.topic("end"));
  }
});

suite.check(
  "PUBLISH: payloads of every size arrive whole, empty included [MQTT-3.3.2-3]",
  async (bench) => {
    const subscriber = await bench.connect();
    await subscriber.subscribe(bench.topic("size"), 1);
    const publisher = await bench.connect();
    for (const size of [0, 1, 127, 128, 16_383, 16_384, 100_000, 1_000_000]) {
      const payload = Buffer.alloc(size, `${size}.`);
      await publisher.publish({ topic: bench.topic("size"), qos: 1, payload });
      const message = await subscriber.expect("publish");
      assert.ok(payload.equals(message.payload), `${size} bytes arrived changed`);
    }
  },
);

suite.check(
  "PUBLISH: overlapping subscriptions deliver at the highest QoS [MQTT-3.3.4-2]",
  async (bench) => {
    const subscriber = await bench.connect();
    await subscriber.subscribe([
      { filter: bench.topic("+"), qos: 0 },
      { filter: bench.topic("#"), qos: 2 },
      { filter: bench.topic("a"), qos: 1 },
    ]);
    const publisher = await bench.connect();
    await publisher.publish({ topic: bench.topic("a"), qos: 2, payload: "x" });
    const copies = [await subscriber.expect("publish")];
    subscriber.send(packets.pingreq());
    for (
      let next = await subscriber.next();
      next?.type === "publish";
      next = await subscriber.next()
    ) {
      copies.push(next);
    }
    assert.equal(Math.max(...copies.map((copy) => copy.qos)), 2);
  },
);

suite.check(
  "PUBLISH: delivered at the lower of published and granted QoS [MQTT-3.8.4-8]",
  async (bench) => {
    const publisher = await bench.connect();
    for (const granted of [0, 1, 2]) {
      const subscriber = await bench.connect();
      await subscriber.subscribe(bench.topic("q"), granted);
      for (const qos of [0, 1, 2]) {
        await publisher.publish({ topic: bench.topic("q"), qos, payload: `${qos}` });
        assert.equal((await subscriber.expectPublish(`${qos}`)).qos, Math.min(qos, granted));
      }
      await subscriber.disconnect();
    }
  },
);

suite.check(
  "PUBLISH: subscription identifiers tell which subscriptions matched [MQTT-3.3.4-3] [MQTT-3.3.4-4] [MQTT-3.3.4-5]",
  async (bench) => {
    const subscriber = await bench.connect();
    await subscriber.subscribe(bench.topic("a/#"), 1, [property.subscriptionIdentifier(7)]);
    await subscriber.subscribe(bench.topic("a/+"), 1, [
      property.subscriptionIdentifier(268_435_455),
    ]);
    await subscriber.subscribe(bench.topic("other"), 1, [property.subscriptionIdentifier(9)]);
    await subscriber.subscribe(bench.topic("+/b"), 1);
    const publisher = await bench.connect();
    await publisher.publish({ topic: bench.topic("a/b"), qos: 1 });
    const identifiers: number[] = [];
    identifiers.push(...(await subscriber.expect("publish")).properties.subscriptionIdentifiers);
    subscriber.send(packets.pingreq());
    for (
      let next = await subscriber.next();
      next?.type === "publish";
      next = await subscriber.next()
    ) {
      identifiers.push(...next.properties.subscriptionIdentifiers);
    }
    assert.deepEqual(
      identifiers.sort((a, b) => a - b),
      [7, 268_435_455],
    );
    await publisher.publish({ topic: bench.topic("x/b"), qos: 1 });
    const plain = await subscriber.expect("publish");
    assert.deepEqual(plain.properties.subscriptionIdentifiers, []);
  },
);

suite.check(
  "PUBLISH: a replaced subscription has its new identifier [MQTT-3.8.4-3]",
  async (bench) => {
    const subscriber = await bench.connect();
    for (const identifier of [1, 300]) {
      await subscriber.subscribe(bench.topic("a"), 0, [
        property.subscriptionIdentifier(identifier),
      ]);
      subscriber.send(packets.publish({ topic: bench.topic("a") }));
      const message = await subscriber.expect("publish");
      assert.deepEqual(message.properties.subscriptionIdentifiers, [identifier]);
    }
  },
);

suite.check(
  "PUBLISH: an alias stands for its topic, and can be moved [MQTT-3.3.2-12]",
  async (bench) => {
    const subscriber = await bench.connect();
    await subscriber.subscribe(bench.topic("#"));
    const client = await bench.connect();
    const maximum = client.connack?.properties.topicAliasMaximum ?? 0;
    assert.ok(maximum >= 2, "the server announces aliases");
    const alias = (value: number) => [property.topicAlias(value)];
    client.send(
      packets.publish({ topic: bench.topic("one"), payload: "1", properties: alias(1) }),
      packets.publish({ topic: bench.topic("two"), payload: "2", properties: alias(maximum) }),
      packets.publish({ topic: "", payload: "3", properties: alias(1) }),
      packets.publish({ topic: "", payload: "4", properties: alias(maximum) }),
      packets.publish({ topic: bench.topic("three"), payload: "5", properties: alias(1) }),
      packets.publish({ topic: "", payload: "6", properties: alias(1) }),
    );
    const messages = await takePublishes(subscriber, 6);
    assert.deepEqual(payloads(messages), ["1", "2", "3", "4", "5", "6"]);
    const topics = ["one", "two", "one", "two", "three", "three"].map((name) => bench.topic(name));
    assert.deepEqual(
      messages.map((message) => message.topic),
      topics,
    );
    assert.ok(messages.every((message) => message.properties.topicAlias === undefined));
  },
);

suite.check("PUBLISH: aliases work at QoS 1 and 2 [MQTT-3.3.2-12]", async (bench) => {
  const subscriber = await bench.connect();
  await subscriber.subscribe(bench.topic("#"), 2);
  const client = await bench.connect();
  const properties = [property.topicAlias(1)];
  await client.publish({ topic: bench.topic("a"), qos: 1, properties });
  await client.publish({ topic: "", qos: 2, properties });
  for (const message of await takePublishes(subscriber, 2)) {
    assert.equal(message.topic, bench.topic("a"));
  }
});

suite.check("PUBLISH: aliases end with the connection [MQTT-3.3.2-7]", async (bench) => {
  const clientId = bench.clientId("s");
  const properties = [property.topicAlias(1)];
  const first = await bench.connect({ clientId, properties: [property.sessionExpiry(60)] });
  await first.publish({ topic: bench.topic("a"), qos: 1, properties });
  await first.disconnect();
  const second = await bench.connect({ clientId, cleanStart: false });
  second.send(packets.publish({ topic: "", properties }));
  await second.expectFault(PROTOCOL_ERROR, ALIAS_INVALID);
});

suite.check("PUBLISH: alias 0 ends the connection [MQTT-3.3.2-8]", async (bench) => {
  const client = await bench.connect();
  client.send(packets.publish({ topic: bench.topic("a"), properties: [property.topicAlias(0)] }));
  await client.expectFault(ALIAS_INVALID, PROTOCOL_ERROR, MALFORMED);
});

suite.check("PUBLISH: an unknown alias ends the connection [MQTT5 §3.3.2.3.4]", async (bench) => {
  const client = await bench.connect();
  client.send(packets.publish({ topic: "", properties: [property.topicAlias(1)] }));
  await client.expectFault(PROTOCOL_ERROR, ALIAS_INVALID);
});

suite.check(
  "PUBLISH: an alias above the server's maximum ends the connection [MQTT-3.3.2-9]",
  async (bench) => {
    const client = await bench.connect();
    const maximum = client.connack?.properties.topicAliasMaximum ?? 0;
    const properties = [property.topicAlias(maximum + 1)];
    client.send(packets.publish({ topic: bench.topic("a"), properties }));
    await client.expectFault(ALIAS_INVALID);
  },
);

suite.check(
  "PUBLISH: payload format, content type, response topic, correlation data pass unchanged [MQTT-3.3.2-4] [MQTT-3.3.2-15] [MQTT-3.3.2-16] [MQTT-3.3.2-20]",
  async (bench) => {
    const subscriber = await bench.connect();
    await subscriber.subscribe(bench.topic("p"), 2);
    const publisher = await bench.connect();
    const correlation = packets.bytes(0, 255, 1, 0x80);
    for (const qos of [0, 1, 2]) {
      await publisher.publish({
        topic: bench.topic("p"),
        qos,
        payload: "žluť",
        properties: [
          property.responseTopic("réponse/ici"),
          property.correlationData(correlation),
          property.contentType("text/ünicode"),
          property.payloadFormat(1),
        ],
      });
      const { properties } = await subscriber.expectPublish("žluť");
      assert.equal(properties.payloadFormat, 1);
      assert.equal(properties.contentType, "text/ünicode");
      assert.equal(properties.responseTopic, "réponse/ici");
      assert.deepEqual([...(properties.correlationData ?? [])], [...correlation]);
    }
  },
);

suite.check(
  "PUBLISH: user properties keep order and repetitions [MQTT-3.3.2-17] [MQTT-3.3.2-18]",
  async (bench) => {
    const pairs = [
      ["b", "1"],
      ["a", "2"],
      ["b", "3"],
      ["", ""],
      ["a", "2"],
      ["ključ", "vrednost"],
    ] as const;
    const subscriber = await bench.connect();
    await subscriber.subscribe(bench.topic("u"), 1);
    const publisher = await bench.connect();
    const properties = pairs.map(([name, value]) => property.user(name, value));
    await publisher.publish({ topic: bench.topic("u"), qos: 1, properties });
    assert.deepEqual((await subscriber.expect("publish")).properties.userProperties, pairs);
  },
);

suite.check(
  "PUBLISH: properties do not reach MQTT 3.1.1 subscribers [MQTT5 §3.3]",
  async (bench) => {
    const subscriber = await bench.connect({ level: 4 });
    await subscriber.subscribe(bench.topic("old"), 1);
    const publisher = await bench.connect();
    const properties = [
      property.user("a", "b"),
      property.contentType("x"),
      property.messageExpiry(9),
    ];
    await publisher.publish({ topic: bench.topic("old"), qos: 1, payload: "plain", properties });
    await subscriber.expectPublish("plain");
  },
);

suite.check(
  "PUBLISH: a response topic with wildcards ends the connection [MQTT-3.3.2-14]",
  async (bench) => {
    const client = await bench.connect();
    client.send(
      packets.publish({ topic: bench.topic("a"), properties: [property.responseTopic("a/+")] }),
    );
    await client.expectFault(PROTOCOL_ERROR, MALFORMED, TOPIC_INVALID);
  },
);

suite.check(
  "PUBLISH: a malformed content type or response topic ends the connection [MQTT-3.3.2-13] [MQTT-3.3.2-19]",
  async (bench) => {
    const broken = packets.bytes(0x61, 0xff);
    for (const broke of [property.contentType(broken), property.responseTopic(broken)]) {
      const client = await bench.connect();
      client.send(packets.publish({ topic: bench.topic("a"), properties: [broke] }));
      await client.expectFault(MALFORMED, PROTOCOL_ERROR);
    }
  },
);

suite.check(
  "PUBLISH: a payload that says it is UTF-8 and is not is refused [MQTT5 §3.3.2.3.2]",
  async (bench) => {
    const client = await bench.connect();
    const properties = [property.payloadFormat(1)];
    const payload = packets.bytes(0xff, 0xfe);
    client.send(
      packets.publish({ topic: bench.topic("a"), qos: 1, packetId: 1, payload, properties }),
    );
    const answer = await client.next();
    if (answer?.type === "puback") assert.equal(answer.reasonCode, 0x99);
    else assert.ok(answer?.type === "disconnect" && answer.reasonCode === 0x99);
  },
);

suite.check(
  "message expiry: forwarded reduced by the waiting time [MQTT-3.3.2-6]",
  async (bench) => {
    const clientId = bench.clientId("s");
    const session = { clientId, cleanStart: false, properties: [property.sessionExpiry(60)] };
    const topic = bench.topic("e");
    const subscriber = await bench.connect(session);
    await subscriber.subscribe(topic, 1);
    const publisher = await bench.connect();
    await publisher.publish({ topic, qos: 1, properties: [property.messageExpiry(100)] });
    assert.equal((await subscriber.expect("publish")).properties.messageExpiry, 100);
    await subscriber.expectQuiet();
    await subscriber.disconnect();
    await publisher.publish({ topic, qos: 1, properties: [property.messageExpiry(100)] });
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    const again = await bench.connect(session);
    const left = (await again.expect("publish")).properties.messageExpiry ?? 100;
    assert.ok(left <= 99 && left >= 95, `${left} seconds are left of 100 after more than one`);
  },
);

suite.check("message expiry: an expired message is not delivered [MQTT-3.3.2-5]", async (bench) => {
  const clientId = bench.clientId("s");
  const session = { clientId, cleanStart: false, properties: [property.sessionExpiry(60)] };
  const topic = bench.topic("e");
  const subscriber = await bench.connect(session);
  await subscriber.subscribe(topic, 2);
  await subscriber.disconnect();
  const publisher = await bench.connect();
  for (const qos of [1, 2]) {
    await publisher.publish({
      topic,
      qos,
      payload: "old",
      properties: [property.messageExpiry(1)],
    });
  }
  await publisher.publish({ topic, qos: 1, payload: "lasting" });
  await new Promise((resolve) => setTimeout(resolve, 2_100));
  const again = await bench.connect(session);
  const message = await again.expect("publish");
  assert.equal(textOf(message.payload), "lasting");
});

suite.check(
  "PUBLISH: no subscriber is told by 0x10 or success, nothing else [MQTT-3.4.2-1] [MQTT-3.5.2-1]",
  async (bench) => {
    const client = await bench.connect();
    for (const qos of [1, 2]) {
      const code = await client.publish({ topic: bench.topic("nobody"), qos });
      assert.ok(code === 0 || code === 0x10);
    }
  },
);

suite.check(
  "PUBLISH: request and response over response topic and correlation data [MQTT5 §4.10]",
  async (bench) => {
    const responder = await bench.connect();
    await responder.subscribe(bench.topic("request"), 1);
    const requester = await bench.connect();
    await requester.subscribe(bench.topic("answers/me"), 1);
    for (let round = 0; round < 5; round += 1) {
      const correlation = packets.utf8(`id ${round}`);
      requester.send(
        packets.publish({
          topic: bench.topic("request"),
          payload: `${round}`,
          properties: [
            property.responseTopic(bench.topic("answers/me")),
            property.correlationData(correlation),
          ],
        }),
      );
      const request = await responder.expectPublish(`${round}`);
      responder.send(
        packets.publish({
          topic: request.properties.responseTopic ?? "",
          payload: `answer ${round}`,
          properties: [property.correlationData(request.properties.correlationData ?? "")],
        }),
      );
      const answer = await requester.expectPublish(`answer ${round}`);
      assert.deepEqual(answer.properties.correlationData, correlation);
    }
  },
);
