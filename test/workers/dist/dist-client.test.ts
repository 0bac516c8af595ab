/**
 * Routes between workers: SUBACK only when everybody matches, changes of a cycle together, peers
 * that die and come back.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { shareLoadWord } from "../../../src/shared/metrics/shared-words.ts";
import { DistWorkers, FakeReceiver, QOS_0, storedRoute, subscriptionOf } from "./dist-workers.ts";

/** How often each callback ran, by name. */
class Calls {
  readonly counts = new Map<string, number>();

  of(name: string): () => void {
    this.counts.set(name, 0);
    return () => this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
  }

  count(name: string): number | undefined {
    return this.counts.get(name);
  }
}

test("dist: alone, a subscription is done at once", () => {
  const workers = new DistWorkers(1);
  const calls = new Calls();
  const subscription = subscriptionOf(new FakeReceiver("c"), "a/+");
  workers.worker(1).client.subscribe("t", subscription, calls.of("subscribed"));
  assert.equal(calls.count("subscribed"), 1);
  assert.deepEqual(workers.matches(1, "a/b"), ["worker 1"]);
});

test("dist: a subscription is done when every worker matches it, not before [MQTT-3.8.4-1]", () => {
  const workers = new DistWorkers(3);
  const calls = new Calls();
  const subscription = subscriptionOf(new FakeReceiver("c"), "a/+");
  workers.worker(1).client.subscribe("t", subscription, calls.of("subscribed"));
  workers.flush();
  assert.ok(workers.mesh.deliver(1, 2));
  assert.ok(workers.mesh.deliver(2, 1));
  assert.equal(calls.count("subscribed"), 0);
  assert.deepEqual(workers.matches(2, "a/b"), ["worker 1"]);
  assert.deepEqual(workers.matches(3, "a/b"), []);
  assert.ok(workers.mesh.deliver(1, 3));
  assert.equal(calls.count("subscribed"), 0);
  assert.ok(workers.mesh.deliver(3, 1));
  assert.equal(calls.count("subscribed"), 1);
  assert.deepEqual(workers.matches(3, "a/b"), ["worker 1"]);
});

test("dist: the second subscriber of a filter waits for the first one's change and sends none", () => {
  const workers = new DistWorkers(2);
  const { client } = workers.worker(1);
  const calls = new Calls();
  client.subscribe("t", subscriptionOf(new FakeReceiver("c"), "a"), calls.of("first"));
  workers.flush();
  client.subscribe("t", subscriptionOf(new FakeReceiver("d"), "a"), calls.of("second"));
  workers.flush();
  assert.equal(workers.mesh.waitingCount(1, 2), 1);
  assert.equal(calls.count("second"), 0);
  workers.run();
  assert.deepEqual([...calls.counts.values()], [1, 1]);
  client.subscribe("t", subscriptionOf(new FakeReceiver("e"), "a"), calls.of("third"));
  assert.equal(calls.count("third"), 1);
});

test("dist: the last unsubscribing session removes the route, earlier ones do not", () => {
  const workers = new DistWorkers(2);
  const { client } = workers.worker(1);
  const subscriptions = ["c", "d", "e"].map((name) => {
    const subscription = subscriptionOf(new FakeReceiver(name), "a");
    client.subscribe("t", subscription, () => {});
    return subscription;
  });
  workers.run();
  client.unsubscribe("t", subscriptions[1]!);
  client.unsubscribe("t", subscriptions[0]!);
  workers.flush();
  assert.equal(workers.mesh.waitingCount(1, 2), 0);
  client.unsubscribe("t", subscriptions[2]!);
  workers.run();
  for (const thread of [1, 2]) {
    assert.deepEqual(workers.matches(thread, "a"), []);
    assert.equal(workers.worker(thread).index.filterCount, 0);
  }
});

test("dist: a filter that is wanted again in the same cycle ends up wanted", () => {
  const workers = new DistWorkers(2);
  const { client } = workers.worker(1);
  const calls = new Calls();
  const subscription = subscriptionOf(new FakeReceiver("c"), "a");
  client.subscribe("t", subscription, () => {});
  client.unsubscribe("t", subscription);
  client.subscribe("t", subscription, calls.of("again"));
  workers.run();
  assert.equal(calls.count("again"), 1);
  assert.deepEqual(workers.matches(2, "a"), ["worker 1"]);
});

test("dist: all changes of a cycle travel in one record per worker", () => {
  const workers = new DistWorkers(3);
  for (let number = 0; number < 100; number += 1) workers.subscribe(1, `a/${number}`);
  workers.flush();
  workers.flush();
  assert.equal(workers.mesh.waitingCount(1, 2), 1);
  assert.equal(workers.mesh.waitingCount(1, 3), 1);
  assert.equal(workers.mesh.waitingCount(1, 0), 0);
});

