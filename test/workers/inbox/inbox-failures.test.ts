/**
 * The inbox service when workers die, logs take nothing, disks are full and ranges are cut.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { NEVER_EXPIRES } from "../../../src/shared/inbox/inbox-types.ts";
import type { InboxRange } from "../../../src/shared/inbox/range/inbox-range.ts";
import { Counter } from "../../../src/shared/metrics/counter-table.ts";
import { RefusalReason } from "../../../src/shared/range/refusal-reason.ts";
import { ServiceId } from "../../../src/shared/range/service-id.ts";
import { PublishOutcome } from "../../../src/workers/dist/dist-api.ts";
import {
  AttachStatus,
  InboxOp,
  InboxSubscribeStatus,
  InsertStatus,
} from "../../../src/workers/inbox/inbox-api.ts";
import {
  FakeSession,
  InboxWorkers,
  message,
  OPTIONS,
  payloadOf,
  receiver,
} from "../../helpers/service-workers.ts";
import { nothing, ownedBy } from "./owned-by.ts";

test("inbox service: a dead owner closes its sessions, fails what waits, and comes back with them", () => {
  const workers = new InboxWorkers(2);
  const clientId = ownedBy(workers, 1);
  const session = new FakeSession("t", clientId, 1);
  const elsewhere = new FakeSession("t", ownedBy(workers, 2), 1);
  const will = { message: message({ payload: "gone" }), delaySeconds: 0 };
  workers.attach(2, session, { will });
  workers.attach(2, elsewhere);
  workers.insert(1, clientId, ["kept"]);
  const client = workers.services(2).inboxClient;
  const receivers = [receiver(workers.incarnation(clientId))];
  const seen: unknown[] = [];
  client.commit(session, InboxOp.RECEIVED, 1, () => seen.push("received"));
  const wanted = { filter: "a", options: OPTIONS };
  client.subscribe(session, wanted, 0, (status) => seen.push(["subscribe", status]));
  client.unsubscribe(session, "a", (existed) => seen.push(["unsubscribe", existed]));
  client.insert(message(), receivers, (statuses) => seen.push(["insert", [...statuses]]));
  const leaving = new FakeSession("t", ownedBy(workers, 1, 500), 1);
  workers.attach(2, leaving);
  seen.length = 0;
  client.commit(session, InboxOp.RECEIVED, 1, () => seen.push("received"));
  client.subscribe(session, wanted, 0, (status) => seen.push(["subscribe", status]));
  client.insert(message(), receivers, (statuses) => seen.push(["insert", [...statuses]]));
  client.detach(leaving, -1, true, () => seen.push("detached"));
  const attaching = new FakeSession("t", ownedBy(workers, 1, 1000), 1);
  const request = {
    tenantId: "t",
    clientId: attaching.clientId,
    userId: "user",
    epoch: 1,
    cleanStart: false,
    sessionExpirySeconds: 60,
    receiveMaximum: 1,
    will: null,
  };
  client.attach(request, attaching, (reply) => seen.push(["attach", reply.status]));
  workers.restart(1);
  const { UNAVAILABLE } = InsertStatus;
  assert.deepEqual(seen, [
    ["attach", AttachStatus.UNAVAILABLE],
    "detached",
    ["subscribe", InboxSubscribeStatus.UNAVAILABLE],
    ["insert", [UNAVAILABLE]],
  ]);
  assert.deepEqual([session.lost, elsewhere.lost, attaching.lost], [1, 0, 0]);
  workers.run();
  assert.deepEqual(workers.published.map(payloadOf), ["gone"], "to its sessions a network failure");
  const next = new FakeSession("t", clientId, 2);
  assert.equal(workers.attach(2, next)?.sessionPresent, true);
  assert.equal(next.takePayloads()[0], "kept");
});

/** A session of client "c" whose will is due now, with whatever `outcome` it meets. */
function makeWillDue(workers: InboxWorkers, outcome: PublishOutcome, isDiskFull = false): void {
  const session = new FakeSession("t", "c", 1);
  const will = { message: message({ payload: "will" }), delaySeconds: 0 };
  workers.attach(1, session, { will, sessionExpirySeconds: NEVER_EXPIRES });
  workers.outcome = outcome;
  workers.ranges.clients[1]!.isDiskFull = isDiskFull;
  workers.services(1).inboxClient.detach(session, -1, false, nothing);
  workers.run();
}

