/**
 * Life of a stored session: attach, resume, clean start, will, expiry, end. Times in milliseconds.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { OPERATOR_USER } from "../../../../src/shared/base/operator-user.ts";
import {
  AttachStatus,
  DropReason,
  InboxOp,
  InboxSubscribeStatus,
  InsertStatus,
  NEVER_EXPIRES,
} from "../../../../src/shared/inbox/inbox-types.ts";
import { writeDue, writeLost } from "../../../../src/shared/inbox/log-command.ts";
import { LAST_TOKEN } from "../../../../src/shared/inbox/range/inbox-range.ts";
import { Counter } from "../../../../src/shared/metrics/counter-table.ts";
import { NO_LIMITS } from "../../../helpers/inbox-rig.ts";
import { message, OPTIONS, payloadOf } from "../../../helpers/service-workers.ts";
import { both, SessionFixture, will } from "../../../helpers/session-fixture.ts";

both(
  "session: attach creates, resumes and reports what is stored [MQTT-3.1.2-5] [MQTT-3.1.2-6]",
  (fixture) => {
    const { rig } = fixture;
    assert.equal(fixture.attach().sessionPresent, false);
    fixture.subscribe("a/#");
    rig.commit("c", 1, InboxOp.INBOUND_ADD, 9);
    fixture.detach();
    const reply = fixture.attach();
    assert.equal(reply.sessionPresent, true);
    assert.deepEqual(reply.subscriptions, [{ filter: "a/#", options: OPTIONS }]);
    assert.deepEqual(reply.inboundPacketIds, [9]);
    assert.equal(reply.incarnation, rig.incarnation("c"));
    assert.equal(fixture.sessions, 1);
  },
);

both(
  "session: clean start discards the stored session and its routes [MQTT-3.1.2-4]",
  (fixture) => {
    fixture.attach();
    fixture.subscribe("a");
    fixture.insert("old");
    const first = fixture.rig.incarnation("c");
    fixture.detach();
    const reply = fixture.attach({ cleanStart: true });
    assert.equal(reply.sessionPresent, false);
    assert.deepEqual(reply.subscriptions, []);
    assert.ok(reply.incarnation > first, "a later incarnation");
    assert.deepEqual(
      fixture.rig.settle().map(({ owed }) => owed),
      [{ kind: "routes", tenantId: "t", clientId: "c", incarnation: first, filters: ["a"] }],
    );
    assert.deepEqual(fixture.rig.recorder.takePushes(), ["old#1"], "only to the first connection");
    assert.equal(fixture.messages, 0);
  },
);

both(
  "session: expiry 0 creates nothing, discards with clean start, and resumes once without",
  (fixture) => {
    const transient = { sessionExpirySeconds: 0 };
    assert.equal(fixture.attach(transient).status, AttachStatus.ABSENT);
    assert.equal(fixture.sessions, 0);
    fixture.attach();
    fixture.detach();
    const resumed = fixture.attach(transient);
    assert.deepEqual([resumed.status, resumed.sessionPresent], [AttachStatus.ATTACHED, true]);
    fixture.detach();
    assert.equal(fixture.sessions, 0, "ended at detach");
    fixture.attach();
    fixture.detach();
    assert.equal(fixture.attach({ ...transient, cleanStart: true }).status, AttachStatus.DISCARDED);
    assert.equal(fixture.sessions, 0);
  },
);

both(
  "session: it ends when its expiry is over, not before and not while attached [MQTT-4.1.0-2]",
  (fixture) => {
    fixture.attach({ sessionExpirySeconds: 5 });
    assert.equal(fixture.rig.range.nextDeadlineMs, Number.POSITIVE_INFINITY);
    fixture.timeIs(1000);
    fixture.detach();
    assert.equal(fixture.rig.range.nextDeadlineMs, 6000);
    fixture.timeIs(5999);
    assert.equal(fixture.sessions, 1);
    fixture.timeIs(6000);
    assert.equal(fixture.sessions, 0);
    assert.equal(fixture.rig.range.state.expired.get("t"), 1);
    assert.equal(fixture.attach().sessionPresent, false);
  },
);

both("session: DISCONNECT may change the expiry; 0xFFFFFFFF never ends", (fixture) => {
  fixture.attach({ sessionExpirySeconds: 5 });
  fixture.detach({ expirySeconds: NEVER_EXPIRES });
  assert.equal(fixture.rig.range.nextDeadlineMs, Number.POSITIVE_INFINITY);
  fixture.attach();
  fixture.detach({ expirySeconds: 0 });
  assert.equal(fixture.sessions, 0);
});

test("session: the will is published after its delay or at the session's end [MQTT-3.1.2-8]", () => {
  for (const [delaySeconds, expirySeconds, dueMs] of [
    [3, 10, 3000],
    [10, 3, 3000],
    [3, 3, 3000],
    [0, 10, 0],
    [10, 0, 0],
  ] as const) {
    const fixture = new SessionFixture(true);
    fixture.attach();
    fixture.detach();
    fixture.attach({ sessionExpirySeconds: expirySeconds, will: will(delaySeconds) });
    fixture.detach();
    const about = `delay ${delaySeconds}, expiry ${expirySeconds}`;
    if (dueMs > 0) {
      fixture.timeIs(dueMs - 1);
      assert.deepEqual(fixture.wills, [], `${about}: early`);
    }
    fixture.timeIs(dueMs);
    assert.deepEqual(fixture.wills, ["will"], about);
    fixture.timeIs(1_000_000);
    assert.deepEqual(fixture.wills, [], "once [MQTT-3.1.2-10]");
    assert.equal(fixture.rig.counters[Counter.WILLS_PUBLISHED], 1);
  }
});

test("session: a will's own expiry counts from its publication", () => {
  const fixture = new SessionFixture();
  fixture.attach({ will: will(50, "will", 7) });
  fixture.detach();
  fixture.timeIs(50_000);
  const [record] = fixture.rig.settle();
  assert.ok(record?.owed.kind === "will");
  assert.equal(record.owed.message.receivedAtMs, 50_000);
  assert.equal(record.owed.message.expirySeconds, 7);
});

both("session: coming back in time suppresses the will [MQTT-3.1.3-9]", (fixture) => {
  fixture.attach({ will: will(10) });
  fixture.detach();
  fixture.timeIs(9_999);
  fixture.attach();
  fixture.detach();
  fixture.timeIs(60_000);
  assert.deepEqual(fixture.wills, []);
});

both("session: no will is published while it is attached, whatever was due before", (fixture) => {
  fixture.attach({ will: will(10) });
  fixture.detach();
  fixture.timeIs(5_000);
  fixture.attach({ will: will(10, "next") });
  const incarnation = fixture.rig.incarnation("c");
  fixture.timeIs(60_000);
  // Proposed before the client came back.
  fixture.rig.command((writer) => writeDue(writer, incarnation));
  assert.deepEqual(fixture.wills, []);
  fixture.detach();
  fixture.timeIs(69_999);
  assert.deepEqual(fixture.wills, []);
  fixture.timeIs(70_000);
  assert.deepEqual(fixture.wills, ["next"]);
});

both("session: one that ended early leaves no deadline behind", (fixture) => {
  fixture.attach({ will: will(10) });
  fixture.detach();
  fixture.insert("m", { expirySeconds: 5 });
  fixture.attach({ cleanStart: true, sessionExpirySeconds: 0 });
  assert.equal(fixture.rig.range.nextDeadlineMs, Number.POSITIVE_INFINITY);
  assert.equal(fixture.sessions, 0);
  assert.deepEqual(fixture.wills, ["will"]);
});

both("session: a clean DISCONNECT forgets the will [MQTT-3.14.4-3]", (fixture) => {
  fixture.attach({ will: will(0) });
  fixture.detach({ discardWill: true });
  fixture.timeIs(1_000_000);
  assert.deepEqual(fixture.wills, []);
});

both("session: a clean start that discards it publishes its waiting will", (fixture) => {
  fixture.attach({ will: will(50) });
  fixture.detach();
  fixture.attach({ cleanStart: true, will: will(0, "next") });
  assert.deepEqual(fixture.wills, ["will"]);
});

test("session: a takeover without a detach publishes an undelayed will, and resumes over a delayed one", () => {
  for (const [delaySeconds, published] of [
    [0, ["will"]],
    [1, []],
  ] as const) {
    const fixture = new SessionFixture();
    fixture.attach({ will: will(delaySeconds) });
    assert.equal(fixture.attach().sessionPresent, true);
    assert.equal(fixture.rig.range.state.attached(1, 1), null);
    assert.deepEqual(fixture.wills, published);
  }
});

test("session: a takeover of one that ends with its connection starts a new one", () => {
  const fixture = new SessionFixture();
  fixture.attach();
  fixture.detach();
  fixture.attach({ sessionExpirySeconds: 0 });
  assert.equal(fixture.attach().sessionPresent, false);
  assert.equal(fixture.sessions, 1);
});

both(
  "session: the operator ends one that is another user's, and hears whether there was one",
  (fixture) => {
    fixture.attach({ epoch: 10, will: will(60) });
    fixture.subscribe("a");
    fixture.insert("m");
    fixture.detach();
    const operator = { userId: OPERATOR_USER, cleanStart: true, sessionExpirySeconds: 0 };
    const { ABSENT, ATTACHED, DISCARDED } = AttachStatus;
    assert.equal(fixture.attach({ epoch: 11, ...operator }).status, DISCARDED);
    assert.deepEqual(fixture.wills, ["will"]);
    assert.deepEqual([fixture.sessions, fixture.messages], [0, 0]);
    assert.equal(fixture.attach({ epoch: 12, ...operator }).status, ABSENT);
    assert.equal(fixture.attach({ epoch: 13, userId: "another" }).status, ATTACHED);
  },
);

both("session: an older epoch and another user are refused and change nothing", (fixture) => {
  fixture.attach({ epoch: 10 });
  fixture.insert("m");
  const { UNAVAILABLE, WRONG_USER } = AttachStatus;
  assert.equal(fixture.attach({ epoch: 9, cleanStart: true }).status, UNAVAILABLE);
  assert.equal(fixture.attach({ epoch: 11, userId: "x" }).status, WRONG_USER);
  const thief = { epoch: 12, userId: "x", cleanStart: true, sessionExpirySeconds: 0 };
  assert.equal(fixture.attach(thief).status, WRONG_USER);
  assert.ok(fixture.rig.range.state.attached(1, 1) !== null);
  assert.equal(fixture.messages, 1);
});

test("session: what routes of an ended incarnation still match is refused", () => {
  const fixture = new SessionFixture();
  fixture.attach();
  const incarnation = fixture.rig.incarnation("c");
  fixture.attach({ cleanStart: true });
  const form = { qos: 1, retain: false, subscriptionIdentifiers: [], shareFilter: null };
  const statuses = fixture.rig.insert(message(), [
    { incarnation, ...form },
    { incarnation: 0, ...form },
    { incarnation: fixture.rig.incarnation("c"), ...form },
  ]);
  const { NO_INBOX, STORED } = InsertStatus;
  assert.deepEqual(statuses, [NO_INBOX, NO_INBOX, STORED]);
});

both(
  "session: unsubscribing owes the removal of the route, and what is not subscribed is said so",
  (fixture) => {
    fixture.attach();
    fixture.subscribe("a");
    const { rig } = fixture;
    rig.unsubscribe("c", 1, "A");
    assert.equal(rig.recorder.missed, 1);
    rig.unsubscribe("c", 1, "a");
    const [record] = rig.settle();
    assert.ok(record?.owed.kind === "routes");
    assert.deepEqual(record.owed.filters, ["a"]);
    assert.ok(record.requester !== null, "somebody waits");
    assert.equal(fixture.insert("m"), InsertStatus.STORED);
    assert.deepEqual(fixture.attach().subscriptions, []);
  },
);

both("session: the limit on subscriptions spares replacements", (fixture) => {
  fixture.attach();
  for (const filter of ["a", "b", "a"]) fixture.rig.subscribe("c", 1, filter, 1);
  assert.deepEqual(fixture.rig.recorder.refusals, [InboxSubscribeStatus.QUOTA]);
  assert.equal(fixture.rig.recorder.routes.length, 2);
  assert.equal(fixture.attach().subscriptions.length, 1);
});

both("session: resuming, it asks for its routes again, and answers nobody for them", (fixture) => {
  fixture.attach();
  fixture.subscribe("a");
  fixture.detach();
  fixture.rig.recorder.routes.length = 0;
  fixture.attach();
  assert.deepEqual(fixture.rig.recorder.routes, [{ filter: "a", answered: false }]);
});

both(
  "session: expired messages of a sleeping one are dropped by time, and it is told",
  (fixture) => {
    fixture.attach({ sessionExpirySeconds: NEVER_EXPIRES });
    fixture.detach();
    fixture.insert("m", { expirySeconds: 5 });
    assert.equal(fixture.rig.range.nextDeadlineMs, 65_000);
    fixture.timeIs(65_000);
    assert.equal(fixture.messages, 0);
    assert.equal(fixture.rig.counters[Counter.DROPPED_EXPIRED], 1);
    assert.equal(fixture.rig.range.nextDeadlineMs, Number.POSITIVE_INFINITY);
    const time = { firstPosition: 0, firstMs: 65_000, lastPosition: 0, lastMs: 65_000 };
    assert.deepEqual(fixture.attach().drops, [{ reason: DropReason.EXPIRED, count: 1, ...time }]);
    assert.deepEqual(fixture.attach().drops, [], "told once");
  },
);

test("session: every dropped message is counted by reason, with its first and last position", () => {
  const { rig } = new SessionFixture();
  rig.attach("c", 1);
  rig.detach("c", 1);
  const incarnation = rig.incarnation("c");
  const form = { qos: 1, retain: false, subscriptionIdentifiers: [], shareFilter: null };
  const full = { ...NO_LIMITS, sessionInboxSize: 2 };
  for (let i = 0; i < 5; i++) {
    rig.nowMs = i * 10;
    rig.insert(message({ payload: `${i}` }), [{ incarnation, ...form }], full);
    rig.crash();
  }
  for (const limits of [{ sessionBytes: 900 }, { tenantRoom: 9 }, { processRoom: 9 }]) {
    rig.insert(message(), [{ incarnation, ...form }], { ...NO_LIMITS, ...limits });
  }
  rig.save();
  rig.crash();
  const at = (position: number) => {
    return { count: 1, firstPosition: position, firstMs: 40, lastPosition: position, lastMs: 40 };
  };
  assert.deepEqual(rig.attach("c", 2).drops, [
    { reason: DropReason.QUEUE_FULL, ...at(4), count: 3, firstPosition: 2, firstMs: 20 },
    { reason: DropReason.SESSION_BYTES, ...at(5) },
    { reason: DropReason.TENANT_BYTES, ...at(6) },
    { reason: DropReason.PROCESS_BYTES, ...at(7) },
  ]);
});

test("session: thousands that end at once are named in portions", () => {
  const { rig } = new SessionFixture();
  for (let i = 0; i < 9000; i++) {
    rig.attach(`c${i}`, i + 1, { sessionExpirySeconds: 1 });
    rig.detach(`c${i}`, i + 1);
  }
  const counts = [1, 2, 3, 4].map(() => {
    let count = 0;
    rig.range.pollDue(1000, () => {
      count += 1;
    });
    return count;
  });
  assert.deepEqual(counts, [4000, 4000, 1000, 0]);
  assert.equal(rig.range.nextDeadlineMs, 11_000, "again, should the commands get lost");
});

test("session: a lost worker detaches only its own, and those attached later stay", () => {
  const { rig } = new SessionFixture();
  rig.attach("c", 1, { will: will(0) });
  rig.attach("d", 5, { will: will(0, "later") });
  rig.boot = 2;
  rig.attach("e", 1, { will: will(0, "other") });
  rig.command((writer) => writeLost(writer, 0, 1, 4));
  const attached = (client: string) => rig.range.find("t", client)?.isAttached;
  assert.deepEqual(["c", "d", "e"].map(attached), [false, true, true]);
  rig.command((writer) => writeLost(writer, 0, 1, LAST_TOKEN));
  assert.deepEqual(["c", "d", "e"].map(attached), [false, false, true]);
  const wills = rig.settle().map(({ owed }) => owed.kind === "will" && payloadOf(owed.message));
  assert.deepEqual(wills, ["will", "later"]);
});

test("session: it is online from attach to detach, through takeovers, and never after its end", () => {
  const fixture = new SessionFixture();
  const { online } = fixture.rig.recorder;
  fixture.attach();
  fixture.attach();
  assert.deepEqual([...online], ["c"]);
  fixture.detach();
  assert.deepEqual([...online], []);
  fixture.attach({ cleanStart: true });
  assert.deepEqual([...online], ["c"]);
  fixture.detach({ expirySeconds: 0 });
  assert.deepEqual([...online], []);
});

test("session: tenants do not see each other", () => {
  const fixture = new SessionFixture();
  fixture.attach();
  assert.equal(fixture.attach({ tenantId: "u", epoch: 1 }).sessionPresent, false);
  assert.equal(fixture.sessions, 2);
  assert.notEqual(fixture.rig.incarnation("c", "t"), fixture.rig.incarnation("c", "u"));
});

both("session: a will that is revoked is not published, also after a crash", (fixture) => {
  const { rig } = fixture;
  fixture.attach({ will: will(0) });
  rig.commit("c", fixture.token, InboxOp.FORGET_WILL, 0);
  rig.crash();
  assert.deepEqual(fixture.wills, []);
  fixture.attach({ will: will(0, "next") });
  rig.crash();
  assert.deepEqual(fixture.wills, ["next"]);
});
