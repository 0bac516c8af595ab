/**
 * Messages of a stored session on their way out: window, identifiers, repetition, expiry, limits.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { InboxOp, InsertStatus } from "../../../../src/shared/inbox/inbox-types.ts";
import { Counter } from "../../../../src/shared/metrics/counter-table.ts";
import { messageFootprint } from "../../../../src/shared/mqtt/message-codec.ts";
import { NO_LIMITS, WINDOW_BYTES } from "../../../helpers/inbox-rig.ts";
import { both, OutboundFixture } from "../../../helpers/outbound-fixture.ts";
import { message, payloadOf } from "../../../helpers/service-workers.ts";

both(
  "outbound: pushes at most receive maximum exchanges, and refills as they end [MQTT-3.3.4-9]",
  (fixture) => {
    fixture.attach(2);
    fixture.offer("a b c d");
    assert.deepEqual(fixture.takePushes(), ["a#1", "b#2"]);
    assert.equal(fixture.waiting, 2);
    fixture.acknowledge(2);
    assert.deepEqual(fixture.takePushes(), ["c#3"]);
    fixture.acknowledge(1, 3);
    assert.deepEqual(fixture.takePushes(), ["d#4"]);
    fixture.acknowledge(4);
    assert.equal(fixture.gauge(Counter.INBOX_MESSAGES), 0);
    assert.equal(fixture.gauge(Counter.INBOX_BYTES), 0);
  },
);

both("outbound: a QoS 2 exchange keeps its place in the window until PUBCOMP", (fixture) => {
  fixture.attach(1);
  fixture.offer("a b", 2);
  fixture.receive(1);
  assert.deepEqual(fixture.takePushes(), ["a#1"]);
  assert.equal(fixture.gauge(Counter.INBOX_MESSAGES), 1, "the client has the first");
  fixture.receive(1);
  fixture.acknowledge(1);
  assert.deepEqual(fixture.takePushes(), ["b#2"]);
});

both(
  "outbound: a reconnect repeats what is in flight, same identifiers, in order [MQTT-4.4.0-1]",
  (fixture) => {
    fixture.attach(4);
    fixture.offer("a b c d e", 2);
    fixture.receive(3, 1);
    fixture.takePushes();
    fixture.detach();
    fixture.offer("f");
    assert.deepEqual(fixture.takePushes(), []);
    fixture.attach(10);
    const expected = ["PUBREL#3", "PUBREL#1", "b#2!", "d#4!", "e#5", "f#6"];
    assert.deepEqual(fixture.takePushes(), expected);
  },
);

both("outbound: after kill -9 the same identifiers come with DUP, owed PUBRELs too", (fixture) => {
  fixture.attach(4);
  fixture.offer("a b c d e", 2);
  fixture.receive(3, 1);
  fixture.rig.crash();
  fixture.offer("f");
  assert.deepEqual(fixture.takePushes(), []);
  fixture.attach(10);
  const expected = ["PUBREL#3", "PUBREL#1", "b#2!", "d#4!", "e#5", "f#6"];
  assert.deepEqual(fixture.takePushes(), expected);
});

both("outbound: nothing is repeated without a reconnect [MQTT-4.4.0-1]", (fixture) => {
  fixture.attach(4);
  fixture.offer("a");
  fixture.takePushes();
  fixture.rig.range.resume(1, 99_999);
  fixture.rig.advance(99_999);
  assert.deepEqual(fixture.takePushes(), []);
});

both(
  "outbound: a smaller window after a reconnect repeats step by step, before anything new",
  (fixture) => {
    fixture.attach(4);
    fixture.offer("a b c d e");
    fixture.detach();
    fixture.takePushes();
    fixture.attach(1);
    assert.deepEqual(fixture.takePushes(), ["a#1!"]);
    // The client had this one after all.
    fixture.acknowledge(2);
    assert.deepEqual(fixture.takePushes(), []);
    fixture.acknowledge(1, 3, 4);
    assert.deepEqual(fixture.takePushes(), ["c#3!", "d#4!", "e#5"]);
  },
);

both(
  "outbound: a PUBREC for what was not repeated yet counts in the window until its PUBCOMP",
  (fixture) => {
    fixture.attach(3);
    fixture.offer("a b c d", 2);
    fixture.detach();
    fixture.takePushes();
    fixture.attach(2);
    assert.deepEqual(fixture.takePushes(), ["a#1!", "b#2!"]);
    fixture.receive(3);
    fixture.acknowledge(1);
    assert.deepEqual(fixture.takePushes(), [], "2 and 3 are open");
    fixture.acknowledge(3);
    assert.deepEqual(fixture.takePushes(), ["d#4"]);
  },
);

both("outbound: two reconnects in a row repeat everything each time", (fixture) => {
  fixture.attach(4);
  fixture.offer("a b");
  fixture.attach(1);
  fixture.takePushes();
  fixture.attach(4);
  assert.deepEqual(fixture.takePushes(), ["a#1!", "b#2!"]);
});

test("outbound: an identifier is reused only when its exchange is over [MQTT-2.2.1-4]", () => {
  const fixture = new OutboundFixture();
  fixture.attach(65_535);
  fixture.offer("kept");
  for (let packetId = 2; packetId <= 65_535; packetId++) {
    fixture.offer("x");
    fixture.acknowledge(packetId);
  }
  fixture.takePushes();
  fixture.offer("y");
  assert.deepEqual(fixture.takePushes(), ["y#2"], "1 is still in flight");
});

test("outbound: a full window of 65,535 exchanges takes no more and loses none", () => {
  const fixture = new OutboundFixture();
  fixture.attach(65_535);
  const limits = { ...NO_LIMITS, sessionInboxSize: 100_000 };
  const incarnation = fixture.rig.incarnation("c");
  const form = { qos: 1, retain: false, subscriptionIdentifiers: [], shareFilter: null };
  fixture.rig.range.find("t", "c")!.windowBytes = 2 ** 31;
  for (let i = 0; i < 65_536; i++)
    fixture.rig.insert(message(), [{ incarnation, ...form }], limits);
  const { pushes } = fixture.rig.recorder;
  assert.equal(new Set(pushes.map(({ packetId }) => packetId)).size, 65_535);
  assert.equal(fixture.waiting, 1);
  fixture.acknowledge(40_000);
  assert.equal(pushes.at(-1)!.packetId, 40_000);
});

both("outbound: a full queue refuses the newest and counts it", (fixture) => {
  const limits = { ...NO_LIMITS, sessionInboxSize: 2 };
  const { STORED, QUOTA } = InsertStatus;
  assert.deepEqual(fixture.offer("a b c", 1, limits), [STORED, STORED, QUOTA]);
  assert.equal(fixture.gauge(Counter.DROPPED_QUEUE_FULL), 1);
  fixture.attach(10);
  assert.deepEqual(fixture.takePushes(), ["a#1", "b#2"]);
});

both(
  "outbound: bytes of the session, and room of tenant and process, are limits; the first message may always wait in its session",
  (fixture) => {
    const footprint = messageFootprint(message({ payload: "a" }));
    const { STORED, QUOTA } = InsertStatus;
    const session = { ...NO_LIMITS, sessionBytes: 1 };
    assert.deepEqual(fixture.offer("a b", 1, session), [STORED, QUOTA]);
    for (const name of ["tenantRoom", "processRoom"]) {
      assert.deepEqual(fixture.offer("c", 1, { ...NO_LIMITS, [name]: footprint }), [STORED], name);
      assert.deepEqual(fixture.offer("d", 1, { ...NO_LIMITS, [name]: footprint - 1 }), [QUOTA]);
      fixture.attach(10);
      fixture.acknowledge(...fixture.rig.recorder.pushes.map(({ packetId }) => packetId));
      fixture.takePushes();
      fixture.detach();
      fixture.offer("e");
    }
  },
);

both("outbound: expired messages anywhere make room in a full queue [MQTT-3.3.2-5]", (fixture) => {
  const limits = { ...NO_LIMITS, sessionInboxSize: 3 };
  fixture.offer("first");
  fixture.offerOne({ payload: "old", expirySeconds: 1 });
  fixture.offerOne({ payload: "kept", expirySeconds: 100 });
  fixture.rig.nowMs = 2000;
  assert.equal(fixture.offerOne({ payload: "new" }, limits), InsertStatus.STORED);
  assert.equal(fixture.gauge(Counter.DROPPED_EXPIRED), 1);
  fixture.attach(10);
  assert.deepEqual(fixture.takePushes(), ["first#1", "kept#2", "new#3"]);
});

both(
  "outbound: a full queue is looked through for expired messages twice per second at most",
  (fixture) => {
    const limits = { ...NO_LIMITS, sessionInboxSize: 2 };
    fixture.offerOne({ payload: "a", expirySeconds: 1 });
    fixture.offerOne({ payload: "b", expirySeconds: 2 });
    fixture.rig.nowMs = 1900;
    assert.equal(fixture.offerOne({ payload: "c" }, limits), InsertStatus.STORED);
    fixture.rig.nowMs = 2100;
    assert.equal(fixture.offerOne({ payload: "d" }, limits), InsertStatus.QUOTA);
    fixture.rig.nowMs = 3900;
    assert.equal(fixture.offerOne({ payload: "e" }, limits), InsertStatus.STORED);
    fixture.attach(10);
    assert.deepEqual(fixture.takePushes(), ["c#1", "e#2"]);
  },
);

both("outbound: a full queue whose front has expired is not stored anew", (fixture) => {
  const limits = { ...NO_LIMITS, sessionInboxSize: 100 };
  const { rig } = fixture;
  for (let at = 0; at < 100; at++) {
    rig.nowMs = at * 100;
    fixture.offerOne({ payload: `${at}`, expirySeconds: 10 }, limits);
  }
  rig.nowMs = 10_550;
  assert.equal(fixture.offerOne({ payload: "next" }, limits), InsertStatus.STORED);
  const { firstSequence, nextSequence } = rig.range.find("t", "c")!;
  assert.deepEqual([firstSequence, nextSequence], [6, 101]);
  rig.advance(1_000);
  assert.equal(rig.range.nextDeadlineMs, 10_550 + 60_000);
});

both(
  "outbound: a whole queue is searched again only when that has paid, or after a time",
  (fixture) => {
    const limits = { ...NO_LIMITS, sessionInboxSize: 100 };
    const { rig } = fixture;
    const fill = (expiring: number) => {
      for (let left = expiring; left > 0; left--) {
        fixture.offerOne({ payload: "short", expirySeconds: 1 }, limits);
      }
      while (fixture.waiting < 100) fixture.offerOne({ payload: "long" }, limits);
    };
    const offerAt = (nowMs: number) => {
      rig.nowMs = nowMs;
      return fixture.offerOne({ payload: "next" }, limits);
    };
    fixture.offerOne({ payload: "front" });
    fill(30);
    assert.equal(offerAt(2_000), InsertStatus.STORED);
    assert.equal(fixture.waiting, 71, "all that had expired is gone");
    fill(20);
    assert.equal(offerAt(4_000), InsertStatus.STORED);
    assert.equal(fixture.waiting, 81);
    fill(10);
    assert.equal(offerAt(8_000), InsertStatus.QUOTA, "100 messages, 50 ms each");
    assert.equal(offerAt(10_000), InsertStatus.STORED);
    assert.equal(fixture.waiting, 91);
  },
);

both("outbound: what was sent once never expires [MQTT-4.3.3-7]", (fixture) => {
  fixture.attach(1);
  fixture.offerOne({ payload: "sent", qos: 2, expirySeconds: 1 });
  fixture.offerOne({ payload: "waiting", qos: 2, expirySeconds: 1 });
  fixture.detach();
  fixture.takePushes();
  fixture.rig.nowMs = 5000;
  fixture.attach(10);
  assert.deepEqual(fixture.takePushes(), ["sent#1!"]);
  assert.equal(fixture.gauge(Counter.DROPPED_EXPIRED), 1);
  assert.equal(fixture.waiting, 0);
});

both(
  "outbound: the next search for expired messages is due a minute after the earliest",
  (fixture) => {
    const { rig } = fixture;
    const due = () => rig.range.nextDeadlineMs;
    const endMs = due();
    fixture.offerOne({ payload: "a", expirySeconds: 10 });
    fixture.offerOne({ payload: "b", expirySeconds: 5 });
    fixture.offerOne({ payload: "c", expirySeconds: 90 });
    assert.equal(due(), 65_000);
    rig.advance(65_000);
    assert.equal(fixture.waiting, 1);
    assert.equal(due(), 150_000);
    rig.advance(85_000);
    assert.equal(fixture.waiting, 0);
    assert.equal(due(), endMs);
  },
);

test("outbound: bytes in flight are bounded, but one message always goes", () => {
  const fixture = new OutboundFixture();
  fixture.attach(100);
  const large = "x".repeat(WINDOW_BYTES + 1);
  fixture.offer(`${large} small`);
  assert.equal(fixture.takePushes().length, 1);
  fixture.acknowledge(1);
  assert.deepEqual(fixture.takePushes(), ["small#2"]);
});

test("outbound: PUBREC frees the bytes, so a slow PUBCOMP does not hold the next message", () => {
  const fixture = new OutboundFixture();
  fixture.attach(100);
  fixture.offer(`${"x".repeat(WINDOW_BYTES + 1)} small`, 2);
  fixture.takePushes();
  fixture.receive(1);
  assert.deepEqual(fixture.takePushes(), ["small#2"]);
});

both("outbound: unknown and repeated acknowledgements change nothing", (fixture) => {
  fixture.attach(1);
  fixture.acknowledge(1);
  fixture.receive(1);
  fixture.offer("a b");
  fixture.receive(1);
  fixture.acknowledge(7);
  assert.deepEqual(fixture.takePushes(), ["a#1"], "PUBREC for QoS 1 is not an acknowledgement");
  fixture.acknowledge(1, 1);
  assert.deepEqual(fixture.takePushes(), ["b#2"]);
});

both(
  "outbound: the end hands shared messages on, but no QoS 2 exchange that has begun [MQTT-4.8.2-5]",
  (fixture) => {
    const shareFilter = "$share/g/a";
    fixture.attach(2);
    fixture.offerOne({ payload: "begun", qos: 2, shareFilter });
    fixture.offerOne({ payload: "in flight", shareFilter });
    fixture.offer("own");
    fixture.offerOne({ payload: "waiting", qos: 2, shareFilter });
    fixture.rig.attach("c", 100, { cleanStart: true });
    const handed = fixture.rig.settle().map(({ owed }) => {
      return owed.kind === "redispatch" && `${owed.shareFilter} ${payloadOf(owed.message)}`;
    });
    assert.deepEqual(handed, ["$share/g/a in flight", "$share/g/a waiting"]);
    assert.equal(fixture.gauge(Counter.INBOX_MESSAGES), 0);
    assert.equal(fixture.gauge(Counter.INBOX_BYTES), 0);
  },
);

both(
  "outbound: pushing stops while the way to the worker is full, identifiers do not",
  (fixture) => {
    const { rig } = fixture;
    fixture.attach(10);
    rig.recorder.isBlocked = true;
    fixture.offer("a b");
    assert.deepEqual(fixture.takePushes(), []);
    assert.equal(rig.range.find("t", "c")!.lastPacketId, 2);
    // The session cannot know of it, but whatever it says does no harm.
    fixture.acknowledge(1);
    rig.recorder.isBlocked = false;
    fixture.offer("c");
    assert.deepEqual(fixture.takePushes(), [], "nothing overtakes");
    rig.range.resume(1, 0);
    fixture.offer("d");
    assert.deepEqual(fixture.takePushes(), ["b#2", "c#3", "d#4"]);
  },
);

both("outbound: a message for several sessions is stored once, and counted once", (fixture) => {
  const { rig } = fixture;
  for (const client of ["d", "e"]) {
    rig.attach(client, 50);
    rig.detach(client, 50);
  }
  rig.save();
  const before = rig.store.size;
  const form = { qos: 1, retain: false, subscriptionIdentifiers: [], shareFilter: null };
  const receivers = ["c", "d", "e"].map((client) => ({
    incarnation: rig.incarnation(client),
    ...form,
  }));
  const large = "x".repeat(1000);
  rig.insert(message({ payload: large, topic: "t" }), receivers);
  rig.save();
  assert.equal(fixture.gauge(Counter.INBOX_MESSAGES), 3);
  assert.equal(fixture.gauge(Counter.INBOX_BYTES), 1001);
  assert.equal(rig.store.size, before + 5, "three chunks, one message, one sum");
  for (const client of ["c", "d", "e"]) {
    rig.attach(client, 60);
    rig.commit(client, 60, InboxOp.ACKNOWLEDGED, 1);
    rig.save();
  }
  assert.equal(rig.recorder.pushes.filter(({ payload }) => payload === large).length, 3);
  assert.equal(fixture.gauge(Counter.INBOX_BYTES), 0);
  assert.equal(rig.range.state.shared.size, 0);
});
