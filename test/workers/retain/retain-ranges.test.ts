/**
 * Retained messages in their ranges: what survives a worker, what a scan sees of a log that is not
 * applied yet, ranges that are cut and joined.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Counter } from "../../../src/shared/metrics/counter-table.ts";
import { ServiceId } from "../../../src/shared/range/service-id.ts";
import { RetainForm, RetainStatus } from "../../../src/workers/retain/retain-api.ts";
import { message, payloadOf, ServiceWorkers, topicOf } from "../../helpers/service-workers.ts";
import { collect, collectOn, deadlines, homeOf, numbered, owned, retain } from "./retained.ts";

test("retain service: what was acknowledged is there after the worker's end, in either form", () => {
  const workers = new ServiceWorkers(2);
  const topics = numbered(60);
  assert.deepEqual(new Set(retain(workers, topics)), new Set([RetainStatus.OK]));
  const before = [RetainForm.PACKETS_V3, RetainForm.PACKETS_V5].map((form) => {
    return packetsOf(workers, form);
  });
  retain(workers, topics.slice(0, 20), "");
  for (const topic of topics.slice(0, 20)) retain(workers, [topic]);
  for (const thread of [1, 2]) workers.restart(thread);
  workers.run();
  assert.deepEqual(collect(workers, "#"), [...topics].sort());
  assert.equal(workers.total(Counter.RETAINED_MESSAGES), 60);
  const after = [RetainForm.PACKETS_V3, RetainForm.PACKETS_V5].map((form) => {
    return packetsOf(workers, form);
  });
  assert.deepEqual(after, before);
});

/** The bytes of each packet that a scan of everything returns, sorted. */
function packetsOf(workers: ServiceWorkers, form: RetainForm): string[] {
  const scan = workers.services(2).retainClient.scan("t", "#", 0, form);
  const packets: string[] = [];
  for (let isOver = false; !isOver; ) {
    scan.next(7, (batch, isEnd) => {
      const bytes = Buffer.from(batch.packets ?? []);
      assert.ok(batch.size <= 7 && batch.payloadBytes === batch.size);
      // Topics and payloads are short: one byte of remaining length.
      for (let at = 0; at < bytes.length; at += 2 + bytes[at + 1]!) {
        packets.push(bytes.toString("latin1", at, at + 2 + bytes[at + 1]!));
      }
      isOver = isEnd;
    });
    workers.run();
  }
  return packets.sort();
}

test("retain service: packets and answers to stores share a record", () => {
  const workers = new ServiceWorkers(1);
  retain(workers, numbered(3));
  const { retainClient } = workers.services(1);
  const seen: string[] = [];
  const asked = (form: RetainForm) => {
    retainClient.scan("t", "#", 0, form).next(10, ({ size }) => seen.push(`batch of ${size}`));
  };
  asked(RetainForm.PACKETS_V5);
  asked(RetainForm.MESSAGES);
  asked(RetainForm.PACKETS_V3);
  workers.run();
  assert.deepEqual(seen, ["batch of 3", "batch of 3", "batch of 3"]);
});

test("retain service: the broker's own statistics count for nobody and go with the worker", () => {
  const workers = new ServiceWorkers(1);
  workers.settings = { ...workers.settings, RetainMaxTopics: 1 };
  const { retainClient } = workers.services(1);
  retainClient.store(message({ topic: "$SYS/uptime", publisherId: "" }), null);
  assert.deepEqual(retain(workers, ["a"]), [RetainStatus.OK]);
  assert.deepEqual(collectOn(workers, 1, "$SYS/#"), ["$SYS/uptime"]);
  workers.restart(1);
  workers.run();
  assert.deepEqual(collectOn(workers, 1, "$SYS/#"), []);
  assert.deepEqual(collectOn(workers, 1, "#"), ["a"]);
});

test("retain service: a full disk refuses what needs more of it, and lets messages be cleared", () => {
  const workers = new ServiceWorkers(2);
  retain(workers, ["a"]);
  workers.ranges.groups.setDiskFull(true);
  workers.run();
  assert.deepEqual(retain(workers, ["b"]), [RetainStatus.NO_ROOM]);
  assert.equal(workers.total(Counter.DROPPED_DISK_FULL), 1);
  assert.deepEqual(retain(workers, ["a"], ""), [RetainStatus.OK]);
  workers.ranges.groups.setDiskFull(false);
  workers.run();
  assert.deepEqual(retain(workers, ["b"]), [RetainStatus.OK]);
  assert.deepEqual(collect(workers, "#"), ["b"]);
});

