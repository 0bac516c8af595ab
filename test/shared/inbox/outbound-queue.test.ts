/**
 * One inbox's way out: order, window, identifiers, repetition, overflow, expiry.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { DeliveryForm } from "../../../src/shared/inbox/delivery.ts";
import { InsertStatus } from "../../../src/shared/inbox/inbox-types.ts";
import { OutboundQueue } from "../../../src/shared/inbox/outbound-queue.ts";
import { Counter } from "../../../src/shared/metrics/counter-table.ts";
import { InboxRecorder, LIMITS, stored } from "../../helpers/inbox-recorder.ts";

function form(qos: number, shareFilter: string | null = null): DeliveryForm {
  return { qos, retain: false, subscriptionIdentifiers: [], shareFilter };
}

function target(token: number) {
  return { thread: 1, token };
}

interface Fixture {
  recorder: InboxRecorder;
  queue: OutboundQueue;
  offer(payloads: string, qos?: number): void;
}

/** `offer("a b", 2)` offers two messages. */
function fixture(windowBytes?: number): Fixture {
  const recorder = new InboxRecorder(windowBytes);
  const queue = new OutboundQueue(recorder.context);
  const offer = (payloads: string, qos = 1) => {
    for (const payload of payloads.split(" ")) queue.offer(stored(payload), form(qos), LIMITS, 0);
  };
  return { recorder, queue, offer };
}

test("outbound queue: pushes at most receive maximum exchanges, and refills as they end [MQTT-3.3.4-9]", () => {
  const { recorder, queue, offer } = fixture();
  queue.attach(target(1), 2, 0);
  offer("a b c d");
  assert.deepEqual(recorder.takePushes(), ["a#1", "b#2"]);
  assert.equal(queue.waitingCount, 2);
  queue.acknowledge(2, 0);
  assert.deepEqual(recorder.takePushes(), ["c#3"]);
  queue.acknowledge(1, 0);
  queue.acknowledge(3, 0);
  assert.deepEqual(recorder.takePushes(), ["d#4"]);
  queue.acknowledge(4, 0);
  assert.equal(recorder.counters[Counter.INBOX_MESSAGES], 0);
  assert.equal(recorder.counters[Counter.INBOX_BYTES], 0);
});

test("outbound queue: a QoS 2 exchange keeps its place in the window until PUBCOMP", () => {
  const { recorder, queue, offer } = fixture();
  queue.attach(target(1), 1, 0);
  offer("a b", 2);
  queue.receive(1, 0);
  assert.deepEqual(recorder.takePushes(), ["a#1"]);
  assert.equal(recorder.counters[Counter.INBOX_MESSAGES], 1, "the client has the first");
  queue.receive(1, 0);
  queue.acknowledge(1, 0);
  assert.deepEqual(recorder.takePushes(), ["b#2"]);
});

test("outbound queue: a reconnect repeats what is in flight, same identifiers, in order [MQTT-4.4.0-1]", () => {
  const { recorder, queue, offer } = fixture();
  queue.attach(target(1), 4, 0);
  offer("a b c d e", 2);
  queue.receive(3, 0);
  queue.receive(1, 0);
  recorder.takePushes();
  queue.detach();
  offer("f");
  assert.deepEqual(recorder.takePushes(), []);
  queue.attach(target(2), 10, 0);
  const expected = ["PUBREL#3", "PUBREL#1", "b#2!", "d#4!", "e#5", "f#6"];
  assert.deepEqual(recorder.takePushes(), expected);
});

test("outbound queue: nothing is repeated without a reconnect [MQTT-4.4.0-1]", () => {
  const { recorder, queue, offer } = fixture();
  queue.attach(target(1), 4, 0);
  offer("a");
  recorder.takePushes();
  queue.resume(99_999);
  queue.pump(99_999);
  queue.sweep(99_999);
  assert.deepEqual(recorder.takePushes(), []);
});

test("outbound queue: a smaller window after a reconnect repeats step by step, before anything new", () => {
  const { recorder, queue, offer } = fixture();
  queue.attach(target(1), 4, 0);
  offer("a b c d e");
  queue.detach();
  recorder.takePushes();
  queue.attach(target(2), 1, 0);
  assert.deepEqual(recorder.takePushes(), ["a#1!"]);
  // The client had this one after all.
  queue.acknowledge(2, 0);
  assert.deepEqual(recorder.takePushes(), []);
  queue.acknowledge(1, 0);
  queue.acknowledge(3, 0);
  queue.acknowledge(4, 0);
  assert.deepEqual(recorder.takePushes(), ["c#3!", "d#4!", "e#5"]);
});