test("dist: very many changes travel in several records and are confirmed with the last", () => {
  const workers = new DistWorkers(2);
  const { client } = workers.worker(1);
  const calls = new Calls();
  const count = 5000;
  for (let number = 0; number < count; number += 1) {
    const subscription = subscriptionOf(new FakeReceiver("c"), `a/${number}`);
    client.subscribe("t", subscription, number === 0 ? calls.of("first") : () => {});
  }
  workers.flush();
  const records = workers.mesh.waitingCount(1, 2);
  assert.ok(records > 1 && records < count / 100, `${records} records`);
  for (let record = 1; record < records; record += 1) {
    workers.mesh.deliver(1, 2);
    assert.equal(workers.mesh.waitingCount(2, 1), 0);
  }
  workers.mesh.deliver(1, 2);
  assert.equal(workers.mesh.waitingCount(2, 1), 1);
  workers.mesh.deliver(2, 1);
  assert.equal(calls.count("first"), 1);
  assert.equal(workers.worker(2).index.filterCount, count);
});

test("dist: a dead peer holds nobody up; its transient sessions vanish, stored ones stay", () => {
  const workers = new DistWorkers(3);
  workers.subscribe(3, "a");
  workers.subscribe(3, "$share/g/a");
  workers.worker(3).client.addStored(storedRoute("a", "stored"), QOS_0, () => {});
  workers.subscribe(2, "a");
  workers.run();
  assert.equal(workers.matches(1, "a").length, 4);
  const calls = new Calls();
  const subscription = subscriptionOf(new FakeReceiver("c"), "b");
  workers.worker(1).client.subscribe("t", subscription, calls.of("subscribed"));
  workers.flush();
  workers.mesh.deliver(1, 2);
  workers.mesh.deliver(2, 1);
  assert.equal(calls.count("subscribed"), 0);
  workers.worker(1).client.peerLost(3);
  assert.equal(calls.count("subscribed"), 1);
  assert.deepEqual(workers.matches(1, "a"), ["inbox stored", "worker 2"]);
  assert.equal(workers.worker(1).index.filterCount, 2);
});

test("dist: a shared member is found by every worker, and its options follow", () => {
  const workers = new DistWorkers(2);
  const calls = new Calls();
  const receiver = new FakeReceiver("c");
  const subscription = subscriptionOf(receiver, "$share/g/a/#", { qos: 1 });
  const { client, table } = workers.worker(1);
  client.subscribe("t", subscription, calls.of("subscribed"));
  workers.run();
  assert.equal(calls.count("subscribed"), 1);
  const groupOf = (thread: number) => {
    return workers.worker(thread).table.findGroup("t", "a/#", "g", false);
  };
  const [there] = [...groupOf(2)!.members()];
  const { slot, generation, options } = there!;
  assert.equal(options.qos, 1);
  assert.equal(workers.worker(1).members.find(slot, generation), subscription);
  subscription.replaceOptions({ ...QOS_0, qos: 2 });
  client.resubscribe("t", subscription, calls.of("resubscribed"));
  assert.equal(calls.count("resubscribed"), 0);
  workers.run();
  assert.equal(calls.count("resubscribed"), 1);
  assert.equal([...groupOf(2)!.members()][0]?.options.qos, 2);
  assert.equal(groupOf(2)?.size, 1);
  client.unsubscribe("t", subscription);
  assert.equal(table.findGroup("t", "a/#", "g", false), null);
  workers.run();
  assert.equal(groupOf(2), null);
});

test("dist: a member's slot is not given out again before every worker has removed the member", () => {
  const workers = new DistWorkers(3);
  const { client, members } = workers.worker(1);
  const { subscription } = workers.subscribe(1, "$share/g/a");
  workers.run();
  const slot = subscription.memberSlot;
  const generation = members.generation(slot);
  client.unsubscribe("t", subscription);
  assert.equal(members.find(slot, generation), null);
  workers.flush();
  workers.mesh.deliver(1, 2);
  workers.mesh.deliver(2, 1);
  assert.notEqual(workers.subscribe(1, "$share/g/a").subscription.memberSlot, slot);
  assert.notEqual(members.route(slot, generation), null);
  workers.run();
  assert.equal(workers.subscribe(1, "$share/g/a").subscription.memberSlot, slot);
});

test("dist: an acknowledgement after the member has left does not count for its successor", () => {
  const workers = new DistWorkers(1);
  const { client, members } = workers.worker(1);
  const { subscription } = workers.subscribe(1, "$share/g/a");
  const slot = subscription.memberSlot;
  client.unsubscribe("t", subscription);
  const successor = workers.subscribe(1, "$share/g/a").subscription;
  assert.equal(successor.memberSlot, slot);
  Atomics.add(workers.loads, shareLoadWord(1, slot), 1);
  members.finish(subscription.memberSlot);
  assert.equal(workers.load(shareLoadWord(1, slot)), 1);
});

