/** $SYS topics over two workers: when they are published, what they say, and to whom. */

import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { SysTopics } from "../../src/workers/sys-topics.ts";
import * as packets from "../helpers/packets.ts";
import { type FakeClient, textOf } from "./session/fake-client.ts";
import { SessionWorld, type WorldOptions } from "./session/session-world.ts";

/** Two workers with $SYS topics every ten seconds, and the means to let time pass. */
class SysWorld extends SessionWorld {
  readonly sysTopics: SysTopics[];

  constructor(options: WorldOptions = {}) {
    super({ workers: 2, ...options });
    this.nowMs -= this.nowMs % 10_000;
    mock.timers.enable({ apis: ["setTimeout"] });
    this.sysTopics = this.workers.map(
      ({ context, endpoint, services }) => new SysTopics(context, endpoint, services),
    );
    for (const topics of this.sysTopics) topics.start();
  }

  async pass(seconds: number): Promise<void> {
    for (let half = 0; half < seconds * 2; half++) {
      this.nowMs += 500;
      mock.timers.tick(500);
      await this.settle();
    }
  }

  end(): void {
    for (const topics of this.sysTopics) topics.stop();
    mock.timers.reset();
  }
}

/** Topic below $SYS/broker/ → value, of what has arrived. */
function takeSys(client: FakeClient): Map<string, string> {
  const entries = client.takePublishes().map((packet): [string, string] => {
    assert.ok(packet.topic.startsWith("$SYS/broker/"), packet.topic);
    return [packet.topic.slice("$SYS/broker/".length), textOf(packet)];
  });
  return new Map(entries);
}

function sysTest(name: string, options: WorldOptions, run: (world: SysWorld) => Promise<void>) {
  test(`$SYS: ${name}`, async () => {
    const world = new SysWorld(options);
    try {
      await run(world);
    } finally {
      world.end();
    }
  });
}

sysTest("published on the interval, summed over workers, retained for later", {}, async (world) => {
  const client = await world.connect({ clientId: "one", keepAlive: 0 }, 1);
  await client.subscribe("$SYS/#");
  const other = await world.connect({ clientId: "two", keepAlive: 0 }, 2);
  await other.subscribe("a");
  await other.subscribe("$share/g/a");
  other.publish({ topic: "a", payload: "12345" });
  await world.pass(9);
  assert.equal(takeSys(client).size, 0);
  await world.pass(2);
  const values = takeSys(client);
  assert.equal(values.get("clients/connected"), "2");
  assert.equal(values.get("subscriptions/count"), "3");
  assert.equal(values.get("shared_subscriptions/count"), "1");
  assert.equal(values.get("publish/messages/received"), "1");
  assert.equal(values.get("publish/bytes/received"), "5");
  assert.equal(values.get("publish/messages/sent"), "2");
  assert.match(values.get("version") ?? "", /^ratatosk version \d/);
  const late = await world.connect({ clientId: "late", keepAlive: 0 }, 2);
  await late.subscribe("$SYS/#");
  const [retained] = late.takePublishes();
  assert.equal(retained?.retain, true);
});

sysTest("only what has changed is published again", {}, async (world) => {
  const client = await world.connect({ keepAlive: 0 });
  await client.subscribe("$SYS/#");
  await world.pass(11);
  assert.ok(takeSys(client).has("version"));
  await world.pass(10);
  const second = takeSys(client);
  assert.equal(second.has("version"), false);
  assert.equal(second.get("uptime"), "20 seconds");
});

sysTest("a tenant sees its own numbers, and is not told of any other", {}, async (world) => {
  const ann = await world.connect({ username: "ann@a", clientId: "c", keepAlive: 0 }, 1);
  const bob = await world.connect({ username: "bob@b", clientId: "c", keepAlive: 0 }, 2);
  await ann.subscribe("$SYS/#");
  await bob.subscribe("$SYS/#");
  for (let index = 0; index < 5; index++) {
    bob.publish({ topic: "x", payload: "12", retain: true });
  }
  await world.pass(11);
  const [ofAnn, ofBob] = [takeSys(ann), takeSys(bob)];
  assert.deepEqual(
    [ofAnn.get("publish/messages/received"), ofBob.get("publish/messages/received")],
    ["0", "5"],
  );
  assert.deepEqual(
    [ofAnn.get("retained messages/count"), ofBob.get("retained messages/count")],
    ["0", "1"],
  );
  assert.deepEqual([ofAnn.get("clients/connected"), ofBob.get("clients/connected")], ["1", "1"]);
});

sysTest(
  "the broker's statistics do not use up what the tenant may retain",
  { settings: { RetainMaxTopics: 1, RetainMaxBytes: 100 } },
  async (world) => {
    const client = await world.connect({ keepAlive: 0 });
    await world.pass(11);
    client.publish({ topic: "a", qos: 1, packetId: 1, retain: true, payload: "p" });
    await world.settle();
    assert.equal(client.takeOne("puback").reasonCode, 0x10);
    await client.subscribe("$SYS/broker/version");
    assert.equal(takeSys(client).size, 1, "and are kept all the same");
  },
);

sysTest("clients that leave and sessions that expire are counted", {}, async (world) => {
  const watcher = await world.connect({ clientId: "watcher", keepAlive: 0 });
  await watcher.subscribe("$SYS/broker/clients/#");
  const properties = [packets.property.sessionExpiry(15)];
  const client = await world.connect({ clientId: "client", properties }, 2);
  await client.lose();
  await world.pass(11);
  const away = takeSys(watcher);
  assert.deepEqual(
    ["connected", "disconnected", "total", "expired"].map((name) => away.get(`clients/${name}`)),
    ["1", "1", "2", "0"],
  );
  await world.advance(10_000);
  await world.pass(10);
  const gone = takeSys(watcher);
  assert.deepEqual([gone.get("clients/disconnected"), gone.get("clients/expired")], ["0", "1"]);
});

sysTest("a reload changes the interval, or ends it", {}, async (world) => {
  const client = await world.connect({ keepAlive: 0 });
  await client.subscribe("$SYS/broker/uptime");
  const reload = (sysIntervalSeconds: number) => {
    for (const [index, { context }] of world.workers.entries()) {
      context.config = { ...context.config, sysIntervalSeconds };
      world.sysTopics[index]?.start();
    }
  };
  reload(2);
  await world.pass(7);
  assert.equal(client.takePublishes().length, 3);
  reload(0);
  await world.pass(20);
  assert.equal(client.takePublishes().length, 0);
});
