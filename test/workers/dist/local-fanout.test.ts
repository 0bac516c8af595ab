/**
 * One publish to the sessions of this worker: overlapping subscriptions make one delivery with the
 * highest QoS and all identifiers, No Local leaves the publisher out.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Message } from "../../../src/shared/mqtt/message.ts";
import { BorrowedPublish } from "../../../src/workers/dist/borrowed-publish.ts";
import { deliverLocal } from "../../../src/workers/dist/local-fanout.ts";
import { addLocal, removeLocal } from "../../../src/workers/dist/local-subscriptions.ts";
import { FilterEntry } from "../../../src/workers/dist/match-index.ts";
import type { Subscription } from "../../../src/workers/dist/subscription.ts";
import { FakeReceiver, subscriptionOf } from "./dist-workers.ts";

function publishOf(qos: number, retain: boolean, publisherId = "publisher"): BorrowedPublish {
  const none = new Uint8Array(0);
  const message = new Message("t", none, none, none, qos, retain, -1, 0, publisherId);
  const publish = new BorrowedPublish();
  publish.loadMessage(message, 0);
  return publish;
}

function entryOf(node: number, subscriptions: readonly Subscription[]): FilterEntry {
  const entry = new FilterEntry(node);
  for (const subscription of subscriptions) addLocal(entry, subscription);
  return entry;
}

function deliver(publish: BorrowedPublish, filters: readonly (readonly Subscription[])[]): void {
  const entries = filters.map((subscriptions, node) => entryOf(node, subscriptions));
  deliverLocal(publish, entries, entries.length);
}

test("local fan-out: the lower of both QoS [MQTT-3.8.4-8]", () => {
  for (const published of [0, 1, 2]) {
    for (const granted of [0, 1, 2]) {
      const receiver = new FakeReceiver("c");
      deliver(publishOf(published, false), [[subscriptionOf(receiver, "a", { qos: granted })]]);
      assert.equal(receiver.seen[0]?.qos, Math.min(published, granted));
    }
  }
});

test("local fan-out: RETAIN is cleared unless Retain As Published is set [MQTT-3.3.1-12] [MQTT-3.3.1-13]", () => {
  for (const retainAsPublished of [false, true]) {
    for (const retain of [false, true]) {
      const receiver = new FakeReceiver("c");
      deliver(publishOf(0, retain), [[subscriptionOf(receiver, "a", { retainAsPublished })]]);
      assert.equal(receiver.seen[0]?.retain, retain && retainAsPublished);
    }
  }
});

test("local fan-out: No Local keeps a client's own messages from it alone [MQTT-3.8.3-3]", () => {
  const own = new FakeReceiver("publisher");
  const other = new FakeReceiver("other");
  const subscriptions = [own, other].map((one) => subscriptionOf(one, "a", { noLocal: true }));
  deliver(publishOf(0, false), [subscriptions]);
  assert.equal(own.seen.length, 0);
  assert.equal(other.seen.length, 1);
  // By a second subscription without No Local it does get them.
  deliver(publishOf(0, false), [subscriptions, [subscriptionOf(own, "+")]]);
  assert.equal(own.seen.length, 1);
});

test("local fan-out: a session's identifiers all arrive, in one message [MQTT-3.3.4-4]", () => {
  const receiver = new FakeReceiver("c");
  const filters = ["a", "+", "#"].map((filter, index) => [
    subscriptionOf(receiver, filter, { qos: index, subscriptionIdentifier: index * 10 }),
  ]);
  deliver(publishOf(2, false), filters);
  deliver(publishOf(2, false), filters);
  assert.deepEqual(
    receiver.seen.map(({ qos, identifiers }) => ({ qos, identifiers })),
    [
      { qos: 2, identifiers: [10, 20] },
      { qos: 2, identifiers: [10, 20] },
    ],
  );
});

test("local fan-out: identifiers of one subscription are shared, not copied", () => {
  const receiver = new FakeReceiver("c");
  const subscription = subscriptionOf(receiver, "a", { subscriptionIdentifier: 5 });
  deliver(publishOf(0, false), [[subscription]]);
  assert.equal(receiver.seen[0]?.identifiers, subscription.identifiers);
});

test("local fan-out: a session that unsubscribes while it is served disturbs nobody", () => {
  const receivers = [0, 1, 2, 3, 4].map((index) => new FakeReceiver(`c${index}`));
  const subscriptions = receivers.map((receiver) => subscriptionOf(receiver, "a"));
  const entry = entryOf(0, subscriptions);
  receivers.forEach((receiver, index) => {
    if (index % 2 === 1) return;
    receiver.onDelivery = () => removeLocal(entry, subscriptions[index]!);
  });
  deliverLocal(publishOf(0, false), [entry], 1);
  assert.deepEqual(
    receivers.map(({ seen }) => seen.length),
    [1, 1, 1, 1, 1],
  );
  assert.deepEqual(
    (entry.local as Subscription[]).map(({ receiver }) => receiver.clientId).sort(),
    ["c1", "c3"],
  );
});

const CLIENTS = ["publisher", "b", "c", "d"];
const anySubscription = fc.record({
  client: fc.nat(CLIENTS.length - 1),
  qos: fc.nat(2),
  noLocal: fc.boolean(),
  retainAsPublished: fc.boolean(),
  subscriptionIdentifier: fc.nat(3),
});
type AnySubscription = typeof anySubscription extends fc.Arbitrary<infer One> ? One : never;

/** Each client has at most one subscription of a filter. */
const anyFilters = fc.array(
  fc.uniqueArray(anySubscription, { selector: ({ client }) => client, minLength: 1 }),
  { minLength: 1, maxLength: 4 },
);

