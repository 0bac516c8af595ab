/** What of a stored session outlives the process. Times in milliseconds. */

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  AttachStatus,
  DropReason,
  type DropReport,
  InsertStatus,
} from "../../../../src/shared/inbox/inbox-types.ts";
import { workerBoot } from "../../../../src/shared/range/worker-life.ts";
import { type InboxRig, NO_LIMITS } from "../../../helpers/inbox-rig.ts";
import { message, payloadOf } from "../../../helpers/service-workers.ts";
import { SessionFixture, will } from "../../../helpers/session-fixture.ts";

test("session: after a crash it is detached from then on, its will and its end follow", () => {
  for (const isSaved of [true, false]) {
    const fixture = new SessionFixture(isSaved);
    const { rig } = fixture;
    fixture.attach({ will: will(3), sessionExpirySeconds: 10 });
    fixture.subscribe("a");
    rig.nowMs = 50_000;
    rig.crash();
    assert.equal(rig.recorder.pushes.length + rig.recorder.replies.length, 0, "nobody is told");
    rig.advance(2_999);
    assert.deepEqual(fixture.wills, []);
    rig.advance(1);
    assert.deepEqual(fixture.wills, ["will"]);
    rig.advance(6_999);
    assert.equal(fixture.sessions, 1);
    rig.advance(1);
    assert.equal(fixture.sessions, 0);
  }
});

test("session: epochs begin anew with every process, and fence within one [MQTT-3.1.4-3]", () => {
  const fixture = new SessionFixture(true);
  const { rig } = fixture;
  fixture.attach({ epoch: 1000 });
  assert.equal(fixture.attach({ epoch: 999 }).status, AttachStatus.UNAVAILABLE);
  rig.crash();
  rig.boot = workerBoot(2, 1);
  const reply = fixture.attach({ epoch: 1 });
  assert.deepEqual([reply.status, reply.sessionPresent], [AttachStatus.ATTACHED, true]);
  assert.equal(fixture.attach({ epoch: 0 }).status, AttachStatus.UNAVAILABLE);
});

test("session: what was owed and not done is owed again after a crash", () => {
  for (const isSaved of [true, false]) {
    const fixture = new SessionFixture(isSaved);
    const { rig } = fixture;
    fixture.attach({ will: will(0), sessionExpirySeconds: 10 });
    fixture.subscribe("a");
    fixture.insert("shared", { shareFilter: "$share/g/a" });
    fixture.detach({ expirySeconds: 0 });
    const kinds = rig.recorder.owed.map(({ owed }) => owed.kind);
    assert.deepEqual(kinds, ["will", "routes", "redispatch"]);
    rig.crash();
    const again = rig.settle();
    assert.deepEqual(
      again.map(({ owed }) => owed.kind),
      kinds,
    );
    assert.ok(again.every(({ requester }) => requester === null));
    rig.crash();
    assert.deepEqual(rig.settle(), []);
  }
});

test("session: a long queue of one that has ended goes piece by piece, across a crash too", () => {
  const fixture = new SessionFixture();
  const { rig } = fixture;
  fixture.attach();
  fixture.detach();
  const incarnation = rig.incarnation("c");
  const form = { qos: 1, retain: false, subscriptionIdentifiers: [], shareFilter: null };
  const room = { ...NO_LIMITS, sessionInboxSize: 100_000 };
  for (let i = 0; i < 10_000; i++) rig.insert(message(), [{ incarnation, ...form }], room);
  rig.save();
  fixture.attach({ cleanStart: true });
  assert.equal(fixture.messages, 5904);
  rig.crash();
  assert.equal(fixture.messages, 5904);
  assert.equal(rig.insert(message(), [{ incarnation, ...form }])[0], InsertStatus.NO_INBOX);
  rig.advance(0);
  assert.equal(fixture.messages, 0);
  rig.attach("c", 100, { cleanStart: true, sessionExpirySeconds: 0 });
  rig.save();
  rig.save();
  assert.equal(rig.store.size, 1, "its counters");
});

