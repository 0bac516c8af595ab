/**
 * From CONNECT to CONNACK: the steps in between, what arrives meanwhile, and connections that die
 * at each of them.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Counter } from "../../../src/shared/metrics/counter-table.ts";
import type { AuthOutcome, Verdict } from "../../../src/workers/auth/auth-provider.ts";
import { AuthAction } from "../../../src/workers/auth/auth-provider.ts";
import { Phase } from "../../../src/workers/session/session-state.ts";
import * as packets from "../../helpers/packets.ts";
import { openProvider, SessionWorld } from "./session-world.ts";

/** A promise that the test settles. */
function held<T>(): { readonly promise: Promise<T>; settle(value: T): void } {
  let settle: (value: T) => void = () => {};
  const promise = new Promise<T>((resolve) => {
    settle = resolve;
  });
  return { promise, settle: (value) => settle(value) };
}

/** Nothing of a connection is left: no session, claim, deadline, subscription, or byte counted. */
function assertEmpty(world: SessionWorld): void {
  for (const worker of world.workers) {
    assert.equal(worker.context.registry.connectionCount, 0, "connections");
    assert.equal(worker.context.registry.find("t", "client"), null, "claimed sessions");
    assert.equal(worker.context.deadlines.size, 0, "deadlines");
    assert.equal(worker.index.filterCount, 0, "filters");
  }
  assert.equal(world.count(Counter.SESSIONS_CONNECTED), 0);
  assert.equal(world.count(Counter.SUBSCRIPTIONS), 0);
}

test("CONNECT: packets behind it wait for the CONNACK and are handled in order [MQTT-3.1.4-6]", async () => {
  const answer = held<AuthOutcome>();
  const world = new SessionWorld({
    provider: openProvider({ authenticate: () => answer.promise }),
  });
  const client = world.open();
  client.send(
    packets.connect(),
    packets.subscribe({ packetId: 1, filters: [{ filter: "a", qos: 1 }] }),
    packets.publish({ topic: "a", payload: "1", qos: 1, packetId: 7 }),
  );
  await world.settle();
  assert.deepEqual(client.take(), []);
  assert.equal(client.transport.isReading, false, "the socket is not read meanwhile");
  client.send(packets.publish({ topic: "a", payload: "2", qos: 1, packetId: 8 }));
  answer.settle({ kind: "success", tenantId: "t", userId: "" });
  await world.settle();
  assert.deepEqual(
    client.take().map((packet) => packet.type),
    ["connack", "suback", "publish", "puback", "publish", "puback"],
  );
  assert.equal(client.transport.isReading, true);
});

test("CONNECT: a packet cut by the wait is put together again", async () => {
  const answer = held<AuthOutcome>();
  const world = new SessionWorld({
    provider: openProvider({ authenticate: () => answer.promise }),
  });
  const client = world.open();
  const ping = packets.pingreq();
  client.send(packets.connect(), ping.subarray(0, 1));
  await world.settle();
  answer.settle({ kind: "success", tenantId: "t", userId: "" });
  await world.settle();
  client.take();
  client.send(ping.subarray(1));
  await world.settle();
  client.takeOne("pingresp");
});

test("CONNECT: more than the pre-authentication limit behind it ends the connection", async () => {
  const answer = held<AuthOutcome>();
  const world = new SessionWorld({
    limits: { preAuthBytes: 1024 },
    provider: openProvider({ authenticate: () => answer.promise }),
  });
  const client = world.open();
  client.send(packets.connect(), packets.publish({ topic: "a", payload: "x".repeat(1000) }));
  await world.settle();
  assert.equal(client.isClosed, false, "as much as the limit may wait");
  client.send(packets.publish({ topic: "a", payload: "x".repeat(30) }));
  await world.settle();
  assert.equal(client.isClosed, true);
  answer.settle({ kind: "success", tenantId: "t", userId: "" });
  await world.settle();
  assertEmpty(world);
});

test("CONNECT: another packet first ends the connection, and what follows it counts for nothing [MQTT-3.1.0-1]", async () => {
  const world = new SessionWorld();
  const client = world.open();
  client.send(packets.pingreq(), packets.connect());
  await world.settle();
  assert.equal(client.isClosed, true);
  assert.deepEqual(client.take(), []);
  assert.equal(world.count(Counter.CONNECTS), 0);
  assertEmpty(world);
});

test("CONNECT: not finished in time, the connection is closed", async () => {
  const world = new SessionWorld({ limits: { connectTimeoutMs: 5000 } });
  const silent = world.open();
  const trickling = world.open();
  trickling.send(packets.connect().subarray(0, 5));
  await world.advance(4000);
  trickling.send(packets.connect().subarray(5, 6));
  await world.advance(2000);
  assert.equal(silent.isClosed, true);
  assert.equal(trickling.isClosed, true, "a byte now and then does not prolong it");
  assertEmpty(world);
});

/** Where CONNECT waits for an answer, and how a test holds it there. */
const WAITS: readonly [string, (verdict: Promise<AuthOutcome | Verdict>) => object][] = [
  ["authentication", (answer) => ({ authenticate: () => answer })],
  [
    "the permission to connect",
    (answer) => ({
      authorize: (_identity: unknown, action: AuthAction) =>
        action === AuthAction.CONNECT ? answer : "allow",
    }),
  ],
  [
    "the permission for its will",
    (answer) => ({
      authorize: (_identity: unknown, action: AuthAction) =>
        action === AuthAction.WILL ? answer : "allow",
    }),
  ],
];

