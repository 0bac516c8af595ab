/**
 * A publish from end to end over several workers: who gets it, how often, and what the publisher
 * learns.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Counter } from "../../../src/shared/metrics/counter-table.ts";
import { shareLoadWord } from "../../../src/shared/metrics/shared-words.ts";
import { DEFAULT_TENANT_SETTINGS } from "../../../src/shared/tenant/tenant-settings.ts";
import { PublishOutcome } from "../../../src/workers/dist/dist-api.ts";
import { InsertStatus } from "../../../src/workers/inbox/inbox-api.ts";
import { RetainStatus } from "../../../src/workers/retain/retain-api.ts";
import { message } from "../../helpers/service-workers.ts";
import {
  clientOf,
  DistWorkers,
  FakeReceiver,
  incarnationOf,
  QOS_0,
  storedRoute,
  subscriptionOf,
} from "./dist-workers.ts";

/** Publishes on `thread`; the outcomes that `done` was called with. */
function publish(workers: DistWorkers, thread: number, fields: Parameters<typeof message>[0] = {}) {
  const outcomes: PublishOutcome[] = [];
  const { publisher } = workers.worker(thread);
  publisher.publish(message({ topic: "a", ...fields }), (outcome) => outcomes.push(outcome));
  return outcomes;
}

const QOS_1 = { ...QOS_0, qos: 1 };

function addInbox(workers: DistWorkers, thread: number, clientId: string, group = ""): void {
  const route = storedRoute("a", clientId, { group });
  workers.worker(thread).client.addStored(route, QOS_1, () => {});
}

test("publisher: every subscriber on every worker gets one copy", () => {
  const workers = new DistWorkers(3);
  const receivers = [1, 1, 2, 3, 3].map((thread) => workers.subscribe(thread, "a").receiver);
  const overlapping = new FakeReceiver("overlapping");
  for (const filter of ["a", "+", "#"]) {
    workers.worker(2).client.subscribe("t", subscriptionOf(overlapping, filter), () => {});
  }
  workers.run();
  assert.deepEqual(publish(workers, 1, { payload: "x" }), [PublishOutcome.DELIVERED]);
  assert.equal(workers.mesh.waitingCount(1, 2), 1);
  assert.equal(workers.mesh.waitingCount(1, 3), 1);
  assert.equal(workers.mesh.waitingCount(1, 1), 0);
  workers.run();
  for (const receiver of [...receivers, overlapping]) {
    assert.deepEqual(receiver.takePayloads(), ["x"]);
  }
});

test("publisher: workers without a subscriber get no record", () => {
  const workers = new DistWorkers(3);
  workers.subscribe(3, "a");
  workers.subscribe(2, "b");
  workers.run();
  publish(workers, 1);
  assert.equal(workers.mesh.waitingCount(1, 2), 0);
  assert.equal(workers.mesh.waitingCount(1, 3), 1);
});

test("publisher: nobody wants it: counted, and the publisher is told", () => {
  const workers = new DistWorkers(2);
  workers.subscribe(1, "b");
  assert.deepEqual(publish(workers, 1), [PublishOutcome.NO_SUBSCRIBER]);
  assert.deepEqual(publish(workers, 1, { topic: "b", tenantId: "u" }), [
    PublishOutcome.NO_SUBSCRIBER,
  ]);
  assert.equal(workers.counter(1, Counter.DROPPED_NO_SUBSCRIBER), 2);
});

test("publisher: order per publisher is kept through local sessions, workers and inboxes [MQTT-4.6.0-5]", () => {
  const workers = new DistWorkers(2);
  const here = workers.subscribe(1, "a").receiver;
  const there = workers.subscribe(2, "a").receiver;
  addInbox(workers, 2, "stored");
  workers.run();
  const payloads = Array.from({ length: 50 }, (_, index) => `${index}`);
  for (const payload of payloads) publish(workers, 1, { payload });
  workers.run();
  assert.deepEqual(here.takePayloads(), payloads);
  assert.deepEqual(there.takePayloads(), payloads);
  const inserted = workers.worker(1).inbox.inserts.map((insert) => insert.payload);
  assert.deepEqual(inserted, payloads);
});

