/**
 * Every tenant setting does what its description says, and does it to connections that are open
 * when it changes: each check starts with the defaults, connects its clients, and only then sets
 * the value.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Counter } from "../../../src/shared/metrics/counter-table.ts";
import {
  TENANT_SETTINGS,
  type TenantSettingName,
} from "../../../src/shared/tenant/tenant-settings.ts";
import { AuthAction } from "../../../src/workers/auth/auth-provider.ts";
import * as packets from "../../helpers/packets.ts";
import { openProvider, SessionWorld } from "./session-world.ts";
import {
  type Check,
  connectCode,
  disconnectCode,
  KEPT,
  limitsFanout,
  limitsPublish,
  limitsRetained,
  limitsSubscribe,
  pubackCode,
  slowsReader,
  switchesVersionOff,
} from "./setting-checks.ts";

const { property } = packets;
const CHECKS: Readonly<Record<TenantSettingName, Check>> = {
  MQTT3Enabled: switchesVersionOff("MQTT3Enabled", 3, 1),
  MQTT4Enabled: switchesVersionOff("MQTT4Enabled", 4, 1),
  MQTT5Enabled: switchesVersionOff("MQTT5Enabled", 5, 0x84),

  NoLWTWhenServerShuttingDown: async (world) => {
    const watcher = await world.connect({ clientId: "watcher" });
    await watcher.subscribe("will");
    world.worker(1).context.isDraining = true;
    for (const suppressed of [true, false]) {
      const client = await world.connect({ will: { topic: "will", payload: "gone" } });
      world.reloadSettings({ NoLWTWhenServerShuttingDown: suppressed });
      client.session.close(0x8b, "shutdown");
      await world.settle();
      assert.deepEqual(watcher.takePayloads(), suppressed ? [] : ["gone"]);
    }
  },

  DebugModeEnabled: async (world) => {
    const client = await world.connect();
    await client.subscribe("a", 1);
    const publish = async () => {
      client.publish({ topic: "a", qos: 1, packetId: 7, payload: "12" });
      client.publish({ topic: "a", payload: "123" });
      await client.acknowledgeAll();
      const traced = world.log.entries.filter(({ event }) => event.startsWith("publish_"));
      return traced.map(({ event, fields }) => `${event} ${fields["qos"]} ${fields["topic"]}`);
    };
    assert.deepEqual(await publish(), [], "no event per message by default");
    world.reloadSettings({ DebugModeEnabled: true });
    assert.deepEqual(await publish(), [
      "publish_received 1 a",
      "publish_sent 1 a",
      "publish_received 0 a",
      "publish_sent 0 a",
    ]);
  },

  ForceTransient: async (world) => {
    const fields = { cleanStart: false, properties: KEPT };
    const stored = await world.connect(fields);
    assert.equal(stored.connack.properties.sessionExpiry, undefined);
    await stored.lose();
    world.reloadSettings({ ForceTransient: true });
    const back = await world.connect(fields);
    assert.equal(back.connack.properties.sessionExpiry, 0);
    await back.lose();
    const again = await world.connect(fields);
    assert.equal(again.connack.sessionPresent, false);
    assert.equal(world.count(Counter.PERSISTENT_SESSIONS), 0);
  },

  ByPassPermCheckError: async (world) => {
    const client = await world.connect();
    const fails = { topic: "fails" };
    assert.equal(await pubackCode(world, client, fails), 0x87, "fail closed");
    world.reloadSettings({ ByPassPermCheckError: true });
    assert.equal(await pubackCode(world, client, fails), 0x10);
    world.reloadSettings({ ByPassPermCheckError: false });
    assert.equal(await pubackCode(world, client, fails), 0x87, "an error is not remembered");
  },

  PayloadFormatValidationEnabled: async (world) => {
    const client = await world.connect();
    const lie = { payload: Uint8Array.of(0xff), properties: [property.payloadFormat(1)] };
    assert.equal(await pubackCode(world, client, lie), 0x99);
    world.reloadSettings({ PayloadFormatValidationEnabled: false });
    assert.equal(await pubackCode(world, client, lie), 0x10);
  },

  RetainEnabled: async (world) => {
    await limitsPublish("RetainEnabled", false, { topic: "a", retain: true }, 0x9a)(world);
    const client = await world.connect();
    assert.equal(client.connack.properties.retainAvailable, 0);
  },

  WildcardSubscriptionEnabled: async (world) => {
    await limitsSubscribe("WildcardSubscriptionEnabled", false, "a/+", 0xa2)(world);
    const client = await world.connect();
    assert.equal(client.connack.properties.wildcardAvailable, 0);
    assert.deepEqual(await client.trySubscribe("a/b"), [0]);
  },

  SubscriptionIdentifierEnabled: async (world) => {
    const client = await world.connect();
    const identifier = [property.subscriptionIdentifier(5)];
    assert.deepEqual(await client.trySubscribe("a", 0, {}, identifier), [0]);
    world.reloadSettings({ SubscriptionIdentifierEnabled: false });
    const filters = [{ filter: "a" }];
    const subscribe = packets.subscribe({ packetId: 1, filters, properties: identifier });
    assert.equal(await disconnectCode(world, client, subscribe), 0xa1);
    const other = await world.connect();
    assert.equal(other.connack.properties.subscriptionIdentifiersAvailable, 0);
  },

  SharedSubscriptionEnabled: async (world) => {
    await limitsSubscribe("SharedSubscriptionEnabled", false, "$share/g/a", 0x9e)(world);
    const client = await world.connect();
    assert.equal(client.connack.properties.sharedAvailable, 0);
    assert.deepEqual(await client.trySubscribe("$oshare/g/a"), [0x9e]);
  },

  MaximumQoS: async (world) => {
    await limitsPublish("MaximumQoS", 0, { topic: "a", qos: 1 }, 0x9b)(world);
    const client = await world.connect();
    assert.equal(client.connack.properties.maximumQos, 0);
    assert.deepEqual(await client.trySubscribe("a", 2), [2], "[MQTT-3.2.2-10]");
  },

  MaxTopicLevelLength: async (world) => {
    await limitsPublish("MaxTopicLevelLength", 3, { topic: "four/a" }, 0x90)(world);
    const client = await world.connect();
    assert.deepEqual(await client.trySubscribe("four/a"), [0x8f]);
  },
  MaxTopicLevels: async (world) => {
    await limitsPublish("MaxTopicLevels", 2, { topic: "a/b/c" }, 0x90)(world);
    const client = await world.connect();
    assert.deepEqual(await client.trySubscribe("a/b/#"), [0x8f]);
  },
  MaxTopicLength: async (world) => {
    await limitsPublish("MaxTopicLength", 4, { topic: "a/b/c" }, 0x90)(world);
    const client = await world.connect();
    assert.deepEqual(await client.trySubscribe("$share/g/a/b/c"), [0x8f]);
    assert.deepEqual(await client.trySubscribe("$share/group/a/b"), [0]);
  },

  MaxTopicAlias: async (world) => {
    const client = await world.connect();
    const alias = (number: number) =>
      packets.publish({ topic: "a", properties: [property.topicAlias(number)] });
    world.reloadSettings({ MaxTopicAlias: 2 });
    client.send(alias(3));
    await world.settle();
    assert.equal(client.isClosed, false, "CONNACK has promised more");
    const next = await world.connect({ clientId: "next" });
    assert.equal(next.connack.properties.topicAliasMaximum, 2);
    next.send(alias(2));
    assert.equal(await disconnectCode(world, next, alias(3)), 0x94);
  },

  MaxSharedGroupMembers: async (world) => {
    const filter = "$share/g/a";
    const [first, second, third] = await Promise.all(
      ["one", "two", "three"].map((clientId) => world.connect({ clientId })),
    );
    await first!.subscribe(filter);
    world.reloadSettings({ MaxSharedGroupMembers: 2 });
    await second!.subscribe(filter);
    assert.deepEqual(await third!.trySubscribe(filter), [0x97]);
    assert.deepEqual(await second!.trySubscribe(filter, 1), [1], "a member may change its options");
    assert.deepEqual(await third!.trySubscribe("$share/other/a"), [0], "another group");
    await first!.lose();
    assert.deepEqual(await third!.trySubscribe(filter), [0]);
  },

  MaxTopicFiltersPerInbox: async (world) => {
    for (const properties of [[], KEPT]) {
      world.reloadSettings({ MaxTopicFiltersPerInbox: 0 });
      const client = await world.connect({ properties });
      await client.subscribe("a");
      world.reloadSettings({ MaxTopicFiltersPerInbox: 2 });
      await client.subscribe("b");
      assert.deepEqual(await client.trySubscribe("c"), [0x97]);
      assert.deepEqual(await client.trySubscribe("b", 1), [1], "may be replaced");
      client.send(packets.unsubscribe({ packetId: 9, filters: ["a"] }));
      await world.settle();
      client.takeOne("unsuback");
      await client.subscribe("c");
    }
  },

  MsgPubPerSec: slowsReader("MsgPubPerSec", 5),
  InBoundBandWidth: slowsReader("InBoundBandWidth", 100),

  ReceivingMaximum: async (world) => {
    const client = await world.connect();
    world.reloadSettings({ ReceivingMaximum: 1 });
    const publish = (packetId: number) => packets.publish({ topic: "a", qos: 2, packetId });
    client.send(publish(1), publish(2));
    await world.settle();
    assert.equal(client.isClosed, false, "CONNACK has promised more");
    const next = await world.connect({ clientId: "next" });
    assert.equal(next.connack.properties.receiveMaximum, 1);
    next.send(publish(1), publish(2));
    await world.settle();
    const last = next.take().at(-1);
    assert.equal(last?.type === "disconnect" && last.reasonCode, 0x93);
  },

  OutBoundBandWidth: async (world) => {
    const client = await world.connect({ keepAlive: 0 });
    await client.subscribe("a");
    world.reloadSettings({ OutBoundBandWidth: 100 });
    for (let index = 0; index < 10; index++) {
      client.publish({ topic: "a", payload: "x".repeat(50) });
      await world.settle();
    }
    const soon = client.takePublishes().length;
    assert.ok(soon >= 1 && soon < 5, `${soon} at once`);
    await world.advance(10_000);
    assert.equal(soon + client.takePublishes().length, 10);
  },

  MaxLastWillBytes: async (world) => {
    const fields = { will: { topic: "w", payload: "four" } };
    assert.equal(await connectCode(world, fields), 0);
    world.reloadSettings({ MaxLastWillBytes: 3 });
    assert.equal(await connectCode(world, fields), 0x97);
  },

  MaxUserPayloadBytes: limitsPublish(
    "MaxUserPayloadBytes",
    3,
    { topic: "a", payload: "four" },
    0x95,
  ),

  MinSendPerSec: async () => {
    assert.match(TENANT_SETTINGS.MinSendPerSec.description, /without effect/);
  },

  MaxResendTimes: async (world) => {
    const client = await world.connect({ level: 4, keepAlive: 0 });
    await client.subscribe("a", 2);
    const publisher = await world.connect({ clientId: "publisher", keepAlive: 0 });
    world.reloadSettings({ MaxResendTimes: 2, ResendTimeoutSeconds: 10 });
    for (const qos of [1, 2]) {
      publisher.publish({ topic: "a", qos, packetId: qos, payload: `${qos}` });
      await world.settle();
    }
    const first = client.takePublishes();
    assert.deepEqual(
      first.map(({ dup }) => dup),
      [false, false],
    );
    client.send(packets.pubrec({ packetId: first[1]!.packetId }));
    await world.advance(12_000);
    const again = client.take().map(({ type }) => type);
    assert.deepEqual(again, ["pubrel", "publish", "pubrel"], "answer, DUP and PUBREL again");
    await world.advance(10_000);
    assert.equal(client.take().length, 2);
    await world.advance(60_000);
    assert.deepEqual(client.take(), [], "given up");
    assert.equal(client.session.window?.count, 0, "and the identifiers are free");
    const five = await world.connect({ clientId: "five", keepAlive: 0 });
    await five.subscribe("a", 1);
    publisher.publish({ topic: "a", qos: 1, packetId: 3 });
    await world.settle();
    assert.equal(five.take().length, 1);
    await world.advance(60_000);
    assert.deepEqual(five.take(), [], "never with MQTT 5 [MQTT-4.4.0-1]");
  },

  ResendTimeoutSeconds: async (world) => {
    world.reloadSettings({ MaxResendTimes: 1, ResendTimeoutSeconds: 3600 });
    const client = await world.connect({ level: 4, cleanStart: false, keepAlive: 0 });
    await client.subscribe("a", 1);
    client.publish({ topic: "a", qos: 1, packetId: 1 });
    await world.advance(60_000);
    assert.equal(client.takePublishes().length, 1);
    world.reloadSettings({ ResendTimeoutSeconds: 100 });
    await world.advance(30_000);
    assert.equal(client.takePublishes().length, 0);
    await world.advance(12_000);
    const [again] = client.takePublishes();
    assert.equal(again?.dup, true);
    client.send(packets.puback({ packetId: again!.packetId }));
    await world.advance(200_000);
    assert.equal(client.takePublishes().length, 0, "acknowledged");
  },

  MaxTopicFiltersPerSub: async (world) => {
    const filters = ["a", "b", "c"];
    const fields = { packetId: 1, filters: filters.map((filter) => ({ filter })) };
    for (const packet of [
      packets.subscribe(fields),
      packets.unsubscribe({ packetId: 1, filters }),
    ]) {
      world.reloadSettings({ MaxTopicFiltersPerSub: 3 });
      const client = await world.connect();
      client.send(packet);
      await world.settle();
      assert.equal(client.take().length, 1);
      world.reloadSettings({ MaxTopicFiltersPerSub: 2 });
      assert.equal(await disconnectCode(world, client, packet), 0x97);
    }
  },

  MaxGroupFanout: async (world) => {
    const client = await world.connect();
    for (const group of ["g1", "g2", "g3"]) await client.subscribe(`$share/${group}/a`);
    const publish = async () => {
      client.publish({ topic: "a" });
      await world.settle();
      return client.takePublishes().length;
    };
    assert.equal(await publish(), 3);
    world.reloadSettings({ MaxGroupFanout: 2 });
    assert.equal(await publish(), 2);
    assert.equal(world.count(Counter.DROPPED_FANOUT_LIMIT), 1);
  },
  MaxPersistentFanout: limitsFanout("MaxPersistentFanout", 2),
  MaxPersistentFanoutBytes: limitsFanout("MaxPersistentFanoutBytes", 14),

  MaxSessionExpirySeconds: async (world) => {
    world.reloadSettings({ MaxSessionExpirySeconds: 60 });
    const client = await world.connect({ properties: KEPT });
    assert.equal(client.connack.properties.sessionExpiry, 60);
  },
  MinSessionExpirySeconds: async (world) => {
    world.reloadSettings({ MinSessionExpirySeconds: 7200 });
    const client = await world.connect({ properties: KEPT });
    assert.equal(client.connack.properties.sessionExpiry, 7200);
    const transient = await world.connect({ clientId: "transient" });
    assert.equal(transient.connack.properties.sessionExpiry, undefined, "0 stays 0");
  },
  MinKeepAliveSeconds: async (world) => {
    world.reloadSettings({ MinKeepAliveSeconds: 100 });
    const client = await world.connect({ keepAlive: 10 });
    assert.equal(client.connack.properties.serverKeepAlive, 100);
  },

  SessionInboxSize: async (world) => {
    for (const properties of [[], KEPT]) {
      const receiveMaximum = property.receiveMaximum(1);
      const client = await world.connect({ properties: [...properties, receiveMaximum] });
      await client.subscribe("a", 1);
      world.reloadSettings({ SessionInboxSize: 3 });
      for (let packetId = 1; packetId <= 6; packetId++) {
        client.publish({ topic: "a", qos: 1, packetId });
        await world.settle();
      }
      assert.equal((await client.acknowledgeAll()).length, 4, "one in flight, three wait");
    }
  },

  QoS0DropOldest: async (world) => {
    for (const isOldest of [false, true]) {
      const client = await world.connect({ properties: KEPT });
      await client.subscribe("a");
      world.reloadSettings({ QoS0DropOldest: isOldest, SessionInboxSize: 2 });
      const { endpoint } = world.worker(1);
      endpoint.pretendQueuedBytes = 2 ** 30;
      for (const payload of ["1", "2", "3", "4"]) client.publish({ topic: "a", payload });
      world.run();
      endpoint.pretendQueuedBytes = 0;
      await world.settle();
      assert.deepEqual(client.takePayloads(), isOldest ? ["3", "4"] : ["1", "2"]);
    }
  },

  RetainMessageMatchLimit: async (world) => {
    const client = await world.connect();
    for (const topic of ["r/1", "r/2", "r/3"])
      client.publish({ topic, retain: true, payload: "p" });
    await world.settle();
    world.reloadSettings({ RetainMessageMatchLimit: 2 });
    await client.subscribe("r/+");
    assert.equal(client.takePublishes().length, 2);
  },
  RetainMaxTopics: limitsRetained("RetainMaxTopics", 1),
  RetainMaxBytes: limitsRetained("RetainMaxBytes", 7),

  TotalPersistentSessions: async (world) => {
    const kept = (clientId: string) => ({ clientId, cleanStart: false, properties: KEPT });
    for (const clientId of ["one", "two"])
      assert.equal(await connectCode(world, kept(clientId)), 0);
    world.reloadSettings({ TotalPersistentSessions: 2 });
    assert.equal(await connectCode(world, kept("three")), 0x97);
    assert.equal(await connectCode(world, { ...kept("three"), level: 4 }), 3);
    assert.equal(await connectCode(world, { clientId: "transient" }), 0);
    assert.equal(await connectCode(world, kept("two")), 0);
    assert.equal(await connectCode(world, { ...kept("two"), cleanStart: true }), 0);
    assert.equal(await connectCode(world, { clientId: "one" }), 0, "and ends a stored one");
    assert.equal(await connectCode(world, kept("three")), 0);
  },
};

for (const [name, check] of Object.entries(CHECKS)) {
  test(`tenant setting ${name}: ${TENANT_SETTINGS[name as TenantSettingName].description}`, async () => {
    const provider = openProvider({
      authorize: (_identity, action, topic) => {
        if (action === AuthAction.PUBLISH && topic === "fails") throw new Error("out of order");
        return "allow";
      },
    });
    await check(new SessionWorld({ provider }));
  });
}
