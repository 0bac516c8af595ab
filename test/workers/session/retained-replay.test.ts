/**
 * Retained messages for new subscriptions: when, how, at the client's pace, and not beyond its
 * connection.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Counter } from "../../../src/shared/metrics/counter-table.ts";
import { AuthAction } from "../../../src/workers/auth/auth-provider.ts";
import * as packets from "../../helpers/packets.ts";
import { type FakeClient, textOf } from "./fake-client.ts";
import { openProvider, SessionWorld, type WorldOptions } from "./session-world.ts";

const { property } = packets;
const KEPT = [property.sessionExpiry(3600)];

/** A world that retains "0", "1", … at QoS 1 under r/0, r/1, …. */
async function retaining(count: number, options: WorldOptions = {}): Promise<SessionWorld> {
  const world = new SessionWorld(options);
  const publisher = await world.connect({ clientId: "publisher", keepAlive: 0 });
  for (let index = 0; index < count; index++) {
    const packetId = publisher.nextId();
    publisher.publish({ topic: `r/${index}`, payload: `${index}`, qos: 1, packetId, retain: true });
  }
  await world.settle();
  return world;
}

async function countRetained(client: FakeClient, retainHandling: number): Promise<number> {
  await client.subscribe("r/#", 1, { retainHandling });
  return (await client.acknowledgeAll()).length;
}

for (const kind of ["transient", "stored"]) {
  const properties = kind === "stored" ? KEPT : [];

  test(`retained, ${kind}: sent as Retain Handling says [MQTT-3.3.1-9] [MQTT-3.3.1-10] [MQTT-3.3.1-11]`, async () => {
    const world = await retaining(3);
    const client = await world.connect({ properties });
    assert.equal(await countRetained(client, 2), 0);
    assert.equal(await countRetained(client, 1), 0, "the subscription is not new");
    assert.equal(await countRetained(client, 0), 3);
    assert.equal(await countRetained(client, 0), 3, "at every SUBSCRIBE");
    const fresh = await world.connect({ clientId: "fresh", properties });
    assert.equal(await countRetained(fresh, 1), 3);
    const shared = await world.connect({ clientId: "shared", properties });
    await shared.subscribe("$share/g/r/#", 1);
    assert.deepEqual(await shared.acknowledgeAll(), [], "never to shared subscriptions");
  });

  test(`retained, ${kind}: RETAIN 1, the smaller QoS, the subscription's identifier, what is left of its life`, async () => {
    const world = await retaining(0);
    const publisher = await world.connect({ clientId: "publisher", keepAlive: 0 });
    const expiry = [property.messageExpiry(30)];
    publisher.publish({ topic: "r", payload: "p", retain: true, qos: 0, properties: expiry });
    publisher.publish({ topic: "s", payload: "p", retain: true, qos: 2, packetId: 1 });
    await world.advance(10_000);
    const client = await world.connect({ keepAlive: 0, properties });
    await client.trySubscribe("r", 1, {}, [property.subscriptionIdentifier(9)]);
    await client.trySubscribe("s", 1);
    const [zero, one] = client.takePublishes();
    assert.deepEqual([zero?.retain, zero?.qos, zero?.properties.messageExpiry], [true, 0, 20]);
    assert.deepEqual(zero?.properties.subscriptionIdentifiers, [9]);
    assert.deepEqual([one?.retain, one?.qos], [true, 1]);
    await world.advance(21_000);
    const late = await world.connect({ clientId: "late", properties });
    await late.subscribe("r", 0);
    assert.deepEqual(late.take(), [], "expired");
  });

  test(`retained, ${kind}: many more than fit its window and its queue arrive, each once`, async () => {
    const world = await retaining(1000, { settings: { SessionInboxSize: 100 } });
    const client = await world.connect({
      properties: [...properties, property.receiveMaximum(10)],
    });
    await client.subscribe("r/#", 1);
    await world.settle();
    const first = client.takePublishes();
    assert.equal(first.length, 10, "no more than may be in flight");
    for (const { packetId } of first) client.send(packets.puback({ packetId }));
    const rest = await client.acknowledgeAll();
    const all = new Set([...first.map(textOf), ...rest]);
    assert.equal(all.size, 1000);
    assert.equal(rest.length, 990);
    assert.equal(world.scans(), 0, "no scan is left open");
  });

  test(`retained, ${kind}: many filters, in many SUBSCRIBEs, go at the client's pace as well`, async () => {
    const world = await retaining(60, { settings: { SessionInboxSize: 50 } });
    const client = await world.connect({
      properties: [...properties, property.receiveMaximum(10)],
    });
    const filters = ["r/#", "r/+", "+/+", "+/#", "#"].map((filter) => ({ filter, qos: 1 }));
    for (const packetId of [1, 2, 3]) client.send(packets.subscribe({ packetId, filters }));
    await world.settle();
    const got = (await client.acknowledgeAll()).length;
    assert.equal(world.count(Counter.DROPPED_QUEUE_FULL), 0);
    assert.equal(got, 60 * filters.length * 3);
    assert.equal(world.scans(), 0, "no scan is left open");
  });

  test(`retained, ${kind}: at most RetainMessageMatchLimit for each filter`, async () => {
    const world = await retaining(100, { settings: { RetainMessageMatchLimit: 7 } });
    const client = await world.connect({ properties });
    assert.equal(await countRetained(client, 0), 7);
    assert.equal(world.scans(), 0);
  });

  test(`retained, ${kind}: a client that leaves in the middle leaves no scan behind`, async () => {
    for (const level of [1, 0]) {
      const world = await retaining(1000, { limits: { connectionOutputBytes: 500 } });
      const client = await world.connect({
        properties: [...properties, property.receiveMaximum(10)],
      });
      client.transport.isBlocked = level === 0;
      client.send(packets.subscribe({ packetId: 1, filters: [{ filter: "r/#", qos: level }] }));
      await world.settle();
      assert.equal(world.scans(), 1, "the scan waits for the client");
      await client.lose();
      assert.equal(world.scans(), 0, `QoS ${level}`);
    }
  });

  test(`retained, ${kind}: nothing for a filter that was refused`, async () => {
    const world = await retaining(3, { settings: { MaxTopicFiltersPerInbox: 1 } });
    const client = await world.connect({ properties });
    await client.subscribe("other");
    assert.deepEqual(await client.trySubscribe("r/#", 1), [0x97]);
    assert.deepEqual(client.take(), []);
  });
}