test("dist: stored members are online while their session is, whatever is heard first", () => {
  const workers = new DistWorkers(3);
  // Worker 1 has the routes, worker 3 the sessions.
  const { client } = workers.worker(1);
  const sessions = workers.worker(3).client;
  const chosen = () => [1, 2, 3].map((thread) => workers.membersOf(thread, "a", "g").join(" "));
  const route = (clientId: string) => storedRoute("a", clientId, { group: "g" });
  client.addStored(route("one"), QOS_0, () => {});
  client.addStored(route("two"), QOS_0, () => {});
  workers.run();
  assert.deepEqual(chosen(), ["one two", "one two", "one two"]);
  sessions.setOnline("t", "one", true);
  sessions.setOnline("t", "late", true);
  workers.run();
  assert.deepEqual(chosen(), ["one", "one", "one"]);
  client.addStored(route("one"), { ...QOS_0, qos: 1 }, () => {});
  client.addStored(route("late"), QOS_0, () => {});
  workers.run();
  assert.deepEqual(chosen(), ["late one", "late one", "late one"]);
  sessions.setOnline("t", "one", false);
  workers.run();
  assert.deepEqual(chosen(), ["late", "late", "late"]);
  client.removeStored(route("late"), () => {});
  workers.run();
  assert.deepEqual(chosen(), ["one two", "one two", "one two"]);
});

test("dist: nobody is online on a worker that is gone", () => {
  const workers = new DistWorkers(3);
  const { client } = workers.worker(1);
  for (const name of ["one", "two"]) {
    client.addStored(storedRoute("a", name, { group: "g" }), QOS_0, () => {});
  }
  workers.run();
  workers.worker(3).client.setOnline("t", "one", true);
  workers.run();
  assert.deepEqual(workers.membersOf(2, "a", "g"), ["one"]);
  workers.replace(3);
  assert.deepEqual(workers.membersOf(2, "a", "g"), ["one", "two"]);
});

test("dist: a stored member keeps its slot while it is one, and gives it back", () => {
  const workers = new DistWorkers(2);
  const { client, members } = workers.worker(1);
  const route = (filter: string) => storedRoute(filter, "stored", { group: "g", isOrdered: true });
  for (let round = 0; round < 10; round += 1) {
    client.addStored(route("a"), QOS_0, () => {});
    client.addStored(route("a"), { ...QOS_0, qos: 1 }, () => {});
    client.addStored(route("b"), QOS_0, () => {});
    client.setOnline("t", "stored", round % 2 === 0);
    client.removeStored(route("a"), () => {});
    client.removeStored(route("b"), () => {});
    client.removeStored(route("b"), () => {});
    workers.run();
  }
  assert.equal(members.size, 2);
  assert.equal(workers.worker(2).index.filterCount, 0);
});

test("dist: removing a stored route is confirmed when every worker has removed it", () => {
  const workers = new DistWorkers(2);
  const { client } = workers.worker(1);
  const calls = new Calls();
  client.addStored(storedRoute("a", "stored"), QOS_0, calls.of("added"));
  workers.run();
  client.removeStored(storedRoute("a", "stored"), calls.of("removed"));
  assert.equal(calls.count("removed"), 0);
  assert.deepEqual(workers.matches(2, "a"), ["inbox stored"]);
  workers.run();
  assert.deepEqual([...calls.counts.values()], [1, 1]);
  assert.deepEqual(workers.matches(2, "a"), []);
});

test("dist: restored routes are known at once, and told to whoever asks", () => {
  const workers = new DistWorkers(2);
  const { client } = workers.worker(1);
  client.restoreStored(storedRoute("a", "stored"), QOS_0);
  client.restoreStored(storedRoute("a", "member", { group: "g" }), QOS_0);
  const stored = storedRoute("a", "stored");
  assert.ok(client.hasStored(stored, QOS_0));
  assert.ok(!client.hasStored({ ...stored, incarnation: stored.incarnation + 1 }, QOS_0));
  assert.ok(!client.hasStored(stored, { ...QOS_0, qos: 1 }), "other options");
  assert.ok(client.hasStored(storedRoute("a", "member", { group: "g" }), QOS_0));
  workers.run();
  assert.deepEqual(workers.matches(2, "a"), []);
  workers.replace(2).client.synchronize([1], () => {});
  workers.run();
  assert.deepEqual(workers.matches(2, "a"), ["$share/g/a: member", "inbox stored"]);
});

test("dist: tenants with the same filters and clients do not see each other", () => {
  const workers = new DistWorkers(2);
  const receiver = new FakeReceiver("c");
  workers.worker(1).client.subscribe("u", subscriptionOf(receiver, "#"), () => {});
  workers.run();
  assert.deepEqual(workers.matches(2, "a", "t"), []);
  assert.deepEqual(workers.matches(2, "a", "u"), ["worker 1"]);
});
