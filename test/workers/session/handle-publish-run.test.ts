/**
 * Publishes that arrive in one chunk and are handled as runs: every client gets what it gets when
 * they arrive one by one, and everything is counted alike.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { COUNTERS, Counter } from "../../../src/shared/metrics/counter-table.ts";
import * as packets from "../../helpers/packets.ts";
import type { FakeClient } from "./fake-client.ts";
import { SessionWorld, type WorldOptions } from "./session-world.ts";

const { property } = packets;
/** What depends on how many turns there were, and not on the messages. */
const PER_TURN = new Set<number>([Counter.LOOP_CYCLES, Counter.RING_HIGH_WATER_RECORDS]);

interface Sent {
  readonly topic: string;
  readonly size: number;
  readonly qos: number;
  readonly retain: boolean;
}

/** Mostly alike, so that runs of all lengths come about. */
const sent: fc.Arbitrary<Sent> = fc.record({
  topic: fc.oneof({ weight: 8, arbitrary: fc.constant("a") }, fc.constantFrom("b", "a/b", "none")),
  size: fc.oneof({ weight: 4, arbitrary: fc.nat(40) }, fc.constantFrom(127, 128, 300)),
  qos: fc.oneof({ weight: 12, arbitrary: fc.constant(0) }, fc.constantFrom(1, 2)),
  retain: fc.oneof({ weight: 12, arbitrary: fc.constant(false) }, fc.constant(true)),
});

/** Subscribers of all kinds that may not take a run as it is. */
async function subscribers(world: SessionWorld, workers: number): Promise<FakeClient[]> {
  const plain = await world.connect({ clientId: "plain", level: 4 });
  await plain.subscribe("a", 0);
  const newer = await world.connect({ clientId: "newer", level: 5 }, workers);
  await newer.subscribe("a", 1);
  const identified = await world.connect({ clientId: "identified", level: 5 });
  await identified.trySubscribe("a", 0, {}, [property.subscriptionIdentifier(7)]);
  const aliased = [property.topicAliasMaximum(4)];
  const withAlias = await world.connect({ clientId: "alias", level: 5, properties: aliased });
  await withAlias.subscribe("a", 0);
  const small = [property.maximumPacketSize(60)];
  const limited = await world.connect({ clientId: "limited", level: 5, properties: small });
  await limited.subscribe("a", 0);
  const all = await world.connect({ clientId: "all", level: 4 });
  await all.subscribe("b/#", 2);
  return [plain, newer, identified, withAlias, limited, all];
}

function packetOf(level: packets.Level, one: Sent, index: number): Uint8Array {
  const payload = `${index}`.padEnd(one.size, ".");
  const { topic, qos, retain } = one;
  return packets.publish({ level, topic, payload, qos, retain, packetId: index + 1 });
}

interface Outcome {
  readonly received: unknown[];
  readonly counters: number[];
  readonly tenant: unknown;
}

interface RunOptions extends WorldOptions {
  readonly receivers?: typeof subscribers;
}

async function outcomeOf(
  { receivers = subscribers, ...options }: RunOptions,
  level: packets.Level,
  messages: readonly Sent[],
  isOneChunk: boolean,
): Promise<Outcome> {
  const world = new SessionWorld(options);
  const clients = await receivers(world, options.workers ?? 1);
  const publisher = await world.connect({ clientId: "publisher", level });
  if (level === 5) await publisher.trySubscribe("a", 0, { noLocal: true });
  const parts = messages.map((one, index) => packetOf(level, one, index));
  if (isOneChunk) publisher.send(...parts);
  else for (const part of parts) publisher.send(part);
  await world.settle();
  const received = [...clients, publisher].map((client) => client.take());
  const counters = COUNTERS.map((_, column) => (PER_TURN.has(column) ? 0 : world.count(column)));
  return { received, counters, tenant: world.worker(1).context.tenants.get("t").counters };
}

for (const workers of [1, 2]) {
  for (const level of [4, 5] as const) {
    test(`run of publishes: a chunk is worth its packets, MQTT level ${level}, workers: ${workers}`, async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(sent, { minLength: 2, maxLength: 24 }), async (messages) => {
          const inOne = await outcomeOf({ workers }, level, messages, true);
          const oneByOne = await outcomeOf({ workers }, level, messages, false);
          assert.deepEqual(inOne, oneByOne);
        }),
        { numRuns: 25 },
      );
    });
  }
}

const shared: fc.Arbitrary<Sent> = fc.record({
  topic: fc.oneof({ weight: 8, arbitrary: fc.constant("a") }, fc.constantFrom("b", "none")),
  size: fc.oneof({ weight: 4, arbitrary: fc.nat(40) }, fc.constantFrom(127, 128)),
  qos: fc.oneof({ weight: 20, arbitrary: fc.constant(0) }, fc.constantFrom(1, 2)),
  retain: fc.constant(false),
});

