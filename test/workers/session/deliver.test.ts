/**
 * Messages to one client: window, queue, expiry, sizes, aliases, the four QoS 2 steps, and resuming
 * a session.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Counter } from "../../../src/shared/metrics/counter-table.ts";
import * as packets from "../../helpers/packets.ts";
import { type FakeClient, textOf } from "./fake-client.ts";
import { SessionWorld } from "./session-world.ts";

const { property } = packets;
const KEPT = [property.sessionExpiry(3600)];

/** A subscriber of "a" and "a/#" and a publisher. */
async function pair(
  world: SessionWorld,
  qos: number,
  fields: packets.ConnectFields = {},
): Promise<[FakeClient, FakeClient]> {
  const subscriber = await world.connect({ clientId: "subscriber", ...fields });
  await subscriber.subscribe("a/#", qos);
  const publisher = await world.connect({ clientId: "publisher" });
  return [subscriber, publisher];
}

/** Publishes the payloads to "a" with one QoS, and takes the publisher's acknowledgements. */
async function publishAll(
  world: SessionWorld,
  publisher: FakeClient,
  payloads: readonly string[],
  qos = 1,
  properties: readonly Uint8Array[] = [],
): Promise<void> {
  for (const payload of payloads) {
    const packetId = publisher.nextId();
    publisher.publish({ topic: "a", payload, qos, packetId, properties });
    await world.settle();
    if (qos === 2) publisher.send(packets.pubrel({ packetId }));
  }
  await world.settle();
  publisher.take();
}

