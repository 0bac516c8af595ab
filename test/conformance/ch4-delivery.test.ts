/** MQTT 5 chapters 4.1 to 4.6: session state, QoS exchanges, redelivery, order. */

import assert from "node:assert/strict";
import * as packets from "../helpers/packets.ts";
import type { PublishPacket, RawClient } from "../helpers/raw-client.ts";
import { expectNothingBefore, payloads, takePublishes } from "./expect.ts";
import { type Bench, conformanceSuite } from "./suite.ts";

const suite = conformanceSuite();
const { property } = packets;

/** CONNECT fields of a session that outlives its connections. */
function lasting(bench: Bench, level: packets.Level = 5): packets.ConnectFields {
  const clientId = bench.clientId("session");
  const properties = level === 5 ? [property.sessionExpiry(60)] : [];
  return { level, clientId, cleanStart: false, properties };
}

/** Resumes the session by hand, nothing acknowledged. */
async function resume(bench: Bench, fields: packets.ConnectFields): Promise<RawClient> {
  const client = await bench.open(fields.level ?? 5);
  client.autoAck = false;
  client.send(packets.connect(fields));
  const connack = await client.expect("connack");
  assert.equal(connack.sessionPresent, true);
  return client;
}

async function breakOff(client: RawClient): Promise<void> {
  client.destroy();
  await client.closed;
}

for (const level of [4, 5] as const) {
  const version = level === 5 ? "MQTT 5" : "MQTT 3.1.1";

  suite.check(
    `QoS 1: unacknowledged messages come again with DUP and the same identifiers, ${version} [MQTT-4.4.0-1] [MQTT-3.3.1-1] [MQTT-4.3.2-3]`,
    async (bench) => {
      const session = lasting(bench, level);
      const first = await bench.connect(session);
      first.autoAck = false;
      await first.subscribe(bench.topic("a"), 1);
      const publisher = await bench.connect();
      for (let index = 0; index < 5; index += 1) {
        await publisher.publish({ topic: bench.topic("a"), qos: 1, payload: `${index}` });
      }
      const sent = await takePublishes(first, 5);
      first.send(packets.puback({ packetId: sent[1]?.packetId ?? 0 }));
      await first.expectQuiet();
      await breakOff(first);
      const second = await resume(bench, session);
      const again = await takePublishes(second, 4);
      assert.deepEqual(payloads(again), ["0", "2", "3", "4"]);
      assert.ok(again.every((message) => message.dup));
      const unacknowledged = sent.filter((_message, index) => index !== 1);
      assert.deepEqual(again.map(idOf), unacknowledged.map(idOf));
      for (const message of again) second.send(packets.puback({ packetId: message.packetId }));
      await second.expectQuiet();
      await breakOff(second);
      const third = await resume(bench, session);
      await third.expectQuiet();
    },
  );

  suite.check(
    `QoS 2: PUBLISH comes again before PUBREC, PUBREL after it, ${version} [MQTT-4.4.0-1] [MQTT-4.3.3-3] [MQTT-4.3.3-5] [MQTT-4.3.3-6]`,
    async (bench) => {
      const session = lasting(bench, level);
      const first = await bench.connect(session);
      first.autoAck = false;
      await first.subscribe(bench.topic("a"), 2);
      const publisher = await bench.connect();
      for (const payload of ["released", "received", "new"]) {
        await publisher.publish({ topic: bench.topic("a"), qos: 2, payload });
      }
      const [released, received, untouched] = (await takePublishes(first, 3)).map(idOf);
      first.send(packets.pubrec({ packetId: released ?? 0 }));
      assert.equal((await first.expect("pubrel")).packetId, released);
      await breakOff(first);
      const second = await resume(bench, session);
      const seen = [await second.next(), await second.next(), await second.next()];
      const pubrel = seen.find((packet) => packet?.type === "pubrel");
      assert.ok(pubrel?.type === "pubrel" && pubrel.packetId === released);
      const publishes = seen.filter((packet) => packet?.type === "publish") as PublishPacket[];
      assert.deepEqual(payloads(publishes), ["received", "new"]);
      assert.deepEqual(publishes.map(idOf), [received, untouched]);
      assert.ok(publishes.every((message) => message.dup));
      second.send(packets.pubcomp({ packetId: released ?? 0 }));
      for (const message of publishes) {
        second.send(packets.pubrec({ packetId: message.packetId }));
        assert.equal((await second.expect("pubrel")).packetId, message.packetId);
        second.send(packets.pubcomp({ packetId: message.packetId }));
      }
      await second.expectQuiet();
    },
  );

  suite.check(
    `QoS 2: a PUBLISH repeated before PUBREL is acknowledged again and delivered once, ${version} [MQTT-4.3.3-10] [MQTT-4.3.3-8]`,
    async (bench) => {
      const subscriber = await bench.connect();
      await subscriber.subscribe([
        { filter: bench.topic("a"), qos: 2 },
        { filter: bench.topic("end") },
      ]);
      const client = await bench.connect({ level });
      const message = { level, topic: bench.topic("a"), qos: 2, packetId: 9, payload: "once" };
      for (const dup of [false, true, true]) {
        client.send(packets.publish({ ...message, dup }));
        assert.equal((await client.expect("pubrec")).packetId, 9);
      }
      client.send(packets.pubrel({ packetId: 9 }));
      assert.equal((await client.expect("pubcomp")).packetId, 9);
      await subscriber.expectPublish("once");
      await expectNothingBefore(subscriber, client, bench.topic("end"));
    },
  );

  suite.check(
    `QoS 2: the exchange survives a reconnect of the sender, ${version} [MQTT-4.3.3-10] [MQTT-4.1.0-1]`,
    async (bench) => {
      const subscriber = await bench.connect();
      await subscriber.subscribe([
        { filter: bench.topic("a"), qos: 2 },
        { filter: bench.topic("end") },
      ]);
      const session = lasting(bench, level);
      const first = await bench.connect(session);
      const message = { level, topic: bench.topic("a"), qos: 2, packetId: 3, payload: "once" };
      first.send(packets.publish(message));
      await first.expect("pubrec");
      await breakOff(first);
      const second = await resume(bench, session);
      second.send(packets.publish({ ...message, dup: true }));
      assert.equal((await second.expect("pubrec")).packetId, 3);
      await breakOff(second);
      const third = await resume(bench, session);
      third.send(packets.pubrel({ packetId: 3 }));
      const pubcomp = await third.expect("pubcomp");
      assert.deepEqual([pubcomp.packetId, pubcomp.reasonCode], [3, 0]);
      await subscriber.expectPublish("once");
      await expectNothingBefore(subscriber, third, bench.topic("end"));
    },
  );
}