test("publisher: a record that outlived its message is dropped on arrival [MQTT-3.3.2-5]", () => {
  const workers = new DistWorkers(2);
  const { receiver } = workers.subscribe(2, "a");
  workers.run();
  publish(workers, 1, { expirySeconds: 5, receivedAtMs: workers.nowMs });
  workers.nowMs += 5001;
  workers.run();
  assert.deepEqual(receiver.takePayloads(), []);
  assert.equal(workers.counter(2, Counter.DROPPED_EXPIRED), 1);
});

test("publisher: a record whose subscribers have left meanwhile reaches nobody", () => {
  const workers = new DistWorkers(2);
  const { receiver, subscription } = workers.subscribe(2, "a");
  workers.run();
  publish(workers, 1);
  workers.worker(2).client.unsubscribe("t", subscription);
  workers.run();
  assert.deepEqual(receiver.takePayloads(), []);
});

test("publisher: acknowledged when every inbox has stored it, with one command per worker", () => {
  const workers = new DistWorkers(3);
  addInbox(workers, 2, "b");
  addInbox(workers, 3, "c");
  addInbox(workers, 2, "d");
  workers.subscribe(1, "a");
  workers.run();
  const outcomes = publish(workers, 1);
  const { inserts } = workers.worker(1).inbox;
  assert.deepEqual(
    inserts.map(({ receivers }) => receivers.length),
    [3],
  );
  assert.deepEqual(outcomes, []);
  const { STORED, QUOTA } = InsertStatus;
  inserts[0]?.done?.(Uint8Array.of(STORED, QUOTA, STORED));
  assert.deepEqual(outcomes, [PublishOutcome.IN_PART]);
});

test("publisher: a full inbox refuses the publish, unless somebody else has it", () => {
  for (const isTaken of [false, true]) {
    const workers = new DistWorkers(1);
    addInbox(workers, 1, "full");
    if (isTaken) workers.subscribe(1, "$share/g/a");
    const outcomes = publish(workers, 1);
    workers.worker(1).inbox.inserts[0]?.done?.(Uint8Array.of(InsertStatus.QUOTA));
    assert.deepEqual(outcomes, [isTaken ? PublishOutcome.IN_PART : PublishOutcome.QUOTA]);
  }
});

test("publisher: a retained message is stored before anybody gets it [MQTT-3.3.1-5]", () => {
  const workers = new DistWorkers(1);
  const { receiver } = workers.subscribe(1, "a");
  const { retain } = workers.worker(1);
  const storedBefore: number[] = [];
  receiver.onDelivery = () => storedBefore.push(retain.stores.length);
  const outcomes = publish(workers, 1, { retain: true });
  assert.deepEqual(storedBefore, [1]);
  assert.deepEqual(outcomes, []);
  retain.stores[0]?.done?.(RetainStatus.OK);
  assert.deepEqual(outcomes, [PublishOutcome.DELIVERED]);
  publish(workers, 1);
  assert.equal(retain.stores.length, 1);
});

test("publisher: nobody waits for what nobody asked about", () => {
  const workers = new DistWorkers(1);
  addInbox(workers, 1, "stored");
  const { publisher, inbox, retain } = workers.worker(1);
  publisher.publish(message({ topic: "a", retain: true }), null);
  assert.equal(inbox.inserts[0]?.done, null);
  assert.equal(retain.stores[0]?.done, null);
});

test("publisher: MaxGroupFanout and MaxPersistentFanout bound one publish, and what is left out is counted", () => {
  const workers = new DistWorkers(1);
  workers.settings = { ...DEFAULT_TENANT_SETTINGS, MaxGroupFanout: 2, MaxPersistentFanout: 1 };
  const members = ["f", "g", "h"].map((group) => workers.subscribe(1, `$share/${group}/a`));
  for (const name of ["i", "j", "k"]) addInbox(workers, 1, name);
  publish(workers, 1);
  const served = members.filter(({ receiver }) => receiver.seen.length === 1);
  assert.equal(served.length, 2);
  assert.equal(workers.worker(1).inbox.inserts[0]?.receivers.length, 1);
  assert.equal(workers.counter(1, Counter.DROPPED_FANOUT_LIMIT), 1 + 2);
});