/** Answers what has arrived; returns payloads that have come for the first time. */
function answer(client: FakeClient): string[] {
  const fresh: string[] = [];
  for (const packet of client.take()) {
    if (packet.type === "pubrel") client.send(packets.pubcomp({ packetId: packet.packetId }));
    if (packet.type !== "publish") continue;
    const { packetId, qos, dup } = packet;
    if (!dup) fresh.push(textOf(packet));
    client.send(qos === 1 ? packets.puback({ packetId }) : packets.pubrec({ packetId }));
  }
  return fresh;
}

for (const level of [1, 2]) {
  test(`retained, stored: connections that end in the middle miss none and get none again, QoS ${level}`, async () => {
    const world = new SessionWorld({ workers: 2, settings: { SessionInboxSize: 300 } });
    const publisher = await world.connect({ clientId: "publisher", keepAlive: 0 });
    for (let index = 0; index < 700; index++) {
      const packetId = publisher.nextId();
      const fields = { topic: `r/${index}`, payload: `${index}`, qos: 2, packetId, retain: true };
      publisher.publish(fields);
      publisher.send(packets.pubrel({ packetId }));
      if (index % 50 === 0) await world.settle();
    }
    const wish = { clientId: "c", cleanStart: false, keepAlive: 0 };
    const properties = [...KEPT, property.receiveMaximum(10)];
    let client = await world.connect({ ...wish, properties });
    const filters = ["r/#", "r/+"].map((filter) => ({ filter, qos: level }));
    client.send(packets.subscribe({ packetId: 1, filters }));
    await world.settle();
    const got: string[] = [];
    for (let visit = 0; visit < 6; visit++) {
      for (let round = 0; round < 20 * visit; round++) {
        got.push(...answer(client));
        await world.settle();
      }
      // The last ones arrive, and the answers get lost: they come again as duplicates.
      got.push(
        ...client
          .takePublishes()
          .filter(({ dup }) => !dup)
          .map(textOf),
      );
      await client.lose();
      assert.equal(world.scans(), 0);
      client = await world.connect({ ...wish, properties }, 1 + (visit % 2));
    }
    for (let before = -1; before < got.length; ) {
      before = got.length;
      for (let round = 0; round < 5; round++) {
        got.push(...answer(client));
        await world.settle();
      }
    }
    assert.equal(new Set(got).size, 700);
    assert.equal(got.length, 1400, "each once for each filter");
    assert.equal(world.count(Counter.DROPPED_QUEUE_FULL), 0);
    await client.lose();
    client = await world.connect({ ...wish, properties });
    assert.deepEqual(await client.acknowledgeAll(), [], "nothing is owed any more");
  });
}

