/**
 * Subscriptions and live permissions: what is checked when, and what a reload of the rules takes
 * away.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Counter } from "../../../src/shared/metrics/counter-table.ts";
import { AuthAction, type Verdict } from "../../../src/workers/auth/auth-provider.ts";
import { InboxOp } from "../../../src/workers/inbox/inbox-api.ts";
import * as packets from "../../helpers/packets.ts";
import { openProvider, SessionWorld } from "./session-world.ts";

const KEPT = [packets.property.sessionExpiry(3600)];

/** Topics that are denied, and the provider that denies them. */
function denying(): {
  readonly denied: Set<string>;
  readonly provider: ReturnType<typeof openProvider>;
} {
  const denied = new Set<string>();
  const provider = openProvider({
    authorize: (_identity, action, topic) => (denied.has(`${action} ${topic}`) ? "deny" : "allow"),
  });
  return { denied, provider };
}

for (const kind of ["transient", "stored"]) {
  const properties = kind === "stored" ? KEPT : [];

  test(`SUBSCRIBE, ${kind}: one code per filter, in their order, also when permissions come late [MQTT-3.9.3-1]`, async () => {
    const provider = openProvider({
      authorize: async (_identity, action, topic): Promise<Verdict> => {
        if (topic === "slow") await new Promise<void>((resolve) => setImmediate(resolve));
        return action === AuthAction.SUBSCRIBE && topic === "denied" ? "deny" : "allow";
      },
    });
    const world = new SessionWorld({ provider, settings: { MaxTopicLevels: 3 } });
    for (const level of [4, 5] as const) {
      const cleanStart = kind !== "stored";
      const client = await world.connect({ level, cleanStart, properties, clientId: `c${level}` });
      const filters = ["slow", "denied", "a/b/c/d", "$share/g/denied", "#"].map((filter) => ({
        filter,
        qos: 2,
      }));
      client.send(packets.subscribe({ level, packetId: 3, filters }), packets.pingreq());
      for (let round = 0; round < 4; round++) await world.settle();
      const [suback, pingresp] = client.take();
      const codes = suback?.type === "suback" ? suback.reasonCodes : [];
      const expected = level === 5 ? [2, 0x87, 0x8f, 0x87, 2] : [2, 0x80, 0x80, 0x80, 2];
      assert.deepEqual(codes, expected);
      assert.equal(pingresp?.type, "pingresp", "later packets wait for the SUBACK");
    }
    assert.equal(world.count(Counter.SUBSCRIPTIONS), 4);
  });

  test(`reload, ${kind}: subscriptions that are no longer allowed end, the others stay`, async () => {
    const { denied, provider } = denying();
    const world = new SessionWorld({ provider });
    const client = await world.connect({ properties });
    for (const filter of ["a", "b", "$share/g/c"]) await client.subscribe(filter, 1);
    denied.add(`${AuthAction.SUBSCRIBE} b`).add(`${AuthAction.SUBSCRIBE} c`);
    await world.reloadRules();
    assert.deepEqual(client.take(), [], "without a word: MQTT has none for it");
    const publisher = await world.connect({ clientId: "publisher" });
    for (const topic of ["a", "b", "c"]) {
      publisher.publish({ topic, payload: topic, qos: 1, packetId: publisher.nextId() });
    }
    assert.deepEqual(await client.acknowledgeAll(), ["a"]);
    assert.equal(world.count(Counter.SUBSCRIPTIONS), 1);
    assert.deepEqual(
      world.log.entries.filter(({ event }) => event === "subscription_revoked").length,
      2,
    );
  });

  test(`reload, ${kind}: a will that is no longer allowed is not published`, async () => {
    const { denied, provider } = denying();
    const world = new SessionWorld({ provider });
    const watcher = await world.connect({ clientId: "watcher" });
    await watcher.subscribe("will");
    const client = await world.connect({ will: { topic: "will", payload: "gone" }, properties });
    denied.add(`${AuthAction.WILL} will`);
    await world.reloadRules();
    await client.lose();
    assert.deepEqual(watcher.take(), []);
  });
}

test("reload: a stored session loses what was forbidden while its client was away", async () => {
  const { denied, provider } = denying();
  const world = new SessionWorld({ provider });
  const fields = { cleanStart: false, properties: KEPT };
  const client = await world.connect(fields);
  await client.subscribe("a", 1);
  await client.subscribe("b", 1);
  await client.lose();
  denied.add(`${AuthAction.SUBSCRIBE} b`);
  await world.reloadRules();
  const back = await world.connect(fields);
  assert.equal(back.connack.sessionPresent, true);
  const publisher = await world.connect({ clientId: "publisher" });
  for (const topic of ["a", "b"]) {
    publisher.publish({ topic, payload: topic, qos: 1, packetId: publisher.nextId() });
  }
  assert.deepEqual(await back.acknowledgeAll(), ["a"]);
});