/** The same, published. */
function leaveWill(workers: InboxWorkers, outcome: PublishOutcome, isDiskFull = false): void {
  makeWillDue(workers, outcome, isDiskFull);
  assert.deepEqual(workers.published.map(payloadOf), ["will"]);
}

test("inbox service: a will that fails is published again, less and less often, for stored sessions alone", () => {
  const workers = new InboxWorkers(1);
  leaveWill(workers, PublishOutcome.FAILED);
  const triesMs: number[] = [];
  const startMs = workers.nowMs;
  for (let seen = 0; workers.nowMs < startMs + 40_000; ) {
    const dueMs = workers.services(1).nextDeadlineMs;
    assert.ok(dueMs > workers.nowMs);
    workers.advance(dueMs - workers.nowMs);
    if (workers.publishedForStored.length > seen) triesMs.push(workers.nowMs - startMs);
    seen = workers.publishedForStored.length;
  }
  assert.deepEqual(triesMs, [250, 750, 1750, 3750, 7750, 15_750, 31_750, 47_750]);
  workers.outcome = PublishOutcome.DELIVERED;
  workers.advance(16_000);
  assert.equal(workers.publishedForStored.length, 9);
  assert.equal(workers.services(1).nextDeadlineMs, Number.POSITIVE_INFINITY);
  assert.equal(workers.published.length, 1, "connected sessions had it at once");
  workers.restart(1);
  workers.run();
  assert.equal(workers.published.length, 1, "nothing is owed any more");
});

test("inbox service: wills that a full disk has no room for wait for space, all of them", () => {
  const workers = new InboxWorkers(1);
  const client = workers.ranges.clients[1]!;
  leaveWill(workers, PublishOutcome.NO_ROOM, true);
  for (let more = 0; more < 300; more++) {
    const session = new FakeSession("t", `more-${more}`, 1);
    const will = { message: message({ payload: `will ${more}` }), delaySeconds: 0 };
    client.isDiskFull = false;
    workers.attach(1, session, { will, sessionExpirySeconds: NEVER_EXPIRES });
    client.isDiskFull = true;
    workers.services(1).inboxClient.detach(session, -1, false, nothing);
    workers.run();
  }
  assert.equal(workers.published.length, 301);
  assert.equal(workers.services(1).nextDeadlineMs, Number.POSITIVE_INFINITY);
  workers.advance(60_000);
  assert.deepEqual(workers.publishedForStored, [], "it would be refused again");
  workers.outcome = PublishOutcome.DELIVERED;
  client.isDiskFull = false;
  assert.equal(workers.services(1).nextDeadlineMs, 0);
  workers.advance(1);
  assert.equal(workers.publishedForStored.length, 256, "so many in one turn");
  workers.advance(1);
  assert.equal(new Set(workers.publishedForStored.map(payloadOf)).size, 301);
  assert.equal(workers.services(1).nextDeadlineMs, Number.POSITIVE_INFINITY);
});

test("inbox service: a will waits for routes that are missing, and then goes to everybody", () => {
  const workers = new InboxWorkers(1);
  const client = workers.ranges.clients[1]!;
  client.areRoutesWhole = false;
  makeWillDue(workers, PublishOutcome.DELIVERED);
  assert.deepEqual([workers.published, workers.publishedForStored], [[], []]);
  assert.equal(workers.services(1).nextDeadlineMs, Number.POSITIVE_INFINITY);
  client.areRoutesWhole = true;
  assert.equal(workers.services(1).nextDeadlineMs, 0);
  workers.advance(1);
  assert.equal(workers.published.length, 1);
  workers.advance(60_000);
  assert.deepEqual([workers.published.length, workers.publishedForStored.length], [1, 0]);
});

