/** A worker that starts, or starts again, learns all routes before it serves anybody. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { DistWorkers, FakeReceiver, QOS_0, storedRoute, subscriptionOf } from "./dist-workers.ts";

/**
 * Starts `thread` again, synchronizing with all others; counts how often it was told to be done.
 */
function restart(workers: DistWorkers, thread: number): { done: number } {
  const result = { done: 0 };
  const worker = workers.replace(thread);
  worker.client.synchronize(workers.peersOf(thread), () => {
    result.done += 1;
  });
  return result;
}

test("sync: without live peers it is done at once", () => {
  const workers = new DistWorkers(3);
  let done = 0;
  workers.worker(1).client.synchronize([], () => {
    done += 1;
  });
  assert.equal(done, 1);
});

test("sync: a restarted worker knows every kind of route of its peers, and is told once", () => {
  const workers = new DistWorkers(3);
  const { client } = workers.worker(1);
  workers.subscribe(1, "a/+");
  workers.subscribe(3, "a/+");
  const member = workers.subscribe(1, "$share/g/a/b");
  workers.subscribe(3, "$oshare/g/a/b");
  client.addStored(storedRoute("#", "stored"), QOS_0, () => {});
  client.addStored(storedRoute("a/b", "stored", { group: "g" }), QOS_0, () => {});
  // Its session lives on another worker than its routes.
  workers.worker(3).client.setOnline("t", "stored", true);
  workers.run();
  workers.run();
  const before = workers.matches(1, "a/b");
  assert.equal(before.length, 5);
  const result = restart(workers, 2);
  assert.equal(result.done, 0);
  workers.run();
  assert.equal(result.done, 1);
  assert.deepEqual(workers.matches(2, "a/b"), before);
  assert.deepEqual(workers.membersOf(2, "a/b", "g"), [member.receiver.clientId, "stored"]);
});

test("sync: what the dead worker had subscribed stays gone", () => {
  const workers = new DistWorkers(2);
  workers.subscribe(2, "a");
  workers.subscribe(1, "b");
  workers.run();
  restart(workers, 2);
  workers.run();
  assert.deepEqual(workers.matches(1, "a"), []);
  assert.deepEqual(workers.matches(2, "a"), []);
  assert.deepEqual(workers.matches(2, "b"), ["worker 1"]);
});

test("sync: many routes come in pieces, each when the last one is applied", () => {
  const workers = new DistWorkers(2);
  const count = 20_000;
  for (let number = 0; number < count; number += 1) workers.subscribe(1, `a/${number}`);
  workers.run();
  const result = restart(workers, 2);
  workers.mesh.deliver(2, 1);
  let pieces = 0;
  let largest = 0;
  while (workers.mesh.waitingCount(1, 2) > 0) {
    pieces += 1;
    largest = Math.max(largest, workers.mesh.waitingBytes(1, 2));
    assert.equal(result.done, 0);
    while (workers.mesh.deliver(1, 2)) {}
    while (workers.mesh.deliver(2, 1)) {}
  }
  assert.equal(result.done, 1);
  assert.equal(workers.worker(2).index.filterCount, count);
  assert.ok(pieces >= 4, `${pieces} pieces`);
  assert.ok(largest < 1024 * 1024, `${largest} bytes at once`);
});

test("sync: changes made between the pieces reach the restarted worker too", () => {
  const workers = new DistWorkers(2);
  const { client } = workers.worker(1);
  const subscriptions = Array.from({ length: 10_000 }, (_, number) => {
    return workers.subscribe(1, `a/${number}`).subscription;
  });
  workers.run();
  restart(workers, 2);
  workers.mesh.deliver(2, 1);
  // One piece is on its way; now the first, the last and a new filter change.
  const first = subscriptions[0]!;
  const last = subscriptions.at(-1)!;
  client.unsubscribe("t", first);
  client.unsubscribe("t", last);
  const again = subscriptionOf(new FakeReceiver("again"), last.filter);
  client.subscribe("t", again, () => {});
  client.unsubscribe("t", again);
  workers.subscribe(1, "new/filter");
  workers.run();
  assert.deepEqual(workers.matches(2, first.filter), []);
  assert.deepEqual(workers.matches(2, last.filter), []);
  assert.deepEqual(workers.matches(2, "new/filter"), ["worker 1"]);
  assert.equal(workers.worker(2).index.filterCount, 9999);
});

test("sync: a subscription waits for the restarted worker once that has asked", () => {
  const workers = new DistWorkers(2);
  const { client } = workers.worker(1);
  const done: string[] = [];
  const subscribe = (filter: string) => {
    const subscription = subscriptionOf(new FakeReceiver("c"), filter);
    client.subscribe("t", subscription, () => done.push(filter));
  };
  const worker = workers.replace(2);
  subscribe("while nobody is there");
  assert.deepEqual(done, ["while nobody is there"]);
  worker.client.synchronize([1], () => {});
  workers.mesh.deliver(2, 1);
  subscribe("while it learns");
  assert.equal(done.length, 1);
  workers.run();
  assert.equal(done.length, 2);
  assert.deepEqual(workers.matches(2, "while nobody is there"), ["worker 1"]);
  assert.deepEqual(workers.matches(2, "while it learns"), ["worker 1"]);
});