for (const [what, parts] of WAITS) {
  test(`CONNECT: a connection that dies while it waits for ${what} leaves nothing behind`, async () => {
    const answer = held<AuthOutcome | Verdict>();
    const world = new SessionWorld({ provider: openProvider(parts(answer.promise)) });
    const client = world.open();
    client.send(
      packets.connect({
        will: { topic: "will", payload: "gone" },
        properties: [packets.property.sessionExpiry(60)],
      }),
    );
    await world.settle();
    await client.lose();
    answer.settle(
      what === "authentication" ? { kind: "success", tenantId: "t", userId: "" } : "allow",
    );
    await world.settle();
    assert.deepEqual(client.take(), []);
    assertEmpty(world);
    assert.equal(world.count(Counter.WILLS_PUBLISHED), 0);
    const next = await world.connect({ properties: [packets.property.sessionExpiry(60)] });
    assert.equal(next.connack.sessionPresent, false);
  });
}

test("CONNECT: a connection that dies after any record of claim and attach leaves nothing but the stored session", async () => {
  for (let records = 0; ; records++) {
    const world = new SessionWorld({ workers: 2 });
    const watcher = await world.connect({ clientId: "watcher" }, 2);
    await watcher.subscribe("will");
    const client = world.open();
    client.send(
      packets.connect({
        will: { topic: "will", payload: "gone" },
        properties: [packets.property.sessionExpiry(60)],
      }),
    );
    // The answers of authentication are there at once; the rest is records between threads.
    await new Promise<void>((resolve) => setImmediate(resolve));
    for (let step = 0; step < records; step++) world.step();
    if (client.session.phase === Phase.ACTIVE) {
      assert.ok(records >= 3, "a claim, there and back, and the answer to an attach");
      break;
    }
    await client.lose();
    assert.deepEqual(client.take(), [], `after ${records} records`);
    assert.deepEqual(watcher.takePayloads(), [], `no will of a refused CONNECT, ${records}`);
    assert.equal(world.worker(1).context.registry.connectionCount, 0);
    assert.equal(world.worker(1).context.registry.find("t", "client"), null);
    assert.equal(world.count(Counter.SESSIONS_CONNECTED), 1, "the watcher");
    const kicked = world.count(Counter.TAKEOVERS);
    const next = await world.connect({ properties: [packets.property.sessionExpiry(60)] }, 2);
    assert.equal(next.connack.reasonCode, 0);
    assert.equal(world.count(Counter.TAKEOVERS), kicked, "nobody holds the client identifier");
    assert.deepEqual(watcher.takePayloads(), [], `nor later, ${records}`);
    await next.lose();
  }
});

test("CONNECT: two at once on two workers, one survives [MQTT-3.1.4-3]", async () => {
  const world = new SessionWorld({ workers: 2 });
  const first = world.open(5, 1);
  const second = world.open(5, 2);
  first.send(packets.connect());
  second.send(packets.connect());
  await world.settle();
  const open = [first, second].filter((client) => !client.isClosed);
  assert.equal(open.length, 1);
  assert.equal(world.count(Counter.SESSIONS_CONNECTED), 1);
});

test("CONNECT: the claim of another user's session is refused with 0x87", async () => {
  const world = new SessionWorld();
  const properties = [packets.property.sessionExpiry(60)];
  const owner = await world.connect({ username: "ann", properties });
  const thief = world.open();
  thief.send(packets.connect({ username: "bob", properties }));
  await world.settle();
  assert.equal(thief.takeOne("connack").reasonCode, 0x87);
  assert.equal(owner.isClosed, false, "and the owner is not disturbed");
  await owner.lose();
  const later = world.open();
  later.send(packets.connect({ username: "bob", properties }));
  await world.settle();
  assert.equal(later.takeOne("connack").reasonCode, 0x87, "nor is the stored session taken");
});

test("CONNECT: refused for what the tenant does not allow, with the code that says so", async () => {
  const will = (fields: object) => ({ will: { topic: "w", payload: "p", ...fields } });
  const table: readonly [object, packets.ConnectFields, number][] = [
    [{ MQTT5Enabled: false }, {}, 0x84],
    [{ MaximumQoS: 1 }, will({ qos: 2 }), 0x9b],
    [{ RetainEnabled: false }, will({ retain: true }), 0x9a],
    [{ MaxLastWillBytes: 3 }, will({ payload: "four" }), 0x97],
    [{ MaxTopicLevels: 2 }, will({ topic: "a/b/c" }), 0x90],
    [{ MaxTopicLevelLength: 2 }, will({ topic: "abc" }), 0x90],
    [{ MaxTopicLength: 4 }, will({ topic: "a/b/c" }), 0x90],
    [{}, will({ topic: "$SYS/x" }), 0x90],
    [
      {},
      will({ payload: Uint8Array.of(0xff), properties: [packets.property.payloadFormat(1)] }),
      0x99,
    ],
  ];
  for (const [settings, fields, code] of table) {
    const world = new SessionWorld({ settings });
    const client = world.open();
    client.send(packets.connect(fields));
    await world.settle();
    const connack = client.takeOne("connack");
    assert.equal(connack.reasonCode, code, JSON.stringify([settings, fields]));
    assert.ok(connack.properties.reasonString !== undefined, "and the text why");
    assert.equal(client.isClosed, true);
    assertEmpty(world);
  }
});