test("inbox service: a will too large for a log is not published for ever", () => {
  const workers = new InboxWorkers(1);
  leaveWill(workers, PublishOutcome.NO_ROOM);
  workers.advance(60_000);
  assert.deepEqual(workers.publishedForStored, []);
  assert.equal(workers.services(1).nextDeadlineMs, Number.POSITIVE_INFINITY);
});

test("inbox service: a group's message that the disk has no room for waits for space", () => {
  const workers = new InboxWorkers(1);
  const client = workers.ranges.clients[1]!;
  workers.attach(1, new FakeSession("t", "c", 1));
  const shared = receiver(workers.incarnation("c"), { shareFilter: "$share/g/a" });
  workers.services(1).inboxClient.insert(message({ payload: "m" }), [shared], null);
  workers.run();
  client.isDiskFull = true;
  workers.outcome = PublishOutcome.NO_ROOM;
  workers.attach(1, new FakeSession("t", "c", 2), { cleanStart: true, sessionExpirySeconds: 0 });
  workers.advance(60_000);
  assert.equal(workers.redispatched.length, 1);
  client.isDiskFull = false;
  workers.outcome = PublishOutcome.DELIVERED;
  workers.advance(1);
  workers.advance(60_000);
  assert.equal(workers.redispatched.length, 2, "again when there was room, and then not any more");
});

test("inbox service: what the log does not take fails, and a detach is proposed until it does", () => {
  const workers = new InboxWorkers(1);
  const session = new FakeSession("t", "c", 1);
  const will = { message: message({ payload: "will" }), delaySeconds: 0 };
  workers.attach(1, session, { will });
  const client = workers.services(1).inboxClient;
  const receivers = [receiver(workers.incarnation("c"))];
  const seen: unknown[] = [];
  for (const [reason, status] of [
    [RefusalReason.BUSY, InsertStatus.UNAVAILABLE],
    [RefusalReason.TOO_LARGE, InsertStatus.NO_ROOM],
  ] as const) {
    workers.ranges.refusal = reason;
    client.insert(message(), receivers, (statuses) => seen.push(...statuses));
    workers.run();
    assert.deepEqual(seen.splice(0), [status]);
  }
  client.subscribe(session, { filter: "a", options: OPTIONS }, 0, (status) => seen.push(status));
  client.commit(session, InboxOp.ACKNOWLEDGED, 1, null);
  workers.run();
  assert.deepEqual(seen.splice(0), [InboxSubscribeStatus.UNAVAILABLE]);
  assert.equal(session.lost, 1, "its inbox and its client would disagree");
  client.detach(session, -1, false, () => seen.push("detached"));
  workers.run();
  workers.advance(250);
  assert.deepEqual([seen, workers.published], [["detached"], []]);
  workers.ranges.refusal = null;
  workers.advance(250);
  assert.deepEqual(workers.published.map(payloadOf), ["will"]);
  workers.ranges.refusal = RefusalReason.UNAVAILABLE;
  const next = new FakeSession("t", "c", 2);
  assert.equal(workers.attach(1, next)?.status, AttachStatus.UNAVAILABLE);
});