test("sync: a peer that dies while it is asked is waited for, because its ranges come back", () => {
  const workers = new DistWorkers(3);
  workers.subscribe(1, "a");
  workers.worker(3).client.addStored(storedRoute("a", "stored"), QOS_0, () => {});
  workers.run();
  const result = restart(workers, 2);
  workers.mesh.deliver(2, 1);
  workers.mesh.deliver(1, 2);
  const successor = workers.replace(3);
  workers.run();
  assert.equal(result.done, 0);
  successor.client.restoreStored(storedRoute("a", "stored"), QOS_0);
  successor.client.synchronize([1, 2], () => {});
  workers.run();
  assert.equal(result.done, 1);
  for (const thread of [1, 2, 3]) {
    assert.deepEqual(workers.matches(thread, "a"), ["inbox stored", "worker 1"]);
  }
});

test("sync: nobody is answered before the ranges of who is asked are replayed", () => {
  const workers = new DistWorkers(2);
  const first = workers.replace(1).client;
  const second = workers.replace(2).client;
  let done = 0;
  second.synchronize([1], () => {
    done += 1;
  });
  first.restoreStored(storedRoute("a", "in the store"), QOS_0);
  workers.run();
  assert.equal(done, 0);
  first.restoreStored(storedRoute("a", "in the log"), QOS_0);
  first.synchronize([2], () => {});
  workers.run();
  assert.equal(done, 1);
  assert.deepEqual(workers.matches(2, "a"), ["inbox in the log", "inbox in the store"]);
});

test("sync: many restored routes come in pieces too, though nothing has changed since", () => {
  const workers = new DistWorkers(2);
  const { client } = workers.worker(1);
  const count = 10_000;
  for (let number = 0; number < count; number += 1) {
    client.restoreStored(storedRoute(`a/${number}`, "stored"), QOS_0);
  }
  const result = restart(workers, 2);
  workers.run();
  assert.equal(result.done, 1);
  assert.equal(workers.worker(2).index.filterCount, count);
});

test("sync: stored routes outlive their worker, until it has told all that are left", () => {
  const workers = new DistWorkers(3);
  const { client } = workers.worker(1);
  const kept = storedRoute("a", "kept");
  const routes = [
    kept,
    storedRoute("a", "removed"),
    storedRoute("a", "kept", { group: "g" }),
    storedRoute("a", "removed", { group: "g" }),
    storedRoute("b", "removed", { group: "g" }),
    storedRoute("c", "removed"),
  ];
  for (const route of routes) client.addStored(route, QOS_0, () => {});
  workers.run();
  const before = workers.matches(2, "a");
  // It removes some, and dies before anybody hears of it.
  const successor = workers.replace(1).client;
  for (const route of routes) {
    if (route.clientId === "kept") successor.restoreStored(route, QOS_0);
  }
  workers.run();
  assert.deepEqual(workers.matches(2, "a"), before);
  successor.synchronize([2, 3], () => {});
  workers.run();
  for (const thread of [1, 2, 3]) {
    assert.deepEqual(workers.matches(thread, "a"), ["$share/g/a: kept", "inbox kept"]);
    assert.equal(workers.worker(thread).index.filterCount, 1);
    assert.equal(workers.worker(thread).table.stored.isMember("t", "removed"), false);
  }
  successor.addStored(kept, { ...QOS_0, qos: 1 }, () => {});
  workers.run();
  assert.ok(workers.worker(2).client.hasStored(kept, { ...QOS_0, qos: 1 }));
});

test("sync: a worker that dies again while it learns can start once more", () => {
  const workers = new DistWorkers(2);
  for (let number = 0; number < 10_000; number += 1) workers.subscribe(1, `a/${number}`);
  workers.run();
  restart(workers, 2);
  workers.mesh.deliver(2, 1);
  workers.mesh.deliver(1, 2);
  const result = restart(workers, 2);
  workers.run();
  assert.equal(result.done, 1);
  assert.equal(workers.worker(2).index.filterCount, 10_000);
});

test("sync: two workers that start at once learn each other's routes", () => {
  const workers = new DistWorkers(3);
  workers.subscribe(1, "a");
  workers.run();
  const second = workers.replace(2);
  const third = workers.replace(3);
  let done = 0;
  const onDone = () => {
    done += 1;
  };
  second.client.synchronize([1], onDone);
  third.client.synchronize([1, 2], onDone);
  workers.run();
  assert.equal(done, 2);
  workers.subscribe(2, "b");
  workers.subscribe(3, "b");
  workers.run();
  for (const thread of [1, 2, 3]) {
    assert.deepEqual(workers.matches(thread, "a"), ["worker 1"]);
    assert.deepEqual(workers.matches(thread, "b"), ["worker 2", "worker 3"]);
  }
});