test("outbound queue: two reconnects in a row repeat everything each time", () => {
  const { recorder, queue, offer } = fixture();
  queue.attach(target(1), 4, 0);
  offer("a b");
  queue.attach(target(2), 1, 0);
  recorder.takePushes();
  queue.attach(target(3), 4, 0);
  assert.deepEqual(recorder.takePushes(), ["a#1!", "b#2!"]);
});

test("outbound queue: an identifier is reused only when its exchange is over [MQTT-2.2.1-4]", () => {
  const { recorder, queue, offer } = fixture();
  queue.attach(target(1), 65_535, 0);
  offer("kept");
  for (let i = 0; i < 65_534; i++) {
    offer("x");
    queue.acknowledge(recorder.pushes.at(-1)!.packetId, 0);
  }
  recorder.pushes.length = 0;
  offer("y");
  assert.deepEqual(recorder.takePushes(), ["y#2"], "1 is still in flight");
});

test("outbound queue: a full window of 65,535 exchanges takes no more and loses none", () => {
  const { recorder, queue, offer } = fixture(1 << 30);
  queue.attach(target(1), 65_535, 0);
  for (let i = 0; i < 65_536; i++) offer("x");
  assert.equal(new Set(recorder.pushes.map(({ packetId }) => packetId)).size, 65_535);
  assert.equal(queue.waitingCount, 1);
  queue.acknowledge(40_000, 0);
  assert.equal(recorder.pushes.at(-1)!.packetId, 40_000);
});

test("outbound queue: a full queue refuses the newest and counts it", () => {
  const { recorder, queue } = fixture();
  const limits = { ...LIMITS, SessionInboxSize: 2 };
  const statuses = ["a", "b", "c"].map((name) => queue.offer(stored(name), form(1), limits, 0));
  assert.deepEqual(statuses, [InsertStatus.STORED, InsertStatus.STORED, InsertStatus.QUOTA]);
  assert.equal(recorder.counters[Counter.DROPPED_QUEUE_FULL], 1);
  queue.attach(target(1), 10, 0);
  assert.deepEqual(recorder.takePushes(), ["a#1", "b#2"]);
});

test("outbound queue: expired messages make room in a full queue and are counted [MQTT-3.3.2-5]", () => {
  const { recorder, queue } = fixture();
  const limits = { ...LIMITS, SessionInboxSize: 2 };
  queue.offer(stored("old", { expirySeconds: 1 }), form(1), limits, 0);
  queue.offer(stored("kept", { expirySeconds: 100 }), form(1), limits, 0);
  const status = queue.offer(stored("new"), form(1), limits, 1000);
  assert.equal(status, InsertStatus.STORED);
  assert.equal(recorder.counters[Counter.DROPPED_EXPIRED], 1);
  queue.attach(target(1), 10, 1000);
  assert.deepEqual(recorder.takePushes(), ["kept#1", "new#2"]);
});

test("outbound queue: what was sent once never expires [MQTT-4.3.3-7]", () => {
  const { recorder, queue } = fixture();
  queue.attach(target(1), 1, 0);
  for (const name of ["sent", "waiting"]) {
    queue.offer(stored(name, { expirySeconds: 1 }), form(2), LIMITS, 0);
  }
  queue.detach();
  recorder.takePushes();
  queue.attach(target(2), 10, 5000);
  assert.deepEqual(recorder.takePushes(), ["sent#1!"]);
  assert.equal(recorder.counters[Counter.DROPPED_EXPIRED], 1);
  assert.equal(queue.waitingCount, 0);
});

test("outbound queue: the next search for expired messages is due a minute after the earliest", () => {
  const { queue } = fixture();
  assert.equal(queue.sweepDueMs, Number.POSITIVE_INFINITY);
  queue.offer(stored("a", { expirySeconds: 10 }), form(1), LIMITS, 0);
  queue.offer(stored("b", { expirySeconds: 5 }), form(1), LIMITS, 0);
  queue.offer(stored("c", { expirySeconds: 90 }), form(1), LIMITS, 0);
  assert.equal(queue.sweepDueMs, 65_000);
  queue.sweep(65_000);
  assert.equal(queue.waitingCount, 1);
  assert.equal(queue.sweepDueMs, 150_000);
});