for (const kind of ["transient", "stored"]) {
  const session = kind === "stored" ? KEPT : [];

  test(`deliver, ${kind}: never more in flight than the client's Receive Maximum [MQTT-3.3.4-9]`, async () => {
    const world = new SessionWorld();
    const [subscriber, publisher] = await pair(world, 2, {
      properties: [...session, property.receiveMaximum(2)],
    });
    await publishAll(world, publisher, ["1", "2", "3", "4", "5"], 1);
    const first = subscriber.takePublishes();
    assert.deepEqual(first.map(textOf), ["1", "2"]);
    subscriber.send(packets.puback({ packetId: first[1]!.packetId }));
    await world.settle();
    assert.deepEqual(subscriber.takePayloads(), ["3"], "one acknowledged, one sent");
    subscriber.send(packets.puback({ packetId: first[1]!.packetId }));
    subscriber.send(packets.puback({ packetId: 999 }));
    await world.settle();
    assert.deepEqual(subscriber.takePayloads(), [], "an unknown identifier makes no room");
    publisher.publish({ topic: "a", payload: "zero" });
    await world.settle();
    assert.deepEqual(subscriber.takePayloads(), ["zero"], "QoS 0 has no window [MQTT-4.9.0-3]");
    subscriber.send(packets.puback({ packetId: first[0]!.packetId }));
    assert.deepEqual(await subscriber.acknowledgeAll(), ["4", "5"]);
  });

  test(`deliver, ${kind}: QoS 2 makes room with PUBCOMP, or a PUBREC that refuses [MQTT-4.3.3-4]`, async () => {
    const world = new SessionWorld();
    const [subscriber, publisher] = await pair(world, 2, {
      properties: [...session, property.receiveMaximum(1)],
    });
    await publishAll(world, publisher, ["1", "2", "3"], 2);
    const [first] = subscriber.takePublishes();
    assert.equal(first?.qos, 2);
    const packetId = first?.packetId ?? 0;
    subscriber.send(packets.pubrec({ packetId }));
    await world.settle();
    const pubrel = subscriber.takeOne("pubrel");
    assert.deepEqual([pubrel.packetId, pubrel.reasonCode], [packetId, 0]);
    subscriber.send(packets.pubrec({ packetId }));
    await world.settle();
    subscriber.takeOne("pubrel");
    subscriber.send(packets.pubcomp({ packetId }));
    await world.settle();
    const second = subscriber.takeOne("publish");
    assert.equal(textOf(second), "2");
    subscriber.send(packets.pubrec({ packetId: second.packetId, reasonCode: 0x80 }));
    await world.settle();
    assert.equal(textOf(subscriber.takeOne("publish")), "3");
  });

  test(`deliver, ${kind}: acknowledgements of the wrong kind end the connection`, async () => {
    const table: readonly [number, (packetId: number) => Uint8Array][] = [
      [1, (packetId) => packets.pubrec({ packetId })],
      [2, (packetId) => packets.puback({ packetId })],
      [2, (packetId) => packets.pubcomp({ packetId })],
    ];
    for (const [qos, answer] of table) {
      const world = new SessionWorld();
      const [subscriber, publisher] = await pair(world, 2, { properties: session });
      await publishAll(world, publisher, ["1"], qos);
      const [publish] = subscriber.takePublishes();
      subscriber.send(answer(publish?.packetId ?? 0));
      await world.settle();
      assert.equal(subscriber.takeOne("disconnect").reasonCode, 0x82);
    }
  });

  test(`deliver, ${kind}: a PUBREC for nothing is told so, with its identifier`, async () => {
    const world = new SessionWorld();
    const [subscriber] = await pair(world, 2, { properties: session });
    subscriber.send(packets.pubrec({ packetId: 77 }));
    subscriber.send(packets.pubrec({ packetId: 78, reasonCode: 0x80 }));
    subscriber.send(packets.pubcomp({ packetId: 79 }));
    await world.settle();
    const pubrel = subscriber.takeOne("pubrel");
    assert.deepEqual([pubrel.packetId, pubrel.reasonCode], [77, 0x92]);
  });

  test(`deliver, ${kind}: what waits is limited by SessionInboxSize; the newest is dropped and counted`, async () => {
    const world = new SessionWorld({ settings: { SessionInboxSize: 2 } });
    const [subscriber, publisher] = await pair(world, 1, {
      properties: [...session, property.receiveMaximum(1)],
    });
    await publishAll(world, publisher, ["1", "2", "3", "4", "5"]);
    assert.equal(world.count(Counter.DROPPED_QUEUE_FULL), 2);
    assert.deepEqual(await subscriber.acknowledgeAll(), ["1", "2", "3"]);
  });

  test(`deliver, ${kind}: what expires in the queue is not sent, what was sent is finished [MQTT-3.3.2-5] [MQTT-4.3.3-7]`, async () => {
    const world = new SessionWorld();
    const [subscriber, publisher] = await pair(world, 2, {
      keepAlive: 0,
      properties: [...session, property.receiveMaximum(1)],
    });
    const expiry = [property.messageExpiry(10)];
    await publishAll(world, publisher, ["sent"], 2, expiry);
    const [sent] = subscriber.takePublishes();
    await publishAll(world, publisher, ["expires"], 1, expiry);
    await publishAll(world, publisher, ["stays"], 1, [property.messageExpiry(60)]);
    await world.advance(20_000);
    subscriber.send(packets.pubrec({ packetId: sent!.packetId }));
    await world.settle();
    assert.equal(subscriber.takeOne("pubrel").packetId, sent!.packetId);
    subscriber.send(packets.pubcomp({ packetId: sent!.packetId }));
    await world.settle();
    const next = subscriber.takeOne("publish");
    assert.equal(textOf(next), "stays");
    assert.equal(next.properties.messageExpiry, 40, "the time in the queue is taken off");
    assert.equal(world.count(Counter.DROPPED_EXPIRED), 1);
  });

  test(`deliver, ${kind}: expired messages make room in a full queue`, async () => {
    const world = new SessionWorld({ settings: { SessionInboxSize: 1 } });
    const [subscriber, publisher] = await pair(world, 1, {
      keepAlive: 0,
      properties: [...session, property.receiveMaximum(1)],
    });
    await publishAll(world, publisher, ["1"]);
    await publishAll(world, publisher, ["expires"], 1, [property.messageExpiry(1)]);
    await world.advance(2000);
    await publishAll(world, publisher, ["2"]);
    assert.deepEqual(await subscriber.acknowledgeAll(), ["1", "2"]);
    assert.equal(world.count(Counter.DROPPED_QUEUE_FULL), 0);
  });

  test(`deliver, ${kind}: a packet above the client's Maximum Packet Size is dropped as if delivered [MQTT-3.1.2-25]`, async () => {
    const world = new SessionWorld();
    const [subscriber, publisher] = await pair(world, 2, {
      properties: [...session, property.maximumPacketSize(40), property.receiveMaximum(1)],
    });
    const large = "x".repeat(40);
    for (const qos of [0, 1, 2]) await publishAll(world, publisher, [large, `small ${qos}`], qos);
    assert.deepEqual(await subscriber.acknowledgeAll(), ["small 0", "small 1", "small 2"]);
    assert.equal(world.count(Counter.DROPPED_TOO_LARGE), 3);
  });

  test(`deliver, ${kind}: topic aliases within the smaller of both limits [MQTT-3.3.2-11]`, async () => {
    const world = new SessionWorld({ settings: { MaxTopicAlias: 2 } });
    const [subscriber, publisher] = await pair(world, 1, {
      properties: [...session, property.topicAliasMaximum(5)],
    });
    for (const topic of ["a/1", "a/2", "a/3", "a/1", "a/2", "a/3"]) {
      for (const qos of [0, 1]) {
        publisher.publish({ topic, qos, packetId: publisher.nextId(), payload: topic });
        await world.settle();
      }
    }
    const seen = subscriber.takePublishes().map((packet) => {
      return `${packet.topic}=${packet.properties.topicAlias ?? "-"}`;
    });
    const set = ["a/1=1", "=1", "a/2=2", "=2", "a/3=-", "a/3=-"];
    assert.deepEqual(seen, [...set, "=1", "=1", "=2", "=2", "a/3=-", "a/3=-"]);
    const none = await world.connect({ clientId: "none", properties: session });
    await none.subscribe("a/#");
    publisher.publish({ topic: "a/1" });
    await world.settle();
    assert.equal(none.takeOne("publish").properties.topicAlias, undefined, "[MQTT-3.1.2-27]");
  });

  test(`deliver, ${kind}: an alias whose packet was too large is not taken as known`, async () => {
    const world = new SessionWorld();
    const [subscriber, publisher] = await pair(world, 0, {
      properties: [...session, property.topicAliasMaximum(5), property.maximumPacketSize(30)],
    });
    const topic = "a/a/long/topic/name";
    publisher.publish({ topic, payload: "x".repeat(20) });
    publisher.publish({ topic, payload: "1" });
    publisher.publish({ topic, payload: "2" });
    await world.settle();
    const seen = subscriber.takePublishes();
    assert.deepEqual(
      seen.map((packet) => [packet.topic, packet.properties.topicAlias]),
      [
        [topic, 1],
        ["", 1],
      ],
    );
  });
}

