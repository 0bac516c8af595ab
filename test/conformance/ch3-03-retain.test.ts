/** MQTT 5 chapter 3.3.1.3: retained messages. */

import assert from "node:assert/strict";
import { until } from "../helpers/deadline.ts";
import * as packets from "../helpers/packets.ts";
import { type RawClient, textOf } from "../helpers/raw-client.ts";
import { payloads, takePublishes } from "./expect.ts";
import { type Bench, conformanceSuite } from "./suite.ts";

const suite = conformanceSuite();
const { property } = packets;

/** Stores a retained message, acknowledged. */
async function retain(client: RawClient, topic: string, payload: string, qos = 1): Promise<void> {
  await client.publish({ topic, payload, qos, retain: true });
}

/** What a new subscriber of `filter` gets, in any order. */
async function retainedFor(bench: Bench, filter: string, count: number): Promise<string[]> {
  const client = await bench.connect();
  await client.subscribe(filter, 2);
  const messages = await takePublishes(client, count);
  await client.expectQuiet();
  assert.ok(
    messages.every((message) => message.retain),
    "RETAIN 1 for a stored message",
  );
  return payloads(messages).sort();
}

suite.check(
  "retain: the last retained message of a topic is stored, the earlier replaced [MQTT-3.3.1-5]",
  async (bench) => {
    const client = await bench.connect();
    for (const qos of [1, 2]) {
      const topic = bench.topic(`r${qos}`);
      await retain(client, topic, "first", qos);
      await retain(client, topic, "second", qos);
      const subscriber = await bench.connect();
      await subscriber.subscribe(topic, 2);
      const message = await subscriber.expectPublish("second");
      assert.equal(message.retain, true);
      assert.equal(message.qos, qos);
      await subscriber.expectQuiet();
    }
  },
);

suite.check(
  "retain: works at QoS 0, without an acknowledgement to wait for [MQTT-3.3.1-5]",
  async (bench) => {
    const topic = bench.topic("r0");
    const client = await bench.connect();
    await retain(client, topic, "stored", 0);
    await client.expectQuiet();
    // QoS 0 promises no moment at which the message is stored: subscribe until it is.
    let seen = "";
    const isStored = async () => {
      const subscriber = await bench.connect();
      await subscriber.subscribe(topic);
      const message = await subscriber.expect("publish", 500).catch(() => null);
      seen = message === null ? "" : textOf(message.payload);
      return seen !== "";
    };
    await until(isStored, "the message to be stored");
    assert.equal(seen, "stored");
  },
);

suite.check(
  "retain: an empty payload clears and is itself delivered [MQTT-3.3.1-6] [MQTT-3.3.1-7]",
  async (bench) => {
    const client = await bench.connect();
    const topic = bench.topic("r");
    await retain(client, topic, "stored");
    const watcher = await bench.connect();
    await watcher.subscribe(topic, 1);
    await watcher.expectPublish("stored");
    await retain(client, topic, "");
    assert.equal((await watcher.expectPublish("")).retain, false);
    assert.deepEqual(await retainedFor(bench, topic, 0), []);
  },
);

suite.check("retain: RETAIN 0 leaves the stored message alone [MQTT-3.3.1-8]", async (bench) => {
  const client = await bench.connect();
  const topic = bench.topic("r");
  await retain(client, topic, "stored");
  await client.publish({ topic, payload: "passing", qos: 1 });
  assert.deepEqual(await retainedFor(bench, topic, 1), ["stored"]);
});

suite.check(
  "retain: wildcard filters get every matching stored message [MQTT-3.3.1-9]",
  async (bench) => {
    const client = await bench.connect();
    for (const name of ["a", "a/b", "a/b/c", "a/c", "b"])
      await retain(client, bench.topic(name), name);
    assert.deepEqual(await retainedFor(bench, bench.topic("#"), 5), [
      "a",
      "a/b",
      "a/b/c",
      "a/c",
      "b",
    ]);
    assert.deepEqual(await retainedFor(bench, bench.topic("a/#"), 4), ["a", "a/b", "a/b/c", "a/c"]);
    assert.deepEqual(await retainedFor(bench, bench.topic("a/+"), 2), ["a/b", "a/c"]);
    assert.deepEqual(await retainedFor(bench, bench.topic("+"), 2), ["a", "b"]);
    assert.deepEqual(await retainedFor(bench, bench.topic("+/b/+"), 1), ["a/b/c"]);
  },
);

suite.check("retain: hundreds of stored messages all come [MQTT-3.3.1-9]", async (bench) => {
  const client = await bench.connect();
  for (let index = 0; index < 500; index += 1) {
    await retain(client, bench.topic(`many/${index}`), `${index}`, 0);
  }
  await retain(client, bench.topic("many/last"), "last", 1);
  const received = await retainedFor(bench, bench.topic("many/+"), 501);
  assert.equal(new Set(received).size, 501);
});

suite.check(
  "retain handling 0: sent at every subscribe [MQTT-3.3.1-9] [MQTT-3.8.4-4]",
  async (bench) => {
    const client = await bench.connect();
    await retain(client, bench.topic("r"), "stored");
    const filters = [{ filter: bench.topic("r"), qos: 1, retainHandling: 0 }];
    for (let round = 0; round < 3; round += 1) {
      await client.subscribe(filters);
      await client.expectPublish("stored");
    }
    await client.expectQuiet();
  },
);

