/**
 * A delivery may cause another publish: a session ends and its will goes out. It must not disturb
 * the publish under way, and everybody sees the two in that order.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type PublishOutcome as Outcome,
  PublishOutcome,
} from "../../../src/workers/dist/dist-api.ts";
import { message } from "../../helpers/service-workers.ts";
import { DistWorkers, FakeReceiver, QOS_0, storedRoute, subscriptionOf } from "./dist-workers.ts";

const WILL_TOPICS = ["a", "will", "a"] as const;

/** A worker with sessions that subscribe to everything by several filters, and to "a" alone. */
function crowd(workers: DistWorkers, thread: number): FakeReceiver[] {
  return Array.from({ length: 6 }, (_, index) => {
    const receiver = new FakeReceiver(`c${thread} ${index}`);
    const filters = index % 2 === 0 ? ["a"] : ["a", "+", "#"];
    for (const filter of filters) {
      const qos = filter.length + (filter === "#" ? 1 : 0);
      const subscription = subscriptionOf(receiver, filter, {
        qos: Math.min(qos, 2),
        subscriptionIdentifier: index + 1,
      });
      workers.worker(thread).client.subscribe("t", subscription, () => {});
    }
    return receiver;
  });
}

/** The first delivery to each of `receivers` publishes a will. */
function armWills(workers: DistWorkers, thread: number, receivers: readonly FakeReceiver[]): void {
  receivers.forEach((receiver, index) => {
    receiver.onDelivery = () => {
      receiver.onDelivery = null;
      const topic = WILL_TOPICS[index % WILL_TOPICS.length]!;
      const will = message({ topic, payload: `will ${index}`, qos: 0, retain: index === 0 });
      workers.worker(thread).publisher.publish(will, null);
    };
  });
}

test("publisher: wills caused by a delivery leave that publish as it was, and follow it", () => {
  const workers = new DistWorkers(2);
  const receivers = crowd(workers, 1);
  workers.worker(2).client.addStored(storedRoute("a", "stored"), QOS_0, () => {});
  const remote = workers.subscribe(2, "#").receiver;
  workers.run();
  armWills(workers, 1, receivers.slice(0, 4));
  const outcomes: Outcome[] = [];
  const first = message({ topic: "a", payload: "first", qos: 2 });
  workers.worker(1).publisher.publish(first, (outcome) => outcomes.push(outcome));
  workers.run();
  const wills = receivers[1]!.seen.slice(1).map(({ payload }) => payload);
  assert.deepEqual([...wills].sort(), ["will 0", "will 1", "will 2", "will 3"]);
  receivers.forEach((receiver, index) => {
    const [own, ...rest] = receiver.seen;
    const isOverlapping = index % 2 === 1;
    assert.equal(own?.payload, "first");
    assert.equal(own?.qos, isOverlapping ? 2 : 1);
    assert.equal(own?.identifiers?.length, isOverlapping ? 3 : 1);
    const expected = isOverlapping ? wills : wills.filter((will) => will !== "will 1");
    assert.deepEqual(
      rest.map(({ payload }) => payload),
      expected,
    );
  });
  assert.deepEqual(remote.takePayloads(), ["first", ...wills]);
  const stored = workers.worker(1).inbox.inserts.map(({ payload }) => payload);
  assert.deepEqual(stored, ["first", ...wills.filter((will) => will !== "will 1")]);
  assert.equal(workers.worker(1).retain.stores.length, 1);
  assert.deepEqual(outcomes, [PublishOutcome.DELIVERED]);
});

test("publisher: wills caused by a publish from another worker follow it too", () => {
  const workers = new DistWorkers(2);
  const receivers = crowd(workers, 2);
  workers.run();
  armWills(workers, 2, receivers.slice(0, 4));
  workers.worker(1).publisher.publish(message({ topic: "a", payload: "first" }), null);
  workers.run();
  for (const receiver of receivers) assert.equal(receiver.seen[0]?.payload, "first");
  assert.equal(receivers[1]!.seen.length, 5);
  assert.equal(receivers[0]!.seen.length, 4);
});

test("publisher: a group's member that leaves while it is served hands over, once", () => {
  const workers = new DistWorkers(2);
  workers.strategy = "round_robin";
  const { client, publisher } = workers.worker(1);
  const leaving = workers.subscribe(1, "$share/g/a");
  const staying = workers.subscribe(1, "$share/g/a");
  client.addStored(storedRoute("a", "stored"), QOS_0, () => {});
  leaving.receiver.onDelivery = ({ payload }) => {
    leaving.receiver.onDelivery = null;
    client.unsubscribe("t", leaving.subscription);
    const route = { tenantId: "t", filter: "a", group: "g", ordered: false };
    publisher.redispatch(message({ topic: "a", payload: `${payload} again` }), route, null);
  };
  for (const payload of ["1", "2"]) publisher.publish(message({ topic: "a", payload }), null);
  const seen = [...leaving.receiver.takePayloads(), ...staying.receiver.takePayloads()];
  assert.equal(seen.filter((payload) => payload.endsWith("again")).length, 1);
  assert.equal(seen.length, 3);
  const stored = workers.worker(1).inbox.inserts.map(({ payload }) => payload);
  assert.deepEqual(stored, ["1", "2"]);
});

test("publisher: a chain of publishes, each caused by the last, ends and keeps its order", () => {
  const workers = new DistWorkers(1);
  const { receiver } = workers.subscribe(1, "a");
  const { publisher } = workers.worker(1);
  const order: string[] = [];
  const length = 20_000;
  receiver.onDelivery = ({ payload }) => {
    const next = Number(payload) + 1;
    if (next === length) return;
    const done = () => order.push(`done ${next}`);
    publisher.publish(message({ topic: "a", payload: `${next}` }), done);
  };
  publisher.publish(message({ topic: "a", payload: "0" }), () => order.push("done 0"));
  assert.equal(receiver.seen.length, length);
  assert.deepEqual(
    receiver.takePayloads(),
    Array.from({ length }, (_, index) => `${index}`),
  );
  assert.equal(order.length, length);
});

test("publisher: what is published when an outcome is reported is published after what waits", () => {
  const workers = new DistWorkers(1);
  const { receiver } = workers.subscribe(1, "a");
  const { publisher } = workers.worker(1);
  const send = (payload: string, done: (() => void) | null) => {
    publisher.publish(message({ topic: "a", payload }), done);
  };
  receiver.onDelivery = () => {
    receiver.onDelivery = null;
    send("2", () => send("4", null));
    send("3", null);
  };
  send("1", null);
  assert.deepEqual(receiver.takePayloads(), ["1", "2", "3", "4"]);
});