test("inbox service: with the disk full nothing is stored, and what frees some goes on", () => {
  const workers = new InboxWorkers(1);
  const session = new FakeSession("t", "c", 1);
  workers.attach(1, session);
  workers.insert(1, "c", ["m"]);
  workers.ranges.clients[1]!.isDiskFull = true;
  assert.deepEqual(workers.insert(1, "c", ["n"]), [InsertStatus.NO_ROOM]);
  assert.equal(workers.counter(1, Counter.DROPPED_DISK_FULL), 1);
  workers.insert(1, "c", ["zero"], 0);
  assert.deepEqual(session.takePayloads(), ["m", "zero"]);
  const client = workers.services(1).inboxClient;
  const statuses: number[] = [];
  const wanted = { filter: "a", options: OPTIONS };
  client.subscribe(session, wanted, 0, (status) => statuses.push(status));
  assert.deepEqual(statuses, [InboxSubscribeStatus.QUOTA]);
  client.commit(session, InboxOp.ACKNOWLEDGED, 1, null);
  workers.run();
  assert.equal(workers.counter(1, Counter.INBOX_MESSAGES), 0);
});

test("inbox service: with the disk full no session is created, and those that are there go on", () => {
  const workers = new InboxWorkers(2);
  const clientId = ownedBy(workers, 2);
  const session = new FakeSession("t", clientId, 1);
  workers.attach(1, session);
  workers.services(1).inboxClient.detach(session, -1, false, nothing);
  workers.insert(1, clientId, ["m"]);
  const client = workers.ranges.clients[1]!;
  client.isDiskFull = true;
  const attach = (name: string, epoch: number, fields = {}) =>
    workers.attach(1, new FakeSession("t", name, epoch), fields)?.status;
  assert.equal(attach("new", 1), AttachStatus.QUOTA);
  assert.equal(attach("new", 2, { cleanStart: true }), AttachStatus.QUOTA);
  assert.equal(attach("new", 3, { sessionExpirySeconds: 0 }), AttachStatus.ABSENT);
  assert.equal(workers.total(Counter.PERSISTENT_SESSIONS), 1);
  const again = new FakeSession("t", clientId, 2);
  assert.equal(workers.attach(1, again)?.sessionPresent, true);
  assert.deepEqual(again.takePayloads(), ["m"]);
  assert.equal(attach(clientId, 3, { cleanStart: true }), AttachStatus.ATTACHED, "it frees some");
  client.isDiskFull = false;
  assert.equal(attach("new", 4), AttachStatus.ATTACHED);
});

test("inbox service: commands that meet a range that was cut are routed again, each receiver once", () => {
  const workers = new InboxWorkers(3);
  const names = Array.from({ length: 9 }, (_, i) => `c${i}`);
  for (const name of names) workers.attach(1, new FakeSession("t", name, 1));
  const client = workers.services(2).inboxClient;
  const session = new FakeSession("t", "late", 1);
  const statuses: number[] = [];
  const seen: unknown[] = [];
  const ids = [...names.map((name) => workers.incarnation(name)), 0];
  client.insert(
    message(),
    ids.map((id) => receiver(id)),
    (all) => statuses.push(...all),
  );
  const who = { tenantId: "t", clientId: "late", userId: "user", epoch: 1 };
  const how = { cleanStart: false, sessionExpirySeconds: 60, receiveMaximum: 5, will: null };
  client.attach({ ...who, ...how }, session, ({ status }) => seen.push(status));
  const wanted = { filter: "a", options: OPTIONS };
  client.subscribe(session, wanted, 0, (status) => seen.push(["subscribed", status]));
  client.unsubscribe(session, "a", (existed) => seen.push(["unsubscribed", existed]));
  client.commit(session, InboxOp.INBOUND_ADD, 5, () => seen.push("committed"));
  client.detach(session, -1, true, () => seen.push("detached"));
  workers.ranges.clients[2]!.reroute();
  workers.run();
  const { STORED, NO_INBOX } = InsertStatus;
  assert.deepEqual(statuses, [...names.map(() => STORED), NO_INBOX]);
  const answers = [AttachStatus.ATTACHED, ["subscribed", 0], "committed", "detached"];
  for (const answer of answers)
    assert.deepEqual(
      seen.find((one) => isDeepStrictEqual(one, answer)),
      answer,
    );
  assert.equal(seen.length, 5);
  for (const name of names) {
    const [range] = workers.ranges.ranges.filter(({ machine }) => {
      return (machine as InboxRange).find("t", name) !== null;
    });
    assert.equal((range!.machine as InboxRange).find("t", name)!.load, 1);
  }
});

