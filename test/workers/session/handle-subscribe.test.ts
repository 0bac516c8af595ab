/** SUBSCRIBE of a stored session whose inbox cannot say that every worker has the route. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { ReasonCode } from "../../../src/shared/mqtt/reason-code.ts";
import { InboxSubscribeStatus } from "../../../src/workers/inbox/inbox-api.ts";
import * as packets from "../../helpers/packets.ts";
import { SessionWorld } from "./session-world.ts";

const KEPT = [packets.property.sessionExpiry(3600)];

/** From now on the inbox stores subscriptions, and says that it does not know. */
function failSubscribing(world: SessionWorld): () => void {
  const { inbox } = world.worker(1).context;
  const inner = inbox.subscribe.bind(inbox);
  inbox.subscribe = (session, subscription, limit, done) => {
    inner(session, subscription, limit, () => done(InboxSubscribeStatus.UNAVAILABLE));
  };
  return () => {
    inbox.subscribe = inner;
  };
}

test("SUBSCRIBE, stored: what a SUBACK has refused does not come back with the next connection [MQTT-3.9.3-2]", async () => {
  const world = new SessionWorld({ workers: 1 });
  const client = await world.connect({ clientId: "c", properties: KEPT });
  const restore = failSubscribing(world);
  assert.deepEqual(await client.trySubscribe("a", 1), [ReasonCode.UNSPECIFIED_ERROR]);
  restore();
  await world.settle();
  const publisher = await world.connect({ clientId: "p" });
  const outcome = async () => {
    publisher.publish({ topic: "a", payload: "m", qos: 1, packetId: publisher.nextId() });
    await world.settle();
    const [puback] = publisher.take();
    return puback?.type === "puback" ? puback.reasonCode : null;
  };
  assert.equal(await outcome(), ReasonCode.NO_MATCHING_SUBSCRIBERS);
  const again = await world.connect({ clientId: "c", cleanStart: false, properties: KEPT });
  assert.equal(await outcome(), ReasonCode.NO_MATCHING_SUBSCRIBERS);
  assert.deepEqual(again.takePublishes(), []);
});

test("SUBSCRIBE, stored: a refused change leaves the subscription as it was", async () => {
  const world = new SessionWorld({ workers: 1 });
  const client = await world.connect({ clientId: "c", properties: KEPT });
  await client.subscribe("a", 2);
  const restore = failSubscribing(world);
  assert.deepEqual(await client.trySubscribe("a", 0), [ReasonCode.UNSPECIFIED_ERROR]);
  restore();
  await world.settle();
  for (const again of [false, true]) {
    const subscriber = again
      ? await world.connect({ clientId: "c", cleanStart: false, properties: KEPT })
      : client;
    const publisher = await world.connect({ clientId: "p" });
    publisher.publish({ topic: "a", payload: "m", qos: 1, packetId: 1 });
    await world.settle();
    assert.equal(subscriber.takePublishes().at(-1)?.qos, 1);
  }
});

test("SUBSCRIBE, stored: with the disk full a session gets what it has, and nothing more", async () => {
  const world = new SessionWorld();
  const publisher = await world.connect({ clientId: "publisher", keepAlive: 0 });
  publisher.publish({ topic: "a", qos: 1, packetId: 1, payload: "retained", retain: true });
  const fields = { clientId: "kept", cleanStart: false, properties: KEPT };
  let client = await world.connect(fields);
  await client.subscribe("a", 1);
  assert.deepEqual(await client.acknowledgeAll(), ["retained"]);
  world.ranges.groups.setDiskFull(true);
  await world.settle();
  for (const retainHandling of [2, 0]) {
    assert.deepEqual(await client.trySubscribe("a", 1, { retainHandling }), [1]);
    assert.deepEqual(await client.trySubscribe("a", 2, { retainHandling }), [0x97]);
    assert.deepEqual(await client.trySubscribe("b", 1, { retainHandling }), [0x97]);
  }
  assert.deepEqual(await client.acknowledgeAll(), [], "there is no room for a retained message");
  await client.lose();
  world.ranges.groups.setDiskFull(false);
  await world.settle();
  client = await world.connect(fields);
  assert.deepEqual(await client.acknowledgeAll(), ["retained"], "it was owed");
});
