/**
 * The retain service over fake rings: scans in batches, limits, lost workers.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Counter } from "../../../src/shared/metrics/counter-table.ts";
import { RetainStatus } from "../../../src/workers/retain/retain-api.ts";
import { message, ServiceWorkers, topicOf } from "../../helpers/service-workers.ts";
import {
  type Batch,
  collect,
  deadlines,
  homeOf,
  next,
  numbered,
  owned,
  retain,
} from "./retained.ts";

test("retain service: a topic is found by name and by wildcard, on whatever worker it lies", () => {
  const workers = new ServiceWorkers(3);
  const topics = numbered(40);
  retain(workers, topics);
  for (const topic of topics) assert.deepEqual(collect(workers, topic), [topic]);
  assert.deepEqual(collect(workers, "n/+"), [...topics].sort());
  assert.deepEqual(collect(workers, "#"), [...topics].sort());
  assert.deepEqual(collect(workers, "other/#"), []);
  const kept = [1, 2, 3].map((thread) => workers.counter(thread, Counter.RETAINED_MESSAGES));
  assert.ok(Math.min(...kept) > 0 && workers.total(Counter.RETAINED_MESSAGES) === 40);
});

test("retain service: what a reader leaves of a batch is passed over", () => {
  const workers = new ServiceWorkers(1);
  retain(workers, numbered(10));
  const scan = workers.services(1).retainClient.scan("t", "#", 0);
  const firsts: string[] = [];
  scan.next(5, (batch) => {
    assert.equal(batch.size, 5);
    assert.ok(batch.advance());
    firsts.push(topicOf(batch.record.own()));
  });
  workers.run();
  firsts.push(...next(workers, scan, 100).messages.map(topicOf));
  assert.equal(new Set(firsts).size, 6);
});

test("retain service: a name is asked at one worker only", () => {
  const workers = new ServiceWorkers(3);
  workers
    .services(2)
    .retainClient.scan("t", "a/b", 0)
    .next(1, () => {});
  const asked = [1, 2, 3].filter((thread) => workers.mesh.waitingCount(2, thread) > 0);
  assert.deepEqual(asked, [homeOf(workers, "a/b")]);
});

test("retain service: leading wildcards do not see $ topics, tenants not each other [MQTT-4.7.2-1]", () => {
  const workers = new ServiceWorkers(2);
  retain(workers, ["$SYS/x", "a"]);
  workers.services(1).retainClient.store(message({ tenantId: "u", topic: "secret" }), null);
  workers.run();
  assert.deepEqual(collect(workers, "#"), ["a"]);
  assert.deepEqual(collect(workers, "$SYS/#"), ["$SYS/x"]);
});

test("retain service: every message comes once, whatever the batch size", () => {
  const workers = new ServiceWorkers(3);
  const topics = numbered(100);
  retain(workers, topics);
  for (const maxMessages of [1, 7, 16, 17, 1000]) {
    assert.deepEqual(collect(workers, "n/#", maxMessages), [...topics].sort());
  }
});

test("retain service: the limit ends a scan early and leaves no cursor behind", () => {
  const workers = new ServiceWorkers(3);
  retain(workers, numbered(100));
  assert.equal(collect(workers, "#", 10, 25).length, 25);
  assert.equal(collect(workers, "#", 10, 1).length, 1);
  assert.equal(collect(workers, "#", 50, 1000).length, 100);
  // Ten minutes later a cursor left behind would be due.
  assert.equal(Math.min(...deadlines(workers)), Number.POSITIVE_INFINITY);
});

test("retain service: a batch ends with the message that passes 56 KiB", () => {
  const workers = new ServiceWorkers(1);
  retain(workers, numbered(20), "x".repeat(20_000));
  const scan = workers.services(1).retainClient.scan("t", "#", 0);
  const sizes: number[] = [];
  for (let isEnd = false; !isEnd; ) {
    const batch = next(workers, scan, 1000);
    sizes.push(batch.messages.length);
    isEnd = batch.isEnd;
  }
  assert.deepEqual(sizes, [3, 3, 3, 3, 3, 3, 2]);
});

test("retain service: between two batches messages may be replaced, cleared and expire", () => {
  const workers = new ServiceWorkers(1);
  const topics = numbered(16);
  retain(workers, topics, "old");
  const scan = workers.services(1).retainClient.scan("t", "#", 0);
  const first = next(workers, scan, 1).messages.map(topicOf);
  const [replaced, cleared] = topics.filter((topic) => !first.includes(topic));
  retain(workers, [replaced!], "new");
  retain(workers, [cleared!], "");
  const rest = next(workers, scan, 100);
  const payloads = new Map(
    rest.messages.map((one) => [topicOf(one), new TextDecoder().decode(one.payload)]),
  );
  assert.equal(payloads.get(replaced!), "new");
  assert.equal(payloads.has(cleared!), false);
  assert.equal(rest.messages.length, 14);
});

test("retain service: a retained message keeps its expiry and age", () => {
  const workers = new ServiceWorkers(2);
  const stored = message({ topic: "a", expirySeconds: 60, receivedAtMs: workers.nowMs });
  workers.services(1).retainClient.store(stored, null);
  workers.advance(20_500);
  const scan = workers.services(2).retainClient.scan("t", "a", 0);
  const [found] = next(workers, scan, 1).messages;
  assert.equal(found!.remainingExpirySeconds(workers.nowMs), 40);
  workers.advance(39_500);
  assert.deepEqual(collect(workers, "a"), []);
  assert.equal(workers.total(Counter.RETAINED_MESSAGES), 0);
});

test("retain service: a cancelled scan calls back no more and frees its cursor", () => {
  const workers = new ServiceWorkers(3);
  retain(workers, numbered(100));
  const scan = workers.services(2).retainClient.scan("t", "#", 0);
  next(workers, scan, 2);
  scan.next(2, () => assert.fail("cancelled"));
  scan.cancel();
  scan.cancel();
  workers.run();
  assert.equal(Math.min(...deadlines(workers)), Number.POSITIVE_INFINITY);
});

test("retain service: a cursor nobody asks for is freed; its reader finds the scan over", () => {
  const workers = new ServiceWorkers(1);
  retain(workers, numbered(100));
  const scan = workers.services(1).retainClient.scan("t", "#", 0);
  next(workers, scan, 2);
  workers.advance(600_000);
  assert.deepEqual(next(workers, scan, 2), { messages: [], isEnd: true });
});

test("retain service: a scan that outlives one of its workers goes on with the next", () => {
  const workers = new ServiceWorkers(3);
  const topics = numbered(60);
  retain(workers, topics);
  const scan = workers.services(3).retainClient.scan("t", "#", 0);
  const batches: Batch[] = [];
  scan.next(1, (batch, isEnd) => batches.push({ messages: owned(batch), isEnd }));
  assert.ok(scan.isWhole);
  workers.restart(1);
  workers.run();
  assert.ok(!scan.isWhole, "what lay there is missing");
  assert.equal(batches.length, 1);
  const found = batches[0]!.messages.map(topicOf);
  found.push(...next(workers, scan, 1000).messages.map(topicOf));
  found.push(...next(workers, scan, 1000).messages.map(topicOf));
  const left = topics.filter((topic) => homeOf(workers, topic) !== 1);
  assert.deepEqual(found.sort(), left.sort());
});

test("retain service: a dead reader's cursors go with it", () => {
  const workers = new ServiceWorkers(3);
  retain(workers, numbered(100));
  next(workers, workers.services(2).retainClient.scan("t", "#", 0), 2);
  assert.ok(Number.isFinite(Math.min(...deadlines(workers))));
  workers.restart(2);
  assert.equal(Math.min(...deadlines(workers)), Number.POSITIVE_INFINITY);
});

test("retain service: a store that waits for a dead worker fails", () => {
  const workers = new ServiceWorkers(2);
  const topic = numbered(50).find((name) => homeOf(workers, name) === 1)!;
  const statuses: RetainStatus[] = [];
  workers.services(2).retainClient.store(message({ topic }), (status) => statuses.push(status));
  workers.restart(1);
  assert.deepEqual(statuses, [RetainStatus.UNAVAILABLE]);
  workers.run();
  assert.equal(statuses.length, 1, "answered once");
});

test("retain service: a store given up as lost, and applied all the same, is answered once", () => {
  const workers = new ServiceWorkers(2);
  const topic = numbered(50).find((name) => homeOf(workers, name) === 1)!;
  const statuses: RetainStatus[] = [];
  workers.services(2).retainClient.store(message({ topic }), (status) => statuses.push(status));
  workers.flush();
  // Main has taken the proposal; its worker dies before it hears of it.
  workers.mesh.deliver(2, 0);
  workers.restart(1);
  workers.run();
  assert.deepEqual(statuses, [RetainStatus.UNAVAILABLE]);
});

test("retain service: a tenant's caps hold over all workers, also after one restarts", () => {
  const workers = new ServiceWorkers(3);
  workers.settings = { ...workers.settings, RetainMaxTopics: 20 };
  const quota = (statuses: RetainStatus[]) =>
    statuses.filter((status) => status === RetainStatus.QUOTA).length;
  const topics = numbered(30);
  let refused = 0;
  for (const topic of topics) refused += quota(retain(workers, [topic]));
  assert.equal(refused, 10);
  assert.equal(workers.total(Counter.RETAINED_MESSAGES), 20);
  assert.equal(workers.total(Counter.DROPPED_RETAIN_QUOTA), 10);
  workers.services(1).retainClient.store(message({ topic: "nobody/waits", qos: 0 }), null);
  workers.run();
  assert.equal(workers.total(Counter.DROPPED_RETAIN_QUOTA), 11);
  workers.restart(2);
  workers.run();
  const left = workers.total(Counter.RETAINED_MESSAGES);
  let stored = 0;
  for (const topic of numbered(40, "more")) stored += 1 - quota(retain(workers, [topic]));
  assert.equal(left + stored, 20);
});

test("retain service: a burst from all workers oversteps no cap, and one after the other fill it", () => {
  const payload = "x".repeat(1000);
  for (const cap of [{ RetainMaxTopics: 100 }, { RetainMaxBytes: 100 * 1007 }]) {
    const workers = new ServiceWorkers(4);
    workers.settings = { ...workers.settings, ...cap };
    const refused: string[] = [];
    for (let at = 0; at < 400; at++) {
      const topic = `burst/${100 + at}`;
      const client = workers.services(1 + (at % 4)).retainClient;
      // At QoS 0 nobody waits.
      const done = (status: RetainStatus) =>
        void (status !== RetainStatus.OK && refused.push(topic));
      client.store(message({ topic, payload: payload.slice(2) }), at % 3 === 0 ? null : done);
      if (at % 5 === 0) workers.flush();
    }
    workers.run();
    const stored = workers.total(Counter.RETAINED_MESSAGES);
    assert.ok(stored > 0 && stored <= 100, `${stored} of 100`);
    for (const topic of refused.slice(0, 100 - stored)) {
      assert.deepEqual(retain(workers, [topic], payload.slice(2)), [RetainStatus.OK]);
    }
    assert.equal(workers.total(Counter.RETAINED_MESSAGES), 100);
    assert.deepEqual(retain(workers, ["over"], payload), [RetainStatus.QUOTA]);
  }
});

test("retain service: what expired while its worker was away does not count against a cap [MQTT-3.3.2-5]", () => {
  const workers = new ServiceWorkers(1);
  workers.settings = { ...workers.settings, RetainMaxTopics: 1 };
  workers.services(1).retainClient.store(message({ topic: "old", expirySeconds: 1 }), null);
  workers.run();
  assert.deepEqual(retain(workers, ["new"]), [RetainStatus.QUOTA]);
  workers.nowMs += 2000;
  workers.restart(1);
  // Its timers run before it has heard of any range.
  workers.services(1).handleTimeout(workers.nowMs);
  workers.run();
  assert.equal(workers.total(Counter.RETAINED_MESSAGES), 0);
  assert.deepEqual(retain(workers, ["new"]), [RetainStatus.OK]);
});

test("retain service: a cap that comes with a reload counts what is stored already", () => {
  const workers = new ServiceWorkers(3);
  retain(workers, numbered(30));
  workers.settings = { ...workers.settings, RetainMaxTopics: 30 };
  workers.run();
  const statuses = numbered(10, "more").flatMap((topic) => retain(workers, [topic]));
  assert.deepEqual(new Set(statuses), new Set([RetainStatus.QUOTA]));
});
