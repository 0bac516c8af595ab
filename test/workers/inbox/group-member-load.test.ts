/**
 * Share groups learn how much waits for a stored member: at each message and each acknowledgement.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { InboxOp } from "../../../src/workers/inbox/inbox-api.ts";
import {
  FakeSession,
  InboxWorkers,
  message,
  OPTIONS,
  receiver,
} from "../../helpers/service-workers.ts";

function setUp(receiveMaximum: number) {
  const workers = new InboxWorkers(1);
  const session = new FakeSession("t", "c", 1);
  workers.attach(1, session, { receiveMaximum });
  const client = workers.services(1).inboxClient;
  client.subscribe(session, { filter: "$share/g/a", options: OPTIONS }, 0, () => {});
  workers.run();
  const insert = (shareFilter: string | null, qos = 1) => {
    const receivers = [receiver(workers.incarnation("c"), { shareFilter, qos })];
    if (qos === 0) client.insertQosZero(message({ payload: "x", qos }), receivers);
    else client.insert(message({ payload: "x" }), receivers, null);
    workers.run();
  };
  const acknowledge = (packetId: number) => {
    client.commit(session, InboxOp.ACKNOWLEDGED, packetId, null);
    workers.run();
  };
  return { workers, insert, acknowledge, load: () => workers.routes.loads.get("t|c") };
}

test("group member load: counts what is in flight and what waits, down to the last acknowledgement", () => {
  const { insert, acknowledge, load } = setUp(2);
  for (let count = 1; count <= 4; count += 1) {
    insert("$share/g/a");
    assert.equal(load(), count);
  }
  for (let packetId = 1; packetId <= 4; packetId += 1) {
    acknowledge(packetId);
    assert.equal(load(), 4 - packetId);
  }
});

test("group member load: QoS 0 is over when it is pushed", () => {
  const { insert, load } = setUp(2);
  insert("$share/g/a", 0);
  assert.equal(load(), 0);
});

test("group member load: other messages of the session keep it busy too", () => {
  const { insert, load } = setUp(10);
  insert("$share/g/a");
  insert(null);
  assert.equal(load(), 2);
});

test("group member load: nobody is told about a session that is in no group", () => {
  const { insert, acknowledge, load } = setUp(10);
  insert(null);
  acknowledge(1);
  assert.equal(load(), undefined);
});