test("outbound queue: bytes in flight are bounded, but one message always goes", () => {
  const { recorder, queue, offer } = fixture(1000);
  queue.attach(target(1), 100, 0);
  const large = "x".repeat(5000);
  offer(`${large} small`);
  assert.equal(recorder.pushes.length, 1);
  queue.acknowledge(1, 0);
  assert.equal(recorder.pushes.length, 2);
});

test("outbound queue: PUBREC frees the bytes, so a slow PUBCOMP does not hold the next message", () => {
  const { recorder, queue, offer } = fixture(1000);
  queue.attach(target(1), 100, 0);
  offer(`${"x".repeat(5000)} small`, 2);
  queue.receive(1, 0);
  assert.equal(recorder.pushes.length, 2);
});

test("outbound queue: unknown and repeated acknowledgements change nothing", () => {
  const { recorder, queue, offer } = fixture();
  queue.acknowledge(1, 0);
  queue.receive(1, 0);
  queue.attach(target(1), 1, 0);
  offer("a b");
  queue.receive(1, 0);
  queue.acknowledge(7, 0);
  assert.deepEqual(recorder.takePushes(), ["a#1"], "PUBREC for QoS 1 is not an acknowledgement");
  queue.acknowledge(1, 0);
  queue.acknowledge(1, 0);
  assert.deepEqual(recorder.takePushes(), ["b#2"]);
});

test("outbound queue: QoS 0 passes a full window and uses no identifier", () => {
  const { recorder, queue, offer } = fixture();
  queue.attach(target(1), 1, 0);
  offer("a b");
  offer("zero", 0);
  assert.deepEqual(recorder.takePushes(), ["a#1", "zero#0"]);
  assert.equal(recorder.counters[Counter.INBOX_MESSAGES], 2);
});

test("outbound queue: QoS 0 that waits for credit goes with the attachment", () => {
  const { recorder, queue, offer } = fixture(100);
  queue.attach(target(1), 1, 0);
  offer("first second", 0);
  assert.deepEqual(recorder.takePushes(), ["first#0"]);
  queue.detach();
  assert.equal(recorder.counters[Counter.INBOX_MESSAGES], 0);
  queue.attach(target(2), 1, 0);
  queue.credit(10_000, 0);
  assert.deepEqual(recorder.takePushes(), []);
});

test("outbound queue: expired QoS 0 is dropped, also while it waits for credit", () => {
  const { recorder, queue } = fixture(100);
  queue.attach(target(1), 1, 0);
  const offerZero = (name: string, nowMs: number) =>
    queue.offer(stored(name, { expirySeconds: 1 }), form(0), LIMITS, nowMs);
  offerZero("a", 0);
  offerZero("b", 0);
  offerZero("late", 2000);
  queue.credit(10_000, 2000);
  assert.deepEqual(recorder.takePushes(), ["a#0"]);
  assert.equal(recorder.counters[Counter.DROPPED_EXPIRED], 2);
});

test("outbound queue: the end hands shared messages on, but no QoS 2 exchange that has begun [MQTT-4.8.2-5]", () => {
  const { recorder, queue } = fixture();
  queue.attach(target(1), 2, 0);
  queue.offer(stored("begun"), form(2, "$share/g/a"), LIMITS, 0);
  queue.offer(stored("in flight"), form(1, "$share/g/a"), LIMITS, 0);
  queue.offer(stored("own"), form(1), LIMITS, 0);
  queue.offer(stored("waiting"), form(2, "$share/g/a"), LIMITS, 0);
  const handed: string[] = [];
  queue.end((given, shareFilter) => {
    handed.push(`${shareFilter} ${new TextDecoder().decode(given.payload)}`);
  });
  assert.deepEqual(handed, ["$share/g/a in flight", "$share/g/a waiting"]);
  assert.equal(recorder.counters[Counter.INBOX_MESSAGES], 0);
  assert.equal(recorder.counters[Counter.INBOX_BYTES], 0);
  assert.equal(queue.inFlightCount, 0);
});

test("outbound queue: pushing stops while the way to the worker is full, and resumes in order", () => {
  const { recorder, queue, offer } = fixture();
  queue.attach(target(1), 10, 0);
  recorder.isBlocked = true;
  offer("a b");
  offer("zero", 0);
  assert.deepEqual(recorder.takePushes(), []);
  recorder.isBlocked = false;
  queue.resume(0);
  offer("c");
  assert.deepEqual(recorder.takePushes(), ["zero#0", "a#1", "b#2", "c#3"]);
});