test("retain service: an expired message leaves the store too [MQTT-3.3.2-5]", () => {
  const workers = new ServiceWorkers(1);
  const stored = message({ topic: "a", expirySeconds: 1, receivedAtMs: workers.nowMs });
  workers.services(1).retainClient.store(stored, null);
  workers.run();
  workers.restart(1);
  workers.run();
  assert.equal(workers.total(Counter.RETAINED_MESSAGES), 1);
  workers.advance(1000);
  assert.equal(workers.total(Counter.RETAINED_MESSAGES), 0);
  workers.restart(1);
  workers.run();
  assert.equal(workers.total(Counter.RETAINED_MESSAGES), 0);
});

test("retain service: who has stored a message without waiting finds it at once", () => {
  const workers = new ServiceWorkers(2);
  const { retainClient } = workers.services(2);
  for (const topic of numbered(20)) {
    retainClient.store(message({ topic, qos: 0 }), null);
    assert.deepEqual(collect(workers, topic), [topic]);
  }
  assert.equal(collect(workers, "#").length, 20);
});

test("retain service: a scan finds what stood in the log before it, though not applied", () => {
  const workers = new ServiceWorkers(3);
  const topic = numbered(50).find((name) => homeOf(workers, name) === 2)!;
  const { mesh } = workers;
  workers.services(1).retainClient.store(message({ topic, qos: 0 }), null);
  workers.flush();
  mesh.deliver(1, 0);
  workers.flush();
  // Appended there, and main has not heard of it.
  mesh.deliver(0, 2);
  const found: string[] = [];
  workers
    .services(3)
    .retainClient.scan("t", topic, 0)
    .next(10, (batch) => found.push(...owned(batch).map(topicOf)));
  mesh.deliver(3, 2);
  workers.flush();
  assert.equal(mesh.waitingCount(2, 3), 0, "the scan waits");
  workers.run();
  assert.deepEqual(found, [topic]);
});

test("retain service: while commits wait for space, scans find what is applied", () => {
  const workers = new ServiceWorkers(3);
  const topic = numbered(50).find((name) => homeOf(workers, name) === 2)!;
  retain(workers, [topic], "old");
  const { mesh } = workers;
  workers.services(1).retainClient.store(message({ topic, payload: "new", qos: 0 }), null);
  workers.flush();
  mesh.deliver(1, 0);
  workers.ranges.groups.setDiskFull(true);
  workers.flush();
  // Appended there, and main hears nothing of it, as if its commit waited; of the disk all hear.
  for (const thread of [1, 2, 3]) while (mesh.deliver(0, thread));
  const found: (string | null)[] = [];
  for (const thread of [1, 3]) {
    const scan = workers.services(thread).retainClient.scan("t", topic, 0);
    scan.next(10, (batch) => found.push(...owned(batch).map(payloadOf)));
  }
  const turn = () => {
    workers.flush();
    for (const thread of [1, 3]) {
      mesh.deliver(thread, 2);
      workers.flush();
      mesh.deliver(2, thread);
    }
  };
  turn();
  assert.deepEqual(found, [], "for a while they wait");
  // A second there, and one more for who has stored something itself.
  for (const expected of [["old"], ["old", "old"]]) {
    workers.nowMs += 1000;
    turn();
    assert.deepEqual(found, expected);
  }
  workers.run();
  assert.deepEqual(found, ["old", "old"], "once");
});

test("retain service: scans that wait are forgotten when cancelled, or their worker dies", () => {
  const workers = new ServiceWorkers(3);
  const topic = numbered(50).find((name) => homeOf(workers, name) === 2)!;
  const { mesh } = workers;
  workers.services(1).retainClient.store(message({ topic, qos: 0 }), null);
  workers.flush();
  mesh.deliver(1, 0);
  workers.flush();
  mesh.deliver(0, 2);
  const scans = [2, 3].map((thread) => {
    const scan = workers.services(thread).retainClient.scan("t", topic, 0);
    scan.next(10, () => assert.fail("nobody waits any more"));
    return scan;
  });
  assert.ok(mesh.deliver(2, 2) && mesh.deliver(3, 2), "both have asked");
  scans[0]!.cancel();
  workers.restart(3);
  workers.run();
  assert.equal(Math.min(...deadlines(workers)), Number.POSITIVE_INFINITY);
});

