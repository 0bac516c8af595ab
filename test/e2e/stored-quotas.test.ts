/**
 * Quotas of stored sessions with real workers.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { startBroker } from "../helpers/broker-process.ts";
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
  const session = await RawClient.connect({ port }, { clientId: "away", ...KEPT });
  await session.subscribe("a", 1);
  await session.disconnect();
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
