/** The ring benchmark in smoke size: it runs, and every record it counts has arrived whole. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { run } from "../../../bench/micro/ring.ts";

test("ring benchmark: counts records that arrived whole, and no others", async () => {
  const results = await run(0.1);
  assert.equal(results.length, 2);
  for (const { name, records, checksum, nanosPerRecord } of results) {
    assert.ok(records > 0, name);
    assert.equal(checksum, records, name);
    assert.ok(Number.isFinite(nanosPerRecord), name);
  }
});