/** Runs, and lets promises continue, until `change` is done. */
async function settled<T>(workers: ServiceWorkers, change: Promise<T>): Promise<T> {
  let isDone = false;
  void change.finally(() => {
    isDone = true;
  });
  for (let left = 1000; left > 0 && !isDone; left--) {
    workers.run();
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(isDone, "the change is done");
  return await change;
}

test("retain service: ranges may be cut and joined while messages are stored and found", async () => {
  const workers = new ServiceWorkers(2);
  const { lifeCycle, groups } = workers.ranges;
  const topics = numbered(60);
  const statuses: RetainStatus[] = [];
  let stored = 0;
  const store = (count: number) => {
    for (const topic of topics.slice(stored, stored + count)) {
      const thread = 1 + (stored % 2);
      const { retainClient } = workers.services(thread);
      retainClient.store(message({ topic }), (status) => statuses.push(status));
      stored += 1;
    }
  };
  store(20);
  const [first] = groups.directory.of(ServiceId.RETAIN);
  const split = lifeCycle.split(first!.id, Uint8Array.of(0x40, 0, 0, 0));
  for (let round = 0; round < 10; round++) {
    store(2);
    workers.flush();
    for (const source of [0, 1, 2]) for (const to of [0, 1, 2]) workers.mesh.deliver(source, to);
  }
  const right = await settled(workers, split);
  assert.equal(groups.directory.of(ServiceId.RETAIN).length, 3);
  assert.deepEqual(collect(workers, "#"), topics.slice(0, 40).sort());
  for (const thread of [1, 2]) workers.restart(thread);
  workers.run();
  assert.deepEqual(collect(workers, "#"), topics.slice(0, 40).sort());
  const merge = lifeCycle.merge(first!.id);
  for (let round = 0; round < 10; round++) {
    store(2);
    workers.flush();
    for (const source of [0, 1, 2]) for (const to of [0, 1, 2]) workers.mesh.deliver(source, to);
  }
  await settled(workers, merge);
  assert.equal(groups.directory.get(right.id), null);
  assert.deepEqual(collect(workers, "#"), [...topics].sort());
  for (const topic of topics) assert.deepEqual(collect(workers, topic), [topic]);
  assert.deepEqual(new Set(statuses), new Set([RetainStatus.OK]));
  assert.equal(statuses.length, 60);
  assert.equal(workers.total(Counter.RETAINED_MESSAGES), 60);
});

test("retain service: a cap counts a range that an older directory does not know yet", async () => {
  const workers = new ServiceWorkers(2);
  workers.settings = { ...workers.settings, RetainMaxTopics: 20 };
  const { lifeCycle, groups } = workers.ranges;
  const topics = numbered(200).filter((topic) => homeOf(workers, topic) === 1);
  retain(workers, topics.slice(0, 15));
  // A directory is on its way to worker 2 when worker 1's range is cut.
  groups.setDiskFull(true);
  workers.ranges.mainTurn();
  groups.setDiskFull(false);
  const [first] = groups.directory.of(ServiceId.RETAIN);
  const split = lifeCycle.split(first!.id, Uint8Array.of(0x40, 0, 0, 0));
  const older = workers.mesh.waitingCount(0, 2);
  const count = groups.groups.size;
  // One more round: the halves are told of in the turn behind that of the cut.
  for (let more = 2; more > 0; more -= groups.groups.size > count ? 1 : 0) {
    workers.flush();
    for (const source of [0, 1, 2]) {
      for (const to of [0, 1, 2]) if (source > 0 || to < 2) workers.mesh.deliver(source, to);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  for (let left = older; left > 0; left--) workers.mesh.deliver(0, 2);
  await settled(workers, split);
  workers.run();
  const statuses: RetainStatus[] = [];
  for (const topic of numbered(30, "more").filter((name) => homeOf(workers, name) === 2)) {
    workers.services(2).retainClient.store(message({ topic }), (status) => statuses.push(status));
    workers.run();
  }
  assert.equal(statuses.filter((status) => status === RetainStatus.OK).length, 5);
});
