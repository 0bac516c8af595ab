/**
 * Quotas of stored sessions with real workers.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { startBroker } from "../helpers/broker-process.ts";
import { until } from "../helpers/deadline.ts";
import * as packets from "../helpers/packets.ts";
import { RawClient } from "../helpers/raw-client.ts";

const QUOTA_EXCEEDED = 0x97;
const KEPT = { cleanStart: false, properties: [packets.property.sessionExpiry(3600)] };

test("stored quotas: one session may fill its tenant's quota, whatever the number of workers", async (t) => {
  const bytes = 1024 * 1024;
  const limits = { session_queue_bytes: bytes, tenant_queue_bytes: bytes };
  const tenants = { defaults: { SessionInboxSize: 10_000 } };
  const broker = await startBroker({ workers: 4, config: { limits, tenants } });
  t.after(() => broker.stop());
  const { port } = broker;
  await leaveSubscribed(port, "away");
  const publisher = await RawClient.connect({ port }, { clientId: "publisher" });
  const payload = "x".repeat(10_000);
  let taken = 0;
  for (; taken < 200; taken++) {
    const packetId = publisher.packetId();
    publisher.send(packets.publish({ topic: "a", payload, qos: 1, packetId }));
    const { reasonCode } = await publisher.expect("puback");
    if (reasonCode === QUOTA_EXCEEDED) break;
    assert.equal(reasonCode, 0);
  }
  assert.ok(taken >= 95 && taken <= 105, `${taken} messages of 10,000 bytes in 1 MiB`);
});

test("stored quotas: a burst from many connections oversteps no limit of its tenant", async (t) => {
  const tenants = { defaults: { RetainMaxTopics: 100, TotalPersistentSessions: 50 } };
  const broker = await startBroker({ workers: 4, config: { tenants } });
  t.after(() => broker.stop());
  const { port } = broker;
  const connecting = Array.from({ length: 120 }, (_, at) => connectOrNot(port, `stored-${at}`));
  const accepted = (await Promise.all(connecting)).filter((code) => code === 0).length;
  assert.ok(accepted > 10 && accepted <= 50, `${accepted} of 50 sessions`);
  const publishers = await Promise.all(
    Array.from({ length: 8 }, (_, at) => RawClient.connect({ port }, { clientId: `p-${at}` })),
  );
  for (let at = 0; at < 400; at++) {
    const publisher = publishers[at % 8]!;
    const packetId = publisher.packetId();
    const retained = { topic: `r/${at}`, payload: "m", qos: 1, packetId, retain: true };
    publisher.send(packets.publish(retained));
  }
  let stored = 0;
  for (let at = 0; at < 400; at++) {
    const { reasonCode } = await publishers[at % 8]!.expect("puback");
    if (reasonCode !== QUOTA_EXCEEDED) stored += 1;
  }
  assert.ok(stored > 10 && stored <= 100, `${stored} of 100 retained messages`);
});

async function connectOrNot(port: number, clientId: string): Promise<number> {
  const client = await RawClient.open({ port });
  client.send(packets.connect({ clientId, ...KEPT }));
  const { reasonCode } = await client.expect("connack");
  return reasonCode ?? -1;
}

test("stored quotas: each session that missed messages is named once, however many come back at once", async (t) => {
  const tenants = { defaults: { SessionInboxSize: 1 } };
  const broker = await startBroker({ workers: 2, config: { tenants } });
  t.after(() => broker.stop());
  const { port } = broker;
  // More than a burst of any other event.
  const clientIds = Array.from({ length: 60 }, (_, at) => `away-${at}`);
  await Promise.all(clientIds.map((clientId) => leaveSubscribed(port, clientId)));
  const publisher = await RawClient.connect({ port }, { clientId: "publisher" });
  // Long enough to miss messages, and to be over soon.
  const ending = { properties: [packets.property.sessionExpiry(2)] };
  await leaveSubscribed(port, "ending", ending);
  for (let left = 3; left > 0; left--) {
    publisher.send(packets.publish({ topic: "a", payload: "m", qos: 1, packetId: left }));
    await publisher.expect("puback");
  }
  const back = clientIds.map((clientId) => RawClient.connect({ port }, { clientId, ...KEPT }));
  for (const client of await Promise.all(back)) client.destroy();
  const events = () => broker.logs.filter(({ msg }) => msg === "inbox_overflowed");
  await until(() => events().length >= 61, "an event of each session");
  const told = events().map((event) => [event["client_id"], event["session"], event["dropped"]]);
  const resumed = clientIds.map((clientId) => [clientId, "resumed", 2]);
  assert.deepEqual(told.sort(), [...resumed, ["ending", "ended", 2]].sort());
});

/** A stored session with a subscription and without a connection. */
async function leaveSubscribed(
  port: number,
  clientId: string,
  fields: packets.ConnectFields = {},
): Promise<void> {
  const session = await RawClient.connect({ port }, { clientId, ...KEPT, ...fields });
  await session.subscribe("a", 1);
  await session.disconnect();
}