suite.check(
  "retain handling 1: sent only for a new subscription [MQTT-3.3.1-10]",
  async (bench) => {
    const client = await bench.connect();
    await retain(client, bench.topic("r"), "stored");
    const filters = [{ filter: bench.topic("r"), qos: 1, retainHandling: 1 }];
    await client.subscribe(filters);
    await client.expectPublish("stored");
    await client.subscribe(filters);
    await client.expectQuiet();
    await client.unsubscribe(bench.topic("r"));
    await client.subscribe(filters);
    await client.expectPublish("stored");
  },
);

suite.check("retain handling 2: never sent [MQTT-3.3.1-11]", async (bench) => {
  const client = await bench.connect();
  await retain(client, bench.topic("r"), "stored");
  await client.subscribe([{ filter: bench.topic("r"), qos: 1, retainHandling: 2 }]);
  await client.expectQuiet();
});

suite.check("retain handling 3: ends the connection [MQTT-3.8.3-5]", async (bench) => {
  const client = await bench.connect();
  client.send(packets.subscribe({ filters: [{ filter: "a", retainHandling: 3 }] }));
  await client.expectFault(0x81, 0x82);
});

suite.check(
  "retain as published: 0 clears the flag, 1 keeps it [MQTT-3.3.1-12] [MQTT-3.3.1-13]",
  async (bench) => {
    const plain = await bench.connect();
    await plain.subscribe([{ filter: bench.topic("r"), qos: 1 }]);
    const faithful = await bench.connect();
    await faithful.subscribe([{ filter: bench.topic("r"), qos: 1, retainAsPublished: true }]);
    const publisher = await bench.connect();
    for (const isRetained of [true, false]) {
      await publisher.publish({
        topic: bench.topic("r"),
        qos: 1,
        payload: "x",
        retain: isRetained,
      });
      assert.equal((await plain.expectPublish("x")).retain, false);
      assert.equal((await faithful.expectPublish("x")).retain, isRetained);
    }
  },
);

suite.check("retain: not sent to a new shared subscription [MQTT5 §4.8.2]", async (bench) => {
  const client = await bench.connect();
  await retain(client, bench.topic("r"), "stored");
  await client.subscribe(`$share/g/${bench.topic("r")}`, 1);
  await client.expectQuiet();
});

suite.check(
  "retain: stored messages keep their properties [MQTT-3.3.2-17] [MQTT-3.3.2-4]",
  async (bench) => {
    const publisher = await bench.connect();
    await publisher.publish({
      topic: bench.topic("r"),
      payload: "{}",
      qos: 1,
      retain: true,
      properties: [
        property.contentType("json"),
        property.user("k", "v"),
        property.payloadFormat(1),
      ],
    });
    const subscriber = await bench.connect();
    await subscriber.subscribe(bench.topic("r"), 1, [property.subscriptionIdentifier(5)]);
    const { properties } = await subscriber.expectPublish("{}");
    assert.equal(properties.contentType, "json");
    assert.equal(properties.payloadFormat, 1);
    assert.deepEqual(properties.userProperties, [["k", "v"]]);
    assert.deepEqual(properties.subscriptionIdentifiers, [5]);
  },
);

suite.check(
  "retain: message expiry runs for stored messages too [MQTT-3.3.2-5] [MQTT-3.3.2-6]",
  async (bench) => {
    const publisher = await bench.connect();
    const stored = { topic: bench.topic("long"), payload: "long", qos: 1, retain: true };
    await publisher.publish({ ...stored, properties: [property.messageExpiry(100)] });
    const short = { topic: bench.topic("short"), payload: "short", qos: 1, retain: true };
    await publisher.publish({ ...short, properties: [property.messageExpiry(1)] });
    await new Promise((resolve) => setTimeout(resolve, 2_100));
    const subscriber = await bench.connect();
    await subscriber.subscribe(bench.topic("+"), 1);
    const message = await subscriber.expectPublish("long");
    const left = message.properties.messageExpiry ?? 100;
    assert.ok(left <= 98 && left >= 90, `${left} seconds left of 100 after two`);
    await subscriber.expectQuiet();
  },
);

suite.check("retain: delivered at the granted QoS at most [MQTT-3.8.4-8]", async (bench) => {
  const client = await bench.connect();
  await retain(client, bench.topic("r"), "stored", 2);
  for (const qos of [0, 1, 2]) {
    const subscriber = await bench.connect();
    await subscriber.subscribe(bench.topic("r"), qos);
    assert.equal((await subscriber.expectPublish("stored")).qos, qos);
  }
});

suite.check(
  "retain: MQTT 3.1.1 subscribers get stored messages at each subscribe [MQTT-3.8.4-3]",
  async (bench) => {
    const client = await bench.connect({ level: 4 });
    await retain(client, bench.topic("r"), "stored");
    for (let round = 0; round < 2; round += 1) {
      await client.subscribe(bench.topic("r"), 1);
      assert.equal((await client.expectPublish("stored")).retain, true);
    }
  },
);

suite.check(
  "retain: RETAIN 1 for a stored message whatever retain as published says [MQTT5 §3.3.1.3]",
  async (bench) => {
    const client = await bench.connect();
    await retain(client, bench.topic("r"), "stored");
    for (const retainAsPublished of [false, true]) {
      const subscriber = await bench.connect();
      await subscriber.subscribe([{ filter: bench.topic("r"), retainAsPublished }]);
      assert.equal((await subscriber.expectPublish("stored")).retain, true);
    }
  },
);

suite.check(
  "retain: visible to a subscriber on any worker once acknowledged [MQTT-3.3.1-5]",
  async (bench) => {
    const publisher = await bench.connect();
    for (let round = 0; round < 10; round += 1) {
      const topic = bench.topic(`seen/${round}`);
      await retain(publisher, topic, `${round}`);
      assert.deepEqual(await retainedFor(bench, topic, 1), [`${round}`]);
    }
  },
);
