/**
 * Life of a stored session: attach, resume, clean start, will, expiry, end. Times in milliseconds.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { InboxStore } from "../../../src/shared/inbox/inbox-store.ts";
import {
  type AttachReply,
  type AttachRequest,
  AttachStatus,
  InboxSubscribeStatus,
  NEVER_EXPIRES,
} from "../../../src/shared/inbox/inbox-types.ts";
import { Counter } from "../../../src/shared/metrics/counter-table.ts";
import { InboxRecorder, LIMITS, stored } from "../../helpers/inbox-recorder.ts";
import { message, OPTIONS, payloadOf } from "../../helpers/service-workers.ts";

const THREAD = 1;

class Fixture {
  readonly recorder = new InboxRecorder();
  readonly store = new InboxStore(this.recorder.context);
  #token = 0;

  /** Attaches client "c" with the next token. */
  attach(nowMs: number, fields: Partial<AttachRequest> = {}): AttachReply {
    this.#token += 1;
    const request: AttachRequest = {
      tenantId: "t",
      clientId: "c",
      userId: "user",
      epoch: this.#token,
      cleanStart: false,
      sessionExpirySeconds: 100,
      receiveMaximum: 10,
      will: null,
      ...fields,
    };
    this.store.attach(request, { thread: THREAD, token: this.#token }, nowMs);
    return this.recorder.replies.at(-1)!.reply;
  }

  detach(nowMs: number, fields: { expirySeconds?: number; discardWill?: boolean } = {}): void {
    const inbox = this.store.attached(THREAD, this.#token);
    assert.ok(inbox !== null, "attached");
    this.store.detach(inbox, fields.expirySeconds ?? -1, fields.discardWill ?? false, nowMs);
  }

  get sessions(): number {
    return this.recorder.counters[Counter.PERSISTENT_SESSIONS]!;
  }

  get wills(): (string | null)[] {
    return this.recorder.wills.splice(0).map(payloadOf);
  }

  subscribe(filter: string): void {
    const inbox = this.store.attached(THREAD, this.#token)!;
    this.store.subscribe(inbox, { filter, options: OPTIONS }, LIMITS, {
      thread: THREAD,
      request: 1,
    });
  }

  insert(payload: string): number {
    const form = { qos: 1, retain: false, subscriptionIdentifiers: [], shareFilter: null };
    return this.store.insert("c", stored(payload), form, LIMITS, 0);
  }
}

function will(delaySeconds: number, name = "will", expirySeconds = -1) {
  return { message: message({ payload: name, expirySeconds, receivedAtMs: 0 }), delaySeconds };
}

test("inbox store: attach creates, resumes and reports what is stored [MQTT-3.1.2-5] [MQTT-3.1.2-6]", () => {
  const fixture = new Fixture();
  assert.equal(fixture.attach(0).sessionPresent, false);
  fixture.subscribe("a/#");
  fixture.store.attached(THREAD, 1)!.inboundPacketIds.add(9);
  fixture.detach(0);
  const reply = fixture.attach(10);
  assert.equal(reply.sessionPresent, true);
  assert.deepEqual(reply.subscriptions, [{ filter: "a/#", options: OPTIONS }]);
  assert.deepEqual(reply.inboundPacketIds, [9]);
  assert.equal(fixture.sessions, 1);
});

test("inbox store: clean start discards the stored session and its routes [MQTT-3.1.2-4]", () => {
  const fixture = new Fixture();
  fixture.attach(0);
  fixture.subscribe("a");
  fixture.insert("old");
  fixture.detach(0);
  const reply = fixture.attach(10, { cleanStart: true });
  assert.equal(reply.sessionPresent, false);
  assert.deepEqual(reply.subscriptions, []);
  assert.deepEqual(
    fixture.recorder.routes.map(({ added }) => added),
    [true, false],
  );
  assert.deepEqual(fixture.recorder.takePushes(), ["old#1"], "only to the first connection");
  assert.equal(fixture.recorder.counters[Counter.INBOX_MESSAGES], 0);
});

test("inbox store: session expiry 0 creates nothing, discards with clean start, and resumes once without", () => {
  const fixture = new Fixture();
  const transient = { sessionExpirySeconds: 0 };
  assert.equal(fixture.attach(0, transient).status, AttachStatus.ABSENT);
  assert.equal(fixture.sessions, 0);
  fixture.attach(0);
  fixture.detach(0);
  const resumed = fixture.attach(0, transient);
  assert.deepEqual([resumed.status, resumed.sessionPresent], [AttachStatus.ATTACHED, true]);
  fixture.detach(0);
  assert.equal(fixture.sessions, 0, "ended at detach");
  fixture.attach(0);
  fixture.detach(0);
  const discarded = fixture.attach(0, { ...transient, cleanStart: true });
  assert.equal(discarded.status, AttachStatus.ABSENT);
  assert.equal(fixture.sessions, 0);
});

test("inbox store: a session ends when its expiry is over, not before and not while attached [MQTT-4.1.0-2]", () => {
  const fixture = new Fixture();
  fixture.attach(0, { sessionExpirySeconds: 5 });
  assert.equal(fixture.store.nextDeadlineMs, Number.POSITIVE_INFINITY);
  fixture.store.handleTimeout(99_999);
  assert.equal(fixture.sessions, 1);
  fixture.detach(1000);
  assert.equal(fixture.store.nextDeadlineMs, 6000);
  fixture.store.handleTimeout(5999);
  assert.equal(fixture.sessions, 1);
  fixture.store.handleTimeout(6000);
  assert.equal(fixture.sessions, 0);
  assert.equal(fixture.attach(7000).sessionPresent, false);
});

test("inbox store: DISCONNECT may change the expiry; 0xFFFFFFFF never ends", () => {
  const fixture = new Fixture();
  fixture.attach(0, { sessionExpirySeconds: 5 });
  fixture.detach(0, { expirySeconds: NEVER_EXPIRES });
  assert.equal(fixture.store.nextDeadlineMs, Number.POSITIVE_INFINITY);
  fixture.attach(0);
  fixture.detach(0, { expirySeconds: 0 });
  assert.equal(fixture.sessions, 0);
});

test("inbox store: the will is published after its delay or at the session's end [MQTT-3.1.2-8]", () => {
  for (const [delaySeconds, expirySeconds, dueMs] of [
    [3, 10, 3000],
    [10, 3, 3000],
    [3, 3, 3000],
    [0, 10, 0],
    [10, 0, 0],
  ] as const) {
    const fixture = new Fixture();
    fixture.attach(0);
    fixture.detach(0);
    fixture.attach(0, { sessionExpirySeconds: expirySeconds, will: will(delaySeconds) });
    fixture.detach(0);
    if (dueMs > 0) {
      fixture.store.handleTimeout(dueMs - 1);
      assert.deepEqual(fixture.wills, [], `delay ${delaySeconds}, expiry ${expirySeconds}: early`);
    }
    fixture.store.handleTimeout(dueMs);
    assert.deepEqual(fixture.wills, ["will"], `delay ${delaySeconds}, expiry ${expirySeconds}`);
    fixture.store.handleTimeout(1_000_000);
    assert.deepEqual(fixture.wills, [], "once [MQTT-3.1.2-10]");
    assert.equal(fixture.recorder.counters[Counter.WILLS_PUBLISHED], 1);
  }
});

test("inbox store: a will's own expiry counts from its publication", () => {
  const fixture = new Fixture();
  fixture.attach(0, { will: will(50, "will", 7) });
  fixture.detach(0);
  fixture.store.handleTimeout(50_000);
  const [published] = fixture.recorder.wills;
  assert.equal(published!.receivedAtMs, 50_000);
  assert.equal(published!.expirySeconds, 7);
});

test("inbox store: coming back in time suppresses the will [MQTT-3.1.3-9]", () => {
  const fixture = new Fixture();
  fixture.attach(0, { will: will(10) });
  fixture.detach(0);
  fixture.attach(9_999);
  fixture.detach(9_999);
  fixture.store.handleTimeout(60_000);
  assert.deepEqual(fixture.wills, []);
});

test("inbox store: no will is published while the session is attached, whatever was due before", () => {
  const fixture = new Fixture();
  fixture.attach(0, { will: will(10) });
  fixture.detach(0);
  fixture.attach(5_000, { will: will(10, "next") });
  fixture.store.handleTimeout(60_000);
  assert.deepEqual(fixture.wills, []);
  fixture.detach(60_000);
  fixture.store.handleTimeout(69_999);
  assert.deepEqual(fixture.wills, []);
  fixture.store.handleTimeout(70_000);
  assert.deepEqual(fixture.wills, ["next"]);
});

test("inbox store: a session that ended early leaves no deadline behind", () => {
  const fixture = new Fixture();
  fixture.attach(0, { will: will(10) });
  const form = { qos: 1, retain: false, subscriptionIdentifiers: [], shareFilter: null };
  fixture.detach(0);
  fixture.store.insert("c", stored("m", { expirySeconds: 5 }), form, LIMITS, 0);
  fixture.attach(1, { cleanStart: true, sessionExpirySeconds: 0 });
  assert.equal(fixture.store.nextDeadlineMs, Number.POSITIVE_INFINITY);
  fixture.store.handleTimeout(1_000_000);
  assert.equal(fixture.sessions, 0);
  assert.deepEqual(fixture.wills, ["will"]);
});

test("inbox store: a clean DISCONNECT forgets the will [MQTT-3.14.4-3]", () => {
  const fixture = new Fixture();
  fixture.attach(0, { will: will(0) });
  fixture.detach(0, { discardWill: true });
  fixture.store.handleTimeout(1_000_000);
  assert.deepEqual(fixture.wills, []);
});

test("inbox store: a clean start that discards the session publishes its waiting will", () => {
  const fixture = new Fixture();
  fixture.attach(0, { will: will(50) });
  fixture.detach(0);
  fixture.attach(10, { cleanStart: true, will: will(0, "next") });
  assert.deepEqual(fixture.wills, ["will"]);
});

test("inbox store: a takeover without a detach publishes an undelayed will, and resumes over a delayed one", () => {
  for (const [delaySeconds, published] of [
    [0, ["will"]],
    [1, []],
  ] as const) {
    const fixture = new Fixture();
    fixture.attach(0, { will: will(delaySeconds) });
    assert.equal(fixture.attach(1).sessionPresent, true);
    assert.equal(fixture.store.attached(THREAD, 1), null);
    assert.deepEqual(fixture.wills, published);
  }
});

test("inbox store: a takeover of a session that ends with its connection starts a new one", () => {
  const fixture = new Fixture();
  fixture.attach(0);
  fixture.detach(0);
  fixture.attach(0, { sessionExpirySeconds: 0 });
  assert.equal(fixture.attach(1).sessionPresent, false);
  assert.equal(fixture.sessions, 1);
});

test("inbox store: an older epoch and another user are refused and change nothing", () => {
  const fixture = new Fixture();
  fixture.attach(0, { epoch: 10 });
  fixture.insert("m");
  const { UNAVAILABLE, WRONG_USER } = AttachStatus;
  assert.equal(fixture.attach(0, { epoch: 9, cleanStart: true }).status, UNAVAILABLE);
  assert.equal(fixture.attach(0, { epoch: 11, userId: "x" }).status, WRONG_USER);
  const thief = { epoch: 12, userId: "x", cleanStart: true, sessionExpirySeconds: 0 };
  assert.equal(fixture.attach(0, thief).status, WRONG_USER);
  assert.ok(fixture.store.attached(THREAD, 1) !== null);
  assert.equal(fixture.recorder.counters[Counter.INBOX_MESSAGES], 1);
});

test("inbox store: until the last route of an ended session is gone its name takes no messages", () => {
  const fixture = new Fixture();
  fixture.attach(0);
  fixture.subscribe("a");
  fixture.subscribe("b");
  const old = fixture.store.attached(THREAD, 1)!;
  fixture.store.unsubscribe(old, "b", { thread: THREAD, request: 2 });
  fixture.attach(0, { cleanStart: true });
  assert.equal(fixture.insert("stale"), 1);
  fixture.store.routeRemoved(old);
  assert.equal(fixture.insert("stale"), 1, "one of two routes is left");
  fixture.store.routeRemoved(old);
  assert.equal(fixture.insert("fresh"), 0);
  assert.deepEqual(fixture.recorder.takePushes(), ["fresh#1"]);
});

test("inbox store: a session replaced twice before its routes are gone waits for both", () => {
  const fixture = new Fixture();
  const ended = [];
  for (let round = 0; round < 2; round++) {
    fixture.attach(0, { cleanStart: true });
    ended.push(fixture.store.find("t", "c")!);
    fixture.subscribe("a");
  }
  fixture.attach(0, { cleanStart: true });
  fixture.store.routeRemoved(ended[1]!);
  assert.equal(fixture.insert("stale"), 1);
  fixture.store.routeRemoved(ended[0]!);
  assert.equal(fixture.insert("fresh"), 0);
});

test("inbox store: unsubscribing what is not subscribed is said so; a live session's removals block nothing", () => {
  const fixture = new Fixture();
  fixture.attach(0);
  const inbox = fixture.store.attached(THREAD, 1)!;
  fixture.subscribe("a");
  fixture.store.unsubscribe(inbox, "A", { thread: THREAD, request: 2 });
  assert.equal(fixture.recorder.missed, 1);
  fixture.store.unsubscribe(inbox, "a", { thread: THREAD, request: 3 });
  assert.equal(fixture.insert("m"), 0);
  fixture.store.routeRemoved(inbox);
  assert.deepEqual(fixture.attach(0).subscriptions, []);
});

test("inbox store: the limit on subscriptions spares replacements", () => {
  const fixture = new Fixture();
  fixture.attach(0);
  const inbox = fixture.store.attached(THREAD, 1)!;
  const limits = { ...LIMITS, MaxTopicFiltersPerInbox: 1 };
  const requester = { thread: THREAD, request: 1 };
  for (const filter of ["a", "b", "a"]) {
    fixture.store.subscribe(inbox, { filter, options: OPTIONS }, limits, requester);
  }
  assert.deepEqual(fixture.recorder.refusals, [InboxSubscribeStatus.QUOTA]);
  assert.equal(fixture.recorder.routes.length, 2);
});

test("inbox store: expired messages of a sleeping session are dropped by time", () => {
  const fixture = new Fixture();
  fixture.attach(0, { sessionExpirySeconds: NEVER_EXPIRES });
  fixture.detach(0);
  const form = { qos: 1, retain: false, subscriptionIdentifiers: [], shareFilter: null };
  fixture.store.insert("c", stored("m", { expirySeconds: 5 }), form, LIMITS, 0);
  assert.equal(fixture.store.nextDeadlineMs, 65_000);
  fixture.store.handleTimeout(65_000);
  assert.equal(fixture.recorder.counters[Counter.INBOX_MESSAGES], 0);
  assert.equal(fixture.recorder.counters[Counter.DROPPED_EXPIRED], 1);
  assert.equal(fixture.store.nextDeadlineMs, Number.POSITIVE_INFINITY);
});

test("inbox store: thousands of sessions that end at once are served in portions", () => {
  const fixture = new Fixture();
  for (let i = 0; i < 9000; i++) {
    fixture.attach(0, { clientId: `c${i}`, sessionExpirySeconds: 1 });
    fixture.detach(0);
  }
  const left = [1, 2, 3].map(() => {
    fixture.store.handleTimeout(1000);
    return fixture.sessions;
  });
  assert.deepEqual(left, [5000, 1000, 0]);
  assert.equal(fixture.store.nextDeadlineMs, Number.POSITIVE_INFINITY);
});

test("inbox store: a lost worker detaches only its own sessions", () => {
  const fixture = new Fixture();
  fixture.attach(0, { will: will(0) });
  const other = { thread: 2, token: 1 };
  const request = {
    tenantId: "t",
    clientId: "d",
    userId: "user",
    epoch: 1,
    cleanStart: false,
    sessionExpirySeconds: 0xffff,
    receiveMaximum: 1,
    will: will(0, "other"),
  };
  fixture.store.attach(request, other, 0);
  fixture.store.peerLost(THREAD, 5);
  assert.deepEqual(fixture.wills, ["will"]);
  assert.equal(fixture.store.attached(THREAD, 1), null);
  assert.ok(fixture.store.attached(2, 1) !== null);
});

test("inbox store: a session is online from attach to detach, through takeovers, and never after its end", () => {
  const fixture = new Fixture();
  const { online } = fixture.recorder;
  fixture.attach(0);
  fixture.attach(0);
  assert.deepEqual([...online], ["c"]);
  fixture.detach(0);
  assert.deepEqual([...online], []);
  fixture.attach(0, { cleanStart: true });
  assert.deepEqual([...online], ["c"]);
  fixture.detach(0, { expirySeconds: 0 });
  assert.deepEqual([...online], []);
});

test("inbox store: tenants do not see each other", () => {
  const fixture = new Fixture();
  fixture.attach(0);
  assert.equal(fixture.attach(0, { tenantId: "u", epoch: 1 }).sessionPresent, false);
  assert.equal(fixture.sessions, 2);
  assert.ok(fixture.store.find("t", "c") !== fixture.store.find("u", "c"));
});