test("publisher: a group gets each message once, its members in turn, wherever they are [MQTT-4.8.2-3]", () => {
  const workers = new DistWorkers(3);
  workers.strategy = "round_robin";
  const members = [1, 2, 2, 3].map((thread, index) => {
    const receiver = new FakeReceiver(`member ${index}`);
    const subscription = subscriptionOf(receiver, "$share/g/a", { qos: 1 });
    workers.worker(thread).client.subscribe("t", subscription, () => {});
    return { receiver, subscription, thread };
  });
  workers.run();
  for (let index = 0; index < 8; index += 1) publish(workers, 1, { payload: `${index}` });
  workers.run();
  const all = members.flatMap(({ receiver }) => receiver.seen.map((one) => one.payload));
  assert.deepEqual(all.sort(), ["0", "1", "2", "3", "4", "5", "6", "7"]);
  for (const { receiver, subscription, thread } of members) {
    assert.equal(receiver.seen.length, 2);
    assert.equal(receiver.seen[0]?.share, "$share/g/a");
    assert.equal(receiver.seen[0]?.qos, 1);
    assert.equal(workers.load(shareLoadWord(thread, subscription.memberSlot)), 2);
  }
});

test("publisher: least in flight counts what is under way on every worker", () => {
  const workers = new DistWorkers(2);
  const slow = workers.subscribe(2, "$share/g/a");
  const fast = workers.subscribe(1, "$share/g/a");
  workers.run();
  fast.receiver.onDelivery = () => {
    workers.worker(1).members.finish(fast.subscription.memberSlot);
  };
  for (let index = 0; index < 10; index += 1) {
    publish(workers, 1 + (index % 2));
    workers.run();
  }
  assert.ok(slow.receiver.seen.length <= 2, `${slow.receiver.seen.length} to the slow one`);
  assert.equal(slow.receiver.seen.length + fast.receiver.seen.length, 10);
});

test("publisher: least in flight counts what waits in the inboxes of stored members", () => {
  const workers = new DistWorkers(2);
  for (const name of ["slow", "fast"]) {
    addInbox(workers, 2, name, "g");
    workers.worker(2).client.setOnline("t", name, true);
  }
  workers.run();
  const { inbox } = workers.worker(1);
  const waiting = new Map([
    ["slow", 0],
    ["fast", 0],
  ]);
  for (let index = 0; index < 20; index += 1) {
    publish(workers, 1);
    const clientId = clientOf(inbox.inserts.pop()?.receivers[0]?.incarnation ?? 0);
    // The slow one never acknowledges, the fast one at once.
    if (clientId === "slow") waiting.set("slow", (waiting.get("slow") ?? 0) + 1);
    workers.worker(2).client.setLoad("t", clientId, waiting.get(clientId) ?? 0);
  }
  assert.equal(waiting.get("slow"), 1);
});

test("publisher: a dropped record does not count as under way", () => {
  const workers = new DistWorkers(2);
  const { subscription } = workers.subscribe(2, "$share/g/a");
  workers.run();
  workers.mesh.endpoint(1).pretendQueuedBytes = 1;
  publish(workers, 1, { qos: 0 });
  assert.equal(workers.load(shareLoadWord(2, subscription.memberSlot)), 0);
  assert.equal(workers.counter(1, Counter.DROPPED_RING_FULL), 1);
});

test("publisher: a group whose members are away stores the message for one of them", () => {
  const workers = new DistWorkers(2);
  addInbox(workers, 2, "stored", "g");
  workers.run();
  const outcomes = publish(workers, 1);
  const [insert] = workers.worker(1).inbox.inserts;
  assert.deepEqual(insert?.receivers[0], {
    incarnation: incarnationOf("stored"),
    qos: 1,
    retain: false,
    subscriptionIdentifiers: [],
    shareFilter: "$share/g/a",
  });
  insert?.done?.(Uint8Array.of(InsertStatus.STORED));
  assert.deepEqual(outcomes, [PublishOutcome.DELIVERED]);
  const { receiver } = workers.subscribe(1, "$share/g/a");
  workers.run();
  publish(workers, 1);
  assert.equal(receiver.seen.length, 1);
  assert.equal(workers.worker(1).inbox.inserts.length, 1);
});

test("publisher: a member that left while its message travelled: another one gets it (MQTT5 §4.8.2)", () => {
  const workers = new DistWorkers(3);
  const leaving = workers.subscribe(2, "$share/g/a");
  workers.run();
  publish(workers, 1, { payload: "x" });
  const staying = workers.subscribe(3, "$share/g/a");
  workers.flush();
  workers.mesh.deliver(3, 2);
  workers.worker(2).client.unsubscribe("t", leaving.subscription);
  workers.run();
  assert.deepEqual(leaving.receiver.takePayloads(), []);
  assert.deepEqual(staying.receiver.takePayloads(), ["x"]);
  assert.equal(workers.counter(2, Counter.SHARED_REDISPATCHED), 1);
});