/** Members of one group of all kinds that may not take a run as it is; some on other workers. */
async function members(world: SessionWorld, workers: number): Promise<FakeClient[]> {
  const plain = await world.connect({ clientId: "plain", level: 4 });
  const newer = await world.connect({ clientId: "newer", level: 5 }, workers);
  const small = [property.maximumPacketSize(60)];
  const limited = await world.connect({ clientId: "limited", level: 5, properties: small });
  const identified = await world.connect({ clientId: "identified", level: 5 });
  for (const client of [plain, newer, limited]) await client.subscribe("$share/g/+", 1);
  const identifier = [property.subscriptionIdentifier(7)];
  await identified.trySubscribe("$share/g/+", 0, {}, identifier);
  return [plain, newer, limited, identified];
}

for (const workers of [1, 2]) {
  for (const level of [4, 5] as const) {
    test(`run of publishes: a shared group gets of a chunk what it gets of its packets, MQTT level ${level}, workers: ${workers}`, async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(shared, { minLength: 2, maxLength: 60 }), async (messages) => {
          const options = { workers, receivers: members };
          const inOne = await outcomeOf(options, level, messages, true);
          const oneByOne = await outcomeOf(options, level, messages, false);
          assert.deepEqual(inOne, oneByOne);
        }),
        { numRuns: 25 },
      );
    });
  }
}

test("run of publishes: members of a shared group take turns at 16 messages each", async () => {
  const world = new SessionWorld();
  const clients: FakeClient[] = [];
  for (const clientId of ["one", "two", "three"]) {
    const client = await world.connect({ clientId, level: 4 });
    await client.subscribe("$share/g/a", 0);
    clients.push(client);
  }
  const publisher = await world.connect({ clientId: "publisher", level: 4 });
  const payloads = Array.from({ length: 40 }, (_none, index) => `message ${index}`);
  publisher.send(...payloads.map((payload) => packets.publish({ level: 4, topic: "a", payload })));
  await world.settle();
  const got = clients.map((client) => client.takePayloads());
  got.sort((one, other) => payloads.indexOf(one[0]!) - payloads.indexOf(other[0]!));
  assert.deepEqual(got, [payloads.slice(0, 16), payloads.slice(16, 32), payloads.slice(32)]);
});

test("run of publishes: a payload above the tenant's limit ends it, and the connection", async () => {
  const options = { settings: { MaxUserPayloadBytes: 50 } };
  const messages = [10, 20, 51, 10].map((size) => ({ topic: "a", size, qos: 0, retain: false }));
  const inOne = await outcomeOf(options, 4, messages, true);
  const oneByOne = await outcomeOf(options, 4, messages, false);
  assert.deepEqual(inOne.received, oneByOne.received);
  assert.equal((inOne.received[0] as unknown[]).length, 2);
});

test("run of publishes: half a packet at the end waits for its other half", async () => {
  const world = new SessionWorld();
  const [plain] = await subscribers(world, 1);
  const publisher = await world.connect({ clientId: "publisher", level: 4 });
  const chunk = packets.concat(
    ...["one", "two", "three", "four"].map((payload) =>
      packets.publish({ level: 4, topic: "a", payload }),
    ),
  );
  for (let cut = 1; cut < chunk.length; cut += 1) {
    publisher.send(chunk.subarray(0, cut));
    publisher.send(chunk.subarray(cut));
    await world.settle();
    assert.deepEqual(plain?.takePayloads(), ["one", "two", "three", "four"], `cut at ${cut}`);
  }
});

test("run of publishes: a client that does not read loses what exceeds its budget, not more", async () => {
  const world = new SessionWorld({ limits: { connectionOutputBytes: 1000 } });
  const [plain, newer] = await subscribers(world, 1);
  const publisher = await world.connect({ clientId: "publisher", level: 4 });
  assert.ok(plain !== undefined && newer !== undefined);
  plain.transport.isBlocked = true;
  const run = Array.from({ length: 10 }, () =>
    packets.publish({ level: 4, topic: "a", payload: "x".repeat(90) }),
  );
  for (let turn = 0; turn < 5; turn += 1) {
    publisher.send(...run);
    await world.settle();
  }
  assert.equal(newer.takePublishes().length, 50, "others get everything");
  assert.ok(plain.transport.bufferedBytes > 0 && plain.transport.bufferedBytes < 2000);
  const dropped = world.count(Counter.DROPPED_SLOW_CONSUMER);
  plain.transport.drain();
  await world.settle();
  assert.equal(plain.takePublishes().length + dropped, 50);
});