function idOf(message: PublishPacket): number {
  return message.packetId;
}

suite.check(
  "QoS 1: after PUBACK the same identifier is a new message [MQTT-4.3.2-5] [MQTT-4.3.2-4]",
  async (bench) => {
    const client = await bench.connect();
    const subscriber = await bench.connect();
    await subscriber.subscribe(bench.topic("a"), 1);
    for (const payload of ["1", "2", "3"]) {
      await client.publish({
        topic: bench.topic("a"),
        qos: 1,
        packetId: 5,
        payload,
        dup: payload === "3",
      });
      await subscriber.expectPublish(payload);
    }
  },
);

suite.check(
  "QoS 2: after PUBCOMP the same identifier is a new message [MQTT-4.3.3-12] [MQTT-4.3.3-4]",
  async (bench) => {
    const client = await bench.connect();
    const subscriber = await bench.connect();
    await subscriber.subscribe(bench.topic("a"), 2);
    for (const payload of ["1", "2", "3"]) {
      await client.publish({ topic: bench.topic("a"), qos: 2, packetId: 5, payload });
      await subscriber.expectPublish(payload);
    }
  },
);

suite.check("QoS 2: several exchanges interleave [MQTT-4.3.3-8] [MQTT-4.3.3-11]", async (bench) => {
  const client = await bench.connect();
  const subscriber = await bench.connect();
  await subscriber.subscribe(bench.topic("a"), 2);
  for (const packetId of [1, 2, 3]) {
    client.send(
      packets.publish({ topic: bench.topic("a"), qos: 2, packetId, payload: `${packetId}` }),
    );
  }
  for (const packetId of [1, 2, 3])
    assert.equal((await client.expect("pubrec")).packetId, packetId);
  for (const packetId of [3, 1, 2]) client.send(packets.pubrel({ packetId }));
  for (const packetId of [3, 1, 2])
    assert.equal((await client.expect("pubcomp")).packetId, packetId);
  const received = await takePublishes(subscriber, 3);
  assert.deepEqual(new Set(payloads(received)), new Set(["1", "2", "3"]));
});

