/** The output benchmark in smoke size: it runs, and every delivery it counts was handed over. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { run } from "../../../bench/micro/output-buffer.ts";

test("output buffer benchmark: every delivery is handed over once", () => {
  for (const { name, checksum, nanosPerDelivery } of run(2, 5_000)) {
    assert.equal(checksum, 5_000, name);
    assert.ok(Number.isFinite(nanosPerDelivery), name);
  }
});