test("inbox service: what a worker asked in an earlier life is not answered to its successor", () => {
  const workers = new InboxWorkers(2);
  const clientId = ownedBy(workers, 1);
  const session = new FakeSession("t", clientId, 1);
  workers.attach(2, session);
  workers.routes.isHeld = true;
  const wanted = { filter: "a", options: OPTIONS };
  workers.services(2).inboxClient.subscribe(session, wanted, 0, nothing);
  workers.run();
  workers.restart(2);
  const next = new FakeSession("t", clientId, 2);
  workers.attach(2, next);
  const seen: unknown[] = [];
  // Its first request too.
  workers.services(2).inboxClient.subscribe(next, wanted, 1, (status) => seen.push(status));
  workers.routes.confirmHeld();
  workers.mesh.deliver(1, 2);
  assert.deepEqual(seen, []);
  workers.run();
  workers.routes.confirmHeld();
  workers.run();
  assert.deepEqual(seen, [InboxSubscribeStatus.REPLACED]);
});

test("inbox service: an attach that was given up for lost and is applied later leaves nobody attached", () => {
  const workers = new InboxWorkers(2);
  const clientId = ownedBy(workers, 1);
  const { inboxClient } = workers.services(2);
  const who = { tenantId: "t", clientId, userId: "user", epoch: 1 };
  const will = { message: message({ payload: "will" }), delaySeconds: 0 };
  const how = { cleanStart: false, sessionExpirySeconds: 60, receiveMaximum: 5, will };
  const seen: unknown[] = [];
  const session = new FakeSession("t", clientId, 1);
  inboxClient.attach({ ...who, ...how }, session, ({ status }) => seen.push(status));
  workers.services(2).peerLost(1);
  assert.deepEqual(seen, [AttachStatus.UNAVAILABLE]);
  workers.run();
  assert.deepEqual(seen, [AttachStatus.UNAVAILABLE], "told once");
  assert.equal(workers.inboxRange(clientId)?.find("t", clientId)?.isAttached, false);
  assert.deepEqual(workers.published, []);
});

test("inbox service: who leaves nothing behind connects although the range of its name is set aside", () => {
  const workers = new InboxWorkers(1);
  const ranges = workers.ranges.clients[1]!;
  ranges.setAside(ranges.rangesOf(ServiceId.INBOX)[0]!);
  workers.ranges.refusal = RefusalReason.DAMAGED;
  const attach = (cleanStart: boolean, sessionExpirySeconds: number) => {
    const fields = { cleanStart, sessionExpirySeconds };
    return workers.attach(1, new FakeSession("t", "c", 1), fields)?.status;
  };
  assert.equal(attach(true, 0), AttachStatus.ABSENT);
  assert.equal(attach(false, 0), AttachStatus.UNAVAILABLE, "it may be stored");
  assert.equal(attach(true, 10), AttachStatus.UNAVAILABLE, "it cannot be stored");
});

test("inbox service: whether a group's message is stored cannot be said while a range is set aside", () => {
  const workers = new InboxWorkers(2);
  const ranges = workers.ranges.clients[1]!;
  const answers: InsertStatus[] = [];
  const ask = () => {
    const { inboxClient } = workers.services(1);
    inboxClient.askTaken(message({ qos: 2 }), "$share/g/a", (status) => answers.push(status));
    workers.run();
  };
  ranges.setAside(ranges.rangesOf(ServiceId.INBOX)[1]!);
  ask();
  assert.deepEqual(answers, [InsertStatus.UNAVAILABLE]);
});