suite.check("redelivery: never on a live connection [MQTT-4.4.0-1]", async (bench) => {
  const client = await bench.connect();
  client.autoAck = false;
  await client.subscribe(bench.topic("a"), 2);
  const publisher = await bench.connect();
  await publisher.publish({ topic: bench.topic("a"), qos: 1 });
  await publisher.publish({ topic: bench.topic("a"), qos: 2 });
  await takePublishes(client, 2);
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  await client.expectQuiet();
});

suite.check(
  "redelivery: message expiry does not end an exchange that has begun [MQTT-4.3.3-7] [MQTT-4.3.3-13]",
  async (bench) => {
    const session = lasting(bench);
    const first = await bench.connect(session);
    first.autoAck = false;
    await first.subscribe(bench.topic("a"), 2);
    const publisher = await bench.connect();
    const properties = [property.messageExpiry(1)];
    await publisher.publish({ topic: bench.topic("a"), qos: 2, payload: "expired", properties });
    const { packetId } = await first.expect("publish");
    first.send(packets.pubrec({ packetId }));
    await first.expect("pubrel");
    await breakOff(first);
    await new Promise((resolve) => setTimeout(resolve, 1_600));
    const second = await resume(bench, session);
    assert.equal((await second.expect("pubrel")).packetId, packetId);
    second.send(packets.pubcomp({ packetId }));
    await second.expectQuiet();
  },
);

suite.check(
  "session: QoS 1 and 2 messages wait for an absent subscriber, in order [MQTT-4.5.0-1] [MQTT-4.6.0-5]",
  async (bench) => {
    const session = lasting(bench);
    const first = await bench.connect(session);
    await first.subscribe(bench.topic("#"), 2);
    await first.disconnect();
    const publisher = await bench.connect();
    for (let index = 0; index < 200; index += 1) {
      const topic = bench.topic(`t${index % 3}`);
      await publisher.publish({ topic, qos: 1 + (index % 2), payload: `${index}` });
    }
    const second = await bench.connect(session);
    const received = await takePublishes(second, 200);
    assert.deepEqual(
      payloads(received),
      Array.from({ length: 200 }, (_none, index) => `${index}`),
    );
    assert.ok(received.every((message) => !message.dup));
  },
);

suite.check("session: subscriptions and their options survive [MQTT-4.1.0-1]", async (bench) => {
  const session = lasting(bench);
  const first = await bench.connect(session);
  const filters = [{ filter: bench.topic("a"), qos: 1, noLocal: true, retainAsPublished: true }];
  await first.subscribe(filters, 0, [property.subscriptionIdentifier(12)]);
  await first.disconnect();
  const second = await bench.connect(session);
  await second.publish({ topic: bench.topic("a"), qos: 1, payload: "own" });
  const publisher = await bench.connect();
  await publisher.publish({ topic: bench.topic("a"), qos: 2, payload: "other", retain: true });
  const message = await second.expectPublish("other");
  assert.equal(message.qos, 1);
  assert.equal(message.retain, true);
  assert.deepEqual(message.properties.subscriptionIdentifiers, [12]);
});

suite.check("session: another version of the protocol resumes it [MQTT-3.1.2-5]", async (bench) => {
  const first = await bench.connect(lasting(bench, 4));
  await first.subscribe(bench.topic("a"), 1);
  await first.disconnect();
  const publisher = await bench.connect();
  const properties = [property.user("a", "b")];
  await publisher.publish({ topic: bench.topic("a"), qos: 1, payload: "x", properties });
  const second = await bench.connect(lasting(bench, 5));
  assert.equal(second.connack?.sessionPresent, true);
  assert.deepEqual((await second.expectPublish("x")).properties.userProperties, [["a", "b"]]);
});