test("reload: verdicts on publishes are asked again", async () => {
  const { denied, provider } = denying();
  const world = new SessionWorld({ provider });
  const client = await world.connect();
  const publish = async (packetId: number) => {
    client.publish({ topic: "a", qos: 1, packetId });
    await world.settle();
    return client.takeOne("puback").reasonCode;
  };
  assert.equal(await publish(1), 0x10);
  denied.add(`${AuthAction.PUBLISH} a`);
  assert.equal(await publish(2), 0x10, "remembered until the rules change");
  await world.reloadRules();
  assert.equal(await publish(3), 0x87);
});

test("CONNECT: not allowed, or not with this will, it is refused with 0x87", async () => {
  for (const action of [AuthAction.CONNECT, AuthAction.WILL]) {
    const { denied, provider } = denying();
    denied.add(`${action} ${action === AuthAction.WILL ? "will" : ""}`);
    const world = new SessionWorld({ provider });
    const client = world.open();
    client.send(packets.connect({ will: { topic: "will" } }));
    await world.settle();
    assert.equal(client.takeOne("connack").reasonCode, 0x87);
    assert.equal(client.isClosed, true);
    assert.equal(world.count(Counter.AUTHORIZATION_DENIED), 1);
  }
});

test("ByPassPermCheckError: decides over checks that fail, for this tenant alone", async () => {
  const provider = openProvider({
    authorize: (_identity, action) => {
      if (action === AuthAction.PUBLISH) throw new Error("out of order");
      return "allow";
    },
  });
  const world = new SessionWorld({
    provider,
    tenants: { open: { ByPassPermCheckError: true }, closed: { ByPassPermCheckError: false } },
  });
  for (const [tenant, code] of [
    ["open", 0x10],
    ["closed", 0x87],
  ] as const) {
    const client = await world.connect({ username: `user@${tenant}` });
    client.publish({ topic: "a", qos: 1, packetId: 1 });
    await world.settle();
    assert.equal(client.takeOne("puback").reasonCode, code, tenant);
  }
});

test("reason strings: none but on CONNACK and DISCONNECT when the client does not want them [MQTT-3.1.2-29]", async () => {
  for (const wants of [1, 0]) {
    const world = new SessionWorld({ settings: { MaximumQoS: 0 } });
    const properties = [packets.property.requestProblemInformation(wants)];
    const client = await world.connect({ properties });
    client.publish({ topic: "a", qos: 1, packetId: 1 });
    await world.settle();
    const disconnect = client.takeOne("disconnect");
    assert.ok(disconnect.properties.reasonString !== undefined, "allowed either way");
    const refused = world.open();
    refused.send(packets.connect({ properties, will: { topic: "w", qos: 1 } }));
    await world.settle();
    assert.ok(refused.takeOne("connack").properties.reasonString !== undefined);
  }
});

test("a delayed will that is revoked while its client is away is not published; others are", async () => {
  const { denied, provider } = denying();
  const world = new SessionWorld({ provider });
  const watcher = await world.connect({ clientId: "watcher", keepAlive: 0 });
  await watcher.subscribe("will/#", 1);
  const properties = [packets.property.sessionExpiry(600)];
  for (const name of ["revoked", "allowed"]) {
    const delay = [packets.property.willDelay(5)];
    const will = { topic: `will/${name}`, payload: name, qos: 1, properties: delay };
    const client = await world.connect({ clientId: name, username: "ann", properties, will });
    await client.lose();
  }
  denied.add(`${AuthAction.WILL} will/revoked`);
  await world.reloadRules();
  await world.advance(6000);
  assert.deepEqual(await watcher.acknowledgeAll(), ["allowed"]);
  const told = world.log.entries.filter(({ event }) => event === "will_revoked");
  assert.equal(told.length, 1);
});

test("a will that is revoked is forgotten by the stored session too", async () => {
  const { denied, provider } = denying();
  const world = new SessionWorld({ provider });
  const properties = [packets.property.sessionExpiry(600)];
  await world.connect({ clientId: "c", properties, will: { topic: "will" } });
  const { inbox } = world.worker(1).context;
  const commit = inbox.commit.bind(inbox);
  const ops: InboxOp[] = [];
  inbox.commit = (session, op, packetId, done) => {
    ops.push(op);
    commit(session, op, packetId, done);
  };
  await world.reloadRules();
  assert.deepEqual(ops, []);
  denied.add(`${AuthAction.WILL} will`);
  await world.reloadRules();
  assert.deepEqual(ops, [InboxOp.FORGET_WILL]);
});
