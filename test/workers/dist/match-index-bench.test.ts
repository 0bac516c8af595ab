/** The benchmark of the match index in smoke size, so that it does not rot. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { run } from "../../../bench/micro/match-index.ts";

test("match index benchmark: every topic matches its one filter, on every run alike", () => {
  const filters = 2000;
  const results = run(0, filters);
  assert.deepEqual(
    results.map(({ workload }) => workload),
    ["routes", "subscriptions"],
  );
  for (const { checksum, matchMicros, addMicros } of results) {
    // One batch of 8,192 topics, one match each.
    assert.equal(checksum, 8192);
    assert.ok(matchMicros > 0 && addMicros > 0);
  }
});