test("session: a group member's long queue is handed over so many bytes at a time, across a crash too", () => {
  const fixture = new SessionFixture();
  const { rig } = fixture;
  fixture.attach();
  fixture.detach();
  const incarnation = rig.incarnation("c");
  const plain = { qos: 1, retain: false, subscriptionIdentifiers: [] };
  const form = { incarnation, ...plain, shareFilter: "$share/g/a" };
  const names = Array.from({ length: 160 }, (_, at) => `${at}`.padEnd(64 * 1024));
  for (const payload of names) rig.insert(message({ payload }), [form]);
  rig.save();
  fixture.attach({ cleanStart: true, sessionExpirySeconds: 0 });
  const owed = () => rig.range.state.outbox.size;
  const portion = owed();
  assert.ok(portion >= 60 && portion <= 64, `${portion} messages`);
  rig.advance(1000);
  assert.equal(owed(), portion, "the rest waits until others have taken some");
  rig.crash();
  assert.equal(owed(), portion);
  const handed: string[] = [];
  for (let turn = 0; turn < 3; turn++) {
    for (const { owed: record } of rig.settle()) {
      if (record.kind === "redispatch") handed.push(payloadOf(record.message)!);
    }
    rig.save();
    rig.crash();
    rig.advance(1000);
  }
  assert.deepEqual(handed, names);
  assert.equal(fixture.messages, 0);
  assert.equal(rig.range.state.inboxes.size, 0);
});

test("session: word of what it has missed is owed when it is resumed, until it is said", () => {
  const { rig } = new SessionFixture();
  const drops = [missOne(rig)];
  rig.attach("c", 2);
  const owed = { kind: "missed", tenantId: "t", clientId: "c", isOver: false, drops };
  for (const crash of [() => {}, () => rig.crash(), () => rig.save(), () => rig.crash()]) {
    crash();
    assert.deepEqual(
      rig.recorder.owed.map((record) => record.owed),
      [owed],
    );
  }
  rig.settle();
  rig.crash();
  rig.attach("c", 3);
  assert.deepEqual(rig.recorder.owed, [], "said once");
});

test("session: a group member's long queue is handed over so many bytes at a time, across a crash too", () => {
  const fixture = new SessionFixture();
  const { rig } = fixture;
  fixture.attach();
  fixture.detach();
  const incarnation = rig.incarnation("c");
  const plain = { qos: 1, retain: false, subscriptionIdentifiers: [] };
  const form = { incarnation, ...plain, shareFilter: "$share/g/a" };
  const names = Array.from({ length: 160 }, (_, at) => `${at}`.padEnd(64 * 1024));
  for (const payload of names) rig.insert(message({ payload }), [form]);
  rig.save();
  fixture.attach({ cleanStart: true, sessionExpirySeconds: 0 });
  const owed = () => rig.range.state.outbox.size;
  const portion = owed();
  assert.ok(portion >= 60 && portion <= 64, `${portion} messages`);
  rig.advance(1000);
  assert.equal(owed(), portion, "the rest waits until others have taken some");
  rig.crash();
  assert.equal(owed(), portion);
  const handed: string[] = [];
  for (let turn = 0; turn < 3; turn++) {
    for (const { owed: record } of rig.settle()) {
      if (record.kind === "redispatch") handed.push(payloadOf(record.message)!);
    }
    rig.save();
    rig.crash();
    rig.advance(1000);
  }
  assert.deepEqual(handed, names);
  assert.equal(fixture.messages, 0);
  assert.equal(rig.range.state.inboxes.size, 0);
});

test("session: word of what it has missed is owed when its client never came back", () => {
  const { rig } = new SessionFixture();
  const drops = [missOne(rig)];
  rig.crash();
  rig.advance(3600 * 1000);
  const owed = rig.settle().map((record) => record.owed);
  assert.deepEqual(owed, [{ kind: "missed", tenantId: "t", clientId: "c", isOver: true, drops }]);
});

/** Session "c" is away, and one message of two did not fit; the report of it. */
function missOne(rig: InboxRig): DropReport {
  rig.attach("c", 1);
  rig.detach("c", 1);
  const form = { qos: 1, retain: false, subscriptionIdentifiers: [], shareFilter: null };
  const receiver = { incarnation: rig.incarnation("c"), ...form };
  const full = { ...NO_LIMITS, sessionInboxSize: 1 };
  for (const payload of ["0", "1"]) rig.insert(message({ payload }), [receiver], full);
  const reason = DropReason.QUEUE_FULL;
  return { reason, count: 1, firstPosition: 1, firstMs: 0, lastPosition: 1, lastMs: 0 };
}