test("publisher: a member that left in a crowd: its message still finds the group", () => {
  const workers = new DistWorkers(2);
  const leaving = Array.from({ length: 600 }, () => workers.subscribe(2, "$share/g/a"));
  workers.run();
  for (let index = 0; index < 600; index += 1) publish(workers, 1, { payload: `${index}` });
  for (const { subscription } of leaving) {
    workers.worker(2).client.unsubscribe("t", subscription);
  }
  // New members of other groups may not take over what was meant for those who left.
  const others = Array.from({ length: 600 }, () => workers.subscribe(2, "$share/other/b"));
  const { receiver } = workers.subscribe(2, "$share/g/a");
  workers.run();
  const expected = Array.from({ length: 600 }, (_, index) => `${index}`);
  assert.deepEqual(receiver.takePayloads(), expected);
  assert.ok(others.every((other) => other.receiver.seen.length === 0));
});

test("publisher: handing over when nobody is left drops the message, counted", () => {
  const workers = new DistWorkers(1);
  const route = { tenantId: "t", filter: "a", group: "g", ordered: false };
  const { publisher } = workers.worker(1);
  publisher.redispatch(message({ topic: "a" }), route, null);
  assert.equal(workers.counter(1, Counter.DROPPED_NO_SUBSCRIBER), 1);
  const { receiver } = workers.subscribe(1, "$share/g/a");
  publisher.redispatch(message({ topic: "a", payload: "x" }), route, null);
  assert.deepEqual(receiver.takePayloads(), ["x"]);
  assert.equal(workers.counter(1, Counter.SHARED_REDISPATCHED), 1);
});

test("publisher: handing over to a stored member stores the message", () => {
  const workers = new DistWorkers(2);
  addInbox(workers, 2, "stored", "g");
  workers.run();
  const route = { tenantId: "t", filter: "a", group: "g", ordered: false };
  workers.worker(1).publisher.redispatch(message({ topic: "a", payload: "x" }), route, null);
  assert.deepEqual(workers.worker(1).inbox.takeInserts(), ["stored"]);
});

/** A QoS 2 publish of a stored session. */
function repeated(isRepeat: boolean) {
  const sent = message({ topic: "a", payload: "m", qos: 2 });
  const who = { publisher: 4097, epoch: 1, packetId: 5, sequence: 1, settled: 0, fingerprint: 9 };
  sent.origin = { ...who, isRepeat, isForStored: false };
  return sent;
}

test("publisher: a repeat goes to a member of a group only if no range has stored it for one [MQTT-4.8.2-4]", () => {
  const workers = new DistWorkers(1);
  addInbox(workers, 1, "stored", "g");
  workers.run();
  const { publisher, inbox } = workers.worker(1);
  const outcomes: PublishOutcome[] = [];
  const send = (isRepeat: boolean) => {
    publisher.publish(repeated(isRepeat), (outcome) => outcomes.push(outcome));
  };
  send(false);
  assert.deepEqual([inbox.questions.length, inbox.takeInserts()], [0, ["stored"]]);
  send(true);
  assert.deepEqual(inbox.takeInserts(), []);
  assert.equal(inbox.questions[0]?.shareFilter, "$share/g/a");
  inbox.questions[0]?.done(InsertStatus.STORED);
  assert.deepEqual([outcomes, inbox.takeInserts()], [[PublishOutcome.DELIVERED], []]);
  send(true);
  inbox.questions[1]?.done(InsertStatus.NO_INBOX);
  inbox.inserts[0]?.done?.(Uint8Array.of(InsertStatus.STORED));
  assert.deepEqual(inbox.takeInserts(), ["stored"]);
  send(true);
  inbox.questions[2]?.done(InsertStatus.UNAVAILABLE);
  const { DELIVERED, FAILED } = PublishOutcome;
  assert.deepEqual([outcomes, inbox.takeInserts()], [[DELIVERED, DELIVERED, FAILED], []]);
});