suite.check(
  "session: take-over hands the exchanges to the new connection [MQTT-3.1.4-3] [MQTT-4.4.0-1]",
  async (bench) => {
    const session = lasting(bench);
    const first = await bench.connect(session);
    first.autoAck = false;
    await first.subscribe(bench.topic("a"), 2);
    const publisher = await bench.connect();
    for (let index = 0; index < 20; index += 1) {
      await publisher.publish({
        topic: bench.topic("a"),
        qos: 1 + (index % 2),
        payload: `${index}`,
      });
    }
    const sent = await takePublishes(first, 20);
    const second = await resume(bench, session);
    const again = await takePublishes(second, 20);
    assert.deepEqual(payloads(again), payloads(sent));
    assert.deepEqual(again.map(idOf), sent.map(idOf));
  },
);

for (const qos of [0, 1, 2]) {
  suite.check(
    `order: QoS ${qos} messages of one publisher arrive in order at every subscriber [MQTT-4.6.0-5] [MQTT-4.6.0-6]`,
    async (bench) => {
      const total = 300;
      const subscribers = await Promise.all(Array.from({ length: 6 }, () => bench.connect()));
      for (const subscriber of subscribers) await subscriber.subscribe(bench.topic("+"), qos);
      const publisher = await bench.connect();
      publisher.autoRelease = true;
      for (let index = 0; index < total; index += 1) {
        const topic = bench.topic(`t${index % 2}`);
        publisher.send(
          packets.publish({ topic, qos, packetId: (index % 60_000) + 1, payload: `${index}` }),
        );
      }
      const expected = Array.from({ length: total }, (_none, index) => `${index}`);
      for (const subscriber of subscribers) {
        const received = payloads(await takePublishes(subscriber, total));
        for (const remainder of [0, 1]) {
          const ofTopic = (value: string) => Number(value) % 2 === remainder;
          assert.deepEqual(received.filter(ofTopic), expected.filter(ofTopic));
        }
      }
    },
  );
}

suite.check(
  "order: the server acknowledges in the order of the publishes [MQTT-4.6.0-2] [MQTT-4.6.0-3] [MQTT-4.6.0-4]",
  async (bench) => {
    const client = await bench.connect();
    const subscriber = await bench.connect();
    await subscriber.subscribe(bench.topic("#"), 2);
    const packetIds = Array.from({ length: 50 }, (_none, index) => index + 1);
    for (const packetId of packetIds) {
      client.send(packets.publish({ topic: bench.topic("a"), qos: 1, packetId }));
    }
    for (const packetId of packetIds) {
      assert.equal((await client.expect("puback")).packetId, packetId);
    }
    for (const packetId of packetIds) {
      client.send(packets.publish({ topic: bench.topic("a"), qos: 2, packetId }));
    }
    for (const packetId of packetIds) {
      assert.equal((await client.expect("pubrec")).packetId, packetId);
    }
    client.send(...packetIds.map((packetId) => packets.pubrel({ packetId })));
    for (const packetId of packetIds) {
      assert.equal((await client.expect("pubcomp")).packetId, packetId);
    }
  },
);

suite.check(
  "order: PUBRELs of the server follow the PUBRECs [MQTT-4.6.0-4] [MQTT-4.3.2-1] [MQTT-4.3.3-1]",
  async (bench) => {
    const client = await bench.connect();
    client.autoAck = false;
    await client.subscribe(bench.topic("a"), 2);
    const publisher = await bench.connect();
    for (let index = 0; index < 10; index += 1) {
      await publisher.publish({ topic: bench.topic("a"), qos: 2 });
    }
    const ids = (await takePublishes(client, 10)).map(idOf);
    assert.equal(new Set(ids).size, 10);
    client.send(...ids.map((packetId) => packets.pubrec({ packetId })));
    for (const packetId of ids) assert.equal((await client.expect("pubrel")).packetId, packetId);
  },
);
