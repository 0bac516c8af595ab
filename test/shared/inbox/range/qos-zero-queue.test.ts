/** QoS 0 towards stored sessions: pushed or dropped, never stored. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { storedMessage } from "../../../../src/shared/inbox/range/delivery.ts";
import { Counter } from "../../../../src/shared/metrics/counter-table.ts";
import { WINDOW_BYTES } from "../../../helpers/inbox-rig.ts";
import { OutboundFixture } from "../../../helpers/outbound-fixture.ts";
import { message } from "../../../helpers/service-workers.ts";

test("QoS 0: passes a full window, uses no identifier, and is nothing to a detached session", () => {
  const fixture = new OutboundFixture();
  const { rig } = fixture;
  const zero = (payload: string, shareFilter: string | null = null, dropOldest = false) => {
    const form = { qos: 0, retain: false, subscriptionIdentifiers: [], shareFilter };
    const stored = storedMessage(message({ payload, qos: 0, receivedAtMs: rig.nowMs }), false);
    const limits = { SessionInboxSize: 2, QoS0DropOldest: dropOldest };
    rig.range.insertQosZero(rig.incarnation("c"), stored, form, limits, rig.nowMs);
  };
  zero("gone");
  fixture.attach(1);
  fixture.offer("a b");
  zero("zero", "$share/g/a");
  assert.deepEqual(fixture.takePushes(), ["a#1", "zero#0"]);
  assert.equal(rig.recorder.loads.get("c"), 2);
  const large = "x".repeat(WINDOW_BYTES);
  for (const payload of [large, "1", "2", "3"]) zero(payload);
  zero("4", null, true);
  assert.equal(fixture.takePushes().length, 1, "the rest waits for credit");
  assert.equal(fixture.gauge(Counter.DROPPED_QUEUE_FULL), 2);
  rig.range.credit(rig.boot, fixture.token, WINDOW_BYTES * 2, 0);
  assert.deepEqual(fixture.takePushes(), ["2#0", "4#0"]);
  for (const payload of [large, "5"]) zero(payload);
  fixture.detach();
  assert.equal(fixture.gauge(Counter.INBOX_MESSAGES), 2, "a and b");
});

test("QoS 0: what has expired is dropped, also while it waits for credit", () => {
  const fixture = new OutboundFixture();
  const { rig } = fixture;
  fixture.attach(1);
  const zero = (payload: string, receivedAtMs: number, nowMs: number) => {
    const form = { qos: 0, retain: false, subscriptionIdentifiers: [], shareFilter: null };
    const sent = message({ payload, qos: 0, expirySeconds: 1, receivedAtMs });
    const limits = { SessionInboxSize: 10, QoS0DropOldest: false };
    const stored = storedMessage(sent, false);
    rig.range.insertQosZero(rig.incarnation("c"), stored, form, limits, nowMs);
  };
  zero("x".repeat(WINDOW_BYTES), 0, 0);
  zero("b", 0, 0);
  zero("late", 0, 2000);
  rig.range.credit(rig.boot, fixture.token, WINDOW_BYTES * 2, 2000);
  assert.equal(fixture.takePushes().length, 1);
  assert.equal(fixture.gauge(Counter.DROPPED_EXPIRED), 2);
});
