/**
 * The inbox service over fake rings: several workers, commands and answers as records.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Counter } from "../../../src/shared/metrics/counter-table.ts";
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
  receiver,
  WINDOW_BYTES,
} from "../../helpers/service-workers.ts";
import { nothing, ownedBy } from "./owned-by.ts";

test("inbox service: attach, insert and push work from and to every worker", () => {
  for (const [sessionThread, owner] of [
    [1, 1],
    [1, 2],
    [2, 1],
  ] as const) {
    const workers = new InboxWorkers(2);
    const session = new FakeSession("t", ownedBy(workers, owner), 1);
    const reply = workers.attach(sessionThread, session);
    assert.equal(reply?.status, AttachStatus.ATTACHED);
    assert.equal(reply.sessionPresent, false);
    const statuses = workers.insert(2, session.clientId, ["one", "two"]);
    assert.deepEqual(statuses, [InsertStatus.STORED, InsertStatus.STORED]);
    assert.deepEqual(session.pushes, [
      { payload: "one", packetId: 1, qos: 1, dup: false },
      { payload: "two", packetId: 2, qos: 1, dup: false },
    ]);
  }
});

test("inbox service: a resumed session is answered before the first push reaches it", () => {
  const workers = new InboxWorkers(2);
  const first = new FakeSession("t", ownedBy(workers, 1), 1);
  workers.attach(2, first);
  workers.services(2).inboxClient.detach(first, -1, true, nothing);
  // More than one batch takes, so that pushes leave before the cycle ends.
  const waiting = Array.from({ length: 40 }, (_, i) => `${i}`.padEnd(1000));
  workers.insert(1, first.clientId, waiting);
  const second = new FakeSession("t", first.clientId, 2);
  let pushesAtReply = -1;
  workers.services(2).inboxClient.attach(
    {
      tenantId: "t",
      clientId: second.clientId,
      userId: "user",
      epoch: 2,
      cleanStart: false,
      sessionExpirySeconds: 60,
      receiveMaximum: 100,
      will: null,
    },
    second,
    (reply) => {
      assert.equal(reply.sessionPresent, true);
      pushesAtReply = second.pushes.length;
    },
  );
  workers.run();
  assert.equal(pushesAtReply, 0);
  assert.deepEqual(second.takePayloads(), waiting);
});

test("inbox service: subscribing is answered when every worker has the route", () => {
  const workers = new InboxWorkers(2);
  const session = new FakeSession("t", "c", 1);
  workers.attach(2, session);
  const client = workers.services(2).inboxClient;
  const statuses: number[] = [];
  workers.routes.isHeld = true;
  client.subscribe(session, { filter: "a/+", options: OPTIONS }, 0, (status) =>
    statuses.push(status),
  );
  workers.run();
  assert.deepEqual(statuses, []);
  workers.routes.confirmHeld();
  workers.run();
  assert.deepEqual(statuses, [InboxSubscribeStatus.NEW]);
  assert.deepEqual([...workers.routes.live], ["t||a/+|c"]);
});

test("inbox service: unsubscribing one shared group leaves the others and the plain filter", () => {
  const workers = new InboxWorkers(2);
  const session = new FakeSession("t", "c", 1);
  workers.attach(1, session);
  const client = workers.services(1).inboxClient;
  const answers: unknown[] = [];
  for (const filter of ["$share/one/a", "$share/two/a", "$oshare/one/a", "a", "a"]) {
    client.subscribe(session, { filter: filter, options: OPTIONS }, 0, (status) =>
      answers.push(status),
    );
  }
  client.unsubscribe(session, "$share/one/a", (existed) => answers.push(existed));
  client.unsubscribe(session, "$share/one/a", (existed) => answers.push(existed));
  workers.run();
  const { NEW, REPLACED } = InboxSubscribeStatus;
  assert.deepEqual(answers, [NEW, NEW, NEW, NEW, REPLACED, true, false]);
  assert.deepEqual([...workers.routes.live], ["t|two|a|c", "t|ordered one|a|c", "t||a|c"]);
});

test("inbox service: a full session may replace a subscription but not add one", () => {
  const workers = new InboxWorkers(1);
  const session = new FakeSession("t", "c", 1);
  workers.attach(1, session);
  const client = workers.services(1).inboxClient;
  const statuses: number[] = [];
  for (const filter of ["a", "b", "a"]) {
    client.subscribe(session, { filter: filter, options: OPTIONS }, 1, (status) =>
      statuses.push(status),
    );
  }
  workers.run();
  const { NEW, QUOTA, REPLACED } = InboxSubscribeStatus;
  assert.deepEqual(statuses, [NEW, QUOTA, REPLACED]);
});

test("inbox service: one insert for many inboxes stores the message once", () => {
  const workers = new InboxWorkers(1);
  const names = ["c1", "c2", "c3"];
  for (const name of names) {
    const session = new FakeSession("t", name, 1);
    workers.attach(1, session);
    workers.services(1).inboxClient.detach(session, -1, true, nothing);
  }
  let seen: number[] = [];
  const published = message({ topic: "abc", payload: "1".repeat(997) });
  workers.services(1).inboxClient.insert(
    published,
    [...names, "nobody"].map((name) => receiver(workers.incarnation(name))),
    (statuses) => {
      seen = [...statuses];
    },
  );
  workers.run();
  const { STORED, NO_INBOX } = InsertStatus;
  assert.deepEqual(seen, [STORED, STORED, STORED, NO_INBOX]);
  assert.equal(workers.counter(1, Counter.INBOX_MESSAGES), 3);
  assert.equal(workers.counter(1, Counter.INBOX_BYTES), 1000);
  assert.equal(workers.counter(1, Counter.PERSISTENT_SESSIONS), 3);
});

test("inbox service: sessions of one worker share one Message per publish", () => {
  const workers = new InboxWorkers(1);
  const sessions = ["c1", "c2"].map((name) => new FakeSession("t", name, 1));
  for (const session of sessions) workers.attach(1, session);
  const receivers = [
    receiver(workers.incarnation("c1"), { subscriptionIdentifiers: [7, 268_435_455] }),
    receiver(workers.incarnation("c2"), { qos: 2 }),
  ];
  workers.services(1).inboxClient.insert(message(), receivers, null);
  workers.run();
  assert.ok(sessions[0]!.messages[0] !== null);
  assert.equal(sessions[0]!.messages[0], sessions[1]!.messages[0]);
  assert.deepEqual(sessions[0]!.identifiers, [[7, 268_435_455]]);
  assert.deepEqual(sessions[1]!.identifiers, [[]]);
  assert.equal(sessions[1]!.pushes[0]!.qos, 2);
});

test("inbox service: PUBREL and PUBREC wait until their state is stored", () => {
  const workers = new InboxWorkers(2);
  const session = new FakeSession("t", ownedBy(workers, 1), 1);
  workers.attach(2, session);
  workers.insert(1, session.clientId, ["m"], 2);
  const client = workers.services(2).inboxClient;
  const stored: string[] = [];
  client.commit(session, InboxOp.RECEIVED, 1, () => stored.push("received"));
  client.commit(session, InboxOp.INBOUND_ADD, 77, () => stored.push("inbound"));
  const [range] = workers.ranges.ranges;
  const before = range!.log.length;
  workers.ranges.clients[2]!.flush();
  assert.equal(range!.log.length, before + 1, "one batch for both");
  assert.deepEqual(stored, []);
  workers.run();
  assert.deepEqual(stored, ["received", "inbound"]);
  client.detach(session, -1, true, nothing);
  const next = new FakeSession("t", session.clientId, 2);
  assert.deepEqual(workers.attach(1, next)?.inboundPacketIds, [77]);
  assert.deepEqual(next.pushes, [{ payload: null, packetId: 1, qos: 2, dup: false }]);
});

test("inbox service: acknowledgements of a replaced attachment change nothing and promise nothing", () => {
  const workers = new InboxWorkers(2);
  const old = new FakeSession("t", ownedBy(workers, 1), 1);
  workers.attach(2, old);
  workers.insert(1, old.clientId, ["m"], 2);
  const next = new FakeSession("t", old.clientId, 2);
  workers.attach(1, next);
  const stored: string[] = [];
  const client = workers.services(2).inboxClient;
  client.commit(old, InboxOp.INBOUND_ADD, 5, () => stored.push("inbound"));
  client.commit(old, InboxOp.ACKNOWLEDGED, 1, null);
  const statuses: number[] = [];
  client.subscribe(old, { filter: "x", options: OPTIONS }, 0, (status) => statuses.push(status));
  client.detach(old, 0, false, nothing);
  workers.run();
  assert.deepEqual(stored, []);
  assert.deepEqual(statuses, [InboxSubscribeStatus.UNAVAILABLE]);
  workers.services(1).inboxClient.detach(next, -1, true, nothing);
  const third = new FakeSession("t", old.clientId, 3);
  const reply = workers.attach(1, third);
  assert.deepEqual(reply?.inboundPacketIds, []);
  assert.equal(reply?.sessionPresent, true);
  assert.deepEqual(third.pushes, [{ payload: "m", packetId: 1, qos: 2, dup: true }]);
});

test("inbox service: an older epoch is refused, another user too, and neither harms the session", () => {
  const workers = new InboxWorkers(1);
  const session = new FakeSession("t", "c", 5);
  workers.attach(1, session);
  const late = workers.attach(1, new FakeSession("t", "c", 4), { cleanStart: true });
  assert.equal(late?.status, AttachStatus.UNAVAILABLE);
  const thief = workers.attach(1, new FakeSession("t", "c", 6), { userId: "x", cleanStart: true });
  assert.equal(thief?.status, AttachStatus.WRONG_USER);
  workers.insert(1, "c", ["still here"]);
  assert.deepEqual(session.takePayloads(), ["still here"]);
  const otherTenant = workers.attach(1, new FakeSession("u", "c", 1), { userId: "x" });
  assert.equal(otherTenant?.status, AttachStatus.ATTACHED);
  assert.equal(otherTenant.sessionPresent, false);
});

test("inbox service: QoS 0 beyond the session's credit waits, overflows by policy, and flows again", () => {
  for (const [dropOldest, expected] of [
    [false, ["2", "3"]],
    [true, ["5", "6"]],
  ] as const) {
    const workers = new InboxWorkers(2);
    workers.settings = { ...workers.settings, SessionInboxSize: 2, QoS0DropOldest: dropOldest };
    const session = new FakeSession("t", ownedBy(workers, 1), 1);
    workers.attach(2, session);
    const client = workers.services(1).inboxClient;
    const big = "1".repeat(WINDOW_BYTES);
    const receivers = [receiver(workers.incarnation(session.clientId), { qos: 0 })];
    for (const payload of [big, "2", "3", "4", "5", "6"]) {
      client.insertQosZero(message({ payload, qos: 0 }), receivers);
    }
    while (workers.mesh.deliver(1, 1));
    workers.flush();
    assert.equal(workers.mesh.waitingCount(1, 2), 1, "only the first is on the way");
    assert.equal(workers.counter(1, Counter.DROPPED_QUEUE_FULL), 3);
    assert.equal(workers.counter(1, Counter.INBOX_MESSAGES), 2);
    workers.run();
    assert.deepEqual(session.takePayloads(), [big, ...expected]);
    assert.equal(workers.counter(1, Counter.INBOX_MESSAGES), 0);
  }
});

test("inbox service: QoS 0 is not stored for a detached session and owes nothing to its publisher", () => {
  const workers = new InboxWorkers(1);
  const session = new FakeSession("t", "c", 1);
  workers.attach(1, session);
  workers.services(1).inboxClient.detach(session, -1, true, nothing);
  workers.insert(1, "c", ["zero"], 0);
  assert.equal(workers.counter(1, Counter.INBOX_MESSAGES), 0);
  const next = new FakeSession("t", "c", 2);
  workers.attach(1, next);
  assert.deepEqual(next.pushes, []);
});

test("inbox service: pushes stop while the way to a worker is full, and lose nothing", () => {
  const workers = new InboxWorkers(2);
  const session = new FakeSession("t", ownedBy(workers, 1), 1);
  workers.attach(2, session);
  workers.mesh.endpoint(1).pretendQueuedBytes = 1 << 30;
  workers.insert(2, session.clientId, ["a", "b"]);
  workers.insert(2, session.clientId, ["c"], 0);
  assert.deepEqual(session.pushes, []);
  workers.mesh.endpoint(1).pretendQueuedBytes = 0;
  workers.run();
  assert.deepEqual(session.takePayloads().sort(), ["a", "b", "c"]);
});

test("inbox service: a dead session worker detaches its sessions, which keep their messages", () => {
  const workers = new InboxWorkers(3);
  const session = new FakeSession("t", ownedBy(workers, 1), 1);
  workers.attach(2, session, {
    will: { message: message({ payload: "gone" }), delaySeconds: 5 },
  });
  workers.insert(3, session.clientId, ["m"]);
  workers.restart(2);
  workers.run();
  assert.deepEqual(workers.published, []);
  workers.advance(5000);
  assert.equal(workers.published.length, 1);
  const next = new FakeSession("t", session.clientId, 2);
  assert.equal(workers.attach(2, next)?.sessionPresent, true);
  assert.deepEqual(next.pushes, [{ payload: "m", packetId: 1, qos: 1, dup: true }]);
});

test("inbox service: a session ended by a clean start hands shared messages on once its routes are gone", () => {
  const workers = new InboxWorkers(2);
  const session = new FakeSession("t", ownedBy(workers, 1), 1);
  workers.attach(1, session, { receiveMaximum: 1 });
  const client = workers.services(1).inboxClient;
  client.subscribe(session, { filter: "$share/g/a", options: OPTIONS }, 0, () => {});
  const old = workers.incarnation(session.clientId);
  const shared = receiver(old, { shareFilter: "$share/g/a" });
  for (const payload of ["in flight", "waiting"]) {
    client.insert(message({ payload }), [shared], null);
  }
  client.insert(message({ payload: "not shared" }), [receiver(old)], null);
  workers.run();
  client.detach(session, -1, true, nothing);
  workers.routes.isHeld = true;
  const next = new FakeSession("t", session.clientId, 2);
  assert.equal(workers.attach(2, next, { cleanStart: true })?.sessionPresent, false);
  assert.deepEqual(workers.redispatched, []);
  // A worker that has not heard yet still matches the old subscription.
  const statuses: number[] = [];
  client.insert(message({ payload: "stale" }), [receiver(old)], (all) => statuses.push(...all));
  workers.run();
  assert.deepEqual(statuses, [InsertStatus.NO_INBOX]);
  assert.deepEqual(workers.insert(2, next.clientId, ["fresh"]), [InsertStatus.STORED]);
  workers.routes.isHeld = false;
  workers.routes.confirmHeld();
  workers.run();
  assert.deepEqual(workers.redispatched, [
    { payload: "in flight", shareFilter: "$share/g/a" },
    { payload: "waiting", shareFilter: "$share/g/a" },
  ]);
  assert.deepEqual(next.takePayloads(), ["fresh"]);
  assert.equal(workers.total(Counter.INBOX_MESSAGES), 1);
});

test("inbox service: a connection that wants nothing kept costs the log nothing, unless something is", () => {
  const workers = new InboxWorkers(2);
  const entries = () => workers.ranges.ranges.reduce((sum, { log }) => sum + log.length, 0);
  const transient = { sessionExpirySeconds: 0, cleanStart: true };
  const session = new FakeSession("t", "c", 1);
  assert.equal(workers.attach(1, session, transient)?.status, AttachStatus.ABSENT);
  workers.services(1).inboxClient.detach(session, -1, true, nothing);
  workers.run();
  assert.equal(entries(), 0);
  const kept = new FakeSession("t", "c", 2);
  workers.attach(2, kept);
  let isDetached = false;
  workers.services(2).inboxClient.detach(kept, -1, true, () => {
    isDetached = true;
  });
  workers.run();
  assert.ok(isDetached);
  const third = new FakeSession("t", "c", 3);
  assert.equal(workers.attach(1, third, transient)?.status, AttachStatus.DISCARDED);
  assert.equal(workers.total(Counter.PERSISTENT_SESSIONS), 0, "discarded");
});

test("inbox service: pushes of one cycle to one worker travel in one record", () => {
  const workers = new InboxWorkers(2);
  const session = new FakeSession("t", ownedBy(workers, 1), 1);
  workers.attach(2, session, { receiveMaximum: 100 });
  const client = workers.services(1).inboxClient;
  const receivers = [receiver(workers.incarnation(session.clientId))];
  for (let i = 0; i < 50; i++) {
    client.insert(message({ payload: `${i}` }), receivers, null);
  }
  workers.ranges.run();
  workers.flush();
  // Answers and pushes, one record each; nobody asked for the answers.
  assert.equal(workers.mesh.waitingCount(1, 2), 1);
  workers.run();
  assert.equal(session.pushes.length, 50);
  for (const { packetId } of session.pushes) {
    workers.services(2).inboxClient.commit(session, InboxOp.ACKNOWLEDGED, packetId, null);
  }
  workers.run();
  assert.equal(workers.counter(1, Counter.INBOX_MESSAGES), 0);
  assert.equal(workers.counter(1, Counter.INBOX_BYTES), 0);
});

test("inbox service: a route whose removal fails is removed later, and answered then", () => {
  const workers = new InboxWorkers(2);
  const session = new FakeSession("t", ownedBy(workers, 2), 1);
  workers.attach(1, session);
  const client = workers.services(1).inboxClient;
  client.subscribe(session, { filter: "a", options: OPTIONS }, 0, () => {});
  workers.run();
  workers.routes.failures = 2;
  const answers: boolean[] = [];
  client.unsubscribe(session, "a", (existed) => answers.push(existed));
  workers.run();
  assert.deepEqual(answers, []);
  workers.advance(250);
  assert.deepEqual(answers, [], "the second try has failed too");
  workers.advance(500);
  assert.deepEqual(answers, [true]);
  assert.equal(workers.routes.live.size, 0);
  assert.equal(workers.services(2).nextDeadlineMs, Number.POSITIVE_INFINITY);
});

test("inbox service: a later session of a name has a later route, also after a restart", () => {
  const workers = new InboxWorkers(1);
  const incarnations: number[] = [];
  const add = workers.routes.addInboxRoute.bind(workers.routes);
  workers.routes.addInboxRoute = (route, options, done) => {
    incarnations.push(route.incarnation);
    add(route, options, done);
  };
  for (const epoch of [1, 2, 3, 4]) {
    const session = new FakeSession("t", "c", epoch);
    workers.attach(1, session, { cleanStart: true });
    const wanted = { filter: "a", options: OPTIONS };
    workers.services(1).inboxClient.subscribe(session, wanted, 0, () => {});
    workers.run();
    if (epoch === 2) workers.restart(1);
  }
  assert.deepEqual(incarnations.length, 4);
  for (let at = 1; at < 4; at++) assert.ok(incarnations[at]! > incarnations[at - 1]!);
});

test("inbox service: a removal that is done again late spares the route of a new subscription", () => {
  const workers = new InboxWorkers(1);
  const session = new FakeSession("t", "c", 1);
  workers.attach(1, session);
  const client = workers.services(1).inboxClient;
  const wanted = { filter: "a", options: OPTIONS };
  client.subscribe(session, wanted, 0, () => {});
  workers.run();
  workers.routes.failures = 1;
  const answers: boolean[] = [];
  client.unsubscribe(session, "a", (existed) => answers.push(existed));
  client.subscribe(session, wanted, 0, () => {});
  workers.run();
  workers.advance(250);
  assert.deepEqual(answers, [true]);
  assert.deepEqual([...workers.routes.live], ["t||a|c"]);
});

test("inbox service: a group's messages wait for all routes of the session, also for those whose removal fails", () => {
  const workers = new InboxWorkers(1);
  const session = new FakeSession("t", "c", 1);
  workers.attach(1, session);
  const client = workers.services(1).inboxClient;
  for (const filter of ["$share/g/a", "b"]) {
    client.subscribe(session, { filter, options: OPTIONS }, 0, () => {});
  }
  const shared = receiver(workers.incarnation("c"), { shareFilter: "$share/g/a" });
  workers.run();
  client.insert(message({ payload: "m" }), [shared], null);
  workers.run();
  workers.routes.failures = 2;
  workers.attach(1, new FakeSession("t", "c", 2), { cleanStart: true });
  workers.run();
  assert.deepEqual(workers.redispatched, []);
  workers.advance(250);
  assert.deepEqual(workers.redispatched, [{ payload: "m", shareFilter: "$share/g/a" }]);
  assert.equal(workers.routes.live.size, 0);
});
