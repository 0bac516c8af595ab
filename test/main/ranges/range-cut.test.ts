/** Where ranges may be cut, service by service. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { faultOfCut } from "../../../src/main/ranges/range-cut.ts";
import { distRangeKey } from "../../../src/shared/dist/dist-key.ts";
import { ServiceId } from "../../../src/shared/range/service-id.ts";

test("range cut: inboxes and retained messages are cut at hashes, not behind them", () => {
  for (const service of [ServiceId.INBOX, ServiceId.RETAIN]) {
    assert.equal(faultOfCut(service, Uint8Array.of(0x80)), null);
    assert.equal(faultOfCut(service, Uint8Array.of(0x80, 0, 0, 1)), null);
    assert.match(faultOfCut(service, Uint8Array.of(0x80, 0, 0, 1, 0)) ?? "", /hash/);
  }
});

test("range cut: routes are cut anywhere but between a tenant's long ones", () => {
  const route = { tenantId: "t", group: "", isOrdered: false, clientId: "c" };
  const short = distRangeKey({ ...route, filter: "a/b" });
  const long = distRangeKey({ ...route, filter: "x".repeat(3000) });
  assert.equal(faultOfCut(ServiceId.DIST, short), null);
  assert.equal(faultOfCut(ServiceId.DIST, long), null);
  assert.match(faultOfCut(ServiceId.DIST, Uint8Array.of(...long, 1)) ?? "", /long routes/);
});