test("retained, stored: what may not be read any more does not follow on the next connection", async () => {
  let mayRead = true;
  const provider = openProvider({
    authorize: (_identity, action) => {
      return action !== AuthAction.SUBSCRIBE || mayRead ? "allow" : "deny";
    },
  });
  const world = await retaining(300, { provider });
  const fields = { clientId: "c", cleanStart: false };
  const properties = [...KEPT, property.receiveMaximum(10)];
  let client = await world.connect({ ...fields, properties });
  await client.subscribe("r/#", 1);
  await client.lose();
  mayRead = false;
  await world.reloadRules();
  client = await world.connect({ ...fields, properties });
  const arrived = new Set(await client.acknowledgeAll()).size;
  assert.ok(arrived <= 192, `${arrived}: what its inbox had already`);
});

test("retained, stored: messages too large for the client do not hold up those that follow [MQTT-3.1.2-25]", async () => {
  const world = new SessionWorld();
  const publisher = await world.connect({ clientId: "publisher", keepAlive: 0 });
  for (let index = 0; index < 400; index++) {
    const payload = index % 8 === 0 ? `${index}` : "x".repeat(200);
    const packetId = publisher.nextId();
    publisher.publish({ topic: `r/${index}`, payload, qos: 1, packetId, retain: true });
    if (index % 100 === 0) await world.settle();
  }
  await world.settle();
  const limit = property.maximumPacketSize(100);
  const client = await world.connect({ properties: [...KEPT, limit, property.receiveMaximum(5)] });
  await client.subscribe("r/#", 1);
  assert.equal(new Set(await client.acknowledgeAll()).size, 50);
  assert.equal(world.scans(), 0, "the replay came to its end");
});

test("retained, stored: messages that expire before the client takes them do not hold up those that follow", async () => {
  const world = new SessionWorld();
  const publisher = await world.connect({ clientId: "publisher", keepAlive: 0 });
  for (let index = 0; index < 300; index++) {
    const packetId = publisher.nextId();
    const properties = [property.messageExpiry(5)];
    const fields = { topic: `r/${index}`, payload: "short-lived", qos: 1, packetId, properties };
    publisher.publish({ ...fields, retain: true });
    if (index % 100 === 0) await world.settle();
  }
  publisher.publish({ topic: "s", payload: "lasts", qos: 1, packetId: 500, retain: true });
  await world.settle();
  const properties = [...KEPT, property.receiveMaximum(1)];
  const client = await world.connect({ keepAlive: 0, properties });
  const filters = ["r/#", "s"].map((filter) => ({ filter, qos: 1 }));
  client.send(packets.subscribe({ packetId: 1, filters }));
  await world.settle();
  await world.advance(10_000);
  const arrived = await client.acknowledgeAll();
  assert.deepEqual(arrived, ["short-lived", "lasts"], "what was sent once never expires");
  assert.equal(world.scans(), 0, "the replay came to its end");
});

test("retained: messages refused by the inbox do not hold up those that follow", async () => {
  const world = await retaining(1000, { settings: { SessionInboxSize: 30 } });
  const client = await world.connect({ properties: [...KEPT, property.receiveMaximum(5)] });
  await client.subscribe("r/#", 1);
  const arrived = await client.acknowledgeAll();
  assert.equal(world.scans(), 0, "the replay came to its end");
  assert.equal(new Set(arrived).size, arrived.length);
  client.publish({ topic: "r/new", payload: "new", qos: 1, packetId: 1 });
  assert.deepEqual(await client.acknowledgeAll(), ["new"]);
});