test("publisher: what a member without a stored session has got is noted, and no repeat goes to another", () => {
  const workers = new DistWorkers(1);
  const { publisher, inbox } = workers.worker(1);
  const member = workers.subscribe(1, "$share/g/a", { qos: 2 }).receiver;
  workers.run();
  const outcomes: PublishOutcome[] = [];
  const send = (isRepeat: boolean, isForStored: boolean) => {
    const sent = repeated(isRepeat);
    sent.origin = { ...sent.origin!, isForStored };
    publisher.publish(sent, (outcome) => outcomes.push(outcome));
  };
  send(false, false);
  assert.deepEqual([member.takePayloads(), inbox.notes], [["m"], ["$share/g/a"]]);
  send(true, true);
  inbox.questions[0]?.done(InsertStatus.STORED);
  assert.deepEqual(member.takePayloads(), []);
  send(true, true);
  inbox.questions[1]?.done(InsertStatus.NO_INBOX);
  assert.deepEqual(member.takePayloads(), ["m"], "it was lost on its way to a stored session");
  assert.deepEqual(outcomes, new Array(3).fill(PublishOutcome.DELIVERED));
});

test("publisher: a message that its member hands on is nobody's repeat", () => {
  const workers = new DistWorkers(1);
  addInbox(workers, 1, "stored", "g");
  workers.run();
  const route = { tenantId: "t", filter: "a", group: "g", ordered: false };
  const handed = repeated(true);
  const { publisher, inbox } = workers.worker(1);
  publisher.redispatch(handed, route, null);
  assert.deepEqual([inbox.inserts[0]?.origin, handed.origin === null], [null, false]);
});

test("publisher: what has expired reaches no member of a group, neither from a ring nor from one that left [MQTT-3.3.2-5]", () => {
  const workers = new DistWorkers(2);
  const { receiver, subscription } = workers.subscribe(2, "$share/g/a", { qos: 1 });
  workers.run();
  const sent = message({ topic: "a", qos: 1, expirySeconds: 5, receivedAtMs: workers.nowMs });
  workers.worker(1).publisher.publish(sent, null);
  workers.nowMs += 5001;
  workers.run();
  const statuses: InsertStatus[] = [];
  const route = { tenantId: "t", filter: "a", group: "g", ordered: false };
  workers.worker(2).publisher.redispatch(sent, route, (status) => statuses.push(status));
  assert.deepEqual([receiver.takePayloads(), statuses], [[], [InsertStatus.STORED]]);
  assert.equal(workers.counter(2, Counter.DROPPED_EXPIRED), 2);
  assert.equal(workers.load(shareLoadWord(2, subscription.memberSlot)), 0);
});

test("publisher: while routes are missing nothing is acknowledged, and QoS 0 goes to who is known", () => {
  const workers = new DistWorkers(2);
  const { receiver } = workers.subscribe(1, "a");
  addInbox(workers, 2, "stored");
  workers.run();
  workers.areRoutesWhole = false;
  for (const retain of [false, true]) {
    assert.deepEqual(publish(workers, 1, { qos: 1, retain }), [PublishOutcome.FAILED]);
  }
  const { inbox, publisher, retain } = workers.worker(1);
  assert.deepEqual(inbox.takeInserts(), []);
  assert.equal(retain.stores.length, 0);
  assert.deepEqual(receiver.takePayloads(), [], "who waits for an answer sends it again");
  publisher.publish(message({ topic: "a", payload: "x" }), null);
  assert.deepEqual(receiver.takePayloads(), ["x"]);
  workers.areRoutesWhole = true;
  publish(workers, 1, { qos: 1, payload: "y" });
  assert.deepEqual(receiver.takePayloads(), ["y"]);
});

test("publisher: while routes are missing a group without members may have some", () => {
  const workers = new DistWorkers(1);
  workers.areRoutesWhole = false;
  const statuses: InsertStatus[] = [];
  const route = { tenantId: "t", filter: "a", group: "g", ordered: false };
  const { publisher } = workers.worker(1);
  publisher.redispatch(message({ topic: "a", qos: 1 }), route, (status) => statuses.push(status));
  workers.areRoutesWhole = true;
  publisher.redispatch(message({ topic: "a", qos: 1 }), route, (status) => statuses.push(status));
  assert.deepEqual(statuses, [InsertStatus.UNAVAILABLE, InsertStatus.NO_INBOX]);
});