for (const qos of [0, 1]) {
  test(`burst: what is more than one write goes to the kernel before the turn ends, QoS ${qos}`, async () => {
    const world = new SessionWorld();
    const [subscriber, publisher] = await pair(world, qos);
    const payloads = Array.from({ length: 50 }, (_, index) => `${index}`.padEnd(4096, "."));
    const packetIds = payloads.map(() => publisher.nextId());
    publisher.send(
      ...payloads.map((payload, index) =>
        packets.publish({ topic: "a", payload, qos, packetId: packetIds[index] ?? 0 }),
      ),
    );
    assert.ok(subscriber.transport.output.size <= 65_536, "of 200 KiB the last part waits");
    await world.settle();
    assert.deepEqual(subscriber.takePublishes().map(textOf), payloads);
  });
}

test("burst: a run of many packets leaves at once, a short one at the end of the turn", async () => {
  const world = new SessionWorld();
  const [subscriber, publisher] = await pair(world, 0);
  const sendRun = (count: number) => {
    const payload = "x".repeat(256);
    publisher.send(
      ...Array.from({ length: count }, () => packets.publish({ topic: "a", payload })),
    );
  };
  sendRun(10);
  assert.ok(subscriber.transport.output.size > 10 * 256, "gathered");
  await world.settle();
  sendRun(60);
  assert.equal(subscriber.transport.output.size, 0, "with the kernel already");
  await world.settle();
  assert.equal(subscriber.takePublishes().length, 70);
});

test("burst: a client that is behind gets no writes in between", async () => {
  const world = new SessionWorld({ limits: { connectionOutputBytes: 1_048_576 } });
  const [subscriber, publisher] = await pair(world, 0);
  subscriber.transport.isBlocked = true;
  publisher.publish({ topic: "a", payload: "first" });
  await world.settle();
  const behind = subscriber.transport.bufferedBytes;
  const payload = "x".repeat(4096);
  publisher.send(...Array.from({ length: 50 }, () => packets.publish({ topic: "a", payload })));
  assert.equal(subscriber.transport.bufferedBytes, behind, "gathered, not flushed");
  assert.ok(subscriber.transport.output.size > 65_536);
  subscriber.transport.drain();
  await world.settle();
  assert.equal(subscriber.takePublishes().length, 51);
});