/** What the specification says each client gets; null for nothing. */
function expectedOf(
  client: number,
  filters: readonly (readonly AnySubscription[])[],
  publish: { qos: number; retain: boolean },
) {
  const matching = filters
    .flat()
    .filter((one) => one.client === client)
    .filter(({ noLocal }) => !noLocal || CLIENTS[client] !== "publisher");
  if (matching.length === 0) return null;
  const identifiers = matching
    .map(({ subscriptionIdentifier }) => subscriptionIdentifier)
    .filter((identifier) => identifier !== 0);
  return {
    qos: Math.max(...matching.map(({ qos }) => Math.min(qos, publish.qos))),
    retain: publish.retain && matching.some(({ retainAsPublished }) => retainAsPublished),
    identifiers: identifiers.length === 0 ? null : identifiers.sort(),
  };
}

test("local fan-out: any overlap gives each session what the specification says, once [MQTT-3.3.4-2] [MQTT-3.3.4-3]", () => {
  fc.assert(
    fc.property(anyFilters, fc.nat(2), fc.boolean(), (filters, qos, retain) => {
      const receivers = CLIENTS.map((name) => new FakeReceiver(name));
      const subscriptions = filters.map((ofFilter) =>
        ofFilter.map(({ client, ...fields }) => subscriptionOf(receivers[client]!, "a", fields)),
      );
      deliver(publishOf(qos, retain), subscriptions);
      receivers.forEach((receiver, client) => {
        const expected = expectedOf(client, filters, { qos, retain });
        const actual = receiver.seen.map((one) => ({
          qos: one.qos,
          retain: one.retain,
          identifiers: one.identifiers === null ? null : [...one.identifiers].sort(),
        }));
        assert.deepEqual(actual, expected === null ? [] : [expected]);
      });
    }),
  );
});

test("local subscriptions: any history leaves exactly those that are there", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat()), { maxLength: 50 }), (steps) => {
      const entry = new FilterEntry(1);
      const live = new Set<Subscription>();
      for (const [isAdded, pick] of steps) {
        if (isAdded) {
          const subscription = subscriptionOf(new FakeReceiver("c"), "a");
          addLocal(entry, subscription);
          live.add(subscription);
        } else if (live.size > 0) {
          const subscription = [...live][pick % live.size]!;
          removeLocal(entry, subscription);
          live.delete(subscription);
        }
      }
      const found = entry.local === null ? [] : [entry.local].flat();
      assert.equal(found.length, live.size);
      assert.deepEqual(new Set(found), live);
      assert.equal(entry.isEmpty, live.size === 0);
    }),
  );
});