test("retained: what is published while they are sent finds room in the client's queue", async () => {
  const world = await retaining(300, { settings: { SessionInboxSize: 100 } });
  const client = await world.connect({ properties: [property.receiveMaximum(10)] });
  await client.subscribe("r/#", 1);
  const publisher = await world.connect({ clientId: "live", keepAlive: 0 });
  for (let index = 0; index < 50; index++) {
    publisher.publish({ topic: "r/live", payload: `live ${index}`, qos: 1, packetId: index + 1 });
  }
  await world.settle();
  const first = client.takePublishes();
  for (const { packetId } of first) client.send(packets.puback({ packetId }));
  const got = [...first.map(textOf), ...(await client.acknowledgeAll())];
  assert.equal(world.count(Counter.DROPPED_QUEUE_FULL), 0);
  assert.equal(new Set(got).size, 350);
  assert.equal(got.length, 350);
});

/** Every shape of message that changes what a packet looks like. */
async function retainingShapes(): Promise<SessionWorld> {
  const world = await retaining(0, { workers: 2 });
  const publisher = await world.connect({ clientId: "publisher", keepAlive: 0 });
  const shapes = [[], [property.messageExpiry(300)], [property.contentType("text/plain")]];
  for (const [shape, properties] of [...shapes, shapes.flat()].entries()) {
    for (const size of [1, 39, 41, 127, 128, 20_000]) {
      const topic = `r/${shape}/${size}/${"long".repeat(size % 3)}`;
      const packetId = publisher.nextId();
      const payload = `${shape}`.repeat(size);
      publisher.publish({ topic, payload, qos: 2, packetId, retain: true, properties });
    }
  }
  await publisher.acknowledgeAll();
  await world.advance(10_000);
  return world;
}

test("retained: finished packets are what a client gets that has to be given them one by one", async () => {
  const world = await retainingShapes();
  const oneByOne = await world.connect({
    clientId: "one-by-one",
    properties: [property.maximumPacketSize(1_000_000)],
  });
  const byTopic = (one: { topic: string }, other: { topic: string }) =>
    one.topic < other.topic ? -1 : 1;
  await oneByOne.subscribe("r/#", 0);
  const expected = oneByOne.takePublishes().sort(byTopic);
  assert.equal(expected.length, 24);
  for (const level of [5, 4, 3] as const) {
    const client = await world.connect({ clientId: `level-${level}`, level });
    const sentBefore = client.session.context.counters[Counter.PUBLISH_SENT_QOS0]!;
    await client.subscribe("r/#", 0);
    const got = client.takePublishes().sort(byTopic);
    if (level === 5) assert.deepEqual(got, expected);
    const plain = ({ topic, payload, qos, retain, dup }: (typeof got)[number]) => {
      return { topic, payload, qos, retain, dup };
    };
    assert.deepEqual(got.map(plain), expected.map(plain), `level ${level}`);
    const counted = client.session.context.counters[Counter.PUBLISH_SENT_QOS0]! - sentBefore;
    assert.equal(counted, 24, "each is counted");
  }
});

test("retained: finished packets wait until a client without room has taken what it was sent", async () => {
  const world = await retaining(100, { limits: { connectionOutputBytes: 500 } });
  const client = await world.connect({});
  client.transport.isBlocked = true;
  for (const packetId of [1, 2]) {
    client.send(packets.subscribe({ packetId, filters: [{ filter: "r/#", qos: 0 }] }));
    await world.settle();
    assert.equal(world.count(Counter.PUBLISH_SENT_QOS0), 100, "the first batch");
  }
  client.transport.drain();
  await world.settle();
  assert.equal(client.takePublishes().length, 200);
  assert.equal(world.count(Counter.DROPPED_SLOW_CONSUMER), 0);
});

test("retained: finished packets that find no room any more are dropped, and each is counted", async () => {
  const world = await retaining(100, { limits: { connectionOutputBytes: 500 } });
  const client = await world.connect({});
  await client.subscribe("live", 0);
  const publisher = await world.connect({ clientId: "live", keepAlive: 0 });
  client.transport.isBlocked = true;
  client.send(packets.subscribe({ packetId: 9, filters: [{ filter: "r/#", qos: 0 }] }));
  while (world.scans() === 0) world.step();
  publisher.publish({ topic: "live", payload: "x".repeat(600) });
  await world.settle();
  assert.equal(world.count(Counter.PUBLISH_SENT_QOS0), 1, "the live one");
  assert.equal(world.count(Counter.DROPPED_SLOW_CONSUMER), 100);
});