test("deliver: subscription identifiers, QoS and RETAIN of each subscription [MQTT-3.3.4-3] [MQTT-3.3.1-13]", async () => {
  const world = new SessionWorld();
  const subscriber = await world.connect({ clientId: "subscriber" });
  const identifier = (id: number) => [property.subscriptionIdentifier(id)];
  await subscriber.trySubscribe("a", 0, { retainAsPublished: true }, identifier(7));
  await subscriber.trySubscribe("+", 2, {}, identifier(8));
  const publisher = await world.connect({ clientId: "publisher" });
  publisher.publish({ topic: "a", qos: 1, packetId: 1, retain: true, payload: "p" });
  publisher.publish({ topic: "b", qos: 2, packetId: 2, retain: true, payload: "p" });
  await world.settle();
  const [both, one] = subscriber.takePublishes();
  assert.equal(both?.qos, 1, "the highest granted QoS [MQTT-3.3.4-2]");
  assert.equal(both?.retain, true);
  assert.deepEqual([...(both?.properties.subscriptionIdentifiers ?? [])].sort(), [7, 8]);
  assert.equal(one?.qos, 2);
  assert.equal(one?.retain, false, "[MQTT-3.3.1-12]");
  assert.deepEqual(one?.properties.subscriptionIdentifiers, [8]);
});

test("resume: unacknowledged messages again, DUP, same identifiers and order, before new ones [MQTT-4.4.0-1]", async () => {
  const world = new SessionWorld({ workers: 2 });
  const fields = { cleanStart: false, properties: KEPT };
  const [first, publisher] = await pair(world, 2, fields);
  await publishAll(world, publisher, ["1", "2"], 1);
  await publishAll(world, publisher, ["3"], 2);
  const sent = first.takePublishes();
  first.send(packets.pubrec({ packetId: sent[2]!.packetId }));
  await world.settle();
  first.takeOne("pubrel");
  await first.lose();
  await publishAll(world, publisher, ["4"], 1);
  await publishAll(world, publisher, ["lost"], 0);
  const second = await world.connect({ clientId: "subscriber", ...fields }, 2);
  assert.equal(second.connack.sessionPresent, true);
  const again = second.take();
  assert.deepEqual(
    again.map((packet) => packet.type),
    ["pubrel", "publish", "publish", "publish"],
  );
  const publishes = again.filter((packet) => packet.type === "publish");
  assert.deepEqual(
    publishes.map((packet) => [textOf(packet), packet.dup]),
    [
      ["1", true],
      ["2", true],
      ["4", false],
    ],
  );
  assert.deepEqual(
    publishes.slice(0, 2).map((packet) => packet.packetId),
    sent.slice(0, 2).map((packet) => packet.packetId),
  );
  for (const { packetId } of publishes) second.send(packets.puback({ packetId }));
  second.send(packets.pubcomp({ packetId: sent[2]!.packetId }));
  await world.settle();
  await second.lose();
  const third = await world.connect({ clientId: "subscriber", ...fields });
  assert.deepEqual(third.take(), [], "everything was acknowledged");
});

test("resume: Clean Start 1 forgets everything [MQTT-3.1.2-4]", async () => {
  const world = new SessionWorld();
  const [first, publisher] = await pair(world, 1, { properties: KEPT });
  await first.lose();
  await publishAll(world, publisher, ["1"]);
  const second = await world.connect({ clientId: "subscriber", properties: KEPT });
  assert.equal(second.connack.sessionPresent, false);
  await publishAll(world, publisher, ["2"]);
  assert.deepEqual(second.take(), []);
});

test("take-over: the old connection is told 0x8E, nothing is lost, nothing doubled at QoS 2 [MQTT-3.1.4-3]", async () => {
  const world = new SessionWorld({ workers: 2 });
  const fields = { cleanStart: false, properties: KEPT };
  const [old, publisher] = await pair(world, 2, fields);
  await publishAll(world, publisher, ["1", "2", "3"], 2);
  const [one, two] = old.takePublishes();
  old.send(packets.pubrec({ packetId: one!.packetId }));
  await world.settle();
  old.take();
  const fresh = await world.connect({ clientId: "subscriber", ...fields }, 2);
  assert.equal(old.takeOne("disconnect").reasonCode, 0x8e);
  assert.equal(old.isClosed, true);
  old.send(packets.pubrec({ packetId: two!.packetId }));
  assert.deepEqual(await fresh.acknowledgeAll(), ["2", "3"], "1 was the client's already");
  assert.equal(world.count(Counter.TAKEOVERS), 1);
  assert.equal(world.count(Counter.SESSIONS_CONNECTED), 2);
});
